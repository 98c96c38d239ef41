//! What a canary cannot do is done by stable, as far as the time of the request allows.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::mocks;
use crate::support::*;

/// A canary that gets everything, and is rescued by stable; more lines of the split.
fn canary(stable: SocketAddr, canary: &[SocketAddr], more: &str) -> String {
    let canary: Vec<String> = canary.iter().map(|address| format!("\"{address}\"")).collect();
    format!(
        "splits:\n  - name: shop\n    versions:\n      - {{name: stable, weight: 0, endpoints: [\"{stable}\"]}}\n      \
         - {{name: canary, weight: 1, endpoints: [{}]}}\n{more}",
        canary.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_is_full_is_rescued_whatever_the_method() {
    let (stable, full) = (echo("stable").await, mocks::never_answers::start().await);
    let more = "    rescue: {from: canary, on: [5xx]}\n    limits: {perEndpoint: 1, queue: 0}\n";
    let proxy = Proxy::start(&canary(stable.address(), &[full.address()], more)).await;
    let address = proxy.http();
    let stuck = tokio::spawn(async move { get(address, "/stuck").await });
    wait_until("the canary is full", async || full.received("GET /stuck") == 1).await;
    for method in ["GET", "POST"] {
        let body = if method == "GET" { nothing() } else { all("body") };
        let answer = send(address, request(method, "/").body(body).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-echo-version")), (200, Some("stable")), "{method}");
    }
    assert_eq!(proxy.metric("weir_rescues_total", &[("version", "canary"), ("reason", "overloaded")]).await, 2.0);
    let failed = [("version", "canary"), ("reason", "overloaded"), ("code", "503"), ("classification", "failure")];
    assert_eq!(proxy.metric("weir_requests_total", &failed).await, 2.0);
    assert_eq!(full.received("POST"), 0);
    stuck.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_the_time_is_spent_in_the_line_of_a_canary_and_half_is_left() {
    let (stable, full) = (echo("stable").await, mocks::never_answers::start().await);
    let more = "    rescue: {from: canary}\n    limits: {perEndpoint: 1}\n    timeouts: {request: 6s}\n";
    let proxy = Proxy::start(&canary(stable.address(), &[full.address()], more)).await;
    let address = proxy.http();
    // It may not be repeated, so it stays for the whole of its time.
    let stuck =
        tokio::spawn(async move { send(address, request("POST", "/stuck").body(all("body")).unwrap()).await.status });
    wait_until("the canary is full", async || full.received("POST /stuck") == 1).await;
    let begun = Instant::now();
    let answer = get(address, "/").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-echo-version")), (200, Some("stable")));
    assert!(begun.elapsed() > Duration::from_millis(2900), "{:?}", begun.elapsed());
    assert!(!stuck.is_finished(), "it took as long as what may not be repeated: {:?}", begun.elapsed());
    assert_eq!(proxy.metric("weir_rescues_total", &[("version", "canary"), ("reason", "overloaded")]).await, 1.0);
    assert_eq!(within(stuck).await.unwrap(), 504);
}

#[tokio::test]
async fn a_full_canary_is_not_rescued_where_that_is_not_wanted() {
    let (stable, full) = (echo("stable").await, mocks::never_answers::start().await);
    let more = "    rescue: {from: canary, on: [connect, timeout]}\n    limits: {perEndpoint: 1, queue: 0}\n";
    let proxy = Proxy::start(&canary(stable.address(), &[full.address()], more)).await;
    let address = proxy.http();
    let stuck = tokio::spawn(async move { get(address, "/stuck").await });
    wait_until("the canary is full", async || full.received("GET /stuck") == 1).await;
    assert_eq!(get(address, "/").await.header("x-weir-reason"), Some("overloaded"));
    assert_eq!(stable.stats().requests, 0);
    stuck.abort();
}

#[tokio::test]
async fn a_canary_without_endpoints_is_what_on_empty_says() {
    let stable = echo("stable").await;
    let rescue = "    rescue: {from: canary}\n";
    let proxy = Proxy::start(&canary(stable.address(), &[], &format!("{rescue}    onEmpty: reject\n"))).await;
    let answer = get(proxy.http(), "/").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (503, Some("no_endpoint")));
    // A version of weight 0 is nobody's sibling.
    proxy.apply(&canary(stable.address(), &[], rescue).replace("weight: 0", "weight: 1"));
    for _ in 0..4 {
        assert_eq!(get(proxy.http(), "/").await.header("x-echo-version"), Some("stable"));
    }
}

/// A request that may not be repeated: it has all of its time.
fn lasting(proxy: &Proxy) -> JoinHandle<Answer> {
    let address = proxy.http();
    tokio::spawn(async move { send(address, request("POST", "/").body(all("body")).unwrap()).await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_a_request_is_over_its_rescue_too() {
    let (canary_, stable) = (mocks::never_answers::start().await, mocks::never_answers::start().await);
    let starts = async |time: u64, more: &str| {
        let more = format!("    rescue: {{from: canary}}\n    timeouts: {{request: {time}s}}\n{more}");
        Proxy::start(&canary(stable.address(), &[canary_.address()], &more)).await
    };
    // A time that began anew with the rescue would be over after 2 s and 4 s more.
    let (other, proxies) =
        (starts(6, "").await, [starts(4, "").await, starts(4, "    limits: {perEndpoint: 9}\n").await]);
    let longer = lasting(&other);
    let asked = proxies.iter().flat_map(|proxy| ["GET", "PUT", "POST"].map(|method| (proxy.http(), method)));
    let ends = asked.map(async |(address, method)| {
        let (body, begun) = (if method == "GET" { nothing() } else { all("body") }, Instant::now());
        let answer = send(address, request(method, "/").body(body).unwrap()).await;
        assert_eq!(answer.status, 504, "{method}");
        assert!(begun.elapsed() > Duration::from_millis(3900), "{method}: {:?}", begun.elapsed());
    });
    futures_util::future::join_all(ends).await;
    assert!(!longer.is_finished(), "they took as long as a request that has 6 s");
    for proxy in &proxies {
        assert_eq!(proxy.metric("weir_rescues_total", &[("version", "canary")]).await, 2.0, "a POST may not be");
    }
    longer.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_has_half_the_time_where_its_timeouts_are_rescued() {
    let (silent, stable) = (mocks::never_answers::start().await, echo("stable").await);
    let starts = async |more: &str| {
        let more = format!("    rescue: {{from: canary}}\n    timeouts: {{request: 6s}}\n{more}");
        Proxy::start(&canary(stable.address(), &[silent.address()], &more)).await
    };
    // What may not be rescued has all of it, what may be half, and less where a try may take no more than that.
    let (half, third) = (starts("").await, starts("    retry: {perTry: 1s, on: [timeout]}\n").await);
    let begun = Instant::now();
    let whole = lasting(&half);
    wait_until("it is there", async || silent.received("POST") == 1).await;
    let (half, third) = (half.http(), third.http());
    let half = tokio::spawn(async move { get(half, "/").await });
    assert_eq!(get(third, "/").await.header("x-echo-version"), Some("stable"));
    assert!(begun.elapsed() > Duration::from_millis(950) && !half.is_finished(), "{:?}", begun.elapsed());
    assert_eq!(within(half).await.unwrap().header("x-echo-version"), Some("stable"));
    assert!(begun.elapsed() > Duration::from_millis(2900) && !whole.is_finished(), "{:?}", begun.elapsed());
    assert_eq!(within(whole).await.unwrap().status, 504);
}
