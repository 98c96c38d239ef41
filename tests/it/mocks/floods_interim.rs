//! Sends informational answers for as long as anybody reads them.

use tokio::io::AsyncWriteExt;

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        Box::pin(async move {
            connection.body_of(head).await;
            while connection.stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").await.is_ok() {}
            false
        })
    })
    .await
}
