//! Bodies far larger than what may be held: they flow at the pace of the slower side, in constant memory.
//!
//! The proxy is a process of its own here, so that its memory can be told from the test's.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::*;

const MIB: u64 = 1024 * 1024;
const LARGE: u64 = 256 * MIB;
/// What the proxy may need for one large body, whatever its size; the pages of its code that it had not come to before count, too.
const MOST: u64 = 32 * MIB;

/// Zeros; they take no memory here.
struct Zeros {
    left: u64,
    sized: bool,
}

static BLOCK: [u8; 64 * 1024] = [0; 64 * 1024];

impl Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let length = self.left.min(BLOCK.len() as u64);
        self.left -= length;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&BLOCK).slice(..length as usize)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized { SizeHint::with_exact(self.left) } else { SizeHint::default() }
    }
}

/// A body's length, read as fast as it comes.
async fn length(mut body: Incoming) -> u64 {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, |data| data.len() as u64);
    }
    length
}

async fn over_h1(binary: &Binary, request: Request<Zeros>) -> http::Response<Incoming> {
    let stream = TcpStream::connect(binary.http()).await.unwrap();
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client.send_request(request).await.unwrap()
}

async fn over_h2(binary: &Binary, request: Request<Zeros>) -> http::Response<Incoming> {
    let stream = TcpStream::connect(binary.http()).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client.send_request(request).await.unwrap()
}

fn upload(target: &str, bytes: u64, sized: bool) -> Request<Zeros> {
    request("POST", target).body(Zeros { left: bytes, sized }).unwrap()
}

fn download(target: &str) -> Request<Zeros> {
    request("GET", target).body(Zeros { left: 0, sized: true }).unwrap()
}

/// A proxy that has served a few requests, so that what it needs once is there; with its memory then.
async fn warm(endpoint: impl ToString) -> (Binary, u64) {
    let endpoint = endpoint.to_string();
    let yaml = format!("splits: [{{name: shop, versions: [{{name: stable, endpoints: [\"{endpoint}\"]}}]}}]\n");
    let binary = Binary::start(&yaml).await;
    for _ in 0..20 {
        assert_eq!(get(binary.http(), "/").await.status, 200);
        let asked = request("GET", "http://shop.example/bytes/100000").body(nothing()).unwrap();
        assert_eq!(ask_h2(&mut h2(binary.http()).await, asked).await.body.len(), 100_000);
    }
    let memory = binary.memory();
    (binary, memory)
}

fn assert_small(binary: &Binary, before: u64) {
    let grown = binary.peak_memory().saturating_sub(before);
    assert!(grown < MOST, "it grew by {} KiB", grown / 1024);
}

