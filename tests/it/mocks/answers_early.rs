//! Answers when it has seen the head, and never reads the body; the connection is kept.

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, _| {
        Box::pin(async move {
            connection.write("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
            // Not a byte of the body is read, so it must not be taken for a request.
            std::future::pending::<bool>().await
        })
    })
    .await
}
