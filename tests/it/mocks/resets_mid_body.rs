//! Begins an answer and breaks it off in the middle of its body: chunked, or with a length where the path says `length`.

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        let length = head.contains("length ");
        Box::pin(async move {
            connection.body_of(head).await;
            let framing = if length { "content-length: 100" } else { "transfer-encoding: chunked" };
            let part = if length { "ten bytes." } else { "a\r\nten bytes.\r\n" };
            connection.write(&format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{part}")).await;
            // The other side reads first: a reset takes back what was not read yet.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            connection.reset()
        })
    })
    .await
}
