//! From a request to its answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, SEC_WEBSOCKET_VERSION, TRAILER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt, BodyStream};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::body::{Body, Received, filler, paced, pieces, same, whole};
use super::route::{Route, is_health, query_number};
use super::server::Phase;
use super::{Shared, grpc, tunnel};

const ECHO_VERSION: HeaderName = HeaderName::from_static("x-echo-version");
const ECHO_TRAILER_NAME: &str = "x-echo-trailer";
const ECHO_TRAILER: HeaderName = HeaderName::from_static(ECHO_TRAILER_NAME);

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const BINARY: &str = "application/octet-stream";
const EVENTS: &str = "text/event-stream";

type Answered = Result<Response<Body>, hyper::Error>;

/// Answers one request; an error says that its body could not be read.
pub(super) async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Answered {
    let head = request.method() == Method::HEAD;
    let mut response =
        if is_health(request.uri().path()) { typed(TEXT, whole("ok")) } else { routed(shared, request).await? };
    let version = shared.version_header.clone();
    response.headers_mut().insert(ECHO_VERSION, version);
    Ok(if head { without_body(response) } else { response })
}

async fn routed(shared: &Arc<Shared>, request: Request<Incoming>) -> Answered {
    let failing = shared.draw_failure();
    match Route::of(&request) {
        // These two are not read before the answer: the client may wait for it to go on.
        Route::Grpc => {
            shared.pause(Duration::ZERO).await;
            Ok(if failing { grpc::failure() } else { grpc::answer(request) })
        }
        Route::Echo => {
            shared.pause(Duration::ZERO).await;
            if failing {
                // Left unread, it would have the connection cut and the answer lost with it.
                tokio::spawn(Received::read(request.into_body()));
                return Ok(failure(shared));
            }
            echo(request).await
        }
        route => after_body(shared, request, route, failing).await,
    }
}

/// Answers what is only answered once the request has been read.
async fn after_body(shared: &Arc<Shared>, mut request: Request<Incoming>, route: Route, failing: bool) -> Answered {
    let upgrade = matches!(route, Route::WebSocket | Route::Tunnel(_)).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let received = Received::read(body).await?;
    let extra = match route {
        Route::Latency(extra) => extra,
        _ => Duration::ZERO,
    };
    shared.pause(extra).await;
    Ok(match (failing, upgrade) {
        (true, _) => failure(shared),
        (false, Some(upgrade)) => upgraded(shared, &parts, route, upgrade),
        (false, None) => ordinary(shared, &parts, &received, &route),
    })
}

fn ordinary(shared: &Arc<Shared>, parts: &Parts, received: &Received, route: &Route) -> Response<Body> {
    match route {
        Route::Status(status) => with_status(describe(shared, parts, received), *status),
        Route::Bytes(count) => typed(BINARY, filler(*count)),
        Route::Stream { chunks, interval } => {
            let chunk = |number| Bytes::from(format!("chunk {number}\n"));
            typed(TEXT, pieces(paced(Some(*chunks), *interval, chunk)))
        }
        Route::Trailers => trailers(),
        Route::Events => events(shared, parts.uri.query()),
        Route::Malformed(expected) => error(shared, StatusCode::BAD_REQUEST, expected),
        Route::PlainConnect => {
            let message = "not a proxy for CONNECT";
            error(shared, StatusCode::METHOD_NOT_ALLOWED, message)
        }
        _ => describe(shared, parts, received),
    }
}

fn upgraded(shared: &Arc<Shared>, parts: &Parts, route: Route, upgrade: OnUpgrade) -> Response<Body> {
    if let Route::Tunnel(token) = route {
        tokio::spawn(tunnel::serve_tunnel(upgrade, shared.phases()));
        return tunnel::accept_tunnel(token);
    }
    match tunnel::accept_websocket(parts.version, &parts.headers) {
        Ok(response) => {
            let (phases, end) = (shared.phases(), shared.phases());
            tokio::spawn(tunnel::serve_websocket(upgrade, phases, end));
            response
        }
        Err(refusal) => {
            let mut response = error(shared, refusal.status(), refusal.message());
            let version = HeaderValue::from_static("13");
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, version);
            response
        }
    }
}

