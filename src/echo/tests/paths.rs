use std::time::Instant;

use serde_json::json;

use super::*;

#[tokio::test]
async fn status_answers_with_that_status() {
    let echo = start().await;
    for code in [200, 301, 404, 418, 503, 599] {
        let answer = get(&echo, &format!("/status/{code}")).await;
        assert_eq!(answer.status, code);
        assert_eq!(answer.json()["path"], format!("/status/{code}"));
    }
    for code in [204, 205, 304] {
        let answer = get(&echo, &format!("/status/{code}")).await;
        assert_eq!(answer.status, code);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("content-type"), None);
    }
}

#[tokio::test]
async fn numbers_that_cannot_be_used_are_refused() {
    let echo = start().await;
    for path in ["/status/100", "/status/600", "/status/x", "/latency/x", "/bytes/-1", "/stream/1/x"] {
        let answer = get(&echo, path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.json()["version"], "v1");
    }
    for path in ["/status", "/status/500/x", "/echo/", "/trailersx"] {
        assert_eq!(get(&echo, path).await.json()["path"], path);
    }
}

#[tokio::test]
async fn latency_waits_that_much_longer() {
    let echo = start().await;
    let begun = Instant::now();
    let answer = get(&echo, "/latency/80").await;
    assert_eq!(answer.json()["path"], "/latency/80");
    assert!(begun.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn bytes_has_the_asked_length() {
    let echo = start().await;
    for count in [0, 1, 65_536, 65_537, 3_000_000] {
        let answer = get(&echo, &format!("/bytes/{count}")).await;
        assert_eq!(answer.body.len(), count);
        assert_eq!(answer.header("content-length"), Some(count.to_string().as_str()));
        let uri = format!("http://a/bytes/{count}");
        let answer = over_http2(&echo, Request::get(uri).body(nothing()).unwrap()).await;
        assert_eq!(answer.body.len(), count);
    }
}

#[tokio::test]
async fn stream_sends_paced_chunks() {
    let echo = start().await;
    let begun = Instant::now();
    let answer = get(&echo, "/stream/3/30").await;
    assert_eq!(answer.body, "chunk 1\nchunk 2\nchunk 3\n");
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert!(begun.elapsed() >= Duration::from_millis(60));
    let many = get(&echo, "/stream/1000/0").await.body;
    assert!(many.ends_with(
        b"chunk 999
chunk 1000
"
    ));
    assert!(get(&echo, "/stream/0/1000").await.body.is_empty());
}

#[tokio::test]
async fn stream_chunks_arrive_as_they_are_made() {
    let echo = start().await;
    let mut client = http1(&echo).await;
    let request = request("GET", "/stream/2/60000").body(nothing()).unwrap();
    let mut response = within(client.send_request(request)).await.unwrap();
    let first = within(response.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "chunk 1\n");
}

#[tokio::test]
async fn trailers_follow_the_body() {
    let echo = start().await;
    let with_te = || Request::get("http://a/trailers").header("te", "trailers");
    let answer = over_http1(&echo, with_te().body(nothing()).unwrap()).await;
    assert_eq!(answer.trailers.get("x-echo-trailer").unwrap(), "1");
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let answer = over_http2(&echo, with_te().body(nothing()).unwrap()).await;
    assert_eq!(answer.trailers.get("x-echo-trailer").unwrap(), "1");
}

#[tokio::test]
async fn events_are_bounded_by_the_query() {
    let echo = start().await;
    let expected = "data: {\"version\":\"v1\",\"n\":1}\n\ndata: {\"version\":\"v1\",\"n\":2}\n\n";
    let answer = get(&echo, "/events?n=2&ms=5").await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.body, expected);

    let accepting = request("GET", "/any?n=2&ms=0").header("accept", "text/event-stream;q=1, */*");
    assert_eq!(over_http1(&echo, accepting.body(nothing()).unwrap()).await.body, expected);
    let explicit = request("GET", "/status/503").header("accept", "text/event-stream");
    assert_eq!(over_http1(&echo, explicit.body(nothing()).unwrap()).await.status, 503);
}

#[tokio::test]
async fn health_never_fails_or_waits() {
    let echo = start().await;
    echo.set_fail(1.0);
    echo.set_latency(Duration::from_secs(60));
    for path in ["/health", "/healthz", "/readyz"] {
        let answer = get(&echo, path).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, &b"ok"[..]));
    }
    assert_eq!(echo.stats().requests, 0);
}