async fn carry(bytes: u64) {
    let echo = echo("v1").await;
    for endpoint in [echo.address().to_string(), format!("h2c://{}", echo.address())] {
        let (binary, before) = warm(&endpoint).await;
        let (near, far) = ("/", "http://shop.example/");
        let minutes = Duration::from_secs(60 + bytes / (20 * MIB));
        tokio::time::timeout(minutes, async {
            for (target, sized) in [(near, true), (near, false), (far, true)] {
                let sent = upload(target, bytes, sized);
                let response = if target == near { over_h1(&binary, sent).await } else { over_h2(&binary, sent).await };
                assert_eq!(Answer::read(response).await.json()["bodyLength"], bytes);
            }
            let path = format!("bytes/{bytes}");
            assert_eq!(length(over_h1(&binary, download(&format!("{near}{path}"))).await.into_body()).await, bytes);
            assert_eq!(length(over_h2(&binary, download(&format!("{far}{path}"))).await.into_body()).await, bytes);
        })
        .await
        .expect("too slow");
        assert_small(&binary, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_take_no_memory() {
    carry(LARGE).await;
}

/// As above with 10 GiB, five times each way: minutes. `cargo test --release --test it -- --ignored very_large`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; see its comment"]
async fn very_large_bodies_take_no_memory() {
    carry(10 * 1024 * MIB).await;
}

/// How much a source gave away until nobody took more.
async fn until_stuck(given: impl Fn() -> u64) -> u64 {
    let mut last = (given(), tokio::time::Instant::now());
    wait_until_for("back-pressure", Duration::from_secs(30), async || {
        let now = given();
        if now != last.0 {
            last = (now, tokio::time::Instant::now());
        }
        now > 0 && last.1.elapsed() > Duration::from_millis(500)
    })
    .await;
    given()
}

/// What fits between a sender and a receiver that does not read: what this kernel lets the sockets at both ends of two
/// connections hold (tcp(7), `tcp_wmem` and `tcp_rmem`), and the windows and buffers of programs.
fn in_between() -> u64 {
    let most = |name: &str| match std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")) {
        Ok(sizes) => sizes.split_whitespace().last().unwrap().parse().unwrap(),
        Err(_) => 8 * MIB,
    };
    let fits = 2 * (most("tcp_wmem") + most("tcp_rmem")) + 8 * MIB;
    assert!(fits < LARGE / 2, "nothing could be told from {} MiB: sockets hold {} MiB", LARGE / MIB, fits / MIB);
    fits
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_up_the_endpoint() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::io::AsyncWriteExt;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let given = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&given);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut head = [0; 4096];
                tokio::io::AsyncReadExt::read(&mut stream, &mut head).await.unwrap();
                let large = head.starts_with(b"GET /large");
                let length = if large { LARGE } else { 0 };
                let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                for _ in 0..length / BLOCK.len() as u64 {
                    if stream.write_all(&BLOCK).await.is_err() {
                        return;
                    }
                    counter.fetch_add(BLOCK.len() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    let yaml = format!("splits: [{{name: shop, versions: [{{name: stable, endpoints: [\"{address}\"]}}]}}]\n");
    let binary = Binary::start(&yaml).await;
    assert_eq!(get(binary.http(), "/small").await.status, 200);
    let before = binary.memory();
    let over_h1 = over_h1(&binary, download("/large")).await;
    assert!(until_stuck(|| given.load(Ordering::Relaxed)).await < in_between());
    let over_h2 = over_h2(&binary, download("http://shop.example/large")).await;
    assert!(until_stuck(|| given.load(Ordering::Relaxed)).await < 2 * in_between());
    assert_small(&binary, before);
    // And then it all comes.
    for body in [over_h1.into_body(), over_h2.into_body()] {
        let read = tokio::time::timeout(Duration::from_secs(60), length(body)).await.unwrap();
        assert_eq!(read, LARGE);
    }
    assert_small(&binary, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_does_not_read_holds_up_the_client() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Counted(Zeros, Arc<AtomicU64>);
    impl Body for Counted {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let left = self.0.left;
            let frame = Pin::new(&mut self.0).poll_frame(context);
            let given = left - self.0.left;
            self.1.fetch_add(given, Ordering::Relaxed);
            frame
        }
        fn size_hint(&self) -> SizeHint {
            self.0.size_hint()
        }
    }

    let backend = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let yaml = format!(
        "splits: [{{name: shop, versions: [{{name: stable, endpoints: [\"{}\"]}}]}}]\n",
        backend.local_addr().unwrap()
    );
    let binary = Binary::start(&yaml).await;
    assert_eq!(get(binary.address("admin"), "/livez").await.status, 200);
    let before = binary.memory();
    let given = Arc::new(AtomicU64::new(0));
    let body = || Counted(Zeros { left: LARGE, sized: true }, Arc::clone(&given));
    let stream = TcpStream::connect(binary.http()).await.unwrap();
    let (mut first, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let _first = tokio::spawn(first.send_request(request("POST", "/").body(body()).unwrap()));
    assert!(until_stuck(|| given.load(Ordering::Relaxed)).await < in_between());
    let stream = TcpStream::connect(binary.http()).await.unwrap();
    let (mut second, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let _second = tokio::spawn(second.send_request(request("POST", "http://a/").body(body()).unwrap()));
    assert!(until_stuck(|| given.load(Ordering::Relaxed)).await < 2 * in_between());
    assert_small(&binary, before);
    // The endpoint takes the connections, and reads nothing.
    drop(backend);
}
