//! Requests that wait for an endpoint (`onEmpty: hold`).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir::control::EventKind;
use weir::echo::{Echo, EchoOptions};

use crate::mocks::accepts_never::AcceptsNever;
use crate::support::*;

/// One version with these endpoints, that holds requests, and more lines.
fn shop(endpoints: &[SocketAddr], more: &str) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
    let endpoints = endpoints.join(", ");
    format!(
        "splits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [{endpoints}]}}]\n    onEmpty: hold\n{more}"
    )
}

async fn waiting(proxy: &Proxy, count: f64) {
    wait_until(&format!("{count} requests wait"), async || {
        proxy.metric("weir_held_requests", &[("version", "stable")]).await == count
    })
    .await;
}

fn told(proxy: &Proxy, kind: EventKind) -> usize {
    proxy.process().control().events().follow().0.iter().filter(|event| event.kind == kind).count()
}

/// A request that is on its way.
fn asked(address: SocketAddr, method: &'static str, path: String) -> tokio::task::JoinHandle<Answer> {
    tokio::spawn(async move {
        let body = if method == "GET" { nothing() } else { all("body") };
        send(address, request(method, &path).body(body).unwrap()).await
    })
}

#[tokio::test]
async fn requests_wait_until_an_endpoint_appears() {
    let proxy = Proxy::start(&shop(&[], "")).await;
    let mut answers = Vec::new();
    for n in 0..10 {
        answers.push(asked(proxy.http(), if n % 2 == 0 { "GET" } else { "POST" }, format!("/{n}")));
    }
    let mut h2 = h2(proxy.http()).await;
    let over_h2 = tokio::spawn(async move {
        ask_h2(&mut h2, request("POST", "http://shop.example/h2").body(all("body")).unwrap()).await
    });
    waiting(&proxy, 11.0).await;
    wait_until("it is told", async || told(&proxy, EventKind::Held) == 1).await;
    let echo = echo("v1").await;
    proxy.apply(&shop(&[echo.address()], ""));
    for answer in answers {
        assert_eq!(within(answer).await.unwrap().status, 200);
    }
    let answer = within(over_h2).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.json()["body"].as_str()), (200, Some("body")));
    assert_eq!(echo.stats().requests, 11);
    waiting(&proxy, 0.0).await;
    assert_eq!(proxy.metric("weir_held_total", &[("version", "stable")]).await, 11.0);
    assert_eq!(proxy.metric("weir_requests_total", &[("code", "200")]).await, 11.0);
    assert_eq!(proxy.metric("weir_requests_total", &[]).await, 11.0);
    wait_until("the end of the wait is told", async || told(&proxy, EventKind::Released) == 1).await;
    assert_eq!(told(&proxy, EventKind::Held), 1);
}

