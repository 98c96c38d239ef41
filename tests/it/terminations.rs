//! Endpoints that come and go while requests flow: none is lost where servers finish what they have, and none that is
//! idempotent where they just die.
//!
//! `cargo test --release --test it -- --ignored --nocapture a_thousand_terminations` does it a thousand times each way,
//! and prints figures.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use weir::echo::Echo;

use crate::support::*;

/// Endpoints at a time.
const ENDPOINTS: usize = 3;

/// How a server ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// It leaves the configuration, finishes what it has, and stops.
    Finishes,
    /// It cuts its connections in the middle of what it does; the configuration hears of it afterwards.
    Dies,
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    failed: AtomicU64,
    first: std::sync::Mutex<Option<String>>,
    over: AtomicBool,
}

fn yaml(workers: usize, endpoints: &VecDeque<Echo>) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|echo| format!("\"{}\"", echo.address())).collect();
    let endpoints = endpoints.join(", ");
    format!("workers: {workers}\nsplits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [{endpoints}]}}]\n")
}

/// One client: a request after the other until it is over.
async fn client(address: std::net::SocketAddr, seen: Arc<Seen>, number: u64, methods: &'static [&'static str]) {
    let mut connection = h1(address).await;
    let mut count = number;
    while !seen.over.load(Relaxed) {
        count += 1;
        let method = methods[count as usize % methods.len()];
        let body = format!("{number}-{count}");
        let sent = if method == "GET" { nothing() } else { all(body.clone()) };
        let answer = ask_h1(&mut connection, request(method, "/").body(sent).unwrap()).await;
        seen.requests.fetch_add(1, Relaxed);
        if answer.status != 200 || (method != "GET" && answer.json()["body"] != *body) {
            seen.failed.fetch_add(1, Relaxed);
            let what = format!("{method}: {} {:?}", answer.status, answer.header("x-weir-reason"));
            seen.first.lock().unwrap().get_or_insert(what);
        }
    }
}

/// Takes the oldest endpoint out and puts a new one in.
async fn replace(proxy: &Proxy, workers: usize, endpoints: &mut VecDeque<Echo>, end: End) {
    let new = echo("v").await;
    let old = endpoints.pop_front().unwrap();
    endpoints.push_back(new);
    if end == End::Dies {
        drop(old);
        proxy.apply(&yaml(workers, endpoints));
        return;
    }
    let snapshot = proxy.process().control().snapshot();
    let known = snapshot.rules[0].body.versions[0].endpoints.iter().find(|known| known.address == old.address());
    let known = Arc::clone(known.unwrap());
    drop(snapshot);
    proxy.apply(&yaml(workers, endpoints));
    // As a preStop hook would: it goes once nothing is on its way to it.
    while known.in_flight() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    old.stop().await;
}

/// Ends so many servers under load; tells what was seen.
async fn terminate(count: usize, workers: usize, clients: u64, end: End) {
    let mut endpoints = VecDeque::new();
    for _ in 0..ENDPOINTS {
        endpoints.push_back(echo("v").await);
    }
    let proxy = Proxy::start(&yaml(workers, &endpoints)).await;
    let methods: &'static [&'static str] =
        if end == End::Dies { &["GET", "PUT", "DELETE"] } else { &["GET", "POST", "PUT"] };
    let seen = Arc::new(Seen::default());
    let load: Vec<_> =
        (0..clients).map(|n| tokio::spawn(client(proxy.http(), Arc::clone(&seen), n * 1_000_000, methods))).collect();
    let begun = Instant::now();
    for _ in 0..count {
        let before = seen.requests.load(Relaxed);
        wait_until("requests flow", async || seen.requests.load(Relaxed) >= before + clients).await;
        replace(&proxy, workers, &mut endpoints, end).await;
    }
    let elapsed = begun.elapsed();
    seen.over.store(true, Relaxed);
    for client in load {
        within(client).await.unwrap();
    }
    let (requests, failed) = (seen.requests.load(Relaxed), seen.failed.load(Relaxed));
    let retries = proxy.metric("weir_retries_total", &[]).await;
    let denied = proxy.metric("weir_retry_budget_exhausted_total", &[]).await;
    let how = if end == End::Dies { "that just die" } else { "that finish what they have" };
    println!(
        "{count} terminations of servers {how} in {:.1} s: {requests} requests ({:.0}/s), {failed} failed, {retries} retries, {denied} beyond the budget",
        elapsed.as_secs_f64(),
        requests as f64 / elapsed.as_secs_f64(),
    );
    assert_eq!(failed, 0, "the first one: {:?}", seen.first.lock().unwrap());
    let counted = proxy.metric("weir_requests_total", &[("classification", "success")]).await;
    assert_eq!(counted, requests as f64);
    assert_eq!(proxy.metric("weir_active_requests", &[]).await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_finish_what_they_have_lose_nothing() {
    terminate(30, 2, 8, End::Finishes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_just_die_lose_nothing_that_is_idempotent() {
    terminate(30, 2, 8, End::Dies).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute, and is worth it in release only"]
async fn a_thousand_terminations() {
    for end in [End::Finishes, End::Dies] {
        terminate(1000, 2, 32, end).await;
    }
}
