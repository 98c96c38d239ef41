//! A server that is told to end: it answers every request with 503, says that it closes the connection, and closes it.

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        Box::pin(async move {
            connection.body_of(head).await;
            connection
                .write("HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno")
                .await;
            false
        })
    })
    .await
}
