//! gRPC without knowing any service: messages go back as the bytes they came as.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::body::{Body, pieces, whole};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// The status that a failing request gets, `INTERNAL`.
const INTERNAL: u32 = 13;

/// Every message back as it arrives, then the status that the method's name asks for.
pub(super) fn answer(request: Request<Incoming>) -> Response<Body> {
    let status = asked_status(request.uri().path());
    let encoding = request.headers().get(GRPC_ENCODING).cloned();
    let mut trailers = HeaderMap::new();
    trailers.insert(GRPC_STATUS, HeaderValue::from(status));
    if status != 0 {
        trailers.insert(GRPC_MESSAGE, HeaderValue::from_static("asked for"));
    }
    let messages = request.into_body().into_data_stream().map_ok(Frame::data);
    let end = stream::once(async { Ok(Frame::<Bytes>::trailers(trailers)) });
    let mut response = Response::new(pieces(messages.chain(end)));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    // Messages that came compressed go back compressed.
    if let Some(encoding) = encoding {
        response.headers_mut().insert(GRPC_ENCODING, encoding);
    }
    response
}

/// The answer of a failing request: a status and nothing else.
pub(super) fn failure() -> Response<Body> {
    let mut response = Response::new(whole(Bytes::new()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert(GRPC_STATUS, HeaderValue::from(INTERNAL));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static("asked to fail"));
    response
}

/// `n` where the path ends in `/Status{n}`, otherwise `OK`.
fn asked_status(path: &str) -> u32 {
    path.rsplit('/')
        .next()
        .and_then(|method| method.strip_prefix("Status"))
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
