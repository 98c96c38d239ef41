//! Requests that two readers could take for different ones, or that are too much: refused, and the connection closed.
//!
//! `raw` reads until the proxy closes, so every test here also says that it does.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

/// What follows a refused request on its connection and must not be answered.
const SECOND: &str = "GET /second HTTP/1.1\r\nhost: a\r\n\r\n";

/// Sends `head`, with a second request behind it, and checks that there is one answer, `status`, and that nothing went
/// to an endpoint.
async fn refused(cases: &[(&str, &str)]) {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    for (head, status) in cases {
        let answer = raw(proxy.http(), format!("{head}{SECOND}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answer:?}");
        assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{head:?}: {answer:?}");
    }
    assert_eq!(echo.stats().requests, 0);
    // What the codec itself refuses is counted when its connection has ended.
    let labels = [("route", ""), ("classification", "success")];
    wait_until("every one is counted", async || {
        proxy.metric("weir_requests_total", &labels).await == cases.len() as f64
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_must_be_one() {
    refused(&[
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "400"),
        ("GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n", "400"),
        ("GET http://a/ HTTP/1.1\r\nhost: a:81\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: ä\r\n\r\n", "400"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_none_is_refused() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    for host in ["user@a", "a/b", "a b", "a,b", "a:b", "a:99999", "[::1", ":80", "a?b", "a#b"] {
        let sent = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = raw(proxy.http(), sent).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{host}: {answer:?}");
    }
    assert_eq!(echo.stats().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn absolute_form_counts_as_the_authority() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let sent = "GET http://Shop.example:80/a?b HTTP/1.1\r\nhost: shop.example:80\r\nconnection: close\r\n\r\n";
    let answer = raw(proxy.http(), sent).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\"path\": \"/a\"") && answer.contains("\"query\": \"b\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_authority_and_host_must_agree() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut client = h2(proxy.http()).await;
    let different = request("GET", "http://a.example/").header("host", "b.example").body(nothing()).unwrap();
    assert_eq!(ask_h2(&mut client, different).await.status, 400);
    let same = request("GET", "http://a.example/").header("host", "a.example").body(nothing()).unwrap();
    assert_eq!(ask_h2(&mut client, same).await.status, 200);
    assert_eq!(echo.stats().requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_length_must_be_one_number() {
    refused(&[
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", "400"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 5\r\n\r\nhello", "400"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\nhello", "400"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\nhello", "400"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5x\r\n\r\nhello", "400"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x5\r\n\r\nhello", "400"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\n", "400"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_is_repeated_is_refused() {
    refused(&[("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello", "400")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_beside_a_transfer_coding_is_refused() {
    refused(&[
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n", "400"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_for_http1_1() {
    refused(&[("POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "400")]).await;
}

/// Whether such a request is refused or repaired: an endpoint never sees two framings, nor what follows as its body.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_never_sees_two_framings() {
    let reply = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let backend = Script::start(reply, true).await;
    let proxy = Proxy::before([backend.address()]).await;
    for (framing, body) in [
        ("content-length: 5\r\ncontent-length: 5", "hello"),
        ("content-length: 5\r\ntransfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("transfer-encoding: chunked\r\ncontent-length: 5", "5\r\nhello\r\n0\r\n\r\n"),
        ("content-length: 4\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
    ] {
        let sent = format!(
            "POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n{body}\
             GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        );
        raw(proxy.http(), sent).await;
        for head in backend.heads() {
            let head = head.to_ascii_lowercase();
            let framings = head.matches("\r\ncontent-length:").count() + head.matches("\r\ntransfer-encoding:").count();
            assert!(framings <= 1, "{framing}: {head}");
            assert!(head.starts_with("post / ") || head.starts_with("get /last "), "{framing}: {head}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_transfer_codings_are_not_implemented() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    for coding in ["gzip, chunked", "chunked, chunked", "gzip", "identity", "xchunked", ",chunked", "chunked;a=b"] {
        let sent = format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n{SECOND}");
        let answer = raw(proxy.http(), sent).await;
        let refused = answer.starts_with("HTTP/1.1 501 ") || answer.starts_with("HTTP/1.1 400 ");
        assert!(refused, "{coding}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{coding}: {answer:?}");
    }
    let twice = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = raw(proxy.http(), twice).await;
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer:?}");
    assert_eq!(echo.stats().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_refused() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    for sent in [
        "GET / HTTP/1.1\r\nhost: a\r\nbad header: x\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nbad\x01: x\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
        "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n",
        "hello\r\n\r\n",
    ] {
        let answer = raw(proxy.http(), sent).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(), "{sent:?}: {answer:?}");
    }
    assert_eq!(echo.stats().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_versions_of_http_are_not_supported() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    for version in ["2.0", "3.0", "0.9"] {
        let answer = raw(proxy.http(), format!("GET / HTTP/{version}\r\nhost: a\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 505 "), "{version}: {answer:?}");
    }
    // As long as the preface, and almost it.
    let answer = raw(proxy.http(), "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer:?}");
    assert_eq!(echo.stats().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(33 * 1024));
    let answer = raw(proxy.http(), large).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    let many: String = (0..120).map(|n| format!("x-{n}: 1\r\n")).collect();
    let answer = raw(proxy.http(), format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    let endless = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "x".repeat(200 * 1024));
    let answer = raw(proxy.http(), endless).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{answer:?}");
    let fits = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\nconnection: close\r\n\r\n", "x".repeat(16 * 1024));
    let answer = raw(proxy.http(), fits).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{}", &answer[..answer.len().min(200)]);
    wait_until("they are counted", async || proxy.metric("weir_requests_total", &[("code", "431")]).await >= 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_head_that_is_too_large_fails_alone() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut client = h2(proxy.http()).await;
    assert_eq!(ask_h2(&mut client, request("GET", "http://a/").body(nothing()).unwrap()).await.status, 200);
    let mut large = request("GET", "http://a/");
    for n in 0..40 {
        large = large.header(format!("x-{n}"), "x".repeat(1024));
    }
    match within(client.send_request(large.body(nothing()).unwrap())).await {
        Ok(response) => assert_eq!(response.status(), 431),
        Err(error) => assert!(!error.is_timeout(), "{error}"),
    }
    assert_eq!(ask_h2(&mut client, request("GET", "http://a/").body(nothing()).unwrap()).await.status, 200);
    assert_eq!(echo.stats().requests, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_too_long_is_refused() {
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(8192));
    refused(&[(&long, "414")]).await;
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let fits = format!("/{}", "x".repeat(8000));
    assert_eq!(get(proxy.http(), &fits).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused() {
    let echo = echo("v1").await;
    let yaml = format!(
        "splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"{}\"]}}]
    limits: {{requestBody: 1KiB}}
",
        echo.address()
    );
    let proxy = Proxy::start(&yaml).await;
    let announced = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1025\r\n\r\n{}{SECOND}", "x".repeat(1025));
    let answer = raw(proxy.http(), announced).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert_eq!(echo.stats().requests, 0, "it was refused by its head alone");
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let chunked = |chunks: usize| {
        format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(chunks))
    };
    let answer = raw(proxy.http(), format!("{}{SECOND}", chunked(3))).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.contains("x-weir-reason: body_too_large"), "{answer}");
    let fits = request("POST", "/").body(all("x".repeat(1024))).unwrap();
    assert_eq!(send(proxy.http(), fits).await.json()["bodyLength"], 1024);
    let (feed, body) = fed();
    feed.send(http_body::Frame::data("x".repeat(1024).into())).unwrap();
    drop(feed);
    assert_eq!(send(proxy.http(), request("POST", "/").body(body).unwrap()).await.json()["bodyLength"], 1024);
    let over_h2 = request("POST", "http://a/").body(all("x".repeat(2000))).unwrap();
    assert_eq!(ask_h2(&mut h2(proxy.http()).await, over_h2).await.status, 413);
    let failures = proxy.metric("weir_requests_total", &[("classification", "failure")]).await;
    assert_eq!(failures, 0.0, "a client's mistake is no failure of a version");
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_are_none_break_the_request_off() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    for body in ["x\r\nhello\r\n0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "fffffffffffffffff\r\nhello\r\n"] {
        let sent = format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}{SECOND}");
        let answer = raw(proxy.http(), sent).await;
        assert!(!answer.contains("200 OK"), "{body:?}: {answer}");
        assert!(!answer.contains("/second"), "{body:?}: {answer}");
    }
}

/// Until `stream` is closed, however that is said.
async fn closed(mut stream: TcpStream) -> String {
    let mut received = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut received)).await.expect("not closed");
    String::from_utf8_lossy(&received).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_takes_too_long_is_cut() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let begun = Instant::now();
    let connect = async || TcpStream::connect(proxy.http()).await.unwrap();
    let mut dripping = connect().await;
    let mut stuck = connect().await;
    stuck.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
    // The second head of a connection is watched like the first.
    let mut second = connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut first_byte = [0];
    within(second.read_exact(&mut first_byte)).await.unwrap();
    let drip = async {
        dripping.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
        let mut interval = tokio::time::interval(Duration::from_millis(500));
        for _ in 0..30 {
            interval.tick().await;
            if dripping.write_all(b"x: y\r\n").await.is_err() {
                break;
            }
        }
        closed(dripping).await
    };
    let again = async {
        second.write_all(b"GET /second HT").await.unwrap();
        closed(second).await
    };
    let (stuck, dripped, second) = tokio::join!(closed(stuck), drip, again);
    for received in [stuck, dripped] {
        assert!(received.is_empty() || received.starts_with("HTTP/1.1 408 "), "{received}");
    }
    assert!(!second.contains("/second"), "{second}");
    let took = begun.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(14)).contains(&took), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_line_before_a_request_may_come_in_pieces() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut stream = TcpStream::connect(proxy.http()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(b"\r").await.unwrap();
    // For the CR to be read alone; nothing else changes if it is not.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let request = "\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = closed(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn close_counts_beside_keep_alive() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    for options in ["close, keep-alive", "keep-alive, close", "keep-alive\r\nconnection: close"] {
        for version in ["HTTP/1.0", "HTTP/1.1"] {
            let request = format!("GET / {version}\r\nhost: a\r\nconnection: {options}\r\n\r\n{SECOND}");
            let answer = raw(proxy.http(), request).await;
            assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{version}, {options:?}: {answer:?}");
        }
    }
}

/// Who waits for longer than a head may take, but not within one, keeps its connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_wait_before_between_and_within_requests() {
    let echo = echo("v1").await;
    let yaml = format!(
        "splits: [{{name: shop, hosts: [shop.example], versions: [{{name: stable, endpoints: [\"{}\"]}}]}}]\n",
        echo.address()
    );
    let proxy = Proxy::start(&yaml).await;
    let (mut before, mut between, mut refused, mut working) =
        (h1(proxy.http()).await, h1(proxy.http()).await, h1(proxy.http()).await, h1(proxy.http()).await);
    let asked = |path: &str| request("GET", path).body(nothing()).unwrap();
    let elsewhere = || http::Request::get("/").header("host", "other.example").body(nothing()).unwrap();
    assert_eq!(ask_h1(&mut between, asked("/")).await.status, 200);
    assert_eq!(ask_h1(&mut refused, elsewhere()).await.status, 404);
    let slow = working.send_request(asked("/latency/10500"));
    let (feed, body) = fed();
    let mut uploading = h1(proxy.http()).await;
    let upload = tokio::spawn(uploading.send_request(request("POST", "/").body(body).unwrap()));
    // The waiting is what is tested.
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    assert_eq!(ask_h1(&mut before, asked("/")).await.status, 200);
    assert_eq!(ask_h1(&mut between, asked("/")).await.status, 200);
    assert_eq!(ask_h1(&mut refused, elsewhere()).await.status, 404);
    assert_eq!(Answer::read(within(slow).await.unwrap()).await.status, 200);
    assert_eq!(ask_h1(&mut working, asked("/")).await.status, 200, "its time began with its own first byte");
    feed.send(http_body::Frame::data("late".into())).unwrap();
    drop(feed);
    assert_eq!(Answer::read(within(upload).await.unwrap().unwrap()).await.json()["body"], "late");
    assert_eq!(ask_h1(&mut uploading, asked("/")).await.status, 200);
}
