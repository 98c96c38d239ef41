//! Connections that leave HTTP: WebSockets and raw bytes.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::body::{Body, whole};
use super::server::{Phase, Phases};

/// What RFC 6455 has both sides append to the key.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The only version there is, RFC 6455.
const WEBSOCKET_VERSION: HeaderValue = HeaderValue::from_static("13");

/// Why a WebSocket handshake was turned down.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The client speaks another version.
    Version,
    /// The client sent no key to accept.
    Key,
}

impl Refusal {
    /// The status that says so.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refusal::Version => StatusCode::UPGRADE_REQUIRED,
            Refusal::Key => StatusCode::BAD_REQUEST,
        }
    }

    /// The same in words.
    pub(super) fn message(&self) -> &'static str {
        match self {
            Refusal::Version => "expected sec-websocket-version: 13",
            Refusal::Key => "expected a sec-websocket-key",
        }
    }
}

/// The answer that opens a WebSocket asked for with `headers`.
pub(super) fn accept_websocket(version: Version, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    if headers.get(SEC_WEBSOCKET_VERSION) != Some(&WEBSOCKET_VERSION) {
        return Err(Refusal::Version);
    }
    let mut response = if version == Version::HTTP_2 {
        // HTTP/2 has framing that cannot be mistaken, so RFC 8441 does without the key.
        accept_tunnel(None)
    } else {
        let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(Refusal::Key)?;
        let mut response = accept_tunnel(Some(HeaderValue::from_static("websocket")));
        let proof = accept_key(key.as_bytes()).ok_or(Refusal::Key)?;
        response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, proof);
        response
    };
    if let Some(protocol) = first_protocol(headers) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(response)
}

/// The answer that switches to `token`, or that opens an HTTP/2 tunnel where there is none.
pub(super) fn accept_tunnel(token: Option<HeaderValue>) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::new()));
    if let Some(token) = token {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, token);
    }
    response
}

/// Echoes messages once the connection is upgraded.
pub(super) async fn serve_websocket(upgrade: OnUpgrade, mut phases: Phases, mut end: Phases) {
    let Ok(upgraded) = upgrade.await else {
        return;
    };
    let io = TokioIo::new(upgraded);
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    tokio::select! {
        () = echo_messages(socket, &mut phases) => {}
        () = end.reached(Phase::Gone) => {}
    }
}

async fn echo_messages(mut socket: WebSocketStream<TokioIo<Upgraded>>, phases: &mut Phases) {
    let mut closing = false;
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    if socket.send(message).await.is_err() {
                        break;
                    }
                }
                // Pings and closes are answered while the next message is read.
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
            () = phases.reached(Phase::Draining), if !closing => {
                closing = true;
                let frame = CloseFrame { code: CloseCode::Away, reason: "stopping".into() };
                if socket.close(Some(frame)).await.is_err() {
                    break;
                }
            }
        }
    }
    // The orderly end of an HTTP/2 stream; without it the client would see a reset.
    let _ = socket.into_inner().shutdown().await;
}

/// Echoes bytes once the connection is upgraded.
pub(super) async fn serve_tunnel(upgrade: OnUpgrade, mut phases: Phases) {
    let Ok(upgraded) = upgrade.await else {
        return;
    };
    let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
    tokio::select! {
        _ = tokio::io::copy(&mut reader, &mut writer) => {}
        () = phases.reached(Phase::Draining) => {}
    }
    tokio::select! {
        _ = writer.shutdown() => {}
        () = phases.reached(Phase::Gone) => {}
    }
}

fn accept_key(key: &[u8]) -> Option<HeaderValue> {
    let joined = [key, KEY_SUFFIX.as_bytes()].concat();
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &joined);
    HeaderValue::from_str(&STANDARD.encode(hash)).ok()
}

/// The client's first choice: some clients take an answer without any for a refusal.
fn first_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    HeaderValue::from_str(offered.split(',').next()?.trim()).ok()
}
