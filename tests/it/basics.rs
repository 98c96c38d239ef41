//! HTTP/1.0, HTTP/1.1 and HTTP/2 on both sides, and what a proxy answers itself.

use http::{Request, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn http1_connections_are_kept_on_both_sides() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut client = h1(proxy.http()).await;
    for path in ["/one?a=1&b=%20", "/two", "/three//four"] {
        let answer = ask_h1(&mut client, request("GET", path).body(nothing()).unwrap()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.version, Version::HTTP_11);
        let seen = answer.json();
        assert_eq!(seen["protocol"], "HTTP/1.1");
        assert_eq!(seen["host"], "shop.example");
        let query = seen["query"].as_str().unwrap();
        let separator = if query.is_empty() { "" } else { "?" };
        assert_eq!(format!("{}{separator}{query}", seen["path"].as_str().unwrap()), path);
    }
    assert_eq!(echo.stats().connections, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_with_and_without_a_length_arrive_whole() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut client = h1(proxy.http()).await;
    let long = "0123456789".repeat(20_000);
    for method in ["POST", "PUT", "PATCH", "DELETE", "REPORT"] {
        let answer = ask_h1(&mut client, request(method, "/").body(all(long.clone())).unwrap()).await;
        assert_eq!(
            (answer.json()["method"].as_str(), answer.json()["bodyLength"].as_u64()),
            (Some(method), Some(200_000))
        );
        assert_eq!(answer.seen("content-length").as_deref(), Some("200000"));
    }
    let (feed, body) = fed();
    for piece in ["one ", "two ", "three"] {
        feed.send(http_body::Frame::data(piece.into())).unwrap();
    }
    drop(feed);
    let answer = ask_h1(&mut client, request("POST", "/").body(body).unwrap()).await;
    assert_eq!(answer.json()["body"], "one two three");
    assert_eq!(answer.seen("transfer-encoding").as_deref(), Some("chunked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_0_is_closed_unless_asked_otherwise() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let answer = raw(proxy.http(), "GET /old HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") || answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\"path\": \"/old\""), "{answer}");
    // What comes to an end by closing is not chunked for a client that does not know chunks.
    let answer = raw(proxy.http(), "GET /stream/3/1 HTTP/1.0\r\nhost: a\r\n\r\n").await;
    assert!(!answer.to_ascii_lowercase().contains("transfer-encoding"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nchunk 1\nchunk 2\nchunk 3\n"), "{answer}");
    let twice = "GET /a HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\nhost: a\r\n\r\n";
    let answers = raw(proxy.http(), twice).await;
    assert_eq!(answers.matches("HTTP/1.").count() - answers.matches("\"HTTP/1.").count(), 2, "{answers}");
    assert!(answers.to_ascii_lowercase().contains("connection: keep-alive"), "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let slow = "GET /latency/100 HTTP/1.1\r\nhost: a\r\n\r\n";
    let body = "POST /second HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    let last = "GET /third HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = raw(proxy.http(), format!("{slow}{body}{last}")).await;
    let places: Vec<_> = ["\"/latency/100\"", "\"/second\"", "\"hello\"", "\"/third\""]
        .map(|text| answers.find(text).unwrap_or_else(|| panic!("{text} is not in {answers}")))
        .into();
    assert!(places.is_sorted(), "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_close_is_obeyed_and_said() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let sent = "GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nGET /b HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = raw(proxy.http(), sent).await;
    assert!(answer.to_ascii_lowercase().contains("connection: close\r\n"), "{answer}");
    assert!(!answer.contains("\"/b\""), "what follows is not answered: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_its_answer_is_noticed() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut stream = TcpStream::connect(proxy.http()).await.unwrap();
    stream.write_all(b"GET /latency/60000 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    wait_until("in flight", async || proxy.process().control().in_flight() == 1).await;
    drop(stream);
    wait_until("not in flight", async || proxy.process().control().in_flight() == 0).await;
    let labels = [("version", "stable"), ("classification", "client_gone")];
    wait_until("counted", async || proxy.metric("weir_requests_total", &labels).await == 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_with_prior_knowledge_carries_many_requests_at_once() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let client = h2(proxy.http()).await;
    let asked = (0..50).map(|n| {
        let mut client = client.clone();
        async move {
            let body = all(format!("body {n}"));
            let request = request("POST", &format!("http://shop.example/{n}?q={n}")).body(body).unwrap();
            (n, ask_h2(&mut client, request).await)
        }
    });
    for (n, answer) in futures_util::future::join_all(asked).await {
        assert_eq!(answer.version, Version::HTTP_2);
        let seen = answer.json();
        assert_eq!(seen["path"], format!("/{n}"));
        assert_eq!(seen["body"], format!("body {n}"));
        assert_eq!(seen["host"], "shop.example");
        assert_eq!(seen["protocol"], "HTTP/1.1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pair_of_versions_carries_bodies_both_ways() {
    let echo = echo("v1").await;
    let text = "0123456789abcdef".repeat(16 * 1024);
    for (endpoint, protocol) in [
        (echo.address().to_string(), "HTTP/1.1"),
        (format!("http://{}", echo.address()), "HTTP/1.1"),
        (format!("h2c://{}", echo.address()), "HTTP/2"),
    ] {
        let proxy = Proxy::before([&endpoint]).await;
        let (mut first, mut second) = (h1(proxy.http()).await, h2(proxy.http()).await);
        let answer = ask_h1(&mut first, request("GET", "/").body(nothing()).unwrap()).await;
        assert_eq!(answer.json()["protocol"], protocol, "{endpoint}");
        assert_eq!(answer.json()["host"], "shop.example", "{endpoint}");
        let answer = ask_h1(&mut first, request("POST", "/echo").body(all(text.clone())).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, text.len()), "{endpoint}");
        assert!(answer.text() == text);
        let posted = request("POST", "http://shop.example/echo").body(all(text.clone())).unwrap();
        let answer = ask_h2(&mut second, posted).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, text.len()), "{endpoint}");
        assert!(answer.text() == text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_upstream_connections_are_shared() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([format!("h2c://{}", echo.address())]).await;
    let asked = (0..40).map(|_| get(proxy.http(), "/latency/50"));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.status, 200);
    }
    assert_eq!(echo.stats().connections, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn cookie_crumbs_of_http2_become_one_line() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let crumbs = request("GET", "http://shop.example/").header("cookie", "a=1").header("cookie", "b=2");
    let answer = ask_h2(&mut h2(proxy.http()).await, crumbs.body(nothing()).unwrap()).await;
    assert_eq!(answer.seen("cookie").as_deref(), Some("a=1; b=2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_length_and_no_body() {
    let echo = echo("v1").await;
    for endpoint in [echo.address().to_string(), format!("h2c://{}", echo.address())] {
        let proxy = Proxy::before([endpoint]).await;
        let mut client = h1(proxy.http()).await;
        for _ in 0..2 {
            let answer = ask_h1(&mut client, request("HEAD", "/bytes/1234").body(nothing()).unwrap()).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-length"), Some("1234"));
            assert!(answer.body.is_empty());
        }
        let over_h2 = request("HEAD", "http://shop.example/bytes/1234").body(nothing()).unwrap();
        let answer = ask_h2(&mut h2(proxy.http()).await, over_h2).await;
        assert_eq!(answer.header("content-length"), Some("1234"));
        assert!(answer.body.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_content_do_not_hold_up_the_connection() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut client = h1(proxy.http()).await;
    for status in [204, 304, 404, 500, 200] {
        let path = format!("/status/{status}");
        let answer = ask_h1(&mut client, request("GET", &path).body(nothing()).unwrap()).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.body.is_empty(), matches!(status, 204 | 304), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_go_to_the_endpoint_unless_they_are_for_the_proxy() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let answer = send(proxy.http(), request("OPTIONS", "/a").body(nothing()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["method"].as_str()), (200, Some("OPTIONS")));
    let hops = request("OPTIONS", "/a").header("max-forwards", "7").body(nothing()).unwrap();
    assert_eq!(send(proxy.http(), hops).await.seen("max-forwards").as_deref(), Some("6"));
    let before = echo.stats().requests;
    let last = request("OPTIONS", "/a").header("max-forwards", "0").body(nothing()).unwrap();
    let answer = send(proxy.http(), last).await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET") && !allow.contains("TRACE")));
    let answer = raw(proxy.http(), "OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n"), "{answer}");
    assert_eq!(echo.stats().requests, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_and_connect_are_refused() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    for line in ["TRACE / HTTP/1.1", "CONNECT shop.example:443 HTTP/1.1", "CONNECT shop.example:443 HTTP/1.0"] {
        let answer = raw(proxy.http(), format!("{line}\r\nhost: shop.example:443\r\n\r\n")).await;
        assert!(answer.contains(" 405 Method Not Allowed\r\n"), "{line}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("\r\nallow: get"), "{line}: {answer}");
        assert!(answer.contains("x-weir-reason: method_not_allowed"), "{line}: {answer}");
    }
    let mut client = h2(proxy.http()).await;
    for request in [
        Request::connect("shop.example:443").body(nothing()).unwrap(),
        request("TRACE", "http://shop.example/").body(nothing()).unwrap(),
    ] {
        assert_eq!(ask_h2(&mut client, request).await.status, 405);
    }
    assert_eq!(echo.stats().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn expect_100_continue_is_answered_before_the_body_is_sent() {
    let echo = echo("v1").await;
    for endpoint in [echo.address().to_string(), format!("h2c://{}", echo.address())] {
        let proxy = Proxy::before([endpoint]).await;
        let mut stream = TcpStream::connect(proxy.http()).await.unwrap();
        let head =
            "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut interim = vec![0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        within(stream.read_exact(&mut interim)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&interim), "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"hello").await.unwrap();
        let mut rest = String::new();
        within(stream.read_to_string(&mut rest)).await.unwrap();
        assert!(rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.contains("\"body\": \"hello\""), "{rest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expect_100_continue_of_a_refused_request_is_answered_with_the_refusal_alone() {
    let proxy = Proxy::start("splits: []\n").await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let answer = raw(proxy.http(), head).await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_expectation_fails() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let sent = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 200-ok\r\ncontent-length: 5\r\n\r\nhello";
    let answer = raw(proxy.http(), sent).await;
    assert!(answer.starts_with("HTTP/1.1 417 Expectation Failed\r\n"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(echo.stats().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_on_both_sides() {
    let options = weir::echo::EchoOptions { address: "[::1]:0".parse().unwrap(), ..weir::echo::EchoOptions::default() };
    let echo = weir::echo::Echo::start(options).await.unwrap();
    let yaml = format!(
        "listeners: [{{name: http, address: \"[::1]:0\"}}]
splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"{}\"]}}]
",
        echo.address()
    );
    let proxy = Proxy::start(&yaml).await;
    assert!(proxy.http().is_ipv6());
    let asked = Request::get("/").header("host", format!("[::1]:{}", proxy.http().port())).body(nothing()).unwrap();
    let answer = send(proxy.http(), asked).await;
    assert_eq!(answer.json()["host"], format!("[::1]:{}", proxy.http().port()));
    assert_eq!(answer.seen("x-forwarded-for").as_deref(), Some("::1"));
    let forwarded = answer.seen("forwarded").unwrap();
    assert!(forwarded.starts_with("for=\"[::1]\";host=\"[::1]:"), "{forwarded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_on_all_addresses_takes_ipv4_as_ipv4() {
    let echo = echo("v1").await;
    let yaml = format!(
        "listeners: [{{name: http, address: \"[::]:0\"}}]
splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"{}\"]}}]
",
        echo.address()
    );
    let proxy = Proxy::start(&yaml).await;
    let answer = get(([127, 0, 0, 1], proxy.http().port()).into(), "/").await;
    assert_eq!(answer.seen("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    let answer = get((std::net::Ipv6Addr::LOCALHOST, proxy.http().port()).into(), "/").await;
    assert_eq!(answer.seen("x-forwarded-for").as_deref(), Some("::1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_takes_is_not_found_and_what_has_no_endpoint_is_unavailable() {
    let yaml = "splits:
  - name: shop
    hosts: [shop.example]
    versions: [{name: stable, endpoints: []}]
";
    let proxy = Proxy::start(yaml).await;
    let answer = get(proxy.http(), "/").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (503, Some("no_endpoint")));
    assert!(answer.header("retry-after").is_some());
    let other = Request::get("/").header("host", "other.example").body(nothing()).unwrap();
    let answer = send(proxy.http(), other).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (404, Some("no_route")));
}
