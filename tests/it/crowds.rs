//! Many long-lived connections at once. Both take minutes and print figures:
//!
//! `cargo test --test it -- --ignored --nocapture --test-threads 1 crowds`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt, stream};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio_tungstenite::tungstenite::protocol::Message;
use weir::echo::Echo;

use crate::support::*;
use crate::upgrades::websocket_h1;

fn shop([old, new]: [(&str, u32); 2], drain: &str) -> String {
    format!(
        "workers: 2
splits:
  - name: shop
    versions:
      - {{name: old, weight: {}, endpoints: [{}]}}
      - {{name: new, weight: {}, endpoints: [{}]}}
    drain: {drain}
",
        old.1, old.0, new.1, new.0
    )
}

fn quoted<'e>(echoes: impl IntoIterator<Item = &'e Echo>) -> String {
    echoes.into_iter().map(|echo| format!("\"{}\"", echo.address())).collect::<Vec<_>>().join(", ")
}

/// 5,000 WebSockets on a version whose weight goes to 0 with `spread: 20s`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute"]
async fn five_thousand_websockets_are_asked_in_their_turn() {
    const CROWD: usize = 5_000;
    let [old, new] = [echo("old").await, echo("new").await];
    let drain = "{timeout: 60s, spread: 20s}";
    let [old, new] = [quoted([&old]), quoted([&new])];
    let binary = Binary::start(&shop([(&old, 1), (&new, 0)], drain)).await;
    let address = binary.http();
    let opened = stream::iter(0..CROWD).map(|_| async move { websocket_h1(address, None).await.0 });
    let sockets: Vec<_> = opened.buffer_unordered(64).collect().await;
    let connections = [("version", "old"), ("protocol", "websocket")];
    assert_eq!(binary.metric("weir_active_connections", &connections).await, CROWD as f64);
    let begun = Instant::now();
    binary.rewrite(&shop([(&old, 0), (&new, 1)], drain));
    let ends = sockets.into_iter().map(|mut socket| {
        tokio::spawn(async move {
            let next = tokio::time::timeout(Duration::from_secs(60), socket.next()).await;
            let asked = begun.elapsed();
            let code = match next {
                Ok(Some(Ok(Message::Close(Some(frame))))) => u16::from(frame.code),
                _ => 1006,
            };
            let _ = tokio::time::timeout(Duration::from_secs(10), socket.next()).await;
            (asked, code)
        })
    });
    let ends: Vec<(Duration, u16)> =
        futures_util::future::join_all(ends).await.into_iter().map(Result::unwrap).collect();
    let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
    ends.iter().for_each(|(asked, _)| *seconds.entry(asked.as_secs()).or_default() += 1);
    let told = ends.iter().filter(|(_, code)| *code == 1001).count();
    let (first, last) = (ends.iter().min().unwrap().0, ends.iter().max().unwrap().0);
    println!("{told} of {CROWD} saw 1001; first after {first:?}, last after {last:?}; by second: {seconds:?}");
    assert!(told * 1_000 >= CROWD * 999);
    assert!(last < Duration::from_secs(22), "{last:?}");
    // 250 a second; clients of a busy machine see some of a second in the next.
    assert!(seconds.values().all(|count| *count <= 375), "{seconds:?}");
    wait_until("none is left", async || binary.metric("weir_active_connections", &[]).await == 0.0).await;
    let asked = [("version", "old"), ("reason", "asked")];
    wait_until("all are counted", async || binary.metric("weir_drain_closed_total", &asked).await >= told as f64).await;
}

/// What the clients saw.
#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    failed: AtomicU64,
    /// Long-lived connections that ended as they were asked to.
    asked: AtomicU64,
    /// Those that ended in any other way.
    cut: AtomicU64,
    open: AtomicI64,
    /// Nobody opens anything any more.
    calm: AtomicBool,
    /// Everybody goes home.
    over: AtomicBool,
}

impl Seen {
    fn ended(&self, as_asked: bool, how: impl std::fmt::Debug) {
        self.open.fetch_sub(1, Relaxed);
        if as_asked {
            self.asked.fetch_add(1, Relaxed);
        } else if !self.over.load(Relaxed) && self.cut.fetch_add(1, Relaxed) < 5 {
            println!("cut: {how:?}");
        }
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Relaxed) && !self.calm.load(Relaxed)
    }
}

/// How often a long-lived connection says something.
const BEAT: Duration = Duration::from_millis(500);

async fn talker(address: SocketAddr, seen: Arc<Seen>) {
    while seen.goes_on() {
        let (mut socket, _) = websocket_h1(address, None).await;
        seen.open.fetch_add(1, Relaxed);
        let end = loop {
            if seen.over.load(Relaxed) {
                let _ = socket.close(None).await;
                break None;
            }
            if socket.send(Message::text("hello")).await.is_err() {
                // It may have been asked meanwhile.
                break socket.next().await;
            }
            match within(socket.next()).await {
                Some(Ok(Message::Text(_))) => tokio::time::sleep(BEAT).await,
                other => break other,
            }
        };
        let asked = matches!(&end, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1001);
        let _ = tokio::time::timeout(Duration::from_secs(5), socket.next()).await;
        seen.ended(asked, end);
    }
}

