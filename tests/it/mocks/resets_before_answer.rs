//! Reads a request, waits, and resets the connection.

use std::time::Duration;

use super::Mock;

pub async fn start(after: Duration) -> Mock {
    Mock::start(move |connection, head| {
        Box::pin(async move {
            connection.body_of(head).await;
            tokio::time::sleep(after).await;
            connection.reset()
        })
    })
    .await
}