#[tokio::test]
async fn echo_goes_both_ways_at_once() {
    let echo = start().await;
    for http2_client in [false, true] {
        let (sender, body) = fed();
        let request = Request::post("http://a/echo")
            .header("content-type", "text/x")
            .header("te", "trailers")
            .header("trailer", "x-sum")
            .body(body)
            .unwrap();
        let response = if http2_client {
            let mut client = http2(&echo).await;
            within(client.send_request(request)).await.unwrap()
        } else {
            let mut client = http1(&echo).await;
            sender.send(Frame::data(Bytes::from("zero"))).unwrap();
            within(client.send_request(request)).await.unwrap()
        };
        assert_eq!(response.headers()["content-type"], "text/x");
        let mut body = response.into_body();
        let mut expected = if http2_client { vec![] } else { vec!["zero"] };
        for piece in ["one", "two"] {
            sender.send(Frame::data(Bytes::from(piece))).unwrap();
            expected.push(piece);
            for piece in expected.drain(..) {
                let frame = within(body.frame()).await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), piece);
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "9".parse().unwrap());
        sender.send(Frame::trailers(trailers.clone())).unwrap();
        drop(sender);
        let rest = within(body.collect()).await.unwrap();
        assert_eq!(rest.trailers(), Some(&trailers));
    }
}

#[tokio::test]
async fn echo_keeps_the_content_length() {
    let echo = start().await;
    let sent = vec![b'z'; 2_000_000];
    let request = request("POST", "/echo").body(all(sent.clone())).unwrap();
    let answer = over_http1(&echo, request).await;
    assert_eq!(answer.header("content-length"), Some("2000000"));
    assert_eq!(answer.body, sent);
}

#[tokio::test]
async fn expect_continue_is_answered_before_the_body() {
    let echo = start().await;
    for path in ["/echo", "/any"] {
        let mut stream = TcpStream::connect(echo.address()).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
             expect: 100-continue\r\ncontent-length: 3\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut interim = [0; 25];
        within(stream.read_exact(&mut interim)).await.unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"abc").await.unwrap();
        let mut rest = String::new();
        within(stream.read_to_string(&mut rest)).await.unwrap();
        assert!(rest.starts_with("HTTP/1.1 200"), "{rest}");
        assert!(rest.contains("abc"), "{rest}");
    }
}

#[tokio::test]
async fn fail_takes_its_share() {
    let echo = start().await;
    echo.set_fail(1.0);
    for path in ["/", "/echo", "/status/404", "/events"] {
        let answer = get(&echo, path).await;
        assert_eq!(answer.status, 500);
        assert_eq!(answer.json(), json!({"error": "asked to fail", "version": "v1"}));
        assert_eq!(answer.header("x-echo-version"), Some("v1"));
    }
    assert_eq!(echo.stats().failures, 4);
    echo.set_fail(0.0);
    assert_eq!(get(&echo, "/").await.status, 200);
}

#[tokio::test]
async fn a_seed_repeats_the_failures() {
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let options = EchoOptions { fail: 0.3, seed: Some(seed), ..EchoOptions::default() };
        let echo = Echo::start(options).await.unwrap();
        let draws: Vec<bool> = (0..4000).map(|_| echo.shared.draw_failure()).collect();
        let failures = draws.iter().filter(|failing| **failing).count();
        assert!((1050..1350).contains(&failures), "{failures} of 4000");
        runs.push(draws);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn latency_delays_every_answer() {
    let echo = start().await;
    echo.set_latency(Duration::from_millis(60));
    for path in ["/", "/echo", "/latency/1"] {
        let begun = Instant::now();
        assert_eq!(get(&echo, path).await.status, 200);
        assert!(begun.elapsed() >= Duration::from_millis(60));
    }
}

#[tokio::test]
async fn a_failing_echo_leaves_the_connection_usable() {
    let echo = start().await;
    echo.set_fail(1.0);
    let stream = TcpStream::connect(echo.address()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2000000\r\n\r\n";
    writer.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    within(reader.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 500");
    writer.write_all(&vec![0; 2_000_000]).await.unwrap();
    let second = "GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    writer.write_all(second.as_bytes()).await.unwrap();
    let mut rest = String::new();
    within(reader.read_to_string(&mut rest)).await.unwrap();
    assert!(rest.ends_with("\r\n\r\nok"), "{rest}");
}

#[tokio::test]
async fn the_longest_intervals_are_no_error() {
    let echo = start().await;
    for path in ["/stream/1/", "/events?n=1&ms="] {
        let answer = get(&echo, &format!("{path}{}", u64::MAX)).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.body.is_empty());
    }
}
