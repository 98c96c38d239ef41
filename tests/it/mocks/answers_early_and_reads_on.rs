//! Answers when it has seen the head, then reads the body to its end as if nothing had happened, and keeps the connection.

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        Box::pin(async move {
            connection.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly").await;
            connection.body_of(head).await
        })
    })
    .await
}
