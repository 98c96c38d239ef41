//! Clients.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::within;

/// A body of a request.
pub type Sent = UnsyncBoxBody<Bytes, Infallible>;
/// An HTTP/1.1 connection.
pub type H1 = http1::SendRequest<Sent>;
/// An HTTP/2 connection.
pub type H2 = http2::SendRequest<Sent>;

/// No body.
pub fn nothing() -> Sent {
    Empty::new().boxed_unsync()
}

/// A body with a length.
pub fn all(bytes: impl Into<Bytes>) -> Sent {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body that the test feeds frame by frame, and that ends when the sender is dropped.
pub fn fed() -> (mpsc::UnboundedSender<Frame<Bytes>>, Sent) {
    let (sender, receiver) = mpsc::unbounded_channel::<Frame<Bytes>>();
    let frames = stream::unfold(receiver, |mut receiver| async move {
        let frame = receiver.recv().await?;
        Some((Ok(frame), receiver))
    });
    (sender, StreamBody::new(frames).boxed_unsync())
}

/// A request for `target`, with a Host. For HTTP/2 the target must be absolute.
pub fn request(method: &str, target: &str) -> http::request::Builder {
    let builder = Request::builder().method(method).uri(target);
    if target.starts_with('/') { builder.header("host", "shop.example") } else { builder }
}

/// An HTTP/1.1 connection in clear text.
pub async fn h1(address: SocketAddr) -> H1 {
    h1_over(within(TcpStream::connect(address)).await.unwrap()).await
}

/// An HTTP/2 connection in clear text, with prior knowledge.
pub async fn h2(address: SocketAddr) -> H2 {
    h2_over(within(TcpStream::connect(address)).await.unwrap()).await
}

/// HTTP/1.1 over a connection that is there.
pub async fn h1_over(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> H1 {
    let (sender, connection) = within(http1::handshake(TokioIo::new(io))).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

/// HTTP/2 over a connection that is there.
pub async fn h2_over(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> H2 {
    let (sender, connection) = within(http2::handshake(TokioExecutor::new(), TokioIo::new(io))).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A TLS connection that asks for the server `name`.
pub async fn tls(
    address: SocketAddr,
    config: Arc<rustls::ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = within(TcpStream::connect(address)).await.unwrap();
    within(TlsConnector::from(config).connect(name, stream)).await
}

/// `GET` over HTTP/1.1 on a connection of its own.
pub async fn get(address: SocketAddr, target: &str) -> Answer {
    send(address, request("GET", target).body(nothing()).unwrap()).await
}

/// A request over HTTP/1.1 on a connection of its own.
pub async fn send(address: SocketAddr, request: Request<Sent>) -> Answer {
    ask_h1(&mut h1(address).await, request).await
}

/// A request on an HTTP/1.1 connection, once that is free.
pub async fn ask_h1(client: &mut H1, request: Request<Sent>) -> Answer {
    within(client.ready()).await.unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    Answer::read(response).await
}

/// A request on an HTTP/2 connection.
pub async fn ask_h2(client: &mut H2, request: Request<Sent>) -> Answer {
    within(client.ready()).await.unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    Answer::read(response).await
}

/// Writes bytes and returns all that comes back until the server closes; panics if it does not close in time.
pub async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = within(TcpStream::connect(address)).await.unwrap();
    // A server that has answered early may have closed already.
    let _ = stream.write_all(bytes.as_ref()).await;
    let mut received = Vec::new();
    if let Err(error) = within(stream.read_to_end(&mut received)).await {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&received).into_owned()
}

/// An extended CONNECT (RFC 8441) for `protocol`.
pub async fn extended_connect(client: &mut H2, protocol: &'static str, target: &str) -> Response<Incoming> {
    let request = Request::connect(target)
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
        .body(nothing())
        .unwrap();
    within(client.send_request(request)).await.unwrap()
}

/// What came back, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Answer {
    pub async fn read(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let collected = within(body.collect()).await.unwrap();
        Self {
            status: parts.status,
            version: parts.version,
            headers: parts.headers,
            trailers: collected.trailers().cloned().unwrap_or_default(),
            body: collected.to_bytes(),
        }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, such as the description that [`super::echo`] gives.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A response header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// A request header, as the echo backend describes what it got; a list is joined with `|`.
    pub fn seen(&self, name: &str) -> Option<String> {
        let value = self.json()["headers"].get(name)?.clone();
        Some(match value {
            serde_json::Value::Array(values) => {
                values.iter().map(|v| v.as_str().unwrap()).collect::<Vec<_>>().join("|")
            }
            value => value.as_str().unwrap().to_owned(),
        })
    }
}
