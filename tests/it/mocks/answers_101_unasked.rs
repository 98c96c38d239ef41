//! Switches protocols though nobody asked, and goes on with bytes of its own.

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, _| {
        Box::pin(async move {
            connection
                .write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\npoison")
                .await;
            connection.silence().await
        })
    })
    .await
}