/// The request body back, as it arrives.
async fn echo(request: Request<Incoming>) -> Answered {
    let (parts, mut body) = request.into_parts();
    // An answer takes the place of `100 Continue`, so the body has to be asked for before it.
    let body = if parts.headers.contains_key(EXPECT) {
        let first = body.frame().await.transpose()?;
        pieces(stream::iter(first.map(Ok)).chain(BodyStream::new(body)))
    } else {
        same(body)
    };
    let mut response = typed(BINARY, body);
    let headers = response.headers_mut();
    for name in [CONTENT_TYPE, CONTENT_LENGTH, TRAILER] {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    Ok(response)
}

fn trailers() -> Response<Body> {
    let end = HeaderMap::from_iter([(ECHO_TRAILER, HeaderValue::from_static("1"))]);
    let frames = [Frame::data(Bytes::from_static(b"a trailer follows\n")), Frame::trailers(end)];
    let mut response = typed(TEXT, pieces(stream::iter(frames.map(Ok))));
    let announced = HeaderValue::from_static(ECHO_TRAILER_NAME);
    response.headers_mut().insert(TRAILER, announced);
    response
}

fn events(shared: &Arc<Shared>, query: Option<&str>) -> Response<Body> {
    #[derive(Serialize)]
    struct Event<'a> {
        version: &'a str,
        n: u64,
    }

    let count = query_number(query, "n");
    let interval = Duration::from_millis(query_number(query, "ms").unwrap_or(1000));
    let source = Arc::clone(shared);
    let stream = paced(count, interval, move |n| {
        let version = &source.version;
        let data = serde_json::to_string(&Event { version, n }).unwrap_or_default();
        Bytes::from(format!("data: {data}\n\n"))
    });
    let body = if count.is_some() {
        pieces(stream)
    } else {
        // What has no end would keep a stopping server from finishing.
        let mut phases = shared.phases();
        pieces(stream.take_until(Box::pin(async move {
            phases.reached(Phase::Draining).await;
        })))
    };
    let mut response = typed(EVENTS, body);
    let uncached = HeaderValue::from_static("no-cache");
    response.headers_mut().insert(CACHE_CONTROL, uncached);
    response
}

fn describe(shared: &Shared, parts: &Parts, received: &Received) -> Response<Body> {
    let host = match parts.uri.authority() {
        Some(authority) => Cow::Borrowed(authority.as_str()),
        None => parts.headers.get(HOST).map(text).unwrap_or_default(),
    };
    json(&Description {
        version: &shared.version,
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        host,
        protocol: match parts.version {
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        },
        headers: Fields(&parts.headers),
        body: String::from_utf8_lossy(&received.kept),
        body_length: received.length,
        trailers: Fields(&received.trailers),
    })
}

fn failure(shared: &Shared) -> Response<Body> {
    error(shared, StatusCode::INTERNAL_SERVER_ERROR, "asked to fail")
}

fn error(shared: &Shared, status: StatusCode, error: &str) -> Response<Body> {
    #[derive(Serialize)]
    struct Problem<'a> {
        error: &'a str,
        version: &'a str,
    }

    let version = &shared.version;
    with_status(json(&Problem { error, version }), status)
}

fn json(value: &impl Serialize) -> Response<Body> {
    // Nothing that is put in here can fail to serialize.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    typed(JSON, whole(text))
}

fn typed(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn with_status(mut response: Response<Body>, status: StatusCode) -> Response<Body> {
    *response.status_mut() = status;
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
        response.headers_mut().remove(CONTENT_TYPE);
        *response.body_mut() = whole(Bytes::new());
    }
    response
}

/// What `HEAD` gets: the length of the body instead of the body.
fn without_body(mut response: Response<Body>) -> Response<Body> {
    if let Some(length) = response.body().size_hint().exact().filter(|n| *n > 0) {
        let length = HeaderValue::from(length);
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    *response.body_mut() = whole(Bytes::new());
    response
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    version: &'a str,
    method: &'a str,
    path: &'a str,
    query: &'a str,
    host: Cow<'a, str>,
    protocol: &'a str,
    headers: Fields<'a>,
    body: Cow<'a, str>,
    body_length: u64,
    trailers: Fields<'a>,
}

/// Headers as a JSON object: a list only where a name occurs more than once.
struct Fields<'a>(&'a HeaderMap);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.keys_len()))?;
        for name in self.0.keys() {
            let mut values = self.0.get_all(name).iter().map(text);
            match (values.next(), values.next()) {
                (Some(only), None) => map.serialize_entry(name.as_str(), &only)?,
                (first, second) => {
                    let all: Vec<_> = first.into_iter().chain(second).chain(values).collect();
                    map.serialize_entry(name.as_str(), &all)?;
                }
            }
        }
        map.end()
    }
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}
