//! Other proxies' names for what was counted, and queries over them: scraped and asked over sockets.

use std::net::SocketAddr;

use serde_json::Value;
use weir::echo::{Echo, EchoOptions};

use crate::support::*;

const ARTICLE: &str = r#"sum(rate(http_requests_total{app="spark-app",status=~"2.."}[1m])) / sum(rate(http_requests_total{app="spark-app"}[1m])) * 100"#;

/// A stable that never fails, and a canary that fails three requests of ten.
async fn backends() -> [Echo; 2] {
    let options = |version: &str, fail| {
        let version = version.to_owned();
        EchoOptions { version, fail, seed: Some(3), ..EchoOptions::default() }
    };
    [Echo::start(options("stable", 0.0)).await.unwrap(), Echo::start(options("canary", 0.3)).await.unwrap()]
}

fn config(backends: &[Echo; 2], dialects: &str) -> String {
    let [stable, canary] = backends.each_ref().map(Echo::address);
    format!(
        "ops: {{address: \"{{ops}}\"}}\nworkers: 2\nmetrics: {{dialects: [{dialects}]}}\nsplits:\n  - name: spark-app\n    hosts: \
         [shop.example]\n    versions:\n      - {{name: stable, weight: 3, endpoints: [\"{stable}\"]}}\n      - {{name: canary, \
         weight: 1, endpoints: [\"{canary}\"], revision: r-42}}\n"
    )
}

/// So many requests; returns how many of them failed.
async fn load(http: SocketAddr, requests: usize) -> usize {
    let mut client = h1(http).await;
    let mut failed = 0;
    for _ in 0..requests {
        let answer = ask_h1(&mut client, request("GET", "/").body(nothing()).unwrap()).await;
        failed += usize::from(answer.status.is_server_error());
    }
    failed
}

