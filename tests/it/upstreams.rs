//! Endpoints that misbehave: what the client gets, what is counted, what is repeated, and that nothing is spoilt for others.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use tokio::io::AsyncReadExt;

use crate::mocks::accepts_never::AcceptsNever;
use crate::mocks::{self, Mock};
use crate::support::*;

/// Length of what a connection of HTTP/2 begins with (RFC 9113 section 3.4).
const PREFACE: usize = 24;

/// One version `stable` with these endpoints, and more lines of the split.
fn shop(endpoints: &[std::net::SocketAddr], more: &str) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
    format!("splits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [{}]}}]\n{more}", endpoints.join(", "))
}

/// `stable` and `canary` with one endpoint each and these weights.
fn pair(stable: std::net::SocketAddr, canary: std::net::SocketAddr, weights: (u32, u32), more: &str) -> String {
    let (first, second) = weights;
    format!(
        "splits:\n  - name: shop\n    versions:\n      - {{name: stable, weight: {first}, endpoints: [\"{stable}\"]}}\n      \
         - {{name: canary, weight: {second}, endpoints: [\"{canary}\"]}}\n{more}"
    )
}

async fn ask(proxy: &Proxy, method: &str, path: &str) -> Answer {
    let body = if method == "POST" { all("body") } else { nothing() };
    send(proxy.http(), request(method, path).body(body).unwrap()).await
}

/// What the client must get, and the counters with it; afterwards the endpoint's other paths must work.
async fn refused(mock: &Mock, proxy: &Proxy, method: &str, path: &str, status: u16, reason: &str) {
    let answer = ask(proxy, method, path).await;
    assert_eq!(answer.status, status, "{method} {path}");
    assert_eq!(answer.header("x-weir-reason"), Some(reason), "{method} {path}");
    assert_eq!(answer.header("retry-after").is_some(), status == 503, "{method} {path}");
    let code = status.to_string();
    let labels = [("reason", reason), ("code", &*code), ("classification", "failure"), ("version", "stable")];
    assert!(proxy.metric("weir_requests_total", &labels).await >= 1.0, "{reason} is not counted");
    still_fine(mock, proxy).await;
}

/// Requests after a misbehaviour get their own answers.
async fn still_fine(mock: &Mock, proxy: &Proxy) {
    for n in 0..3 {
        let answer = get(proxy.http(), &format!("/fine/{n}")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, format!("/fine/{n}")));
    }
    assert!(mock.received("GET /fine") >= 3);
}

/// The answer's head came; its body must end in an error.
async fn broken_body(proxy: &Proxy, path: &str) {
    let mut client = h1(proxy.http()).await;
    let response = within(client.send_request(request("GET", path).body(nothing()).unwrap())).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(within(response.into_body().collect()).await.is_err(), "{path}: truncated over HTTP/1.1, seen as whole");
    let mut client = h2(proxy.http()).await;
    let target = format!("http://shop.example{path}");
    let response = within(client.send_request(request("GET", &target).body(nothing()).unwrap())).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(within(response.into_body().collect()).await.is_err(), "{path}: truncated over HTTP/2, seen as whole");
}

#[tokio::test]
async fn a_refused_connection_is_503() {
    let dead = AcceptsNever::start();
    let proxy = Proxy::before([dead.address()]).await;
    for method in ["GET", "POST"] {
        let answer = ask(&proxy, method, "/").await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("x-weir-reason"), Some("connect_failed"));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let labels = [("reason", "connect_failed"), ("code", "503"), ("classification", "failure")];
    assert_eq!(proxy.metric("weir_requests_total", &labels).await, 2.0);
}

#[tokio::test]
async fn without_reason_header_the_reason_is_only_counted() {
    let dead = AcceptsNever::start();
    let proxy = Proxy::start(&format!("forwarding: {{reasonHeader: false}}\n{}", shop(&[dead.address()], ""))).await;
    let answer = ask(&proxy, "GET", "/").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("x-weir-reason"), None);
    assert_eq!(proxy.metric("weir_requests_total", &[("reason", "connect_failed")]).await, 1.0);
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_502() {
    let mock = mocks::answers_garbage::start().await;
    let proxy = Proxy::before([mock.address()]).await;
    for (path, _) in mocks::answers_garbage::KINDS {
        refused(&mock, &proxy, "GET", path, 502, "protocol_error").await;
        assert_eq!(mock.received(&format!("GET {path}")), 1, "{path} was repeated");
    }
}

