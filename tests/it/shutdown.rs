//! How a process ends, with the real program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

fn config(endpoint: SocketAddr, shutdown: &str) -> String {
    format!(
        "ops: {{address: \"{{ops}}\"}}\nshutdown: {shutdown}\nsplits: [{{name: shop, versions: [{{name: v1, endpoints: [\"{endpoint}\"]}}]}}]\n"
    )
}

fn ask() -> http::Request<Sent> {
    request("GET", "/").body(nothing()).unwrap()
}

/// Sends a request that takes a while, and waits until the backend has it.
pub async fn slow(binary: &Binary, echo: &weir::echo::Echo, path: &str) -> tokio::task::JoinHandle<Answer> {
    let requests = echo.stats().requests;
    let (address, path) = (binary.http(), path.to_owned());
    let task = tokio::spawn(async move { get(address, &path).await });
    wait_until("the slow request is on its way", async || echo.stats().requests > requests).await;
    task
}

/// Waits until readiness fails.
async fn unready(binary: &Binary) {
    for listener in ["ops", "admin"] {
        wait_until("readiness fails", async || get(binary.address(listener), "/readyz").await.status == 503).await;
        assert_eq!(get(binary.address(listener), "/livez").await.status, 200, "alive until the end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_signal_ends_an_idle_process_in_peace() {
    let echo = echo("v1").await;
    for signal in ["TERM", "INT", "QUIT"] {
        let mut binary = Binary::start(&config(echo.address(), "{delay: 0s, timeout: 5s}")).await;
        assert_eq!(get(binary.http(), "/").await.status, 200);
        let begun = Instant::now();
        binary.signal(signal);
        assert_eq!(binary.exited(PATIENCE).await.code(), Some(0), "{signal}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{signal}: {:?}", begun.elapsed());
        assert!(binary.stderr().contains("nothing was cut"));
        assert!(TcpStream::connect(binary.http()).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_served_during_the_delay_and_refused_after_it() {
    let echo = echo("v1").await;
    let mut binary = Binary::start(&config(echo.address(), "{delay: 1s, timeout: 10s}")).await;
    let slow = slow(&binary, &echo, "/latency/2500").await;
    let mut kept = h1(binary.http()).await;
    assert_eq!(ask_h1(&mut kept, ask()).await.status, 200);
    let signalled = Instant::now();
    binary.signal("TERM");
    unready(&binary).await;
    assert!(signalled.elapsed() < Duration::from_millis(700), "readiness fails first: {:?}", signalled.elapsed());
    let answer = ask_h1(&mut kept, ask()).await;
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (200, Some("close")));
    assert_eq!(get(binary.http(), "/").await.status, 200, "new connections are accepted");
    // Known to be open before the refusals begin.
    let mut late = h1(binary.http()).await;
    late.ready().await.unwrap();
    wait_until("refusals", async || get(binary.http(), "/").await.status == 503).await;
    assert!(signalled.elapsed() >= Duration::from_secs(1), "refused during the delay");
    for answer in [get(binary.http(), "/").await, ask_h1(&mut late, ask()).await] {
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("x-weir-reason"), Some("shutting_down"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(answer.header("retry-after").is_some());
    }
    let slow = within(slow).await.unwrap();
    assert_eq!(slow.status, 200, "what is in flight finishes");
    assert_eq!(binary.exited(PATIENCE).await.code(), Some(0));
    assert!(signalled.elapsed() < Duration::from_secs(5), "it waits for no more than what is in flight");
    assert!(binary.stderr().contains("nothing was cut"), "{}", binary.stderr());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_cuts_what_never_ends() {
    let echo = echo("v1").await;
    let mut binary = Binary::start(&config(echo.address(), "{delay: 0s, timeout: 1s}")).await;
    let mut stream = within(TcpStream::connect(binary.http())).await.unwrap();
    stream.write_all(b"GET /stream/1000/100 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    within(stream.read_u8()).await.unwrap();
    let signalled = Instant::now();
    binary.signal("TERM");
    assert_eq!(binary.exited(PATIENCE).await.code(), Some(0));
    let took = signalled.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&took), "{took:?}");
    assert!(binary.stderr().contains("cut"), "{}", binary.stderr());
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "what was cut must not look whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let echo = echo("v1").await;
    let mut binary = Binary::start(&config(echo.address(), "{delay: 30s, timeout: 30s}")).await;
    let _slow = slow(&binary, &echo, "/latency/60000").await;
    binary.signal("TERM");
    unready(&binary).await;
    let signalled = Instant::now();
    binary.signal("TERM");
    binary.exited(PATIENCE).await;
    assert!(signalled.elapsed() < Duration::from_secs(2), "{:?}", signalled.elapsed());
    assert!(binary.stderr().contains("second signal"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_clients_are_told_to_go_away() {
    let echo = echo("v1").await;
    let mut binary = Binary::start(&config(echo.address(), "{delay: 0s, timeout: 10s}")).await;
    let stream = within(TcpStream::connect(binary.http())).await.unwrap();
    let (client, mut connection) = within(h2::client::handshake(stream)).await.unwrap();
    let (told, goaway) = tokio::sync::oneshot::channel();
    let pings = connection.ping_pong();
    drop(pings);
    tokio::spawn(async move { told.send(connection.await) });
    let mut client = within(client.ready()).await.unwrap();
    let request = |path: &str| http::Request::get(format!("http://shop.example{path}")).body(()).unwrap();
    let requests = echo.stats().requests;
    let (slow, _) = client.send_request(request("/latency/1000"), true).unwrap();
    wait_until("it is on its way", async || echo.stats().requests > requests).await;
    binary.signal("TERM");
    let answer = within(slow).await.unwrap();
    assert_eq!(answer.status(), 200, "a stream in flight finishes");
    let mut body = answer.into_body();
    while let Some(data) = within(body.data()).await {
        let length = data.unwrap().len();
        body.flow_control().release_capacity(length).unwrap();
    }
    // The connection ends although the client still has a handle: only a GOAWAY makes it.
    let ended = within(goaway).await.unwrap();
    assert!(ended.is_ok(), "{ended:?}");
    assert!(client.ready().await.is_err(), "no further stream can be opened");
    assert_eq!(binary.exited(PATIENCE).await.code(), Some(0));
}

/// Every way a request of a client that connects anew each time can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Served,
    Refused503,
    ConnectRefused,
    /// A connection was made, and no answer came.
    Lost,
}

pub async fn one(address: SocketAddr) -> End {
    let Ok(stream) = TcpStream::connect(address).await else { return End::ConnectRefused };
    let answer = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(ask()).await?;
        let status = response.status();
        response.into_body().collect().await?;
        connection.abort();
        Ok::<_, hyper::Error>(status.as_u16())
    };
    match within(answer).await {
        Ok(200) => End::Served,
        Ok(503) => End::Refused503,
        lost => {
            println!("lost: {lost:?}");
            End::Lost
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_connection_that_was_accepted_gets_an_answer() {
    let echo = echo("v1").await;
    let mut ends: BTreeMap<End, u64> = BTreeMap::new();
    for _ in 0..5 {
        let mut binary =
            Binary::start(&format!("workers: 2\n{}", config(echo.address(), "{delay: 300ms, timeout: 5s}"))).await;
        let (stop, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let address = binary.http();
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
                tokio::spawn(async move {
                    let mut ends: BTreeMap<End, u64> = BTreeMap::new();
                    while !stop.load(Ordering::Relaxed) {
                        let end = one(address).await;
                        served.fetch_add(1, Ordering::Relaxed);
                        *ends.entry(end).or_default() += 1;
                        if end == End::ConnectRefused {
                            break;
                        }
                    }
                    ends
                })
            })
            .collect();
        wait_until("the load runs", async || served.load(Ordering::Relaxed) > 100).await;
        binary.signal("TERM");
        assert_eq!(binary.exited(PATIENCE).await.code(), Some(0));
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            for (end, count) in within(client).await.unwrap() {
                *ends.entry(end).or_default() += count;
            }
        }
    }
    println!("{ends:?}");
    assert!(ends[&End::Served] > 500);
    assert_eq!(ends.get(&End::Lost), None, "connections were accepted and dropped: {ends:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_connections_lose_nothing_either() {
    let echo = echo("v1").await;
    let mut binary = Binary::start(&config(echo.address(), "{delay: 500ms, timeout: 5s}")).await;
    let load = crate::load::Load::start(binary.http(), 4);
    load.more(200).await;
    binary.signal("TERM");
    // Each client moves to a new connection with each answer now.
    let before = load.done();
    unready(&binary).await;
    load.more(20).await;
    assert!(load.done() > before);
    let report = load.finish().await;
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.closed > 0, "nobody was told to go elsewhere");
    assert_eq!(binary.exited(PATIENCE).await.code(), Some(0));
}
