//! Drains: long-lived connections are asked to end in their own tongue, when and only when their endpoint is not wanted.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Message;
use weir::echo::Echo;

use crate::mocks;
use crate::support::*;
use crate::upgrades::{websocket_h1, websocket_h2};

/// Two versions at these endpoints with these weights, drained at once.
fn shop([old, new]: [(&str, u32); 2], more: &str) -> String {
    format!(
        "splits:
  - name: shop
    versions:
      - {{name: old, weight: {}, endpoints: [{}]}}
      - {{name: new, weight: {}, endpoints: [{}]}}
{more}",
        old.1, old.0, new.1, new.0
    )
}

const AT_ONCE: &str = "    drain: {timeout: 5s, spread: 0s, closeCode: 1012}\n";

fn quoted(endpoint: impl std::fmt::Display) -> String {
    format!("\"{endpoint}\"")
}

/// The code of the Close frame that comes next.
async fn close_code<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) -> u16 {
    match within(socket.next()).await {
        Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
        other => panic!("no Close frame: {other:?}"),
    }
}

async fn answers<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) {
    within(socket.send(Message::text("still here"))).await.unwrap();
    assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::text("still here"));
}

async fn closed(proxy: &Proxy, version: &str, reason: &str, count: f64) {
    let labels = [("version", version), ("reason", reason)];
    wait_until(&format!("{count} {reason}"), async || {
        proxy.metric("weir_drain_closed_total", &labels).await == count
            && proxy.metric("weir_drain_remaining", &[]).await == 0.0
    })
    .await;
    wait_until("nothing is open", async || proxy.metric("weir_active_connections", &[]).await == 0.0).await;
}

