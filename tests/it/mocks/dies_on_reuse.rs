//! Answers the first request of a connection; reads the second and resets the connection.

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        Box::pin(async move {
            connection.body_of(head).await;
            if connection.requests > 1 {
                return connection.reset();
            }
            connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            true
        })
    })
    .await
}
