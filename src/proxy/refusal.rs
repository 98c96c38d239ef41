//! Answers that the proxy makes itself.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::client::Client;
use super::fault::Fault;
use super::goodbye;
use super::ledger::Ledger;
use crate::io::{Alarm, Sink as _};
use crate::message::{Field, Request, Response, Size};
use crate::record::{Classification, Ending, Reason};
use crate::snapshot::Snapshot;

/// Methods that are carried.
const ALLOWED: &[u8] = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// How long a client may take to receive such an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a client is told that its request failed.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// As a gRPC status.
    pub grpc: bool,
    /// With `x-weir-reason`.
    pub reason_header: bool,
}

impl Manner {
    /// The manner that fits a request.
    pub fn of(request: &Request, snapshot: &Snapshot) -> Self {
        let kind = request.fields.first(Field::ContentType);
        let http2 = request.version == http::Version::HTTP_2;
        let grpc = http2 && kind.is_some_and(|kind| kind.starts_with(b"application/grpc"));
        Self { grpc, reason_header: snapshot.forwarding.reason_header }
    }
}

/// `OPTIONS *`, and `OPTIONS` that may go no further (RFC 9110 sections 7.6.2 and 9.3.7), are for the proxy itself.
pub fn own_answer(request: &mut Request) -> Option<Response> {
    if request.method != Method::OPTIONS {
        return None;
    }
    let hops = request.fields.first(Field::MaxForwards);
    let hops = hops.and_then(|hops| std::str::from_utf8(hops).ok()?.parse::<u32>().ok());
    if request.path() != "*" && hops != Some(0) {
        if let Some(hops) = hops {
            request.fields.remove(Field::MaxForwards);
            request.fields.append_display(Field::MaxForwards, hops - 1);
        }
        return None;
    }
    let mut response = Response::new(StatusCode::NO_CONTENT, Size::None);
    response.fields.append("allow", ALLOWED);
    Some(response)
}

/// Closes the account with an answer that is as it should be, and gives it.
pub async fn answer(client: &mut Client<'_>, ledger: &mut Ledger, response: Response) {
    let code = response.status.as_u16();
    ledger.close(Ending { code, grpc_status: None, classification: Classification::Success, reason: Reason::Filter });
    give(client, &response, &[], false).await;
}

/// Answers with a fault, and closes the account with it. `close`: the connection cannot be used again.
pub async fn refuse(client: &mut Client<'_>, ledger: &mut Ledger, manner: &Manner, fault: Fault, close: bool) {
    let (mut response, text) = if manner.grpc {
        ledger.close(fault.ending(200, Some(fault.grpc_status())));
        let mut response = as_grpc(fault);
        if fault == Fault::Drained {
            goodbye::push_back(&mut response.fields, &mut fastrand::Rng::new());
        }
        (response, String::new())
    } else {
        ledger.close(fault.ending(fault.code(), None));
        as_http(fault)
    };
    if manner.reason_header {
        response.fields.append(Field::XWeirReason, fault.reason().as_str().as_bytes());
    }
    give(client, &response, text.as_bytes(), close).await;
}

/// A gRPC client reads its status from the trailers, here sent alone as the head (gRPC over HTTP/2, Trailers-Only).
fn as_grpc(fault: Fault) -> Response {
    let mut response = Response::new(StatusCode::OK, Size::None);
    response.fields.append(Field::ContentType, b"application/grpc");
    response.fields.append_display(Field::GrpcStatus, fault.grpc_status());
    response.fields.append("grpc-message", fault.reason().as_str().as_bytes());
    response
}

fn as_http(fault: Fault) -> (Response, String) {
    let status = fault.status();
    let text = format!("{status}: {}\n", fault.reason().as_str());
    let mut response = Response::new(status, Size::Known(text.len() as u64));
    response.fields.append(Field::ContentType, b"text/plain; charset=utf-8");
    match status {
        StatusCode::SERVICE_UNAVAILABLE => response.fields.append("retry-after", b"1"),
        StatusCode::METHOD_NOT_ALLOWED => response.fields.append("allow", ALLOWED),
        _ => {}
    }
    (response, text)
}

/// Sends an answer that is at hand. A client that does not take it is left alone.
async fn give(client: &mut Client<'_>, response: &Response, body: &[u8], close: bool) {
    if close {
        client.close();
    }
    client.abandon();
    let bodiless = Response::is_bodiless(response.status, client.asked_for_head());
    if client.begin(response, bodiless).is_err() {
        return;
    }
    let (mut alarm, deadline) = (Alarm::default(), Instant::now() + PATIENCE);
    let mut left = if bodiless { &[][..] } else { body };
    let sent = poll_fn(|context| {
        while !left.is_empty() {
            match client.poll_send(left, true, context) {
                Poll::Ready(Ok(count)) => left = &left[count..],
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return alarm.poll(deadline, context).map(|()| false),
            }
        }
        match client.poll_finish(&mut None, context) {
            Poll::Ready(finished) => Poll::Ready(finished.is_ok()),
            Poll::Pending => alarm.poll(deadline, context).map(|()| false),
        }
    });
    if sent.await {
        client.complete();
    }
}
