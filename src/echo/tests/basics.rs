use serde_json::json;

use super::*;

#[tokio::test]
async fn describes_an_http1_request() {
    let echo = start().await;
    let request = request("POST", "/shop/cart?a=1&b=2")
        .header("x-one", "1")
        .header("x-two", "a")
        .header("x-two", "b")
        .body(all("hello"))
        .unwrap();
    let answer = over_http1(&echo, request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-echo-version"), Some("v1"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.json(),
        json!({
            "version": "v1", "method": "POST", "path": "/shop/cart", "query": "a=1&b=2",
            "host": "shop.example", "protocol": "HTTP/1.1",
            "headers": {"host": "shop.example", "x-one": "1", "x-two": ["a", "b"], "content-length": "5"},
            "body": "hello", "bodyLength": 5, "trailers": {},
        })
    );
}

#[tokio::test]
async fn describes_an_http2_request() {
    let echo = start().await;
    let request = Request::put("http://shop.example/x").body(all("hello")).unwrap();
    let answer = over_http2(&echo, request).await.json();
    assert_eq!(answer["protocol"], "HTTP/2");
    assert_eq!(answer["method"], "PUT");
    assert_eq!(answer["host"], "shop.example");
    assert_eq!(answer["query"], "");
    assert_eq!(answer["body"], "hello");
}

#[tokio::test]
async fn keeps_the_first_64_kib_and_counts_the_rest() {
    let echo = start().await;
    let request = request("POST", "/").body(all(vec![b'a'; 1_000_000])).unwrap();
    let answer = over_http1(&echo, request).await.json();
    assert_eq!(answer["bodyLength"], 1_000_000);
    assert_eq!(answer["body"].as_str().unwrap().len(), 64 * 1024);
}

#[tokio::test]
async fn shows_bodies_that_are_not_utf8() {
    let echo = start().await;
    let request = request("POST", "/").body(all(vec![b'a', 0xff])).unwrap();
    let answer = over_http1(&echo, request).await.json();
    assert_eq!(answer["body"], "a\u{fffd}");
    assert_eq!(answer["bodyLength"], 2);
}

#[tokio::test]
async fn reports_request_trailers() {
    let echo = start().await;
    let sent = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
                trailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n";
    let received = raw(&echo, sent).await;
    assert!(received.contains("\"x-sum\": \"7\""), "{received}");
    assert!(received.contains("\"bodyLength\": 3"), "{received}");

    let (sender, body) = fed();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "8".parse().unwrap());
    sender.send(Frame::data(Bytes::from("abc"))).unwrap();
    sender.send(Frame::trailers(trailers)).unwrap();
    drop(sender);
    let request = Request::post("http://a/").body(body).unwrap();
    let answer = over_http2(&echo, request).await.json();
    assert_eq!(answer["trailers"], json!({"x-sum": "8"}));
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let echo = start().await;
    for path in ["/bytes/100000", "/bytes/10", "/health", "/echo/x"] {
        let head = || Request::head(format!("http://a{path}")).body(nothing()).unwrap();
        for answer in [over_http1(&echo, head()).await, over_http2(&echo, head()).await] {
            assert_eq!(answer.status, 200);
            assert!(answer.body.is_empty());
            assert_eq!(answer.header("x-echo-version"), Some("v1"));
            let length: u64 = answer.header("content-length").unwrap().parse().unwrap();
            assert!(length > 0, "{path}");
        }
    }
    assert_eq!(get(&echo, "/bytes/10").await.header("content-length"), Some("10"));
}

#[tokio::test]
async fn http_1_0_gets_an_answer_too() {
    let echo = start().await;
    let received = raw(&echo, "GET /x HTTP/1.0\r\n\r\n").await;
    assert!(received.starts_with("HTTP/1.0 200"), "{received}");
    assert!(received.contains("\"protocol\": \"HTTP/1.0\""), "{received}");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let echo = start().await;
    let mut client = http1(&echo).await;
    for _ in 0..5 {
        client.ready().await.unwrap();
        let request = request("GET", "/").body(nothing()).unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(Answer::read(answer).await.status, 200);
    }
    let expected = EchoStats { requests: 5, failures: 0, connections: 1 };
    assert_eq!(echo.stats(), expected);
}

#[tokio::test]
async fn http2_serves_requests_side_by_side() {
    let echo = start().await;
    let client = http2(&echo).await;
    let answers = (0..50).map(|n| {
        let mut client = client.clone();
        async move {
            let request = Request::get(format!("http://a/{n}")).body(nothing()).unwrap();
            Answer::read(client.send_request(request).await.unwrap()).await
        }
    });
    for (n, answer) in futures_util::future::join_all(answers).await.iter().enumerate() {
        assert_eq!(answer.json()["path"], format!("/{n}"));
    }
    assert_eq!(echo.stats().connections, 1);
}

#[tokio::test]
async fn connect_is_not_allowed() {
    let echo = start().await;
    let received = raw(&echo, "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\nconnection: close\r\n\r\n");
    let received = received.await;
    assert!(received.starts_with("HTTP/1.1 405"), "{received}");
}