#[tokio::test]
async fn a_reset_before_the_answer_is_502() {
    let mock = mocks::resets_before_answer::start(Duration::ZERO).await;
    let proxy = Proxy::before([mock.address()]).await;
    for method in ["GET", "POST"] {
        refused(&mock, &proxy, method, "/gone", 502, "reset").await;
    }
    assert_eq!(mock.received("POST /gone"), 1);
}

#[tokio::test]
async fn no_answer_in_time_is_504() {
    let mock = mocks::never_answers::start().await;
    let proxy = Proxy::start(&shop(&[mock.address()], "    timeouts: {request: 150ms}\n")).await;
    for method in ["GET", "POST"] {
        refused(&mock, &proxy, method, "/late", 504, "request_timeout").await;
        assert_eq!(mock.received(&format!("{method} /late")), 1);
    }
}

#[tokio::test]
async fn the_time_of_a_request_is_over_all_tries() {
    let slow = mocks::resets_before_answer::start(Duration::from_millis(700)).await;
    let silent = mocks::never_answers::start().await;
    // The first try of either client meets the one or the other; both orders must end in time.
    let more = "    timeouts: {request: 1s}\n    retry: {attempts: 1, on: [reset]}\n";
    let proxy = Proxy::start(&shop(&[slow.address(), silent.address()], more)).await;
    for _ in 0..2 {
        let begun = Instant::now();
        let answer = ask(&proxy, "GET", "/").await;
        assert_eq!(answer.status, 504);
        assert!(begun.elapsed() < Duration::from_millis(1400), "the limit began anew: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn an_answer_that_stalls_is_cut_after_the_idle_time() {
    let mock = mocks::stalls_after_head::start().await;
    let proxy = Proxy::start(&shop(&[mock.address()], "    timeouts: {idle: 150ms}\n")).await;
    broken_body(&proxy, "/stall").await;
    let labels = [("reason", "idle_timeout"), ("classification", "failure"), ("code", "200")];
    assert_eq!(proxy.metric("weir_requests_total", &labels).await, 2.0);
    still_fine(&mock, &proxy).await;
}

#[tokio::test]
async fn a_truncated_answer_never_ends_cleanly() {
    let mock = mocks::lies_about_length::start().await;
    let proxy = Proxy::before([mock.address()]).await;
    broken_body(&proxy, "/short").await;
    let labels = [("reason", "truncated"), ("classification", "failure"), ("code", "200")];
    assert_eq!(proxy.metric("weir_requests_total", &labels).await, 2.0);
    still_fine(&mock, &proxy).await;
}

#[tokio::test]
async fn an_answer_that_is_reset_never_ends_cleanly() {
    let mock = mocks::resets_mid_body::start().await;
    let proxy = Proxy::before([mock.address()]).await;
    for path in ["/chunked", "/length"] {
        broken_body(&proxy, path).await;
    }
    let labels = [("reason", "truncated"), ("classification", "failure"), ("code", "200")];
    assert_eq!(proxy.metric("weir_requests_total", &labels).await, 4.0);
    still_fine(&mock, &proxy).await;
}

#[tokio::test]
async fn surplus_bytes_are_nobodys_answer() {
    let mock = mocks::sends_surplus_bytes::start().await;
    let proxy = Proxy::before([mock.address()]).await;
    for path in ["/now", "/later"] {
        for n in 0..10 {
            let answer = ask(&proxy, "GET", path).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, "true".to_owned()));
            if path == "/later" {
                // The surplus arrives on an idle connection, which must not be used again.
                let before = mock.connections();
                wait_until("the spoilt connection is given up", async || {
                    get(proxy.http(), &format!("/fine/{n}")).await.text() == format!("/fine/{n}")
                        && mock.connections() > before
                })
                .await;
            }
            still_fine(&mock, &proxy).await;
        }
    }
}

