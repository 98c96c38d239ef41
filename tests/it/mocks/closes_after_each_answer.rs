//! Answers as if the connection was kept, and closes it.

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        Box::pin(async move {
            connection.body_of(head).await;
            connection.write("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok").await;
            false
        })
    })
    .await
}