fn encoded(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn ask(ops: SocketAddr, query: &str) -> Value {
    let answer = get(ops, &format!("/api/v1/query?query={}", encoded(query))).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")), "{query}");
    answer.json()["data"].clone()
}

/// The number of a result of one series.
async fn number(ops: SocketAddr, query: &str) -> f64 {
    let data = ask(ops, query).await;
    assert_eq!(data["resultType"], "vector", "{query}: {data}");
    assert_eq!(data["result"].as_array().unwrap().len(), 1, "{query}: {data}");
    data["result"][0]["value"][1].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_has_the_families_that_were_asked_for() {
    let backends = backends().await;
    let binary = Binary::start(&config(&backends, "nginx, http, istio")).await;
    let app = ("app", "spark-app");
    let text = binary.metrics().await;
    assert!(
        text.contains(
            r#"http_requests_total{app="spark-app",namespace="",version="canary",revision="r-42",status="200"} 0"#
        ),
        "{text}"
    );
    assert!(text.contains(r#"nginx_ingress_controller_requests{namespace="",ingress="spark-app",service="stable",canary="canary",status="200"} 0"#), "{text}");
    let failed = load(binary.http(), 200).await as f64;
    assert!(failed > 0.0);
    // Requests that no route takes have no place in dialects.
    let elsewhere = http::Request::get("/").header("host", "elsewhere.example").body(nothing()).unwrap();
    assert_eq!(send(binary.http(), elsewhere).await.status, 404);
    let text = binary.metrics().await;
    assert_eq!(metric(&text, "http_requests_total", &[app]), 200.0);
    assert_eq!(metric(&text, "http_requests_total", &[("version", "stable"), ("status", "200")]), 150.0);
    assert_eq!(metric(&text, "http_requests_total", &[("version", "canary"), ("status", "500")]), failed);
    let pod = [("kubernetes_pod_name", "spark-app-canary-r42-x")];
    assert_eq!(metric(&text, "http_request_duration_seconds_count", &pod), 50.0);
    assert_eq!(metric(&text, "nginx_ingress_controller_requests", &[("canary", ""), ("status", "200")]), 150.0);
    assert_eq!(metric(&text, "nginx_ingress_controller_requests", &[("canary", "canary")]), 50.0);
    for family in ["request", "response"] {
        let bucket = format!("nginx_ingress_controller_{family}_duration_seconds_bucket");
        assert_eq!(metric(&text, &bucket, &[("canary", "canary"), ("le", "+Inf")]), 50.0);
    }
    for reporter in ["source", "destination"] {
        let labels = [("reporter", reporter), ("destination_version", "r-42"), ("response_code", "500")];
        assert_eq!(metric(&text, "istio_requests_total", &labels), failed);
        assert_eq!(metric(&text, "istio_request_duration_milliseconds_count", &labels), failed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_exported_that_was_not_asked_for() {
    let backends = backends().await;
    for (dialects, there) in [("", [false, false, false]), ("http", [false, true, false])] {
        let binary = Binary::start(&config(&backends, dialects)).await;
        let text = binary.metrics().await;
        let found = ["nginx_ingress_controller_requests", "http_requests_total", "istio_requests_total"];
        assert_eq!(found.map(|name| text.lines().any(|line| line.starts_with(name))), there, "{dialects}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openmetrics_has_no_counter_without_total() {
    let backends = backends().await;
    let binary = Binary::start(&config(&backends, "nginx, http")).await;
    let accept = request("GET", "/metrics").header("accept", "application/openmetrics-text").body(nothing()).unwrap();
    let text = send(binary.address("ops"), accept).await.text();
    assert!(text.contains("# TYPE nginx_ingress_controller_requests unknown\n"), "{text}");
    assert!(text.contains("# TYPE http_requests counter\n"), "{text}");
    for line in text.lines().filter(|line| line.ends_with(" counter")) {
        let name = line.split(' ').nth(2).unwrap();
        let samples = || text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
        assert!(samples().all(|line| line.starts_with(&format!("{name}_total"))), "{line}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_are_answered_from_what_was_counted() {
    let backends = backends().await;
    // No dialect is exported: queries are answered all the same.
    let binary = Binary::start(&config(&backends, "")).await;
    let ops = binary.address("ops");
    assert_eq!(number(ops, "vector(1)").await, 1.0);
    assert!(number(ops, ARTICLE).await.is_nan(), "0/0 before the first request");
    let failed = load(binary.http(), 200).await as f64;
    wait_until("the second is over", async || {
        number(ops, "sum(increase(http_requests_total{app=\"spark-app\"}[1m]))").await == 200.0
    })
    .await;
    assert!((number(ops, ARTICLE).await - (200.0 - failed) / 2.0).abs() < 1e-9);
    let canary = 100.0 * (50.0 - failed) / 50.0;
    for query in [
        r#"sum(rate(nginx_ingress_controller_requests{ingress="spark-app",canary!="",status!~"5.*"}[1m])) / sum(rate(nginx_ingress_controller_requests{ingress="spark-app",canary!=""}[1m])) * 100"#,
        r#"sum(rate(http_request_duration_seconds_count{kubernetes_pod_name=~"spark-app-canary-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)",status!~"5.*"}[1m])) / sum(rate(http_request_duration_seconds_count{kubernetes_pod_name=~"spark-app-canary-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"}[1m])) * 100"#,
        r#"sum(rate(istio_requests_total{reporter="destination",destination_workload=~"spark-app-canary",response_code!~"5.*"}[1m])) / sum(rate(istio_requests_total{reporter="destination",destination_workload=~"spark-app-canary"}[1m])) * 100"#,
    ] {
        assert!((number(ops, query).await - canary).abs() < 1e-9, "{query}");
    }
    let p99 = r#"histogram_quantile(0.99, sum(rate(istio_request_duration_milliseconds_bucket{reporter="destination"}[1m])) by (le))"#;
    assert!((0.0..1000.0).contains(&number(ops, p99).await));
    // As Argo's client sends it.
    let form = format!("query={}&time={}", encoded("vector(1)"), jiff::Timestamp::now().as_second());
    let post = http::Request::post("/api/v1/query")
        .header("host", "a")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(all(form))
        .unwrap();
    assert_eq!(send(binary.address("admin"), post).await.json()["data"]["result"][0]["value"][1], "1");
    let empty = ask(ops, "sum(rate(http_requests_total{app=\"other\"}[1m]))").await;
    assert_eq!(empty, serde_json::json!({ "resultType": "vector", "result": [] }));
    let refused = get(ops, &format!("/api/v1/query?query={}", encoded("avg(up)"))).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["status"]), (400, &"error".into()));
    assert_eq!(refused.json()["errorType"], "bad_data");
    assert!(refused.json()["error"].as_str().unwrap().contains("understood are"));
}