#[tokio::test]
async fn an_early_answer_reaches_the_client_and_holds_up_nobody() {
    let mock = mocks::answers_early::start().await;
    let proxy = Proxy::before([mock.address()]).await;
    // A body that goes on: its sender is kept, so that it does not end.
    let (body, sent) = fed();
    let mut client = h2(proxy.http()).await;
    body.send(http_body::Frame::data("begins".into())).unwrap();
    let request = request("POST", "http://shop.example/early").body(sent).unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(within(response.into_body().collect()).await.unwrap().to_bytes(), "no");
    let begun = Instant::now();
    still_fine(&mock, &proxy).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "waited for another client's body: {:?}", begun.elapsed());
    drop(body);
    let labels = [("code", "403"), ("classification", "success")];
    assert_eq!(proxy.metric("weir_requests_total", &labels).await, 1.0);
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_is_502() {
    let mock = mocks::answers_101_unasked::start().await;
    let proxy = Proxy::before([mock.address()]).await;
    for method in ["GET", "POST"] {
        let body = if method == "POST" { "content-length: 4\r\n\r\nbody" } else { "\r\n" };
        let request = format!("{method} /switch HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n{body}");
        let answer = raw(proxy.http(), request).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{method}: {answer}");
        assert!(!answer.contains("poison"), "{method}: bytes of a protocol that nobody agreed to: {answer}");
    }
    let labels = [("code", "502"), ("classification", "failure")];
    assert_eq!(proxy.metric("weir_requests_total", &labels).await, 2.0);
    still_fine(&mock, &proxy).await;
}

#[tokio::test]
async fn a_stale_connection_costs_a_get_nothing() {
    let mock = mocks::closes_after_each_answer::start().await;
    let proxy = Proxy::before([mock.address()]).await;
    let mut client = h1(proxy.http()).await;
    for n in 0..100 {
        let answer = ask_h1(&mut client, request("GET", &format!("/{n}")).body(nothing()).unwrap()).await;
        assert_eq!(answer.status, 200, "request {n}");
    }
    assert_eq!(proxy.metric("weir_requests_total", &[("code", "200")]).await, 100.0);
}

#[tokio::test]
async fn a_get_that_met_a_dying_connection_is_repeated_on_a_fresh_one() {
    let mock = mocks::dies_on_reuse::start().await;
    let proxy = Proxy::before([mock.address()]).await;
    for n in 0..20 {
        assert_eq!(ask(&proxy, "GET", &format!("/get/{n}")).await.status, 200, "request {n}");
    }
    assert!(mock.received("GET /get") > 20, "no connection was used again: the test shows nothing");
    assert_eq!(proxy.metric("weir_requests_total", &[]).await, 20.0);
    let again = mock.received("GET /get") as f64 - 20.0;
    assert_eq!(proxy.metric("weir_retries_total", &[("reason", "stale")]).await, again);
    assert_eq!(proxy.metric("weir_retries_total", &[]).await, again);
    assert_eq!(proxy.metric("weir_upstream_endpoints", &[("state", "ejected")]).await, 0.0, "it says nothing about it");
}

#[tokio::test]
async fn what_was_sent_is_not_sent_again_without_retries() {
    let mock = mocks::dies_on_reuse::start().await;
    let proxy = Proxy::start(&shop(&[mock.address()], "    retry: {attempts: 0}\n")).await;
    let mut failed = 0;
    for n in 0..20 {
        let answer = ask(&proxy, "GET", &format!("/get/{n}/")).await;
        assert_eq!(mock.received(&format!("GET /get/{n}/")), 1, "request {n}");
        if answer.status != 200 {
            assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (502, Some("reset")));
            failed += 1;
        }
    }
    assert!(failed > 0, "no connection was used again: the test shows nothing");
    assert_eq!(proxy.metric("weir_retries_total", &[]).await, 0.0);
}

#[tokio::test]
async fn stale_connections_cost_nothing_of_the_budget() {
    let mock = mocks::dies_on_reuse::start().await;
    let proxy = Proxy::start(&shop(&[mock.address()], "    retry: {attempts: 1, budget: 0%}\n")).await;
    for n in 0..60 {
        assert_eq!(ask(&proxy, "GET", &format!("/get/{n}")).await.status, 200, "request {n}");
    }
    assert!(proxy.metric("weir_retries_total", &[("reason", "stale")]).await > 11.0);
    assert_eq!(proxy.metric("weir_retry_budget_exhausted_total", &[]).await, 0.0);
}

