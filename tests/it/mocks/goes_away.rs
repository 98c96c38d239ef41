//! An HTTP/2 server that says GOAWAY after each answer, and refuses what comes after it.

use bytes::Bytes;

use super::Mock;

pub async fn start() -> Mock {
    Mock::accepting(|connection| {
        Box::pin(async move {
            let seen = std::sync::Arc::clone(connection.seen());
            let Ok(mut h2) = h2::server::handshake(connection.stream).await else { return };
            if let Some(Ok((request, mut answer))) = h2.accept().await {
                seen.note(format!("{} {}", request.method(), request.uri().path()));
                h2.graceful_shutdown();
                let mut body = answer.send_response(http::Response::new(()), false).unwrap();
                body.send_data(Bytes::from_static(b"ok"), true).unwrap();
            }
            while let Some(Ok((_, mut answer))) = h2.accept().await {
                answer.send_reset(h2::Reason::REFUSED_STREAM);
            }
        })
    })
    .await
}
