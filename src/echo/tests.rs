#![allow(clippy::unwrap_used, clippy::expect_used)]

mod basics;
mod grpc;
mod lifecycle;
mod paths;
mod upgrades;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{Echo, EchoOptions, EchoStats};

type Sent = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Nothing here takes long; a test that hangs should say so.
const PATIENCE: Duration = Duration::from_secs(5);

async fn start() -> Echo {
    Echo::start(EchoOptions::default()).await.unwrap()
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}

fn nothing() -> Sent {
    Empty::new().boxed_unsync()
}

fn all(bytes: impl Into<Bytes>) -> Sent {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body that the test feeds frame by frame, and that ends when the sender is dropped.
fn fed() -> (mpsc::UnboundedSender<Frame<Bytes>>, Sent) {
    let (sender, receiver) = mpsc::unbounded_channel::<Frame<Bytes>>();
    let frames =
        stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|frame| (frame, receiver)) });
    (sender, StreamBody::new(frames.map(Ok)).boxed_unsync())
}

async fn http1(echo: &Echo) -> http1::SendRequest<Sent> {
    let stream = TcpStream::connect(echo.address()).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

async fn http2(echo: &Echo) -> http2::SendRequest<Sent> {
    let stream = TcpStream::connect(echo.address()).await.unwrap();
    let io = TokioIo::new(stream);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(method: &str, uri: &str) -> http::request::Builder {
    Request::builder().method(method).uri(uri).header("host", "shop.example")
}

/// What came back, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
}

impl Answer {
    async fn read(response: Response<Incoming>) -> Answer {
        let (parts, body) = response.into_parts();
        let collected = within(body.collect()).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            trailers: collected.trailers().cloned().unwrap_or_default(),
            body: collected.to_bytes(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn over_http1(echo: &Echo, request: Request<Sent>) -> Answer {
    let mut client = http1(echo).await;
    Answer::read(within(client.send_request(request)).await.unwrap()).await
}

async fn over_http2(echo: &Echo, request: Request<Sent>) -> Answer {
    let mut client = http2(echo).await;
    Answer::read(within(client.send_request(request)).await.unwrap()).await
}

async fn get(echo: &Echo, path: &str) -> Answer {
    over_http1(echo, request("GET", path).body(nothing()).unwrap()).await
}

/// Bytes sent and everything that came back until the server closed.
async fn raw(echo: &Echo, sent: &str) -> String {
    let mut stream = TcpStream::connect(echo.address()).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut received = String::new();
    within(stream.read_to_string(&mut received)).await.unwrap();
    received
}
