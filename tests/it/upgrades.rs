//! WebSocket and other upgrades, in every combination of HTTP/1.1 and HTTP/2.

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use crate::mocks;
use crate::support::*;

/// Both ways to reach the echo backend.
fn endpoints(echo: &weir::echo::Echo) -> [String; 2] {
    [echo.address().to_string(), format!("h2c://{}", echo.address())]
}

pub async fn websocket_h1(
    address: std::net::SocketAddr,
    protocols: Option<&str>,
) -> (WebSocketStream<TcpStream>, HeaderMap) {
    let mut request = format!("ws://{address}/chat").into_client_request().unwrap();
    if let Some(protocols) = protocols {
        request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    let (socket, response) = within(tokio_tungstenite::client_async(request, stream)).await.unwrap();
    (socket, response.headers().clone())
}

pub async fn websocket_h2(
    address: std::net::SocketAddr,
) -> (WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>, HeaderMap) {
    let mut client = h2(address).await;
    // A client may only ask once it has the settings.
    let first = request("GET", "http://shop.example/healthz").body(nothing()).unwrap();
    assert_eq!(ask_h2(&mut client, first).await.status, 200);
    let response = extended_connect(&mut client, "websocket", "http://shop.example/chat").await;
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    let upgraded = within(hyper::upgrade::on(response)).await.unwrap();
    (WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await, headers)
}

/// Messages of all sizes come back, and the close with its code.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    let messages = [
        Message::text("hello"),
        Message::text(""),
        Message::binary(vec![7; 125]),
        Message::binary(vec![8; 70_000]),
        Message::binary((0..8 * 1024 * 1024u32).map(|n| (n % 251) as u8).collect::<Vec<_>>()),
    ];
    for message in messages {
        // Both ways at once: neither side may have to hold all of it.
        let (mut write, mut read) = socket.split();
        let (sent, received) = within(async { tokio::join!(write.send(message.clone()), read.next()) }).await;
        sent.unwrap();
        assert!(received.unwrap().unwrap() == message, "{} bytes came back as others", message.len());
        socket = write.reunite(read).unwrap();
    }
    within(socket.send(Message::Ping("p".into()))).await.unwrap();
    assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::Pong("p".into()));
    let close = CloseFrame { code: CloseCode::Library(4321), reason: "enough".into() };
    within(socket.close(Some(close.clone()))).await.unwrap();
    assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::Close(Some(close)));
    assert!(within(socket.next()).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_from_http1() {
    let echo = echo("v1").await;
    for endpoint in endpoints(&echo) {
        let proxy = Proxy::before([&endpoint]).await;
        let (socket, headers) = websocket_h1(proxy.http(), Some("chat.v2, chat.v1")).await;
        assert_eq!(headers["sec-websocket-protocol"], "chat.v2", "{endpoint}");
        assert_eq!(headers["x-echo-version"], "v1", "{endpoint}");
        talk(socket).await;
        assert_ended(&proxy).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_from_http2() {
    let echo = echo("v1").await;
    for endpoint in endpoints(&echo) {
        let proxy = Proxy::before([&endpoint]).await;
        let (socket, headers) = websocket_h2(proxy.http()).await;
        assert_eq!(headers["x-echo-version"], "v1", "{endpoint}");
        assert!(!headers.contains_key("sec-websocket-accept"), "{endpoint}");
        talk(socket).await;
        assert_ended(&proxy).await;
    }
}

/// The tunnel is off the books again, and counted as what it was.
async fn assert_ended(proxy: &Proxy) {
    wait_until("the tunnel ends", async || proxy.process().control().in_flight() == 0).await;
    let labels = [("version", "stable"), ("protocol", "websocket")];
    wait_until("the tunnel is counted", async || {
        proxy.metric("weir_stream_duration_seconds_count", &labels).await == 1.0
    })
    .await;
    let failures = proxy.metric("weir_requests_total", &[("classification", "failure")]).await;
    assert_eq!(failures, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_stops_closes_its_websockets_itself() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let (mut first, _) = websocket_h1(proxy.http(), None).await;
    let (mut second, _) = websocket_h2(proxy.http()).await;
    let stopping = tokio::spawn(echo.stop());
    for message in [within(first.next()).await, within(second.next()).await] {
        let Some(Ok(Message::Close(Some(frame)))) = message else { panic!("{message:?}") };
        assert_eq!(frame.code, CloseCode::Away);
    }
    drop((first, second));
    within(stopping).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_ends_its_tunnel() {
    let echo = echo("v1").await;
    for endpoint in endpoints(&echo) {
        let proxy = Proxy::before([&endpoint]).await;
        let (first, second) = (websocket_h1(proxy.http(), None).await, websocket_h2(proxy.http()).await);
        wait_until("two tunnels", async || proxy.process().control().in_flight() == 2).await;
        drop((first, second));
        wait_until("no tunnel", async || proxy.process().control().in_flight() == 0).await;
    }
}

async fn assert_sends_bytes_back(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    for piece in [&b"one"[..], &[0, 255, 13, 10]] {
        io.write_all(piece).await.unwrap();
        io.flush().await.unwrap();
        let mut back = vec![0; piece.len()];
        within(io.read_exact(&mut back)).await.unwrap();
        assert_eq!(back, piece);
    }
    io.shutdown().await.unwrap();
    let mut rest = Vec::new();
    within(io.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_are_tunnelled_byte_by_byte() {
    let echo = echo("v1").await;
    for endpoint in endpoints(&echo) {
        let proxy = Proxy::before([&endpoint]).await;
        let asked = request("GET", "/").header("connection", "upgrade").header("upgrade", "my-proto/2");
        let response = within(h1(proxy.http()).await.send_request(asked.body(nothing()).unwrap())).await.unwrap();
        assert_eq!(response.status(), 101, "{endpoint}");
        assert_eq!(response.headers()["upgrade"], "my-proto/2", "{endpoint}");
        assert_sends_bytes_back(TokioIo::new(within(hyper::upgrade::on(response)).await.unwrap())).await;
        let mut client = h2(proxy.http()).await;
        let first = request("GET", "http://shop.example/").body(nothing()).unwrap();
        ask_h2(&mut client, first).await;
        let response = extended_connect(&mut client, "my-proto", "http://shop.example/").await;
        assert_eq!(response.status(), 200, "{endpoint}");
        assert_sends_bytes_back(TokioIo::new(within(hyper::upgrade::on(response)).await.unwrap())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_sent_along_with_the_upgrade_are_not_lost() {
    let echo = echo("v1").await;
    for endpoint in endpoints(&echo) {
        let proxy = Proxy::before([&endpoint]).await;
        let mut stream = TcpStream::connect(proxy.http()).await.unwrap();
        let sent = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nearly";
        stream.write_all(sent.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut received = String::new();
        within(stream.read_to_string(&mut received)).await.unwrap();
        assert!(received.starts_with("HTTP/1.1 101"), "{endpoint}: {received}");
        assert!(received.ends_with("\r\n\r\nearly"), "{endpoint}: {received}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_an_endpoint_sends_along_with_its_101_are_not_lost() {
    let reply = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nearly";
    let backend = Script::start(reply, true).await;
    let proxy = Proxy::before([backend.address()]).await;
    let answer = raw(proxy.http(), "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nearly"), "{answer}");
    let head = backend.heads()[0].to_ascii_lowercase();
    assert!(head.contains("\r\nconnection: upgrade\r\n") && head.contains("\r\nupgrade: x\r\n"), "{head}");
}

const WEBSOCKET: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let reply = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nx-mine: 1\r\n\r\nno";
    let backend = Script::start(reply, false).await;
    let proxy = Proxy::before([backend.address()]).await;
    let last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = raw(proxy.http(), format!("{WEBSOCKET}{last}")).await;
    assert!(answers.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answers}");
    assert!(answers.contains("x-mine: 1") && answers.contains("\r\n\r\nno"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 403").count(), 2, "the connection goes on: {answers}");
    let mut client = h2(proxy.http()).await;
    ask_h2(&mut client, request("GET", "http://a/").body(nothing()).unwrap()).await;
    let response = extended_connect(&mut client, "websocket", "http://a/chat").await;
    assert_eq!(response.status(), 403);
    assert_eq!(Answer::read(response).await.text(), "no");
}

/// CVE-2026-2833 of another proxy: bytes after an upgrade that was answered with 200 are a request, not a tunnel.
#[tokio::test(flavor = "multi_thread")]
async fn a_200_to_an_upgrade_is_no_tunnel() {
    let reply = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nok";
    let backend = Script::start(reply, false).await;
    let proxy = Proxy::before([backend.address()]).await;
    let next = "GET /next HTTP/1.1\r\nhost: a\r\nx-weir-version: spoofed\r\nconnection: close\r\n\r\n";
    let answers = raw(proxy.http(), format!("{WEBSOCKET}{next}")).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    let heads = backend.heads();
    assert_eq!(heads.len(), 2);
    assert!(heads[1].starts_with("GET /next ") && !heads[1].contains("spoofed"), "{}", heads[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_fit_the_upgrade_is_a_502() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n";
    for reply in [
        format!("{head}upgrade: websocket\r\nsec-websocket-accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"),
        format!("{head}upgrade: websocket\r\n\r\n"),
        format!("{head}upgrade: other\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
        format!("{head}sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
    ] {
        let backend = Script::start(reply.clone(), true).await;
        let proxy = Proxy::before([backend.address()]).await;
        let mut stream = TcpStream::connect(proxy.http()).await.unwrap();
        stream.write_all(WEBSOCKET.as_bytes()).await.unwrap();
        let mut answer = [0; 15];
        within(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 502 Ba", "{reply}");
        let labels = [("reason", "upgrade_failed"), ("classification", "failure")];
        assert_eq!(proxy.metric("weir_requests_total", &labels).await, 1.0);
        let mut client = h2(proxy.http()).await;
        ask_h2(&mut client, request("OPTIONS", "http://a/").header("max-forwards", "0").body(nothing()).unwrap()).await;
        let response = extended_connect(&mut client, "websocket", "http://a/chat").await;
        assert_eq!(response.status(), 502, "{reply}");
    }
    let right = format!("{head}upgrade: WebSocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    let backend = Script::start(right, true).await;
    let proxy = Proxy::before([backend.address()]).await;
    let answer = raw(proxy.http(), WEBSOCKET).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
}

/// A 101 that nobody asked for must not open anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_101_out_of_the_blue_is_a_502() {
    let backend =
        Script::start("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", true).await;
    let proxy = Proxy::before([backend.address()]).await;
    assert_eq!(get(proxy.http(), "/").await.status, 502);
    let asked = request("GET", "http://a/").body(nothing()).unwrap();
    assert_eq!(ask_h2(&mut h2(proxy.http()).await, asked).await.status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn h2c_is_no_upgrade() {
    let backend = Script::start("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false).await;
    let proxy = Proxy::before([backend.address()]).await;
    for token in ["h2c", "H2C", "h2c, websocket"] {
        let sent = format!(
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: close, Upgrade, HTTP2-Settings\r\nupgrade: {token}\r\n\
             http2-settings: AAMAAABkAAQAAP__\r\n\r\n"
        );
        let answer = raw(proxy.http(), sent).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{token}: {answer}");
    }
    for head in backend.heads() {
        let head = head.to_ascii_lowercase();
        assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_with_a_body_or_without_connection_is_an_ordinary_request() {
    let backend = Script::start("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true).await;
    let proxy = Proxy::before([backend.address()]).await;
    for sent in [
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close, upgrade\r\nupgrade: x\r\ncontent-length: 2\r\n\r\nhi",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nupgrade: x\r\n\r\n",
        "GET / HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ] {
        let answer = raw(proxy.http(), sent).await;
        assert!(answer.contains(" 200 OK\r\n"), "{sent}: {answer}");
    }
    assert_eq!(backend.heads().len(), 3);
    for head in backend.heads() {
        assert!(!head.to_ascii_lowercase().contains("upgrade"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_without_an_endpoint_is_refused() {
    let proxy = Proxy::start("splits: [{name: shop, versions: [{name: stable, endpoints: []}]}]\n").await;
    let asked = Request::get("/")
        .header("host", "a")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = send(proxy.http(), asked.body(nothing()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (503, Some("no_endpoint")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_moves_on_from_an_endpoint_that_is_down() {
    let echo = echo("v1").await;
    let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::before([down, echo.address()]).await;
    for _ in 0..4 {
        let (socket, _) = websocket_h1(proxy.http(), None).await;
        drop(socket);
    }
    assert_eq!(proxy.metric("weir_requests_total", &[("classification", "failure")]).await, 0.0);
}

/// The time that a request's head may take is none of a tunnel's business.
#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_may_be_silent_for_as_long_as_it_likes() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let (mut socket, _) = websocket_h1(proxy.http(), None).await;
    for text in ["GET before the silence", "after it"] {
        within(socket.send(Message::text(text))).await.unwrap();
        assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::text(text));
        tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    }
    within(socket.send(Message::text("at last"))).await.unwrap();
    assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::text("at last"));
}

/// A handshake is a GET: what an endpoint resets goes to another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_reset_goes_elsewhere() {
    let (dying, well) = (mocks::resets_before_answer::start(std::time::Duration::ZERO).await, echo("v1").await);
    for endpoint in endpoints(&well) {
        let dying = endpoint.replace(&well.address().to_string(), &dying.address().to_string());
        let proxy = Proxy::before([dying, endpoint]).await;
        for _ in 0..2 {
            talk(websocket_h1(proxy.http(), None).await.0).await;
            talk(websocket_h2(proxy.http()).await.0).await;
        }
        assert!(proxy.metric("weir_retries_total", &[("reason", "reset")]).await >= 1.0);
    }
}
