//! Bodies on their way: nothing waits for their end, and what follows them arrives.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mocks::{self, Mock};
use crate::support::*;

async fn next_data(body: &mut Incoming) -> String {
    let frame = within(body.frame()).await.unwrap().unwrap();
    String::from_utf8_lossy(&frame.into_data().unwrap()).into_owned()
}

/// Events that are ten seconds apart: the first must not wait for the second.
#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_as_they_are_sent() {
    let echo = echo("v1").await;
    for endpoint in [echo.address().to_string(), format!("h2c://{}", echo.address())] {
        let proxy = Proxy::before([&endpoint]).await;
        let (mut first, mut second) = (h1(proxy.http()).await, h2(proxy.http()).await);
        let begun = Instant::now();
        let over_h1 = request("GET", "/events?ms=20000").body(nothing()).unwrap();
        let over_h2 = request("GET", "http://shop.example/events?ms=20000").body(nothing()).unwrap();
        let answers =
            [within(first.send_request(over_h1)).await.unwrap(), within(second.send_request(over_h2)).await.unwrap()];
        for mut answer in answers {
            assert_eq!(answer.headers()["content-type"], "text/event-stream");
            assert_eq!(next_data(answer.body_mut()).await, "data: {\"version\":\"v1\",\"n\":1}\n\n");
        }
        assert!(begun.elapsed() < Duration::from_secs(10));
        // Both clients leave; that is no failure.
        drop((first, second));
        let labels = [("version", "stable"), ("classification", "client_gone")];
        wait_until("both are gone", async || proxy.metric("weir_requests_total", &labels).await == 2.0).await;
        let streams = proxy.metric("weir_stream_duration_seconds_count", &[("protocol", "sse")]).await;
        assert_eq!(streams, 2.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_may_be_silent_for_longer_than_the_timeouts() {
    let echo = echo("v1").await;
    let yaml = format!(
        "splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"{}\"]}}]
    timeouts: {{request: 200ms, idle: 200ms}}
",
        echo.address()
    );
    let proxy = Proxy::start(&yaml).await;
    let answer = get(proxy.http(), "/events?n=3&ms=500").await;
    assert_eq!(answer.text().matches("data: ").count(), 3);
    // Any other body may not.
    let mut client = h1(proxy.http()).await;
    let asked = request("GET", "/stream/3/500").body(nothing()).unwrap();
    let response = within(client.send_request(asked)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(within(response.into_body().collect()).await.is_err(), "it broke off, and was not ended as if whole");
    let labels = [("reason", "idle_timeout"), ("classification", "failure")];
    assert_eq!(proxy.metric("weir_requests_total", &labels).await, 1.0);
}

/// A split whose bodies may stand still for half a second.
async fn impatient(mock: &Mock) -> Proxy {
    let yaml = format!(
        "splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"{}\"]}}]
    timeouts: {{idle: 500ms}}
",
        mock.address()
    );
    Proxy::start(&yaml).await
}

async fn sends(proxy: &Proxy, head: &str) -> TcpStream {
    let mut client = TcpStream::connect(proxy.http()).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    client
}

const EVENTS: &str = "GET /events HTTP/1.1\r\nhost: shop.example\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: shop.example\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_of_a_stream_is_given_up() {
    for (head, protocol) in [(EVENTS, "sse"), (UPGRADE, "upgrade")] {
        let endless = mocks::never_rests::start().await;
        let proxy = impatient(&endless).await;
        let _client = sends(&proxy, head).await;
        let labels = [("protocol", protocol)];
        let active = async || proxy.metric("weir_active_connections", &labels).await;
        wait_until("it streams", async || active().await == 1.0).await;
        wait_until("it is given up", async || active().await == 0.0).await;
        wait_until("its endpoint hears of it", async || endless.received("left") == 1).await;
        assert_eq!(proxy.metric("weir_stream_duration_seconds_count", &labels).await, 1.0);
        let gone = [("classification", "client_gone")];
        let gone = proxy.metric("weir_requests_total", &gone).await;
        assert_eq!(gone, if protocol == "sse" { 1.0 } else { 0.0 }, "the request of a tunnel has ended long ago");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_a_stream_slowly_keeps_it() {
    let endless = mocks::never_rests::start().await;
    let proxy = impatient(&endless).await;
    for head in [EVENTS, UPGRADE] {
        let mut client = sends(&proxy, head).await;
        let (begun, mut piece) = (Instant::now(), vec![0; 64 * 1024]);
        while begun.elapsed() < Duration::from_millis(1500) {
            assert_ne!(within(client.read(&mut piece)).await.unwrap(), 0, "{head}");
            // Some megabytes in a second: far less than the endpoint could send.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The answer begins before the request has ended, and goes on with it.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_flow_both_ways_at_once() {
    let echo = echo("v1").await;
    for endpoint in [echo.address().to_string(), format!("h2c://{}", echo.address())] {
        let proxy = Proxy::before([&endpoint]).await;
        let (mut first, mut second) = (h1(proxy.http()).await, h2(proxy.http()).await);
        let (feed_h1, body_h1) = fed();
        let (feed_h2, body_h2) = fed();
        let over_h1 = request("POST", "/echo").body(body_h1).unwrap();
        let over_h2 = request("POST", "http://shop.example/echo").body(body_h2).unwrap();
        feed_h1.send(Frame::data("piece 0".into())).unwrap();
        feed_h2.send(Frame::data("piece 0".into())).unwrap();
        let mut answers = [
            (within(first.send_request(over_h1)).await.unwrap().into_body(), feed_h1),
            (within(second.send_request(over_h2)).await.unwrap().into_body(), feed_h2),
        ];
        for (body, feed) in &mut answers {
            for n in 0..20 {
                assert_eq!(next_data(body).await, format!("piece {n}"), "{endpoint}");
                feed.send(Frame::data(format!("piece {}", n + 1).into())).unwrap();
            }
        }
        for (mut body, feed) in answers {
            assert_eq!(next_data(&mut body).await, "piece 20");
            drop(feed);
            let rest = within(body.collect()).await.unwrap();
            assert_eq!(rest.trailers(), None, "{endpoint}");
            assert_eq!(rest.to_bytes(), "", "{endpoint}");
        }
    }
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([
        (http::HeaderName::from_static("x-checksum"), HeaderValue::from_static("abc")),
        (http::HeaderName::from_static("x-more"), HeaderValue::from_static("1")),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_cross_from_http2_to_http2() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([format!("h2c://{}", echo.address())]).await;
    let mut client = h2(proxy.http()).await;
    let asked = request("GET", "http://shop.example/trailers").header("te", "trailers").body(nothing()).unwrap();
    let answer = ask_h2(&mut client, asked).await;
    assert_eq!(answer.trailers["x-echo-trailer"], "1");
    assert_eq!(answer.header("trailer"), Some("x-echo-trailer"));
    let (feed, body) = fed();
    feed.send(Frame::data("hello".into())).unwrap();
    feed.send(Frame::trailers(trailers())).unwrap();
    drop(feed);
    let asked = request("POST", "http://shop.example/").header("te", "trailers").body(body).unwrap();
    let seen = ask_h2(&mut client, asked).await.json();
    assert_eq!(seen["trailers"]["x-checksum"], "abc");
    assert_eq!(seen["trailers"]["x-more"], "1");
    assert_eq!(seen["headers"]["te"], "trailers");
    assert_eq!(seen["headers"].get("x-checksum"), None, "trailers are not headers");
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_cross_from_http1_to_http1() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let sent = "GET /trailers HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close, te\r\n\r\n";
    let answer = raw(proxy.http(), sent).await;
    assert!(answer.ends_with("0\r\nx-echo-trailer: 1\r\n\r\n"), "{answer}");
    let sent = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
                trailer: x-checksum\r\n\r\n5\r\nhello\r\n0\r\nx-checksum: abc\r\n\r\n";
    let answer = raw(proxy.http(), sent).await;
    let seen: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(seen["trailers"]["x-checksum"], "abc", "{answer}");
    assert_eq!(seen["body"], "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_cross_between_versions() {
    let echo = echo("v1").await;
    // HTTP/1.1 to HTTP/2 and back.
    let proxy = Proxy::before([format!("h2c://{}", echo.address())]).await;
    let sent = "GET /trailers HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close, te\r\n\r\n";
    let answer = raw(proxy.http(), sent).await;
    assert!(answer.ends_with("0\r\nx-echo-trailer: 1\r\n\r\n"), "{answer}");
    let sent = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
                trailer: x-checksum\r\n\r\n5\r\nhello\r\n0\r\nx-checksum: abc\r\n\r\n";
    let answer = raw(proxy.http(), sent).await;
    let seen: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(seen["trailers"]["x-checksum"], "abc", "{answer}");
    // HTTP/2 to HTTP/1.1 and back.
    let proxy = Proxy::before([echo.address()]).await;
    let mut client = h2(proxy.http()).await;
    let asked = request("GET", "http://a/trailers").header("te", "trailers").body(nothing()).unwrap();
    assert_eq!(ask_h2(&mut client, asked).await.trailers["x-echo-trailer"], "1");
    let (feed, body) = fed();
    feed.send(Frame::data("hello".into())).unwrap();
    feed.send(Frame::trailers(trailers())).unwrap();
    drop(feed);
    let asked = request("POST", "http://a/").header("trailer", "x-checksum, x-more").body(body).unwrap();
    let seen = ask_h2(&mut client, asked).await.json();
    assert_eq!((&seen["trailers"]["x-checksum"], &seen["trailers"]["x-more"]), (&"abc".into(), &"1".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_are_kept_from_an_http1_client_that_does_not_take_them() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([format!("h2c://{}", echo.address())]).await;
    let answer = raw(proxy.http(), "GET /trailers HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("0\r\n\r\n"), "{answer}");
}

/// Fields that frame or route a message have no business in trailers (RFC 9110 section 6.5.1). They may be left out or
/// refused, but neither passed on nor a way to make an endpoint look as if it had failed.
#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_requests_cannot_smuggle_headers() {
    let echo = echo("v1").await;
    for endpoint in [echo.address().to_string(), format!("h2c://{}", echo.address())] {
        let proxy = Proxy::before([&endpoint]).await;
        let fields = [
            "host: evil",
            "content-length: 3",
            "transfer-encoding: chunked",
            "te: gzip",
            "connection: x-ok",
            "upgrade: x",
        ];
        for field in fields {
            let sent = format!(
                "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
                 trailer: host, content-length, transfer-encoding, te, connection, upgrade, x-ok\r\n\r\n\
                 5\r\nhello\r\n0\r\n{field}\r\nx-more: 1\r\n\r\n"
            );
            let answer = raw(proxy.http(), sent).await;
            if !answer.starts_with("HTTP/1.1 4") {
                let seen: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
                assert_eq!(
                    (&seen["host"], &seen["body"]),
                    (&"a".into(), &"hello".into()),
                    "{endpoint}, {field}: {answer}"
                );
                let name = field.split_once(':').unwrap().0;
                assert_eq!(seen["trailers"].get(name), None, "{endpoint}, {field}: {answer}");
            }
        }
        assert_eq!(proxy.metric("weir_requests_total", &[("classification", "failure")]).await, 0.0, "{endpoint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_answers_cannot_smuggle_headers() {
    let reply = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-ok, connection, content-length\r\n\r\n\
                 5\r\nhello\r\n0\r\nconnection: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\
                 x-ok: 1\r\n\r\n";
    let backend = Script::start(reply, false).await;
    let proxy = Proxy::before([backend.address()]).await;
    let over_h2 = request("GET", "http://a/").header("te", "trailers").body(nothing()).unwrap();
    let over_h1 = request("GET", "/").header("te", "trailers").header("connection", "te").body(nothing()).unwrap();
    for answer in [ask_h2(&mut h2(proxy.http()).await, over_h2).await, send(proxy.http(), over_h1).await] {
        assert_eq!(answer.text(), "hello");
        for name in ["connection", "content-length", "transfer-encoding"] {
            assert!(!answer.trailers.contains_key(name), "{answer:?}");
        }
        assert_eq!(answer.trailers["x-ok"], "1");
    }
}
