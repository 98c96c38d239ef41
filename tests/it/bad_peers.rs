//! Endpoints and clients that never come to an end, or leave in the middle: bounded, freed, counted, and nobody else's
//! loss.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mocks;
use crate::support::*;

fn shop(endpoint: SocketAddr, timeouts: &str) -> String {
    format!(
        "splits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [\"{endpoint}\"]}}]\n    timeouts: {{{timeouts}}}\n"
    )
}

/// Nothing is in flight any more, and one request ended like this.
async fn ended(proxy: &Proxy, labels: &[(&str, &str)]) {
    wait_until(&format!("one request ends with {labels:?}"), async || {
        let text = proxy.metrics().await;
        metric(&text, "weir_active_requests", &[]) == 0.0 && metric(&text, "weir_requests_total", labels) == 1.0
    })
    .await;
}

async fn still_fine(proxy: &Proxy) {
    for n in 0..3 {
        let answer = get(proxy.http(), &format!("/fine/{n}")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, format!("/fine/{n}")));
    }
}

#[tokio::test]
async fn a_flood_of_informational_answers_is_no_answer() {
    let mock = mocks::floods_interim::start().await;
    let proxy = Proxy::start(&shop(mock.address(), "request: 10s")).await;
    for method in ["GET", "POST"] {
        let body = if method == "GET" { nothing() } else { all("body") };
        let answer = send(proxy.http(), request(method, "/flood").body(body).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (502, Some("protocol_error")));
        assert_eq!(mock.received(&format!("{method} /flood")), 1);
    }
    still_fine(&proxy).await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_in_time() {
    let mock = mocks::never_finishes::start().await;
    let proxy = Proxy::start(&shop(mock.address(), "request: 200ms")).await;
    let begun = Instant::now();
    let answer = get(proxy.http(), "/head").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (504, Some("request_timeout")));
    assert!(begun.elapsed() < Duration::from_secs(3));
    wait_until("the endpoint is let go", async || mock.received("left") == 1).await;
    still_fine(&proxy).await;
}

#[tokio::test]
async fn an_answer_that_never_ends_goes_with_its_client() {
    let mock = mocks::never_finishes::start().await;
    let proxy = Proxy::start(&shop(mock.address(), "request: 10s")).await;
    let mut stream = within(TcpStream::connect(proxy.http())).await.unwrap();
    stream.write_all(b"GET /body HTTP/1.1\r\nhost: shop.example\r\n\r\n").await.unwrap();
    let mut some = [0; 512];
    for _ in 0..5 {
        assert!(within(stream.read(&mut some)).await.unwrap() > 0);
    }
    drop(stream);
    wait_until("the endpoint is let go", async || mock.received("left") == 1).await;
    ended(&proxy, &[("classification", "client_gone"), ("code", "200")]).await;
    still_fine(&proxy).await;
}

#[tokio::test]
async fn an_endpoint_that_answers_early_may_read_on() {
    let mock = mocks::answers_early_and_reads_on::start().await;
    let proxy = Proxy::start(&shop(mock.address(), "request: 10s")).await;
    for length in [10, 100_000, 1_000_000] {
        let (feed, body) = fed();
        let mut client = h2(proxy.http()).await;
        let post = request("POST", "http://shop.example/").header("content-length", length).body(body).unwrap();
        feed.send(http_body::Frame::data(vec![b'x'; length / 2].into())).unwrap();
        let answer = ask_h2(&mut client, post).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "early".to_owned()));
        // What still comes of the body is nobody's request.
        let _ = feed.send(http_body::Frame::data(vec![b'x'; length - length / 2].into()));
        drop(feed);
        still_fine(&proxy).await;
    }
    assert_eq!(proxy.metric("weir_requests_total", &[("code", "200")]).await, 12.0);
    assert_eq!(mock.received(""), 12, "the endpoint took a part of a body for a request");
}

#[tokio::test]
async fn half_a_body_and_silence_is_408() {
    let mock = mocks::never_answers::start().await;
    let proxy = Proxy::start(&shop(mock.address(), "idle: 200ms")).await;
    let begun = Instant::now();
    let answer = raw(proxy.http(), "PUT / HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("x-weir-reason: client_body"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    ended(&proxy, &[("reason", "client_body"), ("code", "408"), ("classification", "success")]).await;
    assert_eq!(mock.received("PUT"), 1, "a client's fault is no reason to repeat anything");
    still_fine(&proxy).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go() {
    let echo = echo("v1").await;
    let proxy = Proxy::start(&shop(echo.address(), "idle: 300ms")).await;
    let mut stream = within(TcpStream::connect(proxy.http())).await.unwrap();
    // More than all the buffers between the two hold.
    stream.write_all(b"GET /bytes/100000000 HTTP/1.1\r\nhost: shop.example\r\n\r\n").await.unwrap();
    ended(&proxy, &[("classification", "client_gone"), ("code", "200")]).await;
    let mut rest = Vec::new();
    let read = within(stream.read_to_end(&mut rest)).await;
    assert!(read.is_err() || rest.len() < 100_000_000, "it was cut, and looks whole");
    assert_eq!(get(proxy.http(), "/").await.status, 200);
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_it() {
    let echo = echo("v1").await;
    let proxy = Proxy::start(&shop(echo.address(), "idle: 2s")).await;
    let mut stream = within(TcpStream::connect(proxy.http())).await.unwrap();
    let asked = b"GET /bytes/20000000 HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n";
    stream.write_all(asked).await.unwrap();
    let (mut received, mut piece) = (0, vec![0; 512 * 1024]);
    loop {
        let count = within(stream.read(&mut piece)).await.unwrap();
        if count == 0 {
            break;
        }
        received += count;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(received > 20_000_000, "{received}");
    ended(&proxy, &[("classification", "success"), ("code", "200")]).await;
}

/// HTTP/1.0 has no chunks: where the length is not known, the end of the connection is that of the body, and one that breaks off
/// must end in another way.
#[tokio::test]
async fn an_answer_that_breaks_off_does_not_end_cleanly_for_a_client_on_http_1_0() {
    let backend = Script::start("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", true).await;
    let proxy = Proxy::before([backend.address()]).await;
    let mut client = within(TcpStream::connect(proxy.http())).await.unwrap();
    client.write_all(b"GET / HTTP/1.0\r\nhost: shop.example\r\n\r\n").await.unwrap();
    let mut received = Vec::new();
    let end = within(client.read_to_end(&mut received)).await;
    let received = String::from_utf8_lossy(&received);
    // One that has broken off before anything of it had gone is another answer.
    if !received.starts_with("HTTP/1.1 502 ") {
        assert_eq!(end.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionReset), "{received}");
    }
}