async fn listener(address: SocketAddr, seen: Arc<Seen>) {
    while seen.goes_on() {
        let mut client = h1(address).await;
        let asked = request("GET", "/events?ms=500").body(nothing()).unwrap();
        let response = within(client.send_request(asked)).await.unwrap();
        assert_eq!(response.status(), 200);
        seen.open.fetch_add(1, Relaxed);
        let mut body = response.into_body();
        let end = loop {
            match body.frame().await {
                Some(Ok(_)) if !seen.over.load(Relaxed) => {}
                other => break other.map(|frame| frame.map(drop)),
            }
        };
        seen.ended(end.is_none(), end);
    }
}

async fn caller(address: SocketAddr, seen: Arc<Seen>) {
    let mut client = h2(address).await;
    while seen.goes_on() {
        let (feed, sent) = fed();
        let message = || Frame::data(bytes::Bytes::from_static(&[0, 0, 0, 0, 1, b'a']));
        feed.send(message()).unwrap();
        let call = request("POST", "http://shop.example/test.Echo/Run").header("content-type", "application/grpc");
        within(client.ready()).await.unwrap();
        let response = within(client.send_request(call.body(sent).unwrap())).await.unwrap();
        seen.open.fetch_add(1, Relaxed);
        // A call that was asked before its answer had come is told so in the head.
        let mut status = response.headers().get("grpc-status").cloned();
        let mut body = response.into_body();
        while !seen.over.load(Relaxed) {
            match body.frame().await {
                Some(Ok(frame)) if frame.is_data() => {
                    tokio::time::sleep(BEAT).await;
                    let _ = feed.send(message());
                }
                Some(Ok(frame)) => status = frame.trailers_ref().and_then(|t| t.get("grpc-status").cloned()),
                _ => break,
            }
        }
        seen.ended(status.as_ref().is_some_and(|status| status == "14"), status);
    }
}

async fn visitor(address: SocketAddr, seen: Arc<Seen>) {
    let mut client = h1(address).await;
    while !seen.over.load(Relaxed) {
        let answer = ask_h1(&mut client, request("GET", "/").body(nothing()).unwrap()).await;
        seen.requests.fetch_add(1, Relaxed);
        if answer.status != 200 && seen.failed.fetch_add(1, Relaxed) < 5 {
            println!("failed: {} {:?}", answer.status, answer.header("x-weir-reason"));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// 2,000 connections of four kinds, a weight that changes and an endpoint that comes or goes every second, for two minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes more than two minutes"]
async fn two_thousand_mixed_connections_lose_nothing() {
    const EACH: usize = 500;
    const SECONDS: u32 = 120;
    let mut echoes = Vec::new();
    for _ in 0..4 {
        echoes.push(echo("v").await);
    }
    let yaml = |second: u32| {
        let kept = echoes.iter().enumerate().filter(|(index, _)| *index as u32 != second % 3 + 1);
        let old = quoted(kept.map(|(_, echo)| echo));
        shop([(&old, 1 + second % 9), (&quoted([&echoes[0]]), 9 - second % 9)], "{timeout: 30s, spread: 500ms}")
    };
    // The second version speaks HTTP/1.1, as all here; gRPC needs HTTP/2.
    let grpc = |yaml: String| yaml.replace("endpoints: [\"", "endpoints: [\"h2c://").replace(", \"", ", \"h2c://");
    let yaml = |second| {
        let calls = grpc(yaml(second))
            .replace("workers: 2\nsplits:\n", "")
            .replace("name: shop", "name: calls\n    paths: [/test.Echo]");
        format!("{}{calls}", yaml(second))
    };
    let binary = Binary::start(&yaml(0)).await;
    let (address, seen) = (binary.http(), Arc::new(Seen::default()));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..EACH {
        clients.spawn(talker(address, Arc::clone(&seen)));
        clients.spawn(listener(address, Arc::clone(&seen)));
        clients.spawn(caller(address, Arc::clone(&seen)));
        clients.spawn(visitor(address, Arc::clone(&seen)));
    }
    let mut memory = Vec::new();
    for second in 1..=SECONDS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        binary.rewrite(&yaml(second));
        memory.push(binary.own_memory());
    }
    let mean = |seconds: &[u64]| seconds.iter().sum::<u64>() / seconds.len() as u64;
    let (early, late) = (mean(&memory[30..40]), mean(&memory[110..120]));
    seen.calm.store(true, Relaxed);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let gauge = binary.metric("weir_active_connections", &[]).await;
    let open = seen.open.load(Relaxed);
    let [requests, failed, asked, cut] =
        [&seen.requests, &seen.failed, &seen.asked, &seen.cut].map(|count| count.load(Relaxed));
    println!(
        "{requests} requests, {failed} failed; {asked} long-lived connections ended when asked, {cut} in another way; \
         {open} open, the gauge says {gauge}; memory {early} then {late} bytes"
    );
    seen.over.store(true, Relaxed);
    while clients.join_next().await.is_some() {}
    assert_eq!((failed, cut), (0, 0));
    assert_eq!(gauge, open as f64);
    assert!(asked > 100);
    assert!((late as f64) < early as f64 * 1.05, "{early} then {late}");
    wait_until("none is left", async || binary.metric("weir_active_connections", &[]).await == 0.0).await;
}
