//! Requests that go once more: with their bodies, within a budget, and never when they may have been worked on and are not
//! idempotent.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir::echo::{Echo, EchoOptions};

use crate::mocks;
use crate::mocks::accepts_never::AcceptsNever;
use crate::support::*;

/// One version with these endpoints, over a protocol, and more lines of the split.
fn shop(protocol: &str, endpoints: &[SocketAddr], more: &str) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
    let endpoints = endpoints.join(", ");
    format!(
        "splits:\n  - name: shop\n    versions: [{{name: stable, protocol: {protocol}, endpoints: [{endpoints}]}}]\n{more}"
    )
}

/// A canary that gets everything, and is rescued by stable.
fn canary(stable: SocketAddr, canary: SocketAddr, more: &str) -> String {
    format!(
        "splits:\n  - name: shop\n    versions:\n      - {{name: stable, weight: 0, endpoints: [\"{stable}\"]}}\n      \
         - {{name: canary, weight: 1, endpoints: [\"{canary}\"]}}\n    rescue: {{from: canary}}\n{more}"
    )
}

async fn failing() -> Echo {
    Echo::start(EchoOptions { fail: 1.0, ..Default::default() }).await.unwrap()
}

/// A body that tells whether a byte of it is missing or in the wrong place.
fn text(length: usize) -> String {
    (0..).map(|n| format!("{n},")).flat_map(|part| part.chars().collect::<Vec<_>>()).take(length).collect()
}

/// A body that comes in pieces, without a length.
fn pieces(text: &str, size: usize) -> Sent {
    let (feed, body) = fed();
    for piece in text.as_bytes().chunks(size) {
        feed.send(http_body::Frame::data(piece.to_vec().into())).unwrap();
    }
    body
}

/// The echo got exactly this body.
fn got(answer: &Answer, body: &str) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    assert_eq!(seen["bodyLength"].as_u64(), Some(body.len() as u64));
    assert_eq!(seen["body"].as_str(), Some(body), "another body of the same length");
}

