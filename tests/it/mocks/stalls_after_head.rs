//! Sends the head and the beginning of an answer, and no more.

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        Box::pin(async move {
            connection.body_of(head).await;
            connection.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegins").await;
            connection.silence().await
        })
    })
    .await
}
