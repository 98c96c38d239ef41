//! Copies of requests: who gets them, what arrives, how they are counted, and that no client notices.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::mocks;
use crate::mocks::accepts_never::AcceptsNever;
use crate::support::*;

/// What no endpoint answers, so that nobody takes the answer to a copy for an endpoint's.
const TEAPOT: u16 = 418;

/// One copy, as it arrived.
#[derive(Clone)]
struct Copied {
    version: Version,
    method: String,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Copied {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Keeps what it gets, and answers 418 to all of it; while its gate is shut, to none of it.
struct Shadow {
    address: SocketAddr,
    copies: Arc<Mutex<Vec<Copied>>>,
    gate: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Shadow {
    async fn start() -> Self {
        let shadow = Self::shut().await;
        shadow.open();
        shadow
    }

    async fn shut() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (copies, gate) = (Arc::<Mutex<Vec<Copied>>>::default(), Arc::new(Semaphore::new(0)));
        let (kept, closed) = (Arc::clone(&copies), Arc::clone(&gate));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (kept, closed) = (Arc::clone(&kept), Arc::clone(&closed));
                connections.spawn(async move {
                    let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                        let (kept, closed) = (Arc::clone(&kept), Arc::clone(&closed));
                        async move {
                            let (head, body) = request.into_parts();
                            let Ok(body) = body.collect().await else { return Ok(Response::default()) };
                            let copied = Copied {
                                version: head.version,
                                method: head.method.to_string(),
                                target: head.uri.path_and_query().unwrap().to_string(),
                                headers: head.headers,
                                body: body.to_bytes(),
                            };
                            kept.lock().unwrap().push(copied);
                            let _open = closed.acquire().await.unwrap();
                            let answer = Full::new(Bytes::from_static(b"from a mirror"));
                            Ok::<_, Infallible>(Response::builder().status(TEAPOT).body(answer).unwrap())
                        }
                    });
                    // The proxy leaves whenever it likes.
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { address, copies, gate, task }
    }

    /// Answers what is waiting, and all that comes.
    fn open(&self) {
        self.gate.add_permits(100);
    }

    fn copies(&self) -> Vec<Copied> {
        self.copies.lock().unwrap().clone()
    }

    async fn has(&self, count: usize) {
        wait_until(&format!("{count} copies"), async || self.copies().len() >= count).await;
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `stable`, which gets all requests, `canary`, which gets none, and more lines of the split.
async fn proxy(stable: impl Display, canary: impl Display, more: &str) -> Proxy {
    Proxy::start(&shop(stable, canary, more)).await
}

fn shop(stable: impl Display, canary: impl Display, more: &str) -> String {
    format!(
        "splits:\n  - name: shop\n    versions:\n      - {{name: stable, weight: 1, endpoints: [\"{stable}\"]}}\n      \
         - {{name: canary, weight: 0, endpoints: [\"{canary}\"]}}\n{more}"
    )
}

/// Asks over one connection; every answer must be a version's.
async fn ask(proxy: &Proxy, path: &str, count: usize, version: &str) {
    let mut client = h1(proxy.http()).await;
    for _ in 0..count {
        let answer = ask_h1(&mut client, request("GET", path).body(nothing()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-echo-version")), (200, Some(version)));
    }
}

async fn post(proxy: &Proxy, body: Sent) -> Answer {
    send(proxy.http(), request("POST", "/cart?item=1").body(body).unwrap()).await
}

/// Waits until so many copies have ended like this.
async fn mirrored(proxy: &Proxy, count: f64, labels: &[(&str, &str)]) {
    let what = format!("{count} copies with {labels:?}");
    wait_until(&what, async || proxy.metric("weir_mirrored_requests_total", labels).await >= count).await;
    assert_eq!(proxy.metric("weir_mirrored_requests_total", labels).await, count);
}

/// A proxy that ends waits for copies as it does for requests; afterwards no copy can come any more.
async fn end(proxy: Proxy) {
    assert_eq!(within(proxy.end()).await, 0, "something was cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenth_of_the_requests_is_copied_exactly_and_answers_nobody() {
    let (stable, shadow) = (echo("stable").await, Shadow::start().await);
    let proxy = proxy(stable.address(), shadow.address, "    mirror: {to: canary, percent: 10}\n").await;
    ask(&proxy, "/", 200, "stable").await;
    mirrored(&proxy, 20.0, &[("version", "canary"), ("code", "418"), ("classification", "success")]).await;
    assert_eq!(proxy.metric("weir_mirrored_requests_total", &[]).await, 20.0);
    assert_eq!(proxy.metric("weir_mirrored_request_duration_seconds_count", &[("version", "canary")]).await, 20.0);
    assert_eq!(proxy.metric("weir_requests_total", &[("version", "canary")]).await, 0.0, "copies are no requests");
    assert_eq!(proxy.metric("weir_requests_total", &[("version", "stable"), ("code", "200")]).await, 200.0);
    assert_eq!(proxy.metric("weir_decisions_total", &[("version", "canary")]).await, 0.0);
    end(proxy).await;
    assert_eq!((shadow.copies().len(), stable.stats().requests), (20, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_says_that_it_is_one_and_is_the_request_otherwise() {
    let (stable, shadow) = (echo("stable").await, Shadow::start().await);
    let proxy = proxy(stable.address(), shadow.address, "    mirror: {to: canary}\n").await;
    let asked = request("PUT", "/cart/7?item=1&b=%20").header("x-custom", "kept").body(all("a body")).unwrap();
    let answer = send(proxy.http(), asked).await;
    assert_eq!(answer.seen("x-weir-why").as_deref(), Some("weight"));
    assert_eq!(answer.seen("x-weir-version").as_deref(), Some("stable"));
    shadow.has(1).await;
    let copied = shadow.copies().remove(0);
    assert_eq!((&*copied.method, &*copied.target), ("PUT", "/cart/7?item=1&b=%20"));
    assert_eq!(copied.body, "a body");
    assert_eq!((copied.header("x-weir-why"), copied.header("x-weir-version")), (Some("mirror"), Some("canary")));
    for name in ["host", "x-custom", "x-request-id", "traceparent", "x-forwarded-for", "content-length"] {
        assert!(copied.header(name).is_some(), "{name}");
        let host = Some("shop.example".to_owned());
        let seen = if name == "host" { host } else { answer.seen(name) };
        assert_eq!(copied.header(name), seen.as_deref(), "{name}");
    }
    ask(&proxy, "/", 1, "stable").await;
    shadow.has(2).await;
    let copied = shadow.copies().remove(1);
    for name in ["content-length", "transfer-encoding"] {
        assert_eq!(copied.header(name), None, "a request without a body has a copy without one");
    }
    let head = send(proxy.http(), request("HEAD", "/").body(nothing()).unwrap()).await;
    assert_eq!((head.status.as_u16(), head.header("x-echo-version")), (200, Some("stable")));
    mirrored(&proxy, 3.0, &[("code", "418")]).await;
    assert_eq!(shadow.copies()[2].method, "HEAD");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_arrive_whole_and_what_is_over_the_limit_is_not_copied() {
    let (stable, small, large) = (echo("stable").await, Shadow::start().await, Shadow::start().await);
    let more = format!(
        "      - {{name: v3, weight: 0, endpoints: [\"{}\"]}}\n    mirror: {{to: canary, limit: 1000B}}\n    \
         mirrors: [{{to: v3, limit: 100kB}}]\n",
        large.address
    );
    let proxy = proxy(stable.address(), small.address, &more).await;
    for length in [999, 1000, 1001, 100_000, 100_001] {
        let whole = "0123456789".repeat(length / 10 + 1)[..length].to_owned();
        for chunked in [false, true] {
            let body = if chunked {
                let (feed, body) = fed();
                whole.as_bytes().chunks(700).for_each(|piece| feed.send(Frame::data(piece.to_vec().into())).unwrap());
                body
            } else {
                all(whole.clone())
            };
            let answer = post(&proxy, body).await;
            assert_eq!((answer.status.as_u16(), answer.json()["bodyLength"].as_u64()), (200, Some(length as u64)));
        }
        let mine = |shadow: &Shadow| shadow.copies().iter().filter(|copied| copied.body == whole).count();
        let (few, many) = (if length <= 1000 { 2 } else { 0 }, if length <= 100_000 { 2 } else { 0 });
        wait_until("copies", async || (mine(&small), mine(&large)) == (few, many)).await;
    }
    end(proxy).await;
    assert_eq!((small.copies().len(), large.copies().len()), (4, 8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mirror_gets_its_fraction_and_no_version_a_copy_of_what_it_got() {
    let (stable, canary, all, half) =
        (echo("stable").await, echo("canary").await, Shadow::start().await, Shadow::start().await);
    let more = format!(
        "      - {{name: v3, weight: 0, endpoints: [\"{}\"]}}\n      - {{name: v4, weight: 0, endpoints: [\"{}\"]}}\n    \
         mirror: {{to: v3}}\n    mirrors: [{{to: v4, fraction: {{numerator: 1, denominator: 2}}}}, {{to: canary}}]\n",
        all.address, half.address
    );
    let yaml = shop(stable.address(), canary.address(), &more).replacen("weight: 0", "weight: 1", 1);
    let proxy = Proxy::start(&yaml).await;
    for _ in 0..40 {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
    }
    mirrored(&proxy, 40.0, &[("version", "v3"), ("code", "418")]).await;
    mirrored(&proxy, 20.0, &[("version", "v4"), ("code", "418")]).await;
    mirrored(&proxy, 20.0, &[("version", "canary"), ("code", "200")]).await;
    end(proxy).await;
    assert_eq!((all.copies().len(), half.copies().len()), (40, 20));
    assert_eq!((stable.stats().requests, canary.stats().requests), (20, 40), "20 requests and 20 copies");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_that_fails_costs_no_client_anything_and_is_counted_with_its_failure() {
    let stable = echo("stable").await;
    let (dead, silent) = (AcceptsNever::start(), mocks::never_answers::start().await);
    let (resetting, garbage) =
        (mocks::resets_before_answer::start(Duration::ZERO).await, mocks::answers_garbage::start().await);
    let (stalling, lying) = (mocks::stalls_after_head::start().await, mocks::lies_about_length::start().await);
    let bad = echo("canary").await;
    bad.set_fail(1.0);
    for (mirror, reason, code) in [
        (dead.address(), "connect_failed", "503"),
        (silent.address(), "request_timeout", "504"),
        (resetting.address(), "reset", "502"),
        (garbage.address(), "protocol_error", "502"),
        (stalling.address(), "idle_timeout", "200"),
        (lying.address(), "truncated", "200"),
        (bad.address(), "status", "500"),
    ] {
        let more = "    timeouts: {request: 1s, idle: 1s}\n    mirror: {to: canary}\n";
        let proxy = proxy(stable.address(), mirror, more).await;
        ask(&proxy, "/version", 5, "stable").await;
        let labels = [("version", "canary"), ("reason", reason), ("code", code), ("classification", "failure")];
        mirrored(&proxy, 5.0, &labels).await;
        assert_eq!(proxy.metric("weir_mirrored_requests_total", &[]).await, 5.0, "{reason}");
        assert_eq!(proxy.metric("weir_requests_total", &[("classification", "failure")]).await, 0.0, "{reason}");
        assert_eq!(proxy.metric("weir_requests_total", &[]).await, 5.0, "{reason}");
        end(proxy).await;
    }
    assert_eq!(resetting.received("GET"), 5, "what failed on a connection of its own is not repeated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_slow_mirror() {
    let (stable, shadow) = (echo("stable").await, Shadow::shut().await);
    let proxy = proxy(stable.address(), shadow.address, "    mirror: {to: canary}\n").await;
    ask(&proxy, "/", 20, "stable").await;
    shadow.has(20).await;
    assert_eq!(proxy.metric("weir_mirrored_requests_total", &[]).await, 0.0, "no copy has been answered yet");
    shadow.open();
    mirrored(&proxy, 20.0, &[("code", "418")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_beyond_those_that_may_be_in_flight_are_refused() {
    let (stable, shadow) = (echo("stable").await, Shadow::shut().await);
    let endpoint = format!("h2c://{}", shadow.address);
    let proxy = proxy(stable.address(), endpoint, "    mirror: {to: canary}\n").await;
    ask(&proxy, "/", 1030, "stable").await;
    mirrored(&proxy, 6.0, &[("reason", "refused"), ("code", "503"), ("version", "canary")]).await;
    shadow.open();
    mirrored(&proxy, 1024.0, &[("code", "418")]).await;
    ask(&proxy, "/", 1, "stable").await;
    mirrored(&proxy, 1025.0, &[("code", "418")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_take_no_room_of_requests_and_only_what_they_leave() {
    let (stable, shadow) = (echo("stable").await, Shadow::shut().await);
    let more = "    mirror: {to: canary}\n    limits: {perEndpoint: 4, queue: 0}\n    overrides: [{header: x-canary, to: canary}]\n";
    let proxy = proxy(stable.address(), shadow.address, more).await;
    ask(&proxy, "/", 6, "stable").await;
    shadow.has(4).await;
    mirrored(&proxy, 2.0, &[("reason", "refused"), ("code", "503"), ("version", "canary")]).await;
    let asked = || request("GET", "/real").header("x-canary", "1").body(nothing()).unwrap();
    let real: Vec<_> = (0..4).map(|_| tokio::spawn(send(proxy.http(), asked()))).collect();
    shadow.has(8).await;
    assert_eq!(send(proxy.http(), asked()).await.status, 503, "requests have their limit, and copies do not widen it");
    ask(&proxy, "/", 1, "stable").await;
    mirrored(&proxy, 3.0, &[("reason", "refused")]).await;
    shadow.open();
    for answer in real {
        assert_eq!(within(answer).await.unwrap().status, TEAPOT);
    }
    mirrored(&proxy, 4.0, &[("code", "418")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_tried_twice_is_copied_once() {
    let (stable, shadow, dead) = (echo("stable").await, Shadow::start().await, AcceptsNever::start());
    let both = format!("{}\", \"{}", dead.address(), stable.address());
    let more = "    retry: {attempts: 1, on: [connect]}\n    mirror: {to: canary}\n";
    let retrying = proxy(both, shadow.address, more).await;
    for _ in 0..10 {
        assert_eq!(post(&retrying, all("body")).await.status, 200);
    }
    assert!(retrying.metric("weir_retries_total", &[]).await > 0.0);
    end(retrying).await;
    assert_eq!(shadow.copies().len(), 10);
    assert!(shadow.copies().iter().all(|copied| copied.body == "body"));

    let (bad, shadow) = (echo("canary").await, Shadow::start().await);
    bad.set_fail(1.0);
    let more = format!(
        "      - {{name: v3, weight: 0, endpoints: [\"{}\"]}}\n    rescue: {{from: canary, on: [5xx]}}\n    \
         mirror: {{to: v3}}\n",
        shadow.address
    );
    let yaml = shop(stable.address(), bad.address(), &more).replace("canary, weight: 0", "canary, weight: 1");
    let rescuing = Proxy::start(&yaml.replace("stable, weight: 1", "stable, weight: 0")).await;
    ask(&rescuing, "/", 10, "stable").await;
    assert_eq!(rescuing.metric("weir_rescues_total", &[]).await, 10.0);
    end(rescuing).await;
    assert_eq!(shadow.copies().len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_go_between_all_protocols() {
    let stable = echo("stable").await;
    let body = "0123456789".repeat(6000);
    for (scheme, version) in [("http", Version::HTTP_11), ("h2c", Version::HTTP_2)] {
        let shadow = Shadow::start().await;
        let endpoint = format!("{scheme}://{}", shadow.address);
        let proxy = proxy(stable.address(), endpoint, "    mirror: {to: canary}\n").await;
        assert_eq!(post(&proxy, all(body.clone())).await.json()["bodyLength"], 60_000);
        let mut client = h2(proxy.http()).await;
        let target = "http://shop.example/cart?item=1";
        let answer = ask_h2(&mut client, request("POST", target).body(all(body.clone())).unwrap()).await;
        assert_eq!(answer.json()["bodyLength"], 60_000);
        let answer = ask_h2(&mut client, request("GET", target).body(nothing()).unwrap()).await;
        assert_eq!(answer.header("x-echo-version"), Some("stable"));
        mirrored(&proxy, 3.0, &[("code", "418")]).await;
        let copies = shadow.copies();
        assert!(copies.iter().all(|copied| copied.version == version && copied.target == "/cart?item=1"));
        assert_eq!((copies[0].body.len(), copies[1].body.len(), copies[2].body.len()), (60_000, 60_000, 0));
        assert!(copies[..2].iter().all(|copied| copied.body == body));
        end(proxy).await;
        assert_eq!(shadow.copies().len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_that_answers_while_it_reads_gets_all_of_a_copy() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let body = "0123456789".repeat(500_000);
    for scheme in ["http", "h2c"] {
        let endpoint = format!("{scheme}://{}", canary.address());
        let proxy = proxy(stable.address(), endpoint, "    mirror: {to: canary, limit: 8MiB}\n").await;
        let answer = send(proxy.http(), request("POST", "/echo").body(all(body.clone())).unwrap()).await;
        assert_eq!((answer.header("x-echo-version"), answer.body.len()), (Some("stable"), body.len()));
        mirrored(&proxy, 1.0, &[("code", "200"), ("classification", "success"), ("version", "canary")]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooled_connection_that_has_died_is_no_failure_of_the_mirror() {
    let (stable, mirror) = (echo("stable").await, mocks::dies_on_reuse::start().await);
    let proxy = proxy(stable.address(), mirror.address(), "    mirror: {to: canary}\n").await;
    for count in 1..=5 {
        ask(&proxy, "/", 1, "stable").await;
        mirrored(&proxy, f64::from(count), &[("code", "200"), ("classification", "success")]).await;
    }
    assert_eq!(proxy.metric("weir_mirrored_requests_total", &[]).await, 5.0);
    assert!(mirror.connections() > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_a_tunnel_is_not_copied() {
    let (stable, shadow) = (echo("stable").await, Shadow::start().await);
    let proxy = proxy(stable.address(), shadow.address, "    mirror: {to: canary}\n").await;
    let asked = request("GET", "/").header("connection", "upgrade").header("upgrade", "other").body(nothing()).unwrap();
    let mut client = h1(proxy.http()).await;
    let answer = within(client.send_request(asked)).await.unwrap();
    assert_eq!(answer.status(), 101);
    drop((answer, client));
    ask(&proxy, "/after", 1, "stable").await;
    end(proxy).await;
    assert_eq!(shadow.copies().iter().map(|copied| &*copied.target).collect::<Vec<_>>(), ["/after"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_waits_for_copies_in_flight_but_no_longer_than_for_requests() {
    let (stable, shadow) = (echo("stable").await, Shadow::shut().await);
    let ending = proxy(stable.address(), shadow.address, "    mirror: {to: canary}\n").await;
    ask(&ending, "/", 1, "stable").await;
    shadow.has(1).await;
    let ending = tokio::spawn(ending.end());
    shadow.open();
    assert_eq!(within(ending).await.unwrap(), 0, "answered in time");

    let shadow = Shadow::shut().await;
    let yaml = shop(stable.address(), shadow.address, "    mirror: {to: canary}\n");
    let ending = Proxy::start(&format!("shutdown: {{delay: 0s, timeout: 100ms}}\n{yaml}")).await;
    ask(&ending, "/", 1, "stable").await;
    shadow.has(1).await;
    assert_eq!(within(ending.end()).await, 1, "a copy that nobody answers is cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_that_floods_informational_answers_costs_no_client_anything() {
    let (stable, flood) = (echo("stable").await, mocks::floods_interim::start().await);
    let proxy = proxy(stable.address(), flood.address(), "    mirror: {to: canary}\n").await;
    ask(&proxy, "/", 20, "stable").await;
    mirrored(&proxy, 20.0, &[("reason", "protocol_error"), ("version", "canary")]).await;
}