async fn two() -> [Echo; 2] {
    [echo("old").await, echo("new").await]
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_of_a_version_that_loses_its_weight_get_a_close_frame() {
    let [old, new] = two().await;
    for scheme in ["", "h2c://"] {
        let (old, new) = (quoted(format!("{scheme}{}", old.address())), quoted(new.address()));
        let proxy = Proxy::start(&shop([(&old, 1), (&new, 0)], AT_ONCE)).await;
        let (mut first, _) = websocket_h1(proxy.http(), None).await;
        let (mut second, _) = websocket_h2(proxy.http()).await;
        answers(&mut first).await;
        answers(&mut second).await;
        proxy.apply(&shop([(&old, 0), (&new, 1)], AT_ONCE));
        assert_eq!(close_code(&mut first).await, 1012);
        assert_eq!(close_code(&mut second).await, 1012);
        // The client's answer ends the endpoint's side, and with it the connection.
        assert!(within(first.next()).await.is_none());
        assert!(within(second.next()).await.is_none());
        closed(&proxy, "old", "asked", 2.0).await;
        let (mut third, headers) = websocket_h1(proxy.http(), None).await;
        assert_eq!(headers["x-echo-version"], "new");
        answers(&mut third).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_without_a_word_has_ended_whatever_its_endpoint_does() {
    let (endless, new) = (mocks::keeps_websockets::start().await, echo("new").await);
    let (old, new) = (quoted(endless.address()), quoted(new.address()));
    let patient = "    drain: {timeout: 1h, spread: 0s}\n";
    let proxy = Proxy::start(&shop([(&old, 1), (&new, 0)], patient)).await;
    let (mut first, _) = websocket_h1(proxy.http(), None).await;
    let (mut second, _) = websocket_h2(proxy.http()).await;
    proxy.apply(&shop([(&old, 0), (&new, 1)], patient));
    // Asked, it ends its side, and says nothing more.
    let (first, second) = (first.get_mut(), second.get_mut());
    within(first.shutdown()).await.unwrap();
    within(second.shutdown()).await.unwrap();
    closed(&proxy, "old", "asked", 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_moves_endpoints_closes_nothing() {
    let [old, new] = two().await;
    let (old, new) = (quoted(old.address()), quoted(new.address()));
    let proxy = Proxy::start(&shop([(&old, 0), (&new, 1)], AT_ONCE)).await;
    let (mut socket, headers) = websocket_h1(proxy.http(), None).await;
    assert_eq!(headers["x-echo-version"], "new");
    // What ran as the new version is the old one from now on.
    proxy.apply(&shop([(&new, 1), ("", 0)], AT_ONCE));
    answers(&mut socket).await;
    wait_until("ticks have passed", async || proxy.metric("process_cpu_seconds_total", &[]).await >= 0.0).await;
    answers(&mut socket).await;
    assert_eq!(proxy.metric("weir_drain_closed_total", &[]).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_removed_drains_and_one_that_comes_back_keeps_what_it_has() {
    let [old, new] = two().await;
    let both = format!("{}, {}", quoted(old.address()), quoted(new.address()));
    let late = "    drain: {timeout: 1h, spread: 1h}\n";
    let proxy = Proxy::start(&shop([(&quoted(old.address()), 1), ("", 0)], late)).await;
    let (mut socket, _) = websocket_h1(proxy.http(), None).await;
    proxy.apply(&shop([(&quoted(new.address()), 1), ("", 0)], late));
    let draining = [("version", "old")];
    wait_until("it drains", async || proxy.metric("weir_drain_remaining", &draining).await == 1.0).await;
    assert!(proxy.metric("weir_drain_deadline_seconds", &draining).await > 3_000.0);
    proxy.apply(&shop([(&both, 1), ("", 0)], late));
    wait_until("it is wanted", async || proxy.metric("weir_drain_remaining", &draining).await == 0.0).await;
    answers(&mut socket).await;
    // Removed for good, and soon.
    proxy.apply(&shop([(&both, 1), ("", 0)], AT_ONCE));
    proxy.apply(&shop([(&quoted(new.address()), 1), ("", 0)], AT_ONCE));
    assert_eq!(close_code(&mut socket).await, 1012);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_that_is_removed_drains() {
    let [old, new] = two().await;
    let (old, new) = (quoted(old.address()), quoted(new.address()));
    let proxy = Proxy::start(&shop([(&old, 1), ("", 0)], AT_ONCE)).await;
    let (mut socket, _) = websocket_h1(proxy.http(), None).await;
    proxy.apply(&shop([(&new, 1), ("", 0)], AT_ONCE).replace("name: shop", "name: other"));
    assert_eq!(close_code(&mut socket).await, 1012);
    assert!(within(socket.next()).await.is_none());
    closed(&proxy, "old", "asked", 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_ends_after_an_event_as_if_it_were_whole() {
    let [old, new] = two().await;
    let (old, new) = (quoted(old.address()), quoted(new.address()));
    let proxy = Proxy::start(&shop([(&old, 1), (&new, 0)], AT_ONCE)).await;
    let (mut first, mut second) = (h1(proxy.http()).await, h2(proxy.http()).await);
    let asked = request("GET", "/events?ms=20000").body(nothing()).unwrap();
    let over_h1 = within(first.send_request(asked)).await.unwrap();
    let asked = request("GET", "http://shop.example/events?ms=20000").body(nothing()).unwrap();
    let over_h2 = within(second.send_request(asked)).await.unwrap();
    wait_until("both are open", async || proxy.metric("weir_active_connections", &[("protocol", "sse")]).await == 2.0)
        .await;
    proxy.apply(&shop([(&old, 0), (&new, 1)], AT_ONCE));
    for response in [over_h1, over_h2] {
        let text = within(response.into_body().collect()).await.unwrap().to_bytes();
        assert_eq!(text, "data: {\"version\":\"old\",\"n\":1}\n\n");
    }
    closed(&proxy, "old", "asked", 2.0).await;
    let drained = [("version", "old"), ("reason", "drained"), ("classification", "success")];
    assert_eq!(proxy.metric("weir_requests_total", &drained).await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_end_is_cut_at_the_deadline_and_counted_as_such() {
    let [old, new] = two().await;
    let (old, new) = (quoted(old.address()), quoted(new.address()));
    let soon = "    drain: {timeout: 300ms, spread: 0s}\n";
    let proxy = Proxy::start(&shop([(&old, 1), (&new, 0)], soon)).await;
    let mut client = within(tokio::net::TcpStream::connect(proxy.http())).await.unwrap();
    let asked = "GET /chat HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    within(client.write_all(asked.as_bytes())).await.unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        assert!(within(client.read_buf(&mut got)).await.unwrap() > 0);
    }
    got.clear();
    proxy.apply(&shop([(&old, 0), (&new, 1)], soon));
    // It never answers the Close frame.
    within(client.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got, [0x88, 2, 0x03, 0xe9]);
    closed(&proxy, "old", "forced", 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_asked_one_after_the_other_over_the_spread() {
    let [old, new] = two().await;
    let (old, new) = (quoted(old.address()), quoted(new.address()));
    let slowly = "    drain: {timeout: 10s, spread: 1s}\n";
    let proxy = Proxy::start(&shop([(&old, 1), (&new, 0)], slowly)).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(websocket_h1(proxy.http(), None).await.0);
    }
    let begun = tokio::time::Instant::now();
    proxy.apply(&shop([(&old, 0), (&new, 1)], slowly));
    let ends = sockets.into_iter().map(async |mut socket| {
        assert_eq!(close_code(&mut socket).await, 1001);
        begun.elapsed()
    });
    let mut ends = futures_util::future::join_all(ends).await;
    ends.sort();
    // Each slot of 50 ms has one, at any moment of it; a busy machine may be late, never early.
    assert!(ends[9] >= Duration::from_millis(450), "{ends:?}");
    assert!(ends[19] >= Duration::from_millis(950), "{ends:?}");
    closed(&proxy, "old", "asked", 20.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_of_a_listener_that_goes_are_asked() {
    let [old, _] = two().await;
    let split = shop([(&quoted(old.address()), 1), ("", 0)], AT_ONCE);
    let listeners = "listeners: [{name: http, address: \"127.0.0.1:0\"}, {name: other, address: \"127.0.0.1:0\"}]\n";
    let proxy = Proxy::start(&format!("{listeners}{split}")).await;
    let (mut stays, _) = websocket_h1(proxy.http(), None).await;
    let (mut goes, _) = websocket_h1(proxy.address("other"), None).await;
    proxy.apply(&format!("listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n{split}"));
    assert_eq!(close_code(&mut goes).await, 1012);
    assert!(within(goes.next()).await.is_none());
    let asked = [("version", "old"), ("reason", "asked")];
    wait_until("it is counted", async || proxy.metric("weir_drain_closed_total", &asked).await == 1.0).await;
    answers(&mut stays).await;
}

/// Connections of clients that idle between requests, as the admin API tells them: listener, protocol, version, endpoint
/// and how many.
async fn idle(proxy: &Proxy) -> Vec<(String, String, String, String, u64)> {
    let all: Vec<serde_json::Value> =
        serde_json::from_slice(&get(proxy.admin(), "/api/v1/connections").await.body).unwrap();
    let text = |one: &serde_json::Value, name: &str| one[name].as_str().unwrap().to_owned();
    let idles = all.iter().filter(|one| ["http1", "http2"].contains(&one["protocol"].as_str().unwrap()));
    let tell = |one: &serde_json::Value| {
        let [listener, protocol, version, endpoint] =
            ["listener", "protocol", "version", "endpoint"].map(|name| text(one, name));
        assert!(one["oldestSeconds"].as_f64().unwrap() >= 0.0);
        (listener, protocol, version, endpoint, one["connections"].as_u64().unwrap())
    };
    idles.map(tell).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_has_clients_that_idle_and_a_listener_that_goes_asks_them() {
    let [old, _] = two().await;
    let split = shop([(&quoted(old.address()), 1), ("", 0)], AT_ONCE);
    let listeners = "listeners: [{name: http, address: \"127.0.0.1:0\"}, {name: other, address: \"127.0.0.1:0\"}]\n";
    let proxy = Proxy::start(&format!("{listeners}{split}")).await;
    let ask = || request("GET", "/").body(nothing()).unwrap();
    let ask_2 = request("GET", "http://shop.example/").body(nothing()).unwrap();
    let (mut stays, mut first, mut second) =
        (h1(proxy.http()).await, h1(proxy.address("other")).await, h2(proxy.address("other")).await);
    assert_eq!(ask_h1(&mut stays, ask()).await.status, 200);
    assert_eq!(ask_h1(&mut first, ask()).await.status, 200);
    assert_eq!(ask_h2(&mut second, ask_2).await.status, 200);
    let (version, endpoint) = ("old".to_owned(), old.address().to_string());
    let of = |listener: &str, protocol: &str| {
        (listener.to_owned(), protocol.to_owned(), version.clone(), endpoint.clone(), 1)
    };
    let expected = [of("http", "http1"), of("other", "http1"), of("other", "http2")];
    wait_until("all of them idle", async || idle(&proxy).await == expected).await;
    proxy.apply(&format!("listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n{split}"));
    wait_until("those of the listener are closed", async || first.is_closed() && second.is_closed()).await;
    let asked = [("route", ""), ("reason", "asked")];
    wait_until("they are counted", async || proxy.metric("weir_drain_closed_total", &asked).await == 2.0).await;
    assert_eq!(idle(&proxy).await, [of("http", "http1")]);
    assert_eq!(ask_h1(&mut stays, ask()).await.status, 200);
    // Within the time of that drain the listener comes back, and its clients are welcome.
    proxy.apply(&format!("{listeners}{split}"));
    let mut back = h1(proxy.address("other")).await;
    assert_eq!(ask_h1(&mut back, ask()).await.header("connection"), None);
    wait_until("it idles", async || idle(&proxy).await.contains(&of("other", "http1"))).await;
    assert_eq!(ask_h1(&mut back, ask()).await.status, 200);
    assert_eq!(proxy.metric("weir_drain_remaining", &[]).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_end_of_the_process_cuts_was_asked_and_is_counted() {
    let (endless, new) = (mocks::keeps_websockets::start().await, echo("new").await);
    let split = shop([(&quoted(endless.address()), 1), (&quoted(new.address()), 0)], "");
    let proxy = Proxy::start(&format!("shutdown: {{delay: 0s, timeout: 1s}}\n{split}")).await;
    let (mut first, _) = websocket_h1(proxy.http(), None).await;
    let (cut, ()) = within(async { tokio::join!(proxy.end(), silent_end(first.get_mut())) }).await;
    assert_eq!(cut, 1);
}

/// Reads a Close frame, and does not answer it until the connection ends.
async fn silent_end(stream: &mut tokio::net::TcpStream) {
    let mut got = Vec::new();
    // It is cut, perhaps with a reset.
    _ = within(stream.read_to_end(&mut got)).await;
    assert_eq!(got, [0x88, 2, 0x03, 0xe9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_process_asks_and_cuts_nothing() {
    let [old, _] = two().await;
    let split = shop([(&quoted(old.address()), 1), ("", 0)], "");
    let proxy = Proxy::start(&format!("shutdown: {{delay: 0s, timeout: 8s}}\n{split}")).await;
    let (mut first, _) = websocket_h1(proxy.http(), None).await;
    let (mut second, _) = websocket_h2(proxy.http()).await;
    let mut first = async || (close_code(&mut first).await, within(first.next()).await.is_none()).0;
    let mut second = async || (close_code(&mut second).await, within(second.next()).await.is_none()).0;
    let (cut, first, second) = within(async { tokio::join!(proxy.end(), first(), second()) }).await;
    assert_eq!((cut, first, second), (0, 1001, 1001));
}

/// Pinned clients keep a version of weight 0, until it has drained.
#[tokio::test(flavor = "multi_thread")]
async fn sticky_clients_of_a_drained_version_get_a_new_home() {
    let [old, new] = two().await;
    let (old, new) = (quoted(old.address()), quoted(new.address()));
    let pinned = "    sticky: {cookie: home, mode: pin}\n    drain: {timeout: 1s, spread: 0s}\n";
    let proxy = Proxy::start(&shop([(&old, 1), (&new, 0)], pinned)).await;
    let first = get(proxy.http(), "/").await;
    let cookie = first.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    proxy.apply(&shop([(&old, 0), (&new, 1)], pinned));
    let mut client = h1(proxy.http()).await;
    let mut visit = async || {
        let asked = request("GET", "/").header("cookie", &cookie).body(nothing()).unwrap();
        ask_h1(&mut client, asked).await
    };
    assert_eq!(visit().await.header("x-echo-version"), Some("old"));
    let mut answer = visit().await;
    wait_until("it moves on", async || {
        answer = visit().await;
        answer.header("x-echo-version") == Some("new")
    })
    .await;
    assert!(answer.header("set-cookie").unwrap().starts_with("home="));
}

/// Where a pod's preStop hook waits.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_told_once_an_endpoint_has_nothing_left() {
    let [old, new] = two().await;
    let (address, old, new) = (old.address(), quoted(old.address()), quoted(new.address()));
    let late = "    drain: {timeout: 1h, spread: 1h}\n";
    let proxy = Proxy::start(&shop([(&old, 1), (&new, 0)], late)).await;
    let (mut socket, _) = websocket_h1(proxy.http(), None).await;
    let serving = get(proxy.admin(), &format!("/drain/{address}?seconds=0")).await;
    assert_eq!(serving.status, 504);
    assert!(serving.text().contains("not on its way out"), "{}", serving.text());
    proxy.apply(&shop([(&new, 1), ("", 0)], late));
    wait_until("it drains", async || proxy.metric("weir_drain_remaining", &[]).await == 1.0).await;
    let draining = get(proxy.admin(), &format!("/drain/{address}?seconds=0")).await;
    assert_eq!(draining.status, 504);
    assert!(draining.text().contains("1 requests and long-lived connections left"), "{}", draining.text());
    assert_eq!(get(proxy.admin(), &format!("/drain/{address}?seconds=soon")).await.status, 400);
    let waiting = tokio::spawn(async move { get(proxy.admin(), &format!("/drain/{address}")).await });
    within(socket.close(None)).await.unwrap();
    while within(socket.next()).await.is_some() {}
    drop(socket);
    let drained = within(waiting).await.unwrap();
    assert_eq!((drained.status.as_u16(), drained.json()["drained"].as_bool()), (200, Some(true)));
}

/// Requests count, too: a server must not be stopped before it has answered.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_waits_for_requests_in_flight() {
    let [old, new] = two().await;
    let (address, old, new) = (old.address(), quoted(old.address()), quoted(new.address()));
    let proxy = Proxy::start(&shop([(&old, 1), ("", 0)], "")).await;
    let http = proxy.http();
    let slow = tokio::spawn(async move { get(http, "/latency/3000").await });
    wait_until("it is on its way", async || proxy.metric("weir_active_requests", &[]).await == 1.0).await;
    proxy.apply(&shop([(&new, 1), ("", 0)], ""));
    wait_until("the drain of connections is over", async || {
        proxy.metric("weir_upstream_endpoints", &[("state", "draining")]).await == 0.0
    })
    .await;
    assert_eq!(get(proxy.admin(), &format!("/drain/{address}?seconds=0")).await.status, 504);
    assert_eq!(get(proxy.admin(), &format!("/drain/{address}")).await.status, 200);
    assert_eq!(within(slow).await.unwrap().status, 200);
}

/// An endpoint that agrees to WebSockets once the gate is open, and says nothing more.
async fn agrees_late(gate: watch::Receiver<bool>) -> mocks::Mock {
    mocks::Mock::start(move |connection, head| {
        let mut gate = gate.clone();
        Box::pin(async move {
            let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
            gate.wait_for(|open| *open).await.unwrap();
            let agreed = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
            let key = derive_accept_key(key.as_bytes());
            connection.write(&format!("{agreed}sec-websocket-accept: {key}\r\n\r\n")).await;
            // Nothing but the client's Close frame comes.
            let mut closed = [0; 8];
            connection.stream.read_exact(&mut closed).await.unwrap();
            false
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_are_under_way_get_a_close_frame_in_their_turn() {
    let (open, gate) = watch::channel(false);
    let (late, new) = (agrees_late(gate).await, echo("new").await);
    let (old, new) = (quoted(late.address()), quoted(new.address()));
    let slowly = "    drain: {timeout: 20s, spread: 1s}\n";
    let proxy = Proxy::start(&shop([(&old, 1), (&new, 0)], slowly)).await;
    let http = proxy.http();
    let clients: Vec<_> = (0..20).map(|_| tokio::spawn(async move { websocket_h1(http, None).await.0 })).collect();
    wait_until("all are under way", async || late.received("GET /chat") == 20).await;
    proxy.apply(&shop([(&old, 0), (&new, 1)], slowly));
    // Others find a place meanwhile.
    assert_eq!(get(http, "/").await.header("x-echo-version"), Some("new"));
    open.send_replace(true);
    for client in clients {
        let mut socket = within(client).await.unwrap();
        assert_eq!(close_code(&mut socket).await, 1001);
        assert!(within(socket.next()).await.is_none());
    }
    closed(&proxy, "old", "asked", 20.0).await;
}

/// Answers, with a pause where it is asked to wait for the gate, and switches to `other` if it is asked to. It notes `closed` where
/// a connection ends that has not become a tunnel.
async fn tells_of_ends(gate: watch::Receiver<bool>) -> mocks::Mock {
    mocks::Mock::accepting(move |mut connection| {
        let mut gate = gate.clone();
        Box::pin(async move {
            while let Some(head) = connection.head().await {
                if head.contains("\r\nupgrade: other\r\n") {
                    let agreed = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n";
                    connection.write(agreed).await;
                    connection.silence().await;
                    return;
                }
                if head.starts_with("GET /waits ") {
                    connection.seen().note("waits".to_owned());
                    gate.wait_for(|open| *open).await.unwrap();
                }
                connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
            connection.seen().note("closed".to_owned());
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_to_what_drains_are_closed_also_beside_a_tunnel() {
    let (open, gate) = watch::channel(false);
    let (old, new) = (tells_of_ends(gate).await, echo("new").await);
    let late = "    drain: {timeout: 1h, spread: 1h}\n";
    let proxy = Proxy::start(&shop([(&quoted(old.address()), 1), ("", 0)], late)).await;
    let asked = request("GET", "/").header("connection", "upgrade").header("upgrade", "other").body(nothing()).unwrap();
    let tunnel = within(h1(proxy.http()).await.send_request(asked)).await.unwrap();
    assert_eq!(tunnel.status(), 101);
    let _tunnel = within(hyper::upgrade::on(tunnel)).await.unwrap();
    let http = proxy.http();
    let waits = tokio::spawn(async move { get(http, "/waits").await });
    wait_until("it waits", async || old.received("waits") == 1).await;
    assert_eq!(get(http, "/").await.text(), "ok");
    proxy.apply(&shop([(&quoted(new.address()), 1), ("", 0)], late));
    wait_until("the idle one is closed", async || old.received("closed") == 1).await;
    open.send_replace(true);
    assert_eq!(within(waits).await.unwrap().text(), "ok");
    wait_until("so is the one that had an answer to bring", async || old.received("closed") == 2).await;
    assert_eq!(proxy.metric("weir_active_connections", &[("protocol", "upgrade")]).await, 1.0);
}
