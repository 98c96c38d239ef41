//! Goes on for ever in small pieces: with the head of its answer, or with its body where the path says `body`. It notes
//! `left` when nobody listens any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        let body = head.contains("/body");
        Box::pin(async move {
            connection.body_of(head).await;
            connection.write("HTTP/1.1 200 OK\r\n").await;
            if body {
                connection.write("transfer-encoding: chunked\r\n\r\n").await;
            }
            let piece = if body { "1\r\nx\r\n" } else { "x-more: x\r\n" };
            while connection.stream.write_all(piece.as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Arc::clone(connection.seen()).note("left".to_owned());
            false
        })
    })
    .await
}
