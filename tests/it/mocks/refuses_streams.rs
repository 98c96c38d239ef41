//! An HTTP/2 server that refuses the first so many streams of its life, then answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::Mock;

/// Refuses streams `answered..answered + refused`, counted over all connections, and answers all others.
pub async fn start(answered: usize, refused: usize) -> Mock {
    let count = Arc::new(AtomicUsize::new(0));
    Mock::accepting(move |connection| {
        let count = Arc::clone(&count);
        Box::pin(async move {
            let seen = Arc::clone(connection.seen());
            let Ok(mut h2) = h2::server::handshake(connection.stream).await else { return };
            while let Some(Ok((request, mut answer))) = h2.accept().await {
                let number = count.fetch_add(1, Ordering::Relaxed);
                if (answered..answered + refused).contains(&number) {
                    seen.note(format!("refused {} {}", request.method(), request.uri().path()));
                    answer.send_reset(h2::Reason::REFUSED_STREAM);
                    continue;
                }
                seen.note(format!("{} {}", request.method(), request.uri().path()));
                let mut body = answer.send_response(http::Response::new(()), false).unwrap();
                body.send_data(Bytes::from_static(b"ok"), true).unwrap();
            }
        })
    })
    .await
}
