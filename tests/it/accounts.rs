//! Every request is accounted for at its client, at the proxy and at the endpoints, whatever fails: `WEIR_SEED` repeats a
//! run.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;

use crate::mocks::fails_at_random::{self, Executed};
use crate::mocks::fails_at_random_h2;
use crate::support::*;

const CLIENTS: u64 = 12;
const REQUESTS: u64 = 150;

/// How a request ended, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Seen {
    /// An answer with this status, whole.
    Answer(u16),
    /// A call that failed with this status of gRPC.
    Status(u8),
    /// The client left before it was answered.
    Left,
}

/// By path: the method, and how it ended.
type Book = Arc<Mutex<HashMap<String, (&'static str, Seen)>>>;

fn seed() -> u64 {
    let seed = std::env::var("WEIR_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("WEIR_SEED={seed}");
    seed
}

/// A client that asks, one request after the other, and leaves in the middle of some. `calls`: some are calls of gRPC.
async fn client(address: SocketAddr, (number, calls): (u64, bool), seed: u64, book: Book) {
    let mut rng = fastrand::Rng::with_seed(seed ^ number);
    let (mut one, mut two) = (h1(address).await, h2(address).await);
    for n in 0..REQUESTS {
        let method = ["GET", "PUT", "DELETE", "POST", "POST"][rng.usize(..5)];
        let path = format!("/{method}/{number}/{n}/");
        let body = || if method == "GET" { nothing() } else { all("x".repeat(n as usize * 40)) };
        let seen = match rng.u8(..20) {
            0 => leaves(address, method, &path).await,
            1..6 if calls => {
                let path = format!("/grpc/{number}/{n}/");
                let seen = call(&mut two, &path).await;
                book.lock().unwrap().insert(path, ("grpc", seen));
                continue;
            }
            1..10 => {
                let target = format!("http://shop.example{path}");
                answered(ask_h2(&mut two, request(method, &target).body(body()).unwrap()).await, &path)
            }
            _ => {
                let sent = request(method, &path).body(body()).unwrap();
                within(one.ready()).await.unwrap();
                let response = within(one.send_request(sent)).await.unwrap();
                let (parts, body) = response.into_parts();
                let text = within(body.collect()).await.unwrap().to_bytes();
                if parts.headers.get("connection").is_some_and(|value| value == "close") {
                    one = h1(address).await;
                }
                assert!(parts.status != 200 || text == path, "the answer to another request: {text:?} for {path}");
                Seen::Answer(parts.status.as_u16())
            }
        };
        book.lock().unwrap().insert(path, (method, seen));
    }
}

/// A call, with a message of its own.
async fn call(client: &mut H2, path: &str) -> Seen {
    let asked = request("POST", &format!("http://shop.example{path}")).header("content-type", "application/grpc");
    let message = [&[0, 0, 0, 0, 5][..], b"hello"].concat();
    let answer = ask_h2(client, asked.header("te", "trailers").body(all(message)).unwrap()).await;
    assert_eq!(answer.status, 200);
    let status = answer.trailers.get("grpc-status").or_else(|| answer.headers.get("grpc-status")).unwrap();
    match status.to_str().unwrap().parse().unwrap() {
        0 => {
            assert!(answer.body.ends_with(path.as_bytes()), "the answer to another call: {answer:?} for {path}");
            Seen::Answer(200)
        }
        status => Seen::Status(status),
    }
}

fn answered(answer: Answer, path: &str) -> Seen {
    assert!(answer.status != 200 || answer.text() == path, "the answer to another request: {answer:?} for {path}");
    Seen::Answer(answer.status.as_u16())
}

/// Sends a part of a request's body and goes.
async fn leaves(address: SocketAddr, method: &str, path: &str) -> Seen {
    let mut stream = within(tokio::net::TcpStream::connect(address)).await.unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 10\r\n\r\nhalf");
    stream.write_all(head.as_bytes()).await.unwrap();
    Seen::Left
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_accounted_for() {
    accounted_for(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_and_call_is_accounted_for_over_http2() {
    accounted_for(true).await;
}

/// How often something that may be repeated is done at most: twice at each endpoint that fails, where a connection that was used
/// before died, and once at the one that does not.
const MOST: usize = 5;

/// `http2`: that is what the endpoints speak, and some requests are calls of gRPC.
async fn accounted_for(http2: bool) {
    let seed = seed();
    let executed = Executed::default();
    let mut mocks = Vec::new();
    for (n, share) in [0.4, 0.4, 0.0].into_iter().enumerate() {
        let seed = seed.wrapping_add(n as u64);
        mocks.push(match http2 {
            false => fails_at_random::start(seed, share, &executed).await,
            true => fails_at_random_h2::start(seed, share, &executed).await,
        });
    }
    let scheme = if http2 { "h2c://" } else { "" };
    let endpoints: Vec<String> = mocks.iter().map(|mock| format!("\"{scheme}{}\"", mock.address())).collect();
    let proxy = Proxy::start(&format!(
        "workers: 2\nsplits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [{}]}}]\n    \
         retry: {{attempts: 2, budget: 100%}}\n",
        endpoints.join(", ")
    ))
    .await;
    let book = Book::default();
    let clients: Vec<_> =
        (0..CLIENTS).map(|n| tokio::spawn(client(proxy.http(), (n, http2), seed, Arc::clone(&book)))).collect();
    for client in clients {
        client.await.unwrap();
    }
    let sent = CLIENTS * REQUESTS;
    wait_until("every request is counted", async || proxy.metric("weir_requests_total", &[]).await == sent as f64)
        .await;
    let book = book.lock().unwrap().clone();
    let executed = executed.lock().unwrap().clone();
    let count = |wanted: &dyn Fn(&str, Seen) -> bool| {
        book.values().filter(|(method, seen)| wanted(method, *seen)).count() as f64
    };

    // Client and proxy agree about every answer. Who leaves may have been answered already: an endpoint need not wait for a
    // whole request to refuse it.
    let mut unheard = 0.0;
    for code in [200, 502, 503] {
        let counted = proxy.metric("weir_requests_total", &[("code", &code.to_string())]).await;
        let calls = |seen| code == 200 && matches!(seen, Seen::Status(_));
        let seen = count(&|_, seen| seen == Seen::Answer(code) || calls(seen));
        assert!(counted == seen || code == 502 && counted > seen, "{code}: {counted} counted, {seen} seen");
        unheard += counted - seen;
    }
    for status in 1..=16 {
        let counted = proxy.metric("weir_requests_total", &[("grpc_status", &status.to_string())]).await;
        assert_eq!(counted, count(&|_, seen| seen == Seen::Status(status)), "gRPC status {status}");
    }
    let gone = proxy.metric("weir_requests_total", &[("classification", "client_gone")]).await;
    assert_eq!(gone + unheard, count(&|_, seen| seen == Seen::Left), "those that left, {unheard} of them answered");
    assert_eq!(proxy.metric("weir_active_requests", &[]).await, 0.0);

    // Endpoints and clients agree about what was done.
    for (path, (method, seen)) in &book {
        let times = executed.get(path).copied().unwrap_or(0);
        match (*method, *seen) {
            ("POST" | "grpc", Seen::Answer(200)) => assert_eq!(times, 1, "{path} was answered"),
            ("POST" | "grpc", _) => assert!(times <= 1, "{path} was done {times} times"),
            (_, Seen::Left) => assert_eq!(times, 0, "{path} was not sent to its end"),
            (_, seen) => {
                assert_eq!(seen, Seen::Answer(200), "{path} is idempotent, and was lost");
                assert!((1..=MOST).contains(&times), "{path} was done {times} times");
            }
        }
    }
    assert!(executed.keys().all(|path| book.contains_key(path)), "something was done that nobody asked for");
    // It shows something: some were lost that may be, and some went twice.
    assert!(count(&|method, seen| method == "POST" && seen == Seen::Answer(502)) > 0.0);
    assert_eq!(count(&|method, seen| method == "grpc" && matches!(seen, Seen::Status(_))) > 0.0, http2);
    assert!(proxy.metric("weir_retries_total", &[("reason", "reset")]).await > 0.0);
    assert!(proxy.metric("weir_retries_total", &[("reason", "refused")]).await > 0.0);
}