#[tokio::test]
async fn a_body_is_rescued_with_its_request() {
    let (stable, bad) = (echo("stable").await, failing().await);
    let proxy = Proxy::start(&canary(stable.address(), bad.address(), "")).await;
    for length in [1, 5_000, 40_000, 64 * 1024] {
        let body = text(length);
        got(&send(proxy.http(), request("PUT", "/").body(all(body.clone())).unwrap()).await, &body);
        got(&send(proxy.http(), request("PUT", "/").body(pieces(&body, 700)).unwrap()).await, &body);
        let mut client = h2(proxy.http()).await;
        let put = request("PUT", "http://shop.example/").body(pieces(&body, 700)).unwrap();
        got(&ask_h2(&mut client, put).await, &body);
    }
    assert_eq!(proxy.metric("weir_rescues_total", &[("version", "canary"), ("reason", "status")]).await, 12.0);
    assert_eq!(stable.stats().requests, 12);
    let post = request("POST", "/").body(all("body")).unwrap();
    assert_eq!(send(proxy.http(), post).await.status, 500, "it may have been worked on");
    assert_eq!(stable.stats().requests, 12);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_kept() {
    let (stable, bad) = (echo("stable").await, failing().await);
    let proxy = Proxy::start(&canary(stable.address(), bad.address(), "    retry: {bodyLimit: 10kB}\n")).await;
    let body = text(10_001);
    for sent in [all(body.clone()), pieces(&body, 999)] {
        let answer = send(proxy.http(), request("PUT", "/").body(sent).unwrap()).await;
        assert_eq!(answer.status, 500);
    }
    let body = text(10_000);
    for sent in [all(body.clone()), pieces(&body, 1000)] {
        got(&send(proxy.http(), request("PUT", "/").body(sent).unwrap()).await, &body);
    }
    assert_eq!(stable.stats().requests, 2);
}

#[tokio::test]
async fn trailers_go_once_more_with_their_body() {
    let (stable, bad) = (echo("stable").await, failing().await);
    let proxy = Proxy::start(&canary(stable.address(), bad.address(), "")).await;
    let (feed, body) = fed();
    feed.send(http_body::Frame::data("data".into())).unwrap();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", "42".parse().unwrap());
    feed.send(http_body::Frame::trailers(trailers)).unwrap();
    drop(feed);
    let mut client = h2(proxy.http()).await;
    let put = request("PUT", "http://shop.example/").header("trailer", "x-sum").body(body).unwrap();
    let answer = ask_h2(&mut client, put).await;
    got(&answer, "data");
    assert_eq!(answer.json()["trailers"]["x-sum"], "42", "{}", answer.text());
}

#[tokio::test]
async fn an_idempotent_body_survives_a_reset() {
    let (dying, well) = (mocks::resets_before_answer::start(Duration::ZERO).await, echo("v1").await);
    let proxy = Proxy::start(&shop("http1", &[dying.address(), well.address()], "")).await;
    let body = text(30_000);
    for _ in 0..10 {
        got(&send(proxy.http(), request("PUT", "/").body(all(body.clone())).unwrap()).await, &body);
    }
    let met = dying.received("PUT /");
    assert!(met > 0, "no request met the endpoint that dies: the test shows nothing");
    assert_eq!(proxy.metric("weir_retries_total", &[("reason", "reset")]).await, met as f64);
    for n in 0..4 {
        let answer = send(proxy.http(), request("POST", &format!("/post/{n}/")).body(all("body")).unwrap()).await;
        let once = dying.received(&format!("POST /post/{n}/"));
        assert_eq!(answer.status, if once == 1 { 502 } else { 200 });
    }
    assert_eq!(dying.received("POST") as u64, 4 - (well.stats().requests - 10), "a POST was sent twice");
}

#[tokio::test]
async fn a_post_goes_once_more_where_it_was_refused() {
    let (refusing, well) = (mocks::refuses_streams::start(0, 99).await, echo("v1").await);
    let proxy = Proxy::start(&shop("http2", &[refusing.address(), well.address()], "")).await;
    let body = text(20_000);
    for n in 0..6 {
        let post = request("POST", &format!("/{n}")).body(pieces(&body, 3000)).unwrap();
        got(&send(proxy.http(), post).await, &body);
    }
    assert!(refusing.received("refused POST") > 0, "no request met the endpoint that refuses: the test shows nothing");
    assert_eq!(well.stats().requests, 6);
}

#[tokio::test]
async fn the_503_of_an_endpoint_that_leaves_is_a_refusal() {
    let (leaving, well) = (mocks::leaves_politely::start().await, echo("v1").await);
    let proxy = Proxy::start(&shop("http1", &[leaving.address(), well.address()], "")).await;
    let body = text(2_000);
    for _ in 0..10 {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
        got(&send(proxy.http(), request("PUT", "/").body(all(body.clone())).unwrap()).await, &body);
    }
    let met = leaving.received("GET") + leaving.received("PUT");
    assert!(met > 0);
    assert_eq!(proxy.metric("weir_retries_total", &[("reason", "refused")]).await, met as f64);
    let mut seen = Vec::new();
    for n in 0..4 {
        let answer = send(proxy.http(), request("POST", &format!("/post/{n}")).body(all("body")).unwrap()).await;
        seen.push(answer.status.as_u16());
    }
    assert_eq!(leaving.received("POST"), seen.iter().filter(|status| **status == 503).count());
    assert!(seen.contains(&503), "a POST may have been worked on: {seen:?}");
}

#[tokio::test]
async fn a_503_that_means_it_reaches_the_client() {
    let (busy, well) = (echo("v1").await, echo("v1").await);
    let proxy = Proxy::start(&shop("http1", &[busy.address(), well.address()], "")).await;
    for _ in 0..4 {
        assert_eq!(get(proxy.http(), "/status/503").await.status, 503);
    }
    assert_eq!(busy.stats().requests + well.stats().requests, 4);
}

#[tokio::test]
async fn a_try_that_takes_too_long_is_followed_by_another() {
    let (silent, well) = (mocks::never_answers::start().await, echo("v1").await);
    let more = "    timeouts: {request: 1s}\n    retry: {perTry: 100ms}\n";
    let proxy = Proxy::start(&shop("http1", &[silent.address(), well.address()], more)).await;
    for method in ["GET", "PUT"] {
        for _ in 0..4 {
            let body = if method == "PUT" { all("body") } else { nothing() };
            assert_eq!(send(proxy.http(), request(method, "/").body(body).unwrap()).await.status, 200);
        }
    }
    let met = silent.received("");
    assert!(met > 0);
    assert_eq!(proxy.metric("weir_retries_total", &[("reason", "try_timeout")]).await, met as f64);
    // One that cannot be repeated has the time of the request.
    for _ in 0..2 {
        let begun = Instant::now();
        let answer = send(proxy.http(), request("POST", "/").body(all("body")).unwrap()).await;
        if answer.status != 200 {
            assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (504, Some("request_timeout")));
            assert!(begun.elapsed() >= Duration::from_secs(1));
        }
    }
    assert_eq!(silent.received("POST"), 1);
}

