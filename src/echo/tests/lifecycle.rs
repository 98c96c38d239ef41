use super::*;

#[tokio::test]
async fn port_0_takes_a_free_port() {
    let (first, second) = (start().await, start().await);
    assert_ne!(first.address().port(), 0);
    assert_ne!(first.address(), second.address());
}

#[tokio::test]
async fn a_taken_address_or_a_bad_version_is_an_error() {
    let echo = start().await;
    let taken = EchoOptions { address: echo.address(), ..EchoOptions::default() };
    let error = Echo::start(taken).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    let bad = EchoOptions { version: "a\nb".to_owned(), ..EchoOptions::default() };
    let error = Echo::start(bad).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn stop_finishes_what_is_in_flight() {
    let echo = start().await;
    let address = echo.address();
    let (mut one, mut two) = (http1(&echo).await, http2(&echo).await);
    let slow = || Request::get("http://a/latency/150").body(nothing()).unwrap();
    let first = tokio::spawn(async move { one.send_request(slow()).await });
    let second = tokio::spawn(async move { two.send_request(slow()).await });
    while echo.stats().requests < 2 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let stopping = tokio::spawn(echo.stop());
    for answer in [first, second] {
        let answer = within(answer).await.unwrap().unwrap();
        assert_eq!(Answer::read(answer).await.status, 200);
    }
    within(stopping).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn stop_does_not_wait_for_idle_connections_or_endless_events() {
    let echo = start().await;
    let _idle = [http1(&echo).await, http1(&echo).await];
    let _idle2 = http2(&echo).await;
    let _silent = TcpStream::connect(echo.address()).await.unwrap();
    let mut client = http1(&echo).await;
    let request = request("GET", "/events?ms=60000").body(nothing()).unwrap();
    let response = client.send_request(request).await.unwrap();
    within(echo.stop()).await;
    assert!(Answer::read(response).await.body.starts_with(b"data: "));
}

#[tokio::test]
async fn dropping_cuts_every_connection() {
    let echo = start().await;
    let mut client = http1(&echo).await;
    let request = request("GET", "/stream/2/60000").body(nothing()).unwrap();
    let response = client.send_request(request).await.unwrap();
    drop(echo);
    assert!(within(response.into_body().collect()).await.is_err());
}

#[tokio::test]
async fn shares_out_of_range_are_brought_into_it() {
    let echo = start().await;
    for (share, status) in [(7.0, 500), (f64::NAN, 200), (-1.0, 200), (f64::INFINITY, 500)] {
        echo.set_fail(share);
        assert_eq!(get(&echo, "/").await.status, status);
    }
}