#[tokio::test]
async fn a_post_that_was_sent_is_never_sent_again() {
    let dying = mocks::dies_on_reuse::start().await;
    let other = mocks::dies_on_reuse::start().await;
    // Everything that could repeat it is on.
    let more = "    retry: {attempts: 3, on: [connect, refused, reset]}\n    rescue: {from: canary, on: [5xx, connect, timeout]}\n";
    let proxy = Proxy::start(&pair(other.address(), dying.address(), (0, 1), more)).await;
    let mut failed = 0;
    for n in 0..20 {
        assert_eq!(ask(&proxy, "GET", &format!("/warm/{n}")).await.status, 200);
        let answer = ask(&proxy, "POST", &format!("/post/{n}/")).await;
        let received = dying.received(&format!("POST /post/{n}/")) + other.received(&format!("POST /post/{n}/"));
        assert_eq!(received, 1, "POST {n}");
        if answer.status != 200 {
            assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (502, Some("reset")));
            failed += 1;
        }
    }
    assert!(failed > 0, "no POST met a used connection: the test shows nothing");
}

#[tokio::test]
async fn a_refused_connection_is_tried_on_another_endpoint() {
    let dead = AcceptsNever::start();
    let echo = echo("v1").await;
    let more = "    outliers: {maxEjected: 0%}\n";
    let proxy = Proxy::start(&shop(&[dead.address(), echo.address()], more)).await;
    for n in 0..10 {
        for method in ["GET", "POST"] {
            assert_eq!(ask(&proxy, method, "/").await.status, 200, "{method} {n}");
        }
    }
    let retries = proxy.metric("weir_retries_total", &[("version", "stable"), ("reason", "connect_failed")]).await;
    assert!((7.0..=20.0).contains(&retries), "{retries} of 20");
    assert_eq!(proxy.metric("weir_requests_total", &[("classification", "success")]).await, 20.0);
    assert_eq!(proxy.metric("weir_requests_total", &[("classification", "failure")]).await, 0.0);
    assert_eq!(echo.stats().requests, 20);
}

#[tokio::test]
async fn a_reset_is_tried_again_where_that_is_allowed() {
    let mock = mocks::resets_before_answer::start(Duration::ZERO).await;
    let echo = echo("v1").await;
    let more = "    retry: {attempts: 1, on: [reset]}\n";
    let proxy = Proxy::start(&shop(&[mock.address(), echo.address()], more)).await;
    for _ in 0..10 {
        assert_eq!(ask(&proxy, "GET", "/").await.status, 200);
    }
    let met = mock.received("GET /");
    assert!(met > 0);
    assert_eq!(proxy.metric("weir_retries_total", &[("reason", "reset")]).await, met as f64);
}

#[tokio::test]
async fn no_retry_means_one_try() {
    let one = mocks::resets_before_answer::start(Duration::ZERO).await;
    let two = mocks::resets_before_answer::start(Duration::ZERO).await;
    let more = "    retry: {attempts: 0, on: [connect, refused, reset]}\n";
    let proxy = Proxy::start(&shop(&[one.address(), two.address()], more)).await;
    assert_eq!(ask(&proxy, "GET", "/").await.status, 502);
    assert_eq!(one.received("GET /") + two.received("GET /"), 1);
}

#[tokio::test]
async fn the_sibling_takes_over_when_the_only_endpoint_refuses_connections() {
    let dead = AcceptsNever::start();
    let echo = echo("stable").await;
    let proxy = Proxy::start(&pair(echo.address(), dead.address(), (1, 1), "")).await;
    for _ in 0..10 {
        for method in ["GET", "POST"] {
            assert_eq!(ask(&proxy, method, "/").await.status, 200);
        }
    }
    let requests = |version, class| {
        let proxy = &proxy;
        async move { proxy.metric("weir_requests_total", &[("version", version), ("classification", class)]).await }
    };
    assert_eq!(requests("stable", "success").await, 20.0);
    assert_eq!(requests("canary", "failure").await, 10.0);
    assert_eq!(proxy.metric("weir_rescues_total", &[("version", "canary"), ("reason", "connect_failed")]).await, 10.0);
    assert_eq!(proxy.metric("weir_decisions_total", &[("version", "stable"), ("why", "sibling")]).await, 10.0);
}

#[tokio::test]
async fn no_sibling_takes_over_where_that_is_not_wanted() {
    let dead = AcceptsNever::start();
    let echo = echo("stable").await;
    let proxy = Proxy::start(&pair(echo.address(), dead.address(), (1, 1), "    onEmpty: reject\n")).await;
    let mut refused = 0;
    for _ in 0..10 {
        let answer = ask(&proxy, "GET", "/").await;
        if answer.status == 503 {
            assert_eq!(answer.header("x-weir-reason"), Some("connect_failed"));
            refused += 1;
        }
    }
    assert_eq!(refused, 5);
}

