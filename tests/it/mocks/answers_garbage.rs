//! Answers with what is no HTTP; the kind is in the path.

use super::Mock;

/// Paths, and what is answered to them.
pub const KINDS: [(&str, &str); 6] = [
    ("/binary", "\0\u{1}\u{2}\u{3}\r\n\r\n"),
    ("/version", "HTTP/7.1 200 OK\r\n\r\n"),
    ("/status", "HTTP/1.1 2x0 OK\r\ncontent-length: 0\r\n\r\n"),
    ("/control", "HTTP/1.1 200 OK\r\nx-a: a\0b\r\ncontent-length: 0\r\n\r\n"),
    ("/lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
    ("/name", "HTTP/1.1 200 OK\r\nx a: b\r\ncontent-length: 0\r\n\r\n"),
];

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        let kind = KINDS.iter().find(|(path, _)| head.contains(&format!(" {path} ")));
        Box::pin(async move {
            connection.write(kind.map_or("garbage\r\n\r\n", |(_, answer)| *answer)).await;
            connection.silence().await
        })
    })
    .await
}
