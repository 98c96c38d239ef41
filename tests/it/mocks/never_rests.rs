//! Sends without end, as fast as it is taken: events, or what it likes after an upgrade to `other`. It notes `left` when nobody
//! takes any more.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::Mock;

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const UPGRADE: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n";

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        let upgrade = head.to_lowercase().contains("upgrade: other");
        Box::pin(async move {
            connection.write(if upgrade { UPGRADE } else { EVENTS }).await;
            let event = format!("data: {}\n\n", "x".repeat(10_000));
            while connection.stream.write_all(event.as_bytes()).await.is_ok() {}
            Arc::clone(connection.seen()).note("left".to_owned());
            false
        })
    })
    .await
}
