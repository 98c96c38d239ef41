//! What is counted equals what happened, to the request.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mocks::Mock;
use crate::support::*;

type Labels = BTreeMap<String, String>;

/// Every sample of a text: name, labels, value. Label values of the tests have no quotes in them.
fn samples(text: &str) -> Vec<(String, Labels, f64)> {
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("not closed: {line}"))),
            None => (series, ""),
        };
        let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (label, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
            (label.to_owned(), value.trim_end_matches('"').to_owned())
        };
        (name.to_owned(), pairs.map(pair).collect(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
    };
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

/// The sum of the series of `name` that have all these labels, empty ones among them.
async fn sum(proxy: &Proxy, name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&(String, Labels, f64)| {
        sample.0 == name && labels.iter().all(|(label, value)| sample.1.get(*label).is_some_and(|known| known == value))
    };
    samples(&proxy.metrics().await).iter().filter(fits).map(|sample| sample.2).sum()
}

/// Route, code, classification, reason.
type Category = (&'static str, &'static str, &'static str, &'static str);

const OK: Category = ("shop", "200", "success", "");
const FAILED: Category = ("shop", "500", "failure", "status");
const RESET: Category = ("shop", "502", "failure", "reset");
const CUT: Category = ("shop", "200", "failure", "truncated");
const LATE: Category = ("shop", "504", "failure", "request_timeout");
const LEFT_BEFORE: Category = ("slow", "", "client_gone", "client_gone");
const LEFT_WITHIN: Category = ("slow", "200", "client_gone", "client_gone");
const NOWHERE: Category = ("", "404", "success", "no_route");
const MALFORMED: Category = ("", "400", "success", "bad_request");
const TOO_LARGE: Category = ("", "431", "success", "bad_request");

/// One upstream with every behaviour, by path.
async fn upstream() -> Mock {
    Mock::start(|connection, head| {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        Box::pin(async move {
            if path.starts_with("/shop/ok") {
                connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                true
            } else if path.starts_with("/shop/failed") {
                connection.write("HTTP/1.1 500 Sorry\r\ncontent-length: 2\r\n\r\nno").await;
                true
            } else if path.starts_with("/shop/reset") {
                connection.reset()
            } else if path.starts_with("/shop/cut") || path.starts_with("/slow/within") {
                connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart").await;
                if path.starts_with("/shop") { false } else { connection.silence().await }
            } else {
                connection.silence().await
            }
        })
    })
    .await
}

fn config(upstream: SocketAddr) -> String {
    format!(
        "workers: 2\nsplits:\n  - {{name: shop, paths: [/shop], timeouts: {{request: 1s}}, versions: [{{name: v1, endpoints: \
         [\"{upstream}\"]}}]}}\n  - {{name: slow, paths: [/slow], versions: [{{name: v1, endpoints: [\"{upstream}\"]}}]}}\n"
    )
}

/// Ends a connection with a reset.
fn hang_up(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// One request of a category, on a connection of its own; asserts what its client gets.
async fn once(address: SocketAddr, mock: &Mock, category: Category, id: &str) {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n");
    let expect = async |request: String, status: &str| {
        let answer = raw(address, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{category:?}: {answer}");
        answer
    };
    match category {
        OK => drop(expect(get("/shop/ok"), "200").await),
        FAILED => drop(expect(get("/shop/failed"), "500").await),
        RESET => drop(expect(get("/shop/reset"), "502").await),
        LATE => drop(expect(get("/shop/late"), "504").await),
        CUT => assert!(expect(get("/shop/cut"), "200").await.ends_with("part")),
        NOWHERE => drop(expect(get("/nowhere"), "404").await),
        MALFORMED if id.ends_with('0') => drop(expect("GET / HTTP/1.1\r\n\r\n".to_owned(), "400").await),
        MALFORMED => drop(expect("GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n".to_owned(), "400").await),
        TOO_LARGE => {
            let large = "a".repeat(40_000);
            drop(expect(format!("GET / HTTP/1.1\r\nhost: a\r\nx-large: {large}\r\n\r\n"), "431").await);
        }
        LEFT_BEFORE | LEFT_WITHIN => {
            let path = format!("/slow/{}/{id}/", if category == LEFT_BEFORE { "before" } else { "within" });
            let mut stream = within(TcpStream::connect(address)).await.unwrap();
            stream.write_all(get(&path).as_bytes()).await.unwrap();
            wait_until("the upstream has it", async || mock.received(&format!("GET {path}")) > 0).await;
            if category == LEFT_WITHIN {
                let mut head = [0; 12];
                within(stream.read_exact(&mut head)).await.unwrap();
                assert_eq!(&head, b"HTTP/1.1 200");
            }
            hang_up(&stream);
        }
        _ => unreachable!(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_counted_once_as_what_its_client_saw() {
    let mock = upstream().await;
    let proxy = Proxy::start(&config(mock.address())).await;
    let address = proxy.http();
    // How often each: fixed, in an order that the seed decides.
    let plan = [
        (OK, 700),
        (FAILED, 200),
        (RESET, 80),
        (CUT, 80),
        (LATE, 40),
        (LEFT_BEFORE, 60),
        (LEFT_WITHIN, 60),
        (NOWHERE, 80),
        (MALFORMED, 60),
        (TOO_LARGE, 10),
    ];
    let mut requests: Vec<Category> =
        plan.iter().flat_map(|(category, count)| std::iter::repeat_n(*category, *count)).collect();
    let seed = 7;
    println!("seed {seed}");
    fastrand::Rng::with_seed(seed).shuffle(&mut requests);
    let clients = requests.chunks(requests.len().div_ceil(8)).enumerate().map(|(client, chunk)| {
        let mock = &mock;
        async move {
            for (n, category) in chunk.iter().enumerate() {
                once(address, mock, *category, &format!("{client}-{n}")).await;
            }
        }
    });
    tokio::time::timeout(Duration::from_secs(60), futures_util::future::join_all(clients)).await.unwrap();
    wait_until("nothing is active", async || proxy.metric("weir_active_requests", &[]).await == 0.0).await;
    // A client's reset is noticed after it happened.
    let gone = [("classification", "client_gone")];
    wait_until("all that left are counted", async || proxy.metric("weir_requests_total", &gone).await >= 120.0).await;
    let text = proxy.metrics().await;
    let mut counted: BTreeMap<(String, String, String, String), f64> = BTreeMap::new();
    for (name, labels, value) in samples(&text) {
        if name == "weir_requests_total" && value > 0.0 {
            let label = |name: &str| labels[name].clone();
            *counted.entry((label("route"), label("code"), label("classification"), label("reason"))).or_default() +=
                value;
        }
    }
    let expected: BTreeMap<_, _> = plan
        .iter()
        .map(|((a, b, c, d), count)| ((a.to_string(), b.to_string(), c.to_string(), d.to_string()), *count as f64))
        .collect();
    assert_eq!(counted, expected);
    let decisions: f64 = samples(&text).iter().filter(|s| s.0 == "weir_decisions_total").map(|s| s.2).sum();
    assert_eq!(decisions, 1220.0, "every routed request is decided once");
    let durations: f64 =
        samples(&text).iter().filter(|s| s.0 == "weir_request_duration_seconds_count").map(|s| s.2).sum();
    assert_eq!(durations, 1370.0, "every request has a duration");
    assert_eq!(proxy.process().control().in_flight(), 0);
}

#[tokio::test]
async fn a_client_that_closes_before_the_answer_is_no_failure_of_the_version() {
    let mock = upstream().await;
    // Late enough for the client to have gone, and early enough for the test.
    let yaml = config(mock.address()).replace("paths: [/slow],", "paths: [/slow], timeouts: {request: 1s},");
    let proxy = Proxy::start(&yaml).await;
    let mut stream = within(TcpStream::connect(proxy.http())).await.unwrap();
    stream.write_all(b"GET /slow/before/ HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    wait_until("the upstream has it", async || mock.received("GET /slow") > 0).await;
    drop(stream);
    wait_until("it is counted", async || proxy.metric("weir_requests_total", &[("route", "slow")]).await > 0.0).await;
    assert_eq!(proxy.metric("weir_requests_total", &[("classification", "failure"), ("route", "slow")]).await, 0.0);
    assert_eq!(proxy.metric("weir_requests_total", &[("classification", "client_gone")]).await, 1.0);
}

#[tokio::test]
async fn a_client_that_breaks_off_its_body_is_no_failure_of_the_version() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut stream = within(TcpStream::connect(proxy.http())).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nten bytes.").await.unwrap();
    wait_until("it is in flight", async || proxy.metric("weir_active_requests", &[]).await == 1.0).await;
    drop(stream);
    wait_until("it is over", async || proxy.metric("weir_active_requests", &[]).await == 0.0).await;
    let gone = [("classification", "client_gone"), ("reason", "client_gone"), ("code", "")];
    assert_eq!(proxy.metric("weir_requests_total", &[("classification", "failure")]).await, 0.0);
    assert_eq!(sum(&proxy, "weir_requests_total", &gone).await, 1.0);
}

#[tokio::test]
async fn a_websocket_is_a_connection_and_no_duration() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let stream = within(TcpStream::connect(proxy.http())).await.unwrap();
    let url = "ws://shop.example/chat";
    let (mut socket, _) = within(tokio_tungstenite::client_async(url, stream)).await.unwrap();
    within(socket.send("hello".into())).await.unwrap();
    assert_eq!(within(socket.next()).await.unwrap().unwrap().into_text().unwrap(), "hello");
    let websocket = [("protocol", "websocket"), ("version", "stable"), ("route", "shop")];
    assert_eq!(proxy.metric("weir_active_connections", &websocket).await, 1.0);
    assert_eq!(proxy.metric("weir_active_requests", &[]).await, 0.0);
    assert_eq!(proxy.metric("weir_requests_total", &[("code", "101"), ("classification", "success")]).await, 1.0);
    within(socket.close(None)).await.unwrap();
    while let Some(Ok(_)) = within(socket.next()).await {}
    drop(socket);
    wait_until("it is over", async || proxy.metric("weir_active_connections", &websocket).await == 0.0).await;
    assert_eq!(proxy.metric("weir_stream_duration_seconds_count", &websocket).await, 1.0);
    assert_eq!(proxy.metric("weir_request_duration_seconds_count", &[]).await, 0.0);
    assert_eq!(proxy.metric("weir_requests_total", &[]).await, 1.0);
    assert_eq!(proxy.process().control().in_flight(), 0);
}

#[tokio::test]
async fn an_event_stream_is_a_connection_and_no_duration() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut client = h1(proxy.http()).await;
    let events = request("GET", "/events?ms=5").body(nothing()).unwrap();
    let mut body = within(client.send_request(events)).await.unwrap().into_body();
    assert!(within(body.frame()).await.is_some());
    let sse = [("protocol", "sse"), ("version", "stable")];
    assert_eq!(proxy.metric("weir_active_connections", &sse).await, 1.0);
    drop((body, client));
    wait_until("it is over", async || proxy.metric("weir_active_connections", &sse).await == 0.0).await;
    assert_eq!(proxy.metric("weir_stream_duration_seconds_count", &sse).await, 1.0);
    assert_eq!(proxy.metric("weir_request_duration_seconds_count", &[]).await, 0.0);
    assert_eq!(proxy.metric("weir_requests_total", &[("classification", "client_gone")]).await, 1.0);
}

#[tokio::test]
async fn series_exist_before_any_request() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let text = proxy.metrics().await;
    let samples = samples(&text);
    let of = |name: &str| {
        samples.iter().filter(|s| s.0 == name && s.1.get("route").is_none_or(|r| r == "shop")).collect::<Vec<_>>()
    };
    for name in [
        "weir_requests_total",
        "weir_request_duration_seconds_count",
        "weir_time_to_first_byte_seconds_count",
        "weir_decisions_total",
        "weir_active_requests",
        "weir_config_rejected_total",
    ] {
        let series = of(name);
        assert!(!series.is_empty(), "{name}");
        assert!(series.iter().all(|(_, _, value)| *value == 0.0), "{name}");
    }
    for class in ["success", "failure"] {
        let known =
            of("weir_requests_total").iter().any(|s| s.1["classification"] == class && s.1["version"] == "stable");
        assert!(known, "{class}");
    }
    assert_eq!(metric(&text, "weir_split_weight", &[("state", "desired"), ("version", "stable")]), 1.0);
    assert_eq!(metric(&text, "weir_split_weight", &[("state", "effective"), ("version", "stable")]), 1.0);
    assert_eq!(metric(&text, "weir_upstream_endpoints", &[("state", "ready")]), 1.0);
    assert_eq!(metric(&text, "weir_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
}

/// What both text formats have in common: every family said once and in one piece, no series twice, whole histograms.
fn well_formed(text: &str, counter_suffix: &str) {
    let (mut families, mut series) = (BTreeMap::new(), BTreeSet::new());
    let mut current = String::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is declared twice");
            current = name.to_owned();
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        assert!(!line.starts_with('#'), "unknown comment: {line}");
        let name = samples(line).remove(0).0;
        let allowed: &[&str] = match families[&current].as_str() {
            "counter" => &[counter_suffix],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(allowed.iter().any(|end| name == format!("{current}{end}")), "{name} in family {current}");
        assert!(series.insert(line.rsplit_once(' ').unwrap().0.to_owned()), "{line} is there twice");
    }
    let mut buckets: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
    let all = samples(text);
    for (name, mut labels, value) in all.clone() {
        if let Some(family) = name.strip_suffix("_bucket") {
            let bound = labels.remove("le").unwrap();
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
            buckets.entry((family.to_owned(), labels)).or_default().push((bound, value));
        }
    }
    assert!(!buckets.is_empty());
    for ((family, labels), bounds) in buckets {
        assert!(bounds.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1), "{family} {labels:?}: {bounds:?}");
        let count = all.iter().find(|s| s.0 == format!("{family}_count") && s.1 == labels).unwrap().2;
        assert_eq!(bounds.last(), Some(&(f64::INFINITY, count)), "{family} {labels:?}");
    }
}

#[tokio::test]
async fn both_formats_are_well_formed() {
    let mock = upstream().await;
    let proxy = Proxy::start(&config(mock.address())).await;
    for category in [OK, OK, FAILED, RESET, CUT, LATE, NOWHERE, MALFORMED] {
        once(proxy.http(), &mock, category, "1").await;
    }
    let prometheus = get(proxy.admin(), "/metrics").await;
    assert!(prometheus.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let declared = prometheus.text();
    // In the older format a counter's family has the name of its samples.
    well_formed(&declared, "");
    let request = request("GET", "/metrics")
        .header("accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
        .body(nothing())
        .unwrap();
    let open = send(proxy.admin(), request).await;
    assert_eq!(open.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = open.text();
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    well_formed(&text, "_total");
    let answered = [("route", "shop"), ("code", "200"), ("classification", "success"), ("reason", "")];
    assert_eq!(sum(&proxy, "weir_requests_total", &answered).await, 2.0);
}
