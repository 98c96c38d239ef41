use super::*;

fn call(path: &str, body: Sent) -> Request<Sent> {
    Request::post(format!("http://a{path}"))
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .body(body)
        .unwrap()
}

fn message(text: &str) -> Bytes {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[0], &length[..], text.as_bytes()].concat().into()
}

#[tokio::test]
async fn a_unary_call_gets_its_message_back() {
    let echo = start().await;
    let answer = over_http2(&echo, call("/pkg.Service/Method", all(message("hi")))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/grpc"));
    assert_eq!(answer.header("x-echo-version"), Some("v1"));
    assert_eq!(answer.body, message("hi"));
    assert_eq!(answer.trailers.get("grpc-status").unwrap(), "0");
}

#[tokio::test]
async fn streams_are_answered_message_by_message() {
    let echo = start().await;
    let mut client = http2(&echo).await;
    let (sender, body) = fed();
    let response = within(client.send_request(call("/s/Bidi", body))).await.unwrap();
    assert!(!response.headers().contains_key("grpc-status"));
    let mut body = response.into_body();
    for text in ["one", "two"] {
        sender.send(Frame::data(message(text))).unwrap();
        let frame = within(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), message(text));
    }
    drop(sender);
    let rest = within(body.collect()).await.unwrap();
    assert_eq!(rest.trailers().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn the_method_name_asks_for_a_status() {
    let echo = start().await;
    let answer = over_http2(&echo, call("/s/Status14", all(message("hi")))).await;
    assert_eq!(answer.body, message("hi"));
    assert_eq!(answer.trailers.get("grpc-status").unwrap(), "14");
}

#[tokio::test]
async fn compressed_messages_stay_declared() {
    let echo = start().await;
    let mut request = call("/s/M", all(message("hi")));
    request.headers_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    assert_eq!(over_http2(&echo, request).await.header("grpc-encoding"), Some("gzip"));
}

#[tokio::test]
async fn failures_are_trailers_only() {
    let echo = start().await;
    echo.set_fail(1.0);
    let (_open, body) = fed();
    let answer = over_http2(&echo, call("/s/M", body)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("grpc-status"), Some("13"));
    assert_eq!(answer.header("grpc-message"), Some("asked to fail"));
    assert!(answer.body.is_empty());
    assert_eq!(echo.stats().failures, 1);
}

#[tokio::test]
async fn other_content_types_are_not_grpc() {
    let echo = start().await;
    let mut request = call("/s/M", all("x"));
    let web = "application/grpc-web".parse().unwrap();
    request.headers_mut().insert("content-type", web);
    assert_eq!(over_http2(&echo, request).await.json()["path"], "/s/M");
    let answer = over_http1(&echo, call("/s/M", all("x"))).await;
    assert_eq!(answer.json()["protocol"], "HTTP/1.1");
}
