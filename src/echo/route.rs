//! Which row of the module's table a request falls under.

use std::time::Duration;

use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version};
use hyper::ext::Protocol;

/// A row of the module's table, health checks excepted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Route {
    WebSocket,
    /// Raw bytes back; the token is absent with HTTP/2, where nothing has to be repeated.
    Tunnel(Option<HeaderValue>),
    PlainConnect,
    Grpc,
    Status(StatusCode),
    Latency(Duration),
    Bytes(u64),
    Stream {
        chunks: u64,
        interval: Duration,
    },
    Trailers,
    Echo,
    Events,
    Describe,
    /// A row with an unusable number; says what was expected.
    Malformed(&'static str),
}

impl Route {
    /// The row of `request`.
    pub(super) fn of<B>(request: &Request<B>) -> Route {
        upgrade(request)
            .or_else(|| is_grpc(request).then_some(Route::Grpc))
            .or_else(|| special(request.uri().path()))
            .unwrap_or_else(|| {
                if has_token(request.headers(), ACCEPT, "text/event-stream") { Route::Events } else { Route::Describe }
            })
    }
}

/// Whether `path` is one of the health checks.
pub(super) fn is_health(path: &str) -> bool {
    matches!(path, "/health" | "/healthz" | "/readyz")
}

fn upgrade<B>(request: &Request<B>) -> Option<Route> {
    if request.method() == Method::CONNECT {
        return Some(match request.extensions().get::<Protocol>() {
            Some(protocol) if protocol.as_str() == "websocket" => Route::WebSocket,
            Some(_) => Route::Tunnel(None),
            None => Route::PlainConnect,
        });
    }
    let headers = request.headers();
    if request.version() != Version::HTTP_11 || !has_token(headers, CONNECTION, "upgrade") {
        return None;
    }
    if has_token(headers, UPGRADE, "websocket") {
        return Some(Route::WebSocket);
    }
    let token = tokens(headers, UPGRADE).next()?;
    // Clients that merely offer HTTP/2 expect an ordinary answer, not their bytes back.
    if token.eq_ignore_ascii_case("h2c") {
        return None;
    }
    HeaderValue::from_str(token).ok().map(|token| Route::Tunnel(Some(token)))
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    // Over HTTP/1.1 there is no gRPC, and gRPC-Web frames its trailers differently.
    request.version() == Version::HTTP_2
        && request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"))
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

fn special(path: &str) -> Option<Route> {
    let mut segments = path.strip_prefix('/')?.split('/');
    let name = segments.next()?;
    match (name, segments.next(), segments.next(), segments.next()) {
        ("trailers", None, ..) => Some(Route::Trailers),
        ("echo", None, ..) => Some(Route::Echo),
        ("events", None, ..) => Some(Route::Events),
        ("status", Some(code), None, _) => Some(status(code)),
        ("latency", Some(ms), None, _) => {
            Some(millis(ms).map_or(Route::Malformed("expected /latency/{ms}"), Route::Latency))
        }
        ("bytes", Some(count), None, _) => {
            Some(count.parse().map_or(Route::Malformed("expected /bytes/{n}"), Route::Bytes))
        }
        ("stream", Some(chunks), Some(ms), None) => Some(stream(chunks, ms)),
        _ => None,
    }
}

fn status(code: &str) -> Route {
    code.parse()
        .ok()
        // 1xx cannot stand as an answer: the client would go on waiting for the final one.
        .filter(|code| (200..=599).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .map_or(Route::Malformed("expected /status/{code}, 200 to 599"), Route::Status)
}

fn stream(chunks: &str, ms: &str) -> Route {
    match (chunks.parse(), millis(ms)) {
        (Ok(chunks), Some(interval)) => Route::Stream { chunks, interval },
        _ => Route::Malformed("expected /stream/{n}/{ms}"),
    }
}

fn millis(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

/// The elements of a comma-separated header, parameters cut off.
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|element| element.split(';').next())
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

fn has_token(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// The value of `name` in a query string, where it is a number.
pub(super) fn query_number(query: Option<&str>, name: &str) -> Option<u64> {
    query?
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
}
