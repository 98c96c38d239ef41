//! Sends more than it announced: a whole second answer, at once or, where the path says `later`, when the first is over.

use std::time::Duration;

use super::Mock;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue";
const SURPLUS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";

pub async fn start() -> Mock {
    Mock::start(|connection, head| {
        let later = head.contains("/later");
        Box::pin(async move {
            connection.body_of(head).await;
            if later {
                connection.write(ANSWER).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
                connection.write(SURPLUS).await;
            } else {
                connection.write(&format!("{ANSWER}{SURPLUS}")).await;
            }
            true
        })
    })
    .await
}
