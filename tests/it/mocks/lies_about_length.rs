//! Announces more than it sends, and closes without a reset.

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        Box::pin(async move {
            connection.body_of(head).await;
            connection.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this").await;
            false
        })
    })
    .await
}