const RESCUE: &str = "    rescue: {from: canary, on: [5xx, connect, timeout]}\n    onEmpty: reject\n    \
                      timeouts: {request: 200ms}\n    retry: {attempts: 0}\n";

/// A GET on the canary is rescued, a POST is not.
async fn rescued(canary: std::net::SocketAddr, path: &str, post: u16, reason: &str) -> Proxy {
    let stable = echo("stable").await;
    let proxy = Proxy::start(&pair(stable.address(), canary, (0, 1), RESCUE)).await;
    for method in ["GET", "HEAD", "DELETE"] {
        let answer = ask(&proxy, method, path).await;
        assert_eq!(answer.status, 200, "{method} was not rescued");
        assert_eq!(answer.header("x-echo-version"), Some("stable"));
    }
    assert_eq!(proxy.metric("weir_rescues_total", &[("version", "canary"), ("reason", reason)]).await, 3.0);
    let failed = [("version", "canary"), ("classification", "failure")];
    assert_eq!(proxy.metric("weir_requests_total", &failed).await, 3.0);
    assert_eq!(proxy.metric("weir_requests_total", &[("version", "stable"), ("code", "200")]).await, 3.0);
    assert_eq!(ask(&proxy, "POST", path).await.status, post, "POST");
    assert_eq!(proxy.metric("weir_requests_total", &failed).await, 4.0);
    assert_eq!(stable.stats().requests, 3);
    let past = || proxy.process().control().events().follow().0.into_iter();
    let told = || past().find(|event| format!("{:?}", event.kind) == "Rescued");
    wait_until("it is told", async || told().is_some()).await;
    let told = told().unwrap();
    assert_eq!((&*told.split, &*told.version), ("shop", "canary"));
    assert!(told.message.contains("repeated on another version") && told.message.contains(reason), "{}", told.message);
    proxy
}

#[tokio::test]
async fn a_body_that_is_broken_right_behind_its_head_is_a_502() {
    let broken = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n";
    let script = Script::start(broken, true).await;
    let proxy = Proxy::before([script.address()]).await;
    let mut client = h1(proxy.http()).await;
    for _ in 0..2 {
        let answer = ask_h1(&mut client, request("GET", "/").body(nothing()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), &*answer.text()), (502, "502 Bad Gateway: protocol_error\n"));
    }
    let labels = [("code", "502"), ("reason", "protocol_error"), ("classification", "failure")];
    assert_eq!(proxy.metric("weir_requests_total", &labels).await, 2.0);
}

#[tokio::test]
async fn a_5xx_is_rescued() {
    let canary = weir::echo::Echo::start(weir::echo::EchoOptions { fail: 1.0, ..Default::default() }).await.unwrap();
    rescued(canary.address(), "/", 500, "status").await;
}

#[tokio::test]
async fn a_timeout_is_rescued() {
    let canary = mocks::never_answers::start().await;
    rescued(canary.address(), "/", 504, "request_timeout").await;
    assert_eq!(canary.received("POST /"), 1);
}

#[tokio::test]
async fn a_broken_connection_is_rescued() {
    let canary = mocks::resets_before_answer::start(Duration::ZERO).await;
    rescued(canary.address(), "/", 502, "reset").await;
    assert_eq!(canary.received("POST /"), 1);
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_rescued() {
    let canary = mocks::answers_garbage::start().await;
    rescued(canary.address(), "/", 502, "protocol_error").await;
    assert_eq!(canary.received("POST /"), 1);
}

#[tokio::test]
async fn a_refused_connection_is_rescued_even_for_post() {
    let (canary, stable) = (AcceptsNever::start(), echo("stable").await);
    let proxy = Proxy::start(&pair(stable.address(), canary.address(), (0, 1), RESCUE)).await;
    for method in ["GET", "POST"] {
        assert_eq!(ask(&proxy, method, "/").await.status, 200, "{method}: nothing of it was sent");
    }
    assert_eq!(proxy.metric("weir_rescues_total", &[("reason", "connect_failed")]).await, 2.0);
}

#[tokio::test]
async fn what_stable_fails_is_not_rescued() {
    let canary = echo("canary").await;
    let stable = weir::echo::Echo::start(weir::echo::EchoOptions { fail: 1.0, ..Default::default() }).await.unwrap();
    let proxy = Proxy::start(&pair(stable.address(), canary.address(), (1, 0), RESCUE)).await;
    assert_eq!(ask(&proxy, "GET", "/").await.status, 500);
    assert_eq!(canary.stats().requests, 0);
}

fn http2(endpoints: &[std::net::SocketAddr]) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
    format!(
        "splits:\n  - name: shop\n    versions: [{{name: stable, protocol: http2, endpoints: [{}]}}]\n",
        endpoints.join(", ")
    )
}

