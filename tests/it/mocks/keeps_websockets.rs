//! Agrees to every WebSocket, says nothing, and never ends one, not even when the other end has. Answers anything else.

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        Box::pin(async move {
            let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
            let Some(key) = key.map(|key| derive_accept_key(key.as_bytes())) else {
                connection.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                return true;
            };
            let agreed = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
            connection.write(&format!("{agreed}sec-websocket-accept: {key}\r\n\r\n")).await;
            std::future::pending().await
        })
    })
    .await
}