#[tokio::test]
async fn nobody_waits_longer_than_allowed() {
    let proxy = Proxy::start(&shop(&[], "    holdTimeout: 200ms\n")).await;
    let begun = Instant::now();
    let answer = get(proxy.http(), "/").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (503, Some("hold_timeout")));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let labels = [("version", "stable"), ("reason", "hold_timeout"), ("classification", "failure")];
    assert_eq!(proxy.metric("weir_requests_total", &labels).await, 1.0);
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let proxy = Proxy::start(&format!("hold: {{most: 2}}\nworkers: 2\n{}", shop(&[], ""))).await;
    let held: Vec<_> = (0..2).map(|n| asked(proxy.http(), "GET", format!("/{n}"))).collect();
    waiting(&proxy, 2.0).await;
    let answer = get(proxy.http(), "/").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (503, Some("hold_full")));
    assert_eq!(answer.header("retry-after"), Some("1"));
    // One leaves, and with it its connection: another may wait.
    held[0].abort();
    waiting(&proxy, 1.0).await;
    let third = asked(proxy.http(), "GET", "/3".to_owned());
    waiting(&proxy, 2.0).await;
    let echo = echo("v1").await;
    proxy.apply(&format!("workers: 2\n{}", shop(&[echo.address()], "")));
    assert_eq!(within(third).await.unwrap().status, 200);
    wait_until("the one that left is counted", async || {
        proxy.metric("weir_requests_total", &[("classification", "client_gone")]).await == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_with_its_body_unread_is_noticed() {
    let proxy = Proxy::start(&shop(&[], "")).await;
    let post = asked(proxy.http(), "POST", "/".to_owned());
    waiting(&proxy, 1.0).await;
    post.abort();
    waiting(&proxy, 0.0).await;
    let gone = [("classification", "client_gone"), ("version", "stable")];
    wait_until("it is counted", async || proxy.metric("weir_requests_total", &gone).await == 1.0).await;
}

#[tokio::test]
async fn an_endpoint_that_takes_no_connection_is_waited_for() {
    // It is named all the time, as in a file: the server is what comes.
    let dead = AcceptsNever::start();
    let address = dead.address();
    let proxy = Proxy::start(&shop(&[address], "")).await;
    let answers: Vec<_> =
        (0..6).map(|n| asked(proxy.http(), if n % 2 == 0 { "GET" } else { "POST" }, format!("/{n}"))).collect();
    waiting(&proxy, 6.0).await;
    drop(dead);
    let echo = Echo::start(EchoOptions { address, ..Default::default() }).await.unwrap();
    for answer in answers {
        assert_eq!(within(answer).await.unwrap().status, 200);
    }
    assert_eq!(echo.stats().requests, 6);
    assert_eq!(proxy.metric("weir_requests_total", &[]).await, 6.0);
    waiting(&proxy, 0.0).await;
}

#[tokio::test]
async fn a_recreate_loses_nothing() {
    let old = echo("v1").await;
    let proxy = Proxy::start(&shop(&[old.address()], "")).await;
    let address = proxy.http();
    let load: Vec<_> = (0..8)
        .map(|client| {
            tokio::spawn(async move {
                let mut connection = h1(address).await;
                let (mut old, mut new) = (0, 0);
                while new < 20 {
                    let method = if client % 2 == 0 { "GET" } else { "POST" };
                    let body = if client % 2 == 0 { nothing() } else { all("body") };
                    let answer = ask_h1(&mut connection, request(method, "/").body(body).unwrap()).await;
                    assert_eq!(answer.status, 200, "{:?}", answer.header("x-weir-reason"));
                    match answer.header("x-echo-version") {
                        Some("v1") => old += 1,
                        _ => new += 1,
                    }
                }
                (old, new)
            })
        })
        .collect();
    wait_until("the old version serves", async || old.stats().requests > 100).await;
    proxy.apply(&shop(&[], ""));
    // It stops once it has finished what it has, as a server does whose end is announced.
    waiting(&proxy, 8.0).await;
    old.stop().await;
    let new = echo("v2").await;
    proxy.apply(&shop(&[new.address()], ""));
    for client in load {
        let (old, new) = within(client).await.unwrap();
        assert!(old > 0 && new == 20);
    }
    assert_eq!(proxy.metric("weir_requests_total", &[("classification", "failure")]).await, 0.0);
}

#[tokio::test]
async fn a_process_that_ends_holds_nobody() {
    let proxy = Proxy::start(&shop(&[], "")).await;
    let held = asked(proxy.http(), "GET", "/".to_owned());
    waiting(&proxy, 1.0).await;
    let begun = Instant::now();
    assert_eq!(proxy.end().await, 0);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let answer = within(held).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (503, Some("shutting_down")));
}

#[tokio::test]
async fn explain_says_that_it_would_wait() {
    let proxy = Proxy::start(&shop(&[], "    holdTimeout: 20s\n")).await;
    let path = "/api/v1/explain?method=GET&url=http://shop.example/";
    let answer = get(proxy.admin(), path).await.json()["answer"].as_str().unwrap().to_owned();
    assert!(answer.contains("held for 100%") && answer.contains("20s"), "{answer}");
}