#[tokio::test]
async fn a_refused_stream_is_tried_again() {
    // On a connection that was used before, the same endpoint is asked once more.
    let mock = mocks::refuses_streams::start(1, 1).await;
    let proxy = Proxy::start(&http2(&[mock.address()])).await;
    for n in 0..3 {
        assert_eq!(ask(&proxy, "GET", &format!("/{n}")).await.status, 200, "request {n}");
    }
    assert_eq!(mock.received("refused GET /1"), 1);
    assert_eq!(mock.received("GET /1"), 1);
    assert_eq!(proxy.metric("weir_retries_total", &[("reason", "stale")]).await, 1.0);
}

#[tokio::test]
async fn a_stream_refused_on_a_new_connection_is_tried_on_another_endpoint() {
    let (refusing, other) = (mocks::refuses_streams::start(0, 99).await, mocks::refuses_streams::start(0, 0).await);
    let proxy = Proxy::start(&http2(&[refusing.address(), other.address()])).await;
    for n in 0..6 {
        assert_eq!(ask(&proxy, "GET", &format!("/{n}")).await.status, 200, "request {n}");
    }
    assert!(refusing.received("refused") > 0);
}

#[tokio::test]
async fn a_connection_on_which_comes_what_is_no_http2_ends_with_that_reason() {
    let garbage = Mock::accepting(|mut connection| {
        Box::pin(async move {
            // SETTINGS without any, which lets requests come.
            connection.write("\0\0\0\x04\0\0\0\0\0").await;
            let (mut received, mut at) = (Vec::new(), PREFACE);
            loop {
                match connection.stream.read_buf(&mut received).await {
                    Ok(1..) => {}
                    _ => return,
                }
                // Until a frame of HEADERS has come.
                while let Some([0, high, low, kind]) = received.get(at..at + 4) {
                    if *kind == 1 {
                        connection.write(&"SSH-2.0-x ".repeat(20)).await;
                    }
                    at += 9 + usize::from(u16::from_be_bytes([*high, *low]));
                }
            }
        })
    })
    .await;
    let proxy = Proxy::start(&http2(&[garbage.address()])).await;
    for method in ["GET", "POST"] {
        let answer = ask(&proxy, method, "/").await;
        assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (502, Some("protocol_error")), "{method}");
    }
    // It may be asked for elsewhere, as after any other connection that breaks.
    let well = mocks::refuses_streams::start(0, 0).await;
    let proxy = Proxy::start(&http2(&[garbage.address(), well.address()])).await;
    for n in 0..6 {
        assert_eq!(ask(&proxy, "GET", &format!("/{n}")).await.status, 200, "request {n}");
    }
    assert!(proxy.metric("weir_retries_total", &[("reason", "protocol_error")]).await > 0.0);
}

#[tokio::test]
async fn a_stream_that_is_always_refused_is_503() {
    let mock = mocks::refuses_streams::start(0, 99).await;
    let proxy = Proxy::start(&http2(&[mock.address()])).await;
    for method in ["GET", "POST"] {
        let answer = ask(&proxy, method, "/").await;
        assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (503, Some("refused")), "{method}");
    }
}

#[tokio::test]
async fn an_endpoint_that_goes_away_after_each_answer_loses_nothing() {
    let mock = mocks::goes_away::start().await;
    let proxy = Proxy::start(&http2(&[mock.address()])).await;
    let mut client = h1(proxy.http()).await;
    for n in 0..50 {
        let answer = ask_h1(&mut client, request("GET", &format!("/{n}")).body(nothing()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "ok".to_owned()), "request {n}");
    }
    assert!(mock.connections() >= 25);
    assert_eq!(proxy.metric("weir_requests_total", &[("classification", "failure")]).await, 0.0);
}