#[tokio::test]
async fn a_try_that_nothing_can_follow_has_the_time_of_the_request() {
    let slow = async || Echo::start(EchoOptions { latency: Duration::from_millis(400), ..Default::default() }).await;
    let (one, two) = (slow().await.unwrap(), slow().await.unwrap());
    let more = "    timeouts: {request: 20s}\n    retry: {attempts: 5, perTry: 50ms, bodyLimit: 10KiB}\n";
    let retries = [("reason", "try_timeout")];
    // There is no other endpoint, or none that was not tried.
    let proxy = Proxy::start(&shop("http1", &[one.address()], more)).await;
    assert_eq!(get(proxy.http(), "/").await.status, 200);
    assert_eq!(proxy.metric("weir_retries_total", &retries).await, 0.0);
    let proxy = Proxy::start(&shop("http1", &[one.address(), two.address()], more)).await;
    assert_eq!(get(proxy.http(), "/").await.status, 200);
    assert_eq!(proxy.metric("weir_retries_total", &retries).await, 1.0);
    // Its body is not kept, or not as a whole.
    let long = text(20_000);
    for body in [all(long.clone()), pieces(&long, 1_000)] {
        got(&send(proxy.http(), request("PUT", "/").body(body).unwrap()).await, &long);
    }
    assert_eq!(proxy.metric("weir_retries_total", &retries).await, 1.0);
}

#[tokio::test]
async fn retries_stay_within_their_budget() {
    let (dying, well) = (mocks::resets_before_answer::start(Duration::ZERO).await, echo("v1").await);
    let more = "    retry: {budget: 0%}\n";
    let proxy = Proxy::start(&shop("http1", &[dying.address(), well.address()], more)).await;
    let begun = Instant::now();
    let mut failed = 0;
    for _ in 0..60 {
        let answer = get(proxy.http(), "/").await;
        if answer.status != 200 {
            assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (502, Some("reset")));
            failed += 1;
        }
    }
    let retries = proxy.metric("weir_retries_total", &[("reason", "reset")]).await;
    // 10 in 10 seconds are always allowed.
    assert!((10.0..=11.0 + begun.elapsed().as_secs_f64()).contains(&retries), "{retries}");
    assert_eq!(proxy.metric("weir_retry_budget_exhausted_total", &[("version", "stable")]).await, f64::from(failed));
    assert_eq!(dying.received("GET") as f64, retries + f64::from(failed));
}

#[tokio::test]
async fn what_never_reached_an_endpoint_costs_nothing_of_the_budget() {
    let (dead, well) = (AcceptsNever::start(), echo("v1").await);
    let proxy = Proxy::start(&shop("http1", &[dead.address(), well.address()], "    retry: {budget: 0%}\n")).await;
    for _ in 0..100 {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
    }
    assert_eq!(proxy.metric("weir_retry_budget_exhausted_total", &[]).await, 0.0);
}

#[tokio::test]
async fn a_retry_goes_where_requests_go_now() {
    let old = mocks::resets_before_answer::start(Duration::from_millis(300)).await;
    let new = echo("v1").await;
    let proxy = Proxy::start(&shop("http1", &[old.address()], "")).await;
    let address = proxy.http();
    let asked = tokio::spawn(async move { get(address, "/").await });
    wait_until("the request is at the old endpoint", async || old.received("GET") > 0).await;
    proxy.apply(&shop("http1", &[new.address()], ""));
    assert_eq!(within(asked).await.unwrap().status, 200, "its only endpoint was replaced while it was there");
    assert_eq!(new.stats().requests, 1);
}
