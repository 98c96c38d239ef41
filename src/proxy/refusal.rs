//! Answers that the proxy makes itself.

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};

use super::body::ProxyBody;
use super::fault::Fault;
use super::forward;
use super::ledger::Ledger;
use crate::record::{Classification, Ending, Reason};
use crate::snapshot::Snapshot;

/// Methods that are carried.
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// How a client is told that its request failed.
pub struct Manner {
    /// As a gRPC status.
    pub grpc: bool,
    /// On HTTP/1, where `Connection` means something.
    pub http1: bool,
    /// With `x-weir-reason`.
    pub reason_header: bool,
}

impl Manner {
    /// The manner that fits a request.
    pub fn of(parts: &Parts, snapshot: &Snapshot) -> Self {
        let kind = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let http1 = parts.version < Version::HTTP_2;
        let grpc = !http1 && kind.is_some_and(|kind| kind.starts_with(b"application/grpc"));
        Self { grpc, http1, reason_header: snapshot.forwarding.reason_header }
    }
}

/// `OPTIONS *`, and `OPTIONS` that may go no further (RFC 9110 sections 7.6.2 and 9.3.7), are for the proxy itself.
pub fn own_answer(parts: &mut Parts) -> Option<Response<ProxyBody>> {
    if parts.method != Method::OPTIONS {
        return None;
    }
    let hops = parts.headers.get(header::MAX_FORWARDS).and_then(|hops| hops.to_str().ok()?.parse::<u32>().ok());
    if parts.uri.path() != "*" && hops != Some(0) {
        if let Some(hops) = hops {
            parts.headers.insert(header::MAX_FORWARDS, HeaderValue::from(hops - 1));
        }
        return None;
    }
    let mut response = Response::new(ProxyBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
    Some(response)
}

/// Closes the account with an answer that is as it should be.
pub fn answer(mut ledger: Ledger, response: Response<ProxyBody>) -> Response<ProxyBody> {
    let code = response.status().as_u16();
    ledger.close(Ending { code, grpc_status: None, classification: Classification::Success, reason: Reason::Filter });
    response
}

/// Answers with a fault, and closes the account with it. `close`: the connection cannot be used again.
pub fn refuse(mut ledger: Ledger, manner: &Manner, fault: Fault, close: bool) -> Response<ProxyBody> {
    let mut response = Response::new(ProxyBody::empty());
    if manner.grpc {
        ledger.close(fault.ending(200, Some(fault.grpc_status())));
        as_grpc(&mut response, fault);
    } else {
        ledger.close(fault.ending(fault.code(), None));
        as_http(&mut response, fault);
    }
    let headers = response.headers_mut();
    if manner.reason_header {
        headers.insert(&forward::X_WEIR_REASON, HeaderValue::from_static(fault.reason().as_str()));
    }
    if close && manner.http1 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A gRPC client reads its status from the trailers, here sent alone as the head (gRPC over HTTP/2, Trailers-Only).
fn as_grpc(response: &mut Response<ProxyBody>, fault: Fault) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(u16::from(fault.grpc_status())));
    headers.insert("grpc-message", HeaderValue::from_static(fault.reason().as_str()));
}

fn as_http(response: &mut Response<ProxyBody>, fault: Fault) {
    let status = fault.status();
    *response.status_mut() = status;
    *response.body_mut() = ProxyBody::text(format!("{status}: {}\n", fault.reason().as_str()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    match status {
        StatusCode::SERVICE_UNAVAILABLE => _ = headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1")),
        StatusCode::METHOD_NOT_ALLOWED => _ = headers.insert(header::ALLOW, HeaderValue::from_static(ALLOWED)),
        _ => {}
    }
}
