//! The access log, and the spans of requests.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::*;

const LOG: &str = "accessLog: {path: access.log}\n";

fn text(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("access.log")).unwrap_or_default()
}

/// Every line, once there are so many.
async fn lines(folder: &Path, count: usize) -> Vec<Value> {
    wait_until("the lines", async || text(folder).lines().count() >= count).await;
    let lines: Vec<Value> = text(folder).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_one_line_that_says_what_became_of_it() {
    let echo = echo("v1").await;
    let endpoint = echo.address().to_string();
    let folder = TempDir::new().unwrap();
    let splits = format!(
        "splits:\n  - name: shop\n    paths: [/shop]\n    filters: [{{rewritePrefix: /}}]\n    versions: [{{name: stable, endpoints: [\"{endpoint}\"], revision: r1}}]\n"
    );
    let proxy = Proxy::start_in(folder.path(), &format!("{LOG}{splits}")).await;
    let request = http::Request::get("/shop/bytes/1234?a=%22b%22")
        .header("host", "shop.example")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .body(nothing())
        .unwrap();
    assert_eq!(send(proxy.http(), request).await.status, 200);
    let [line] = &*lines(folder.path(), 1).await else { panic!() };
    for (name, value) in [
        ("client", "127.0.0.1"),
        ("method", "GET"),
        ("host", "shop.example"),
        ("path", "/shop/bytes/1234?a=%22b%22"),
        ("protocol", "HTTP/1.1"),
        ("route", "shop"),
        ("version", "stable"),
        ("revision", "r1"),
        ("why", "weight"),
        ("endpoint", &*endpoint),
        ("classification", "success"),
        ("reason", ""),
        ("trace", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ] {
        assert_eq!(line[name], value, "{name} of {line:#}");
    }
    for (name, value) in [("status", 200), ("bytes", 1234), ("tries", 1)] {
        assert_eq!(line[name], value, "{name} of {line:#}");
    }
    let seconds = |name: &str| line[name].as_f64().unwrap();
    assert!(seconds("connect") > 0.0 && seconds("connect") <= seconds("firstByte"), "{line:#}");
    assert!(seconds("firstByte") <= seconds("total") && seconds("total") < 10.0, "{line:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_end_has_its_line() {
    let echo = echo("v1").await;
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = TempDir::new().unwrap();
    let splits = format!(
        "splits:\n  - {{name: shop, hosts: [shop.example], versions: [{{name: v, endpoints: [\"{}\"]}}]}}\n  \
         - {{name: dead, paths: [/dead], retry: {{attempts: 0}}, versions: [{{name: v, endpoints: [\"{dead}\"]}}]}}\n",
        echo.address()
    );
    let proxy = Proxy::start_in(folder.path(), &format!("{LOG}{splits}")).await;
    let ask = |host: &str, path: &str| {
        let request = http::Request::get(path).header("host", host).body(nothing()).unwrap();
        send(proxy.http(), request)
    };
    assert_eq!(ask("shop.example", "/status/503").await.status, 503);
    assert_eq!(ask("else.example", "/nowhere").await.status, 404);
    assert_eq!(ask("else.example", "/dead").await.status, 503);
    assert!(raw(proxy.http(), "NO\x01NSENSE\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    let lines = lines(folder.path(), 4).await;
    let seen = |index: usize| {
        let line = &lines[index];
        let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
        (line["status"].as_u64().unwrap(), text("route"), text("classification"), text("reason"), text("path"))
    };
    let expected = |status: u64, rest: [&str; 4]| {
        let [route, class, reason, path] = rest.map(str::to_owned);
        (status, route, class, reason, path)
    };
    assert_eq!(seen(0), expected(503, ["shop", "failure", "status", "/status/503"]));
    assert_eq!(seen(1), expected(404, ["-", "success", "no_route", "/nowhere"]));
    assert_eq!(seen(2), expected(503, ["dead", "failure", "connect_failed", "/dead"]));
    assert_eq!(lines[2]["endpoint"], dead.to_string());
    assert_eq!(seen(3), expected(400, ["-", "success", "bad_request", "-"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_has_its_line_at_its_end() {
    let echo = echo("v1").await;
    let folder = TempDir::new().unwrap();
    let splits = format!("splits: [{{name: shop, versions: [{{name: v, endpoints: [\"{}\"]}}]}}]\n", echo.address());
    let proxy = Proxy::start_in(folder.path(), &format!("{LOG}{splits}")).await;
    let request = format!("ws://{}/chat", proxy.http()).into_client_request().unwrap();
    let stream = tokio::net::TcpStream::connect(proxy.http()).await.unwrap();
    let (socket, _) = within(tokio_tungstenite::client_async(request, stream)).await.unwrap();
    assert_eq!(get(proxy.http(), "/").await.status, 200);
    let first = lines(folder.path(), 1).await;
    assert_eq!(first[0]["path"], "/", "the socket is still open");
    drop(socket);
    let both = lines(folder.path(), 2).await;
    assert_eq!((&both[1]["status"], &both[1]["stream"]), (&101.into(), &"websocket".into()));
    assert!(both[1]["total"].as_f64().unwrap() >= both[0]["total"].as_f64().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_lines_and_counters_agree_and_a_moved_file_is_made_anew() {
    let echo = echo("v1").await;
    let yaml = format!(
        "{LOG}workers: 2\nops: {{address: \"{{ops}}\"}}\nshutdown: {{delay: 0s, timeout: 5s}}\n\
         splits: [{{name: shop, versions: [{{name: v, endpoints: [\"{}\"]}}]}}]\n",
        echo.address()
    );
    let mut binary = Binary::start(&yaml).await;
    let load = crate::load::Load::start(binary.http(), 4);
    load.more(300).await;
    let (log, moved) = (binary.folder().join("access.log"), binary.folder().join("access.log.1"));
    std::fs::rename(&log, &moved).unwrap();
    binary.signal("HUP");
    wait_until("a new file", async || std::fs::metadata(&log).is_ok_and(|log| log.len() > 0)).await;
    load.more(300).await;
    let report = load.finish().await;
    assert_eq!(report.failures, Vec::<String>::new());
    let metrics = binary.metrics().await;
    assert_eq!(metric(&metrics, "weir_access_log_dropped_total", &[]), 0.0);
    assert!(metrics.contains("weir_access_log_dropped_total 0"), "it exists from the start");
    binary.signal("TERM");
    assert_eq!(binary.exited(PATIENCE).await.code(), Some(0));
    let count = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count() as u64;
    assert!(count(&moved) > 0 && count(&log) > 0);
    assert_eq!(count(&moved) + count(&log), report.requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_output_takes_lines_and_a_sample_leaves_most_out() {
    let echo = echo("v1").await;
    let split = format!("splits: [{{name: shop, versions: [{{name: v, endpoints: [\"{}\"]}}]}}]\n", echo.address());
    let log = "accessLog: {format: text, sample: 10%}\nshutdown: {delay: 0s, timeout: 5s}\n";
    let mut binary = Binary::start(&format!("{log}{split}")).await;
    let load = crate::load::Load::start(binary.http(), 2);
    load.more(1000).await;
    let requests = load.finish().await.requests as f64;
    binary.signal("TERM");
    binary.exited(PATIENCE).await;
    let lines = std::fs::read_to_string(binary.folder().join("stdout")).unwrap();
    let share = lines.lines().count() as f64 / requests;
    assert!((0.04..0.16).contains(&share), "six standard deviations are 0.06: {share}");
    assert!(lines.lines().all(|line| line.starts_with("127.0.0.1 - - [") && line.contains(" route=shop ")), "{lines}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_of_requests_and_tries_are_there_for_who_asks() {
    let (echo, dead) = (echo("v1").await, std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let split = format!(
        "workers: 1\nsplits: [{{name: shop, versions: [{{name: v, endpoints: [\"{dead}\", \"{}\"]}}]}}]\n",
        echo.address()
    );
    let binary = Binary::start_with(&split, &[("WEIR_LOG", "info,weir::request=debug")]).await;
    // Round robin: one of the two begins at the dead endpoint.
    for _ in 0..2 {
        assert_eq!(get(binary.http(), "/cart").await.status, 200);
    }
    // A client has its answer before its exchange has ended.
    let ended = |line: &&str| line.contains("exchange{") && line.contains("close") && !line.contains(":attempt{");
    wait_until("the exchanges end", async || binary.stderr().lines().filter(ended).count() == 2).await;
    let log = binary.stderr();
    let closed = |what: &str| log.lines().filter(|line| line.contains(what) && line.contains("close")).count();
    let again = closed(":attempt{number=2");
    assert!(again >= 1, "{log}");
    assert_eq!(closed(":attempt{number=1"), 2, "{log}");
    assert_eq!(closed("path=\"/cart\""), 4 + again, "two exchanges, and every attempt: {log}");
    assert!(log.contains("route=shop status=200") && log.contains("trace=\""), "{log}");
}
