//! Asking an endpoint once whether it is well.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, TE, USER_AGENT};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::endpoint::Endpoint;
use crate::model::{CheckKind, TlsClient, UpstreamProtocol};

const AGENT: &str = concat!("weir-health/", env!("CARGO_PKG_VERSION"));
/// `SERVING` (grpc.health.v1, HealthCheckResponse.ServingStatus).
const SERVING: u8 = 1;
/// Bytes of the longest answer that is read.
const LONGEST: usize = 4096;

/// Whether the endpoint is well, or why not.
pub async fn ask(endpoint: &Endpoint, kind: &CheckKind) -> Result<(), String> {
    match kind {
        CheckKind::Tcp => connect(endpoint).await.map(|_| ()),
        CheckKind::Http { path, host } => {
            let request = |http2| get(endpoint, path, host.as_deref(), http2);
            let status = send(endpoint, endpoint.transport.protocol, request).await?.status();
            let well = status.is_success() || status.is_redirection();
            if well { Ok(()) } else { Err(format!("GET {path} answered {}", status.as_u16())) }
        }
        CheckKind::Grpc { service } => {
            let request = |_| health_check(endpoint, service);
            serving(send(endpoint, UpstreamProtocol::Http2, request).await?).await
        }
    }
}

fn authority(endpoint: &Endpoint, host: Option<&str>) -> String {
    match host.or(endpoint.host.as_deref()) {
        Some(host) => host.to_owned(),
        None => endpoint.address.to_string(),
    }
}

fn uri(endpoint: &Endpoint, host: Option<&str>, path: &str) -> Result<Uri, String> {
    let scheme = if endpoint.transport.tls.is_some() { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(authority(endpoint, host)).path_and_query(path).build();
    uri.map_err(|error| error.to_string())
}

fn get(endpoint: &Endpoint, path: &str, host: Option<&str>, http2: bool) -> Result<Request<Full<Bytes>>, String> {
    let request = Request::builder().method(Method::GET).header(USER_AGENT, AGENT);
    let request = match http2 {
        true => request.uri(uri(endpoint, host, path)?),
        false => request.uri(path).header(HOST, authority(endpoint, host)),
    };
    request.body(Full::default()).map_err(|error| error.to_string())
}

/// `grpc.health.v1.Health/Check` of a service (gRPC over HTTP/2; protocol buffers, field 1 of type string).
fn health_check(endpoint: &Endpoint, service: &str) -> Result<Request<Full<Bytes>>, String> {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        // A length of up to 127 is one byte; the configuration allows no more.
        message.put_u8(service.len() as u8);
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put(message);
    Request::builder()
        .method(Method::POST)
        .uri(uri(endpoint, None, "/grpc.health.v1.Health/Check")?)
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, AGENT)
        .body(Full::new(frame.freeze()))
        .map_err(|error| error.to_string())
}

/// Whether an answer of `Health/Check` says `SERVING`.
async fn serving(response: http::Response<Incoming>) -> Result<(), String> {
    let head = response.headers().get("grpc-status").cloned();
    let body = http_body_util::Limited::new(response.into_body(), LONGEST);
    let body = body.collect().await.map_err(|error| format!("the answer broke off: {error}"))?;
    let status = body.trailers().and_then(|trailers| trailers.get("grpc-status").cloned()).or(head);
    match status.as_ref().and_then(|status| status.to_str().ok()) {
        Some("0") => {}
        Some(status) => return Err(format!("grpc.health.v1.Health/Check answered with gRPC status {status}")),
        None => return Err("grpc.health.v1.Health/Check is not answered by gRPC".to_owned()),
    }
    // Five bytes of frame, then field 1 as a varint; a message without it means UNKNOWN.
    let bytes = body.to_bytes();
    match bytes.get(5..).unwrap_or_default() {
        [0x08, SERVING, ..] => Ok(()),
        [0x08, status, ..] => Err(format!("its serving status is {status}, not SERVING")),
        _ => Err("its serving status is UNKNOWN".to_owned()),
    }
}

async fn connect(endpoint: &Endpoint) -> Result<TcpStream, String> {
    TcpStream::connect(endpoint.address).await.map_err(|error| format!("no connection: {error}"))
}

/// Sends what `request` makes of whether HTTP/2 is spoken: as to the endpoint's other requests, that is up to `protocol`, or to
/// what TLS negotiates.
async fn send(
    endpoint: &Endpoint,
    protocol: UpstreamProtocol,
    request: impl FnOnce(bool) -> Result<Request<Full<Bytes>>, String>,
) -> Result<http::Response<Incoming>, String> {
    let tcp = connect(endpoint).await?;
    let asked = protocol == UpstreamProtocol::Http2;
    let Some(tls) = &endpoint.transport.tls else { return speak(tcp, request(asked)?, asked).await };
    let name = endpoint.server_name(tls).map_err(|error| error.to_string())?;
    let stream = connector(tls, protocol).connect(name, tcp).await.map_err(|error| format!("TLS failed: {error}"))?;
    let http2 = stream.get_ref().1.alpn_protocol().map_or(asked, |chosen| chosen == b"h2");
    speak(stream, request(http2)?, http2).await
}

fn connector(tls: &TlsClient, protocol: UpstreamProtocol) -> TlsConnector {
    let mut config = (*tls.config).clone();
    let (h1, h2) = (b"http/1.1".to_vec(), b"h2".to_vec());
    config.alpn_protocols = match protocol {
        UpstreamProtocol::Auto => vec![h2, h1],
        UpstreamProtocol::Http1 => vec![h1],
        UpstreamProtocol::Http2 => vec![h2],
    };
    TlsConnector::from(Arc::new(config))
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
    http2: bool,
) -> Result<http::Response<Incoming>, String> {
    let described = |error: hyper::Error| format!("no answer: {error}");
    // The connections end with what is read of them.
    if http2 {
        let (mut sender, connection) =
            conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(described)?;
        tokio::spawn(connection);
        return sender.send_request(request).await.map_err(described);
    }
    let (mut sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await.map_err(described)?;
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(described)
}
