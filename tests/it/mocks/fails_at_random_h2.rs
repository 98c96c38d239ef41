//! The same over HTTP/2, whose connections carry several requests: what happens to one happens to all on it. Answers calls of
//! gRPC as such.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};

use super::Mock;
use super::fails_at_random::Executed;

/// What becomes of the connection after a stream.
enum Then {
    Goes,
    /// It is cut.
    Cut,
    /// It takes no new streams (GOAWAY).
    Leaves,
}

pub async fn start(seed: u64, share: f64, executed: &Executed) -> Mock {
    let (rng, executed) = (Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))), Arc::clone(executed));
    let draw = move || {
        let mut rng = rng.lock().unwrap();
        (rng.f64() < share).then(|| rng.u8(..8))
    };
    Mock::accepting(move |connection| {
        let (draw, executed) = (draw.clone(), Arc::clone(&executed));
        Box::pin(async move {
            let Ok(mut h2) = h2::server::handshake(connection.stream).await else { return };
            let mut streams = FuturesUnordered::new();
            loop {
                // In one task: an answer goes out whole, or not at all.
                tokio::select! {
                    accepted = h2.accept() => match accepted {
                        Some(Ok((request, answer))) => streams.push(serve(request, answer, draw(), Arc::clone(&executed))),
                        _ => return,
                    },
                    Some(then) = streams.next(), if !streams.is_empty() => match then {
                        Then::Goes => {}
                        Then::Cut => return,
                        Then::Leaves => h2.graceful_shutdown(),
                    },
                }
            }
        })
    })
    .await
}

async fn serve(
    request: Request<RecvStream>,
    mut answer: SendResponse<Bytes>,
    draw: Option<u8>,
    executed: Executed,
) -> Then {
    match draw {
        Some(0) => return reset(&mut answer, Reason::REFUSED_STREAM),
        Some(1) => return reset(&mut answer, Reason::INTERNAL_ERROR),
        _ => {}
    }
    let (parts, mut body) = request.into_parts();
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return Then::Goes };
        let _ = body.flow_control().release_capacity(data.len());
    }
    match draw {
        Some(2) => return reset(&mut answer, Reason::CANCEL),
        Some(3) => return Then::Cut,
        _ => {}
    }
    let path = parts.uri.path().to_owned();
    *executed.lock().unwrap().entry(path.clone()).or_default() += 1;
    match draw {
        Some(4) => return reset(&mut answer, Reason::INTERNAL_ERROR),
        Some(5) => return Then::Cut,
        _ => {}
    }
    let kind = parts.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("text/plain");
    let head = Response::builder().header("content-type", kind).body(()).unwrap();
    // A peer that has gone does not matter.
    let Ok(mut sends) = answer.send_response(head, false) else { return Then::Goes };
    if kind == "application/grpc" {
        let length = u32::try_from(path.len()).unwrap().to_be_bytes();
        let message = [&[0][..], &length, path.as_bytes()].concat();
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        let _ = sends.send_data(message.into(), false).and_then(|()| sends.send_trailers(trailers));
    } else {
        let _ = sends.send_data(path.into(), true);
    }
    if draw == Some(6) { Then::Leaves } else { Then::Goes }
}

fn reset(answer: &mut SendResponse<Bytes>, reason: Reason) -> Then {
    answer.send_reset(reason);
    Then::Goes
}
