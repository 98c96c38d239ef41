use futures_util::SinkExt;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame as WsFrame};
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use super::*;

async fn dial(echo: &Echo, protocol: Option<&str>) -> (WebSocketStream<TcpStream>, HeaderMap) {
    let uri = format!("ws://{}/chat", echo.address());
    let mut request = uri.into_client_request().unwrap();
    if let Some(protocol) = protocol {
        let offered = protocol.parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", offered);
    }
    let stream = TcpStream::connect(echo.address()).await.unwrap();
    let handshake = tokio_tungstenite::client_async(request, stream);
    let (socket, response) = within(handshake).await.unwrap();
    (socket, response.headers().clone())
}

async fn extended_connect(echo: &Echo, protocol: &'static str) -> Response<Incoming> {
    let mut client = http2(echo).await;
    // The client only knows that it may once it has the server's settings.
    let first = Request::get("http://a/health").body(nothing()).unwrap();
    within(client.send_request(first)).await.unwrap();
    let request = Request::connect("http://a/chat")
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
        .body(nothing())
        .unwrap();
    within(client.send_request(request)).await.unwrap()
}

async fn websocket_over_http2(echo: &Echo) -> WebSocketStream<TokioIo<Upgraded>> {
    let response = extended_connect(echo, "websocket").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-echo-version"], "v1");
    let upgraded = within(hyper::upgrade::on(response)).await.unwrap();
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await
}

async fn exchange<S>(socket: &mut WebSocketStream<S>, sent: Message) -> Message
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    socket.send(sent).await.unwrap();
    within(socket.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_websocket_sends_messages_back() {
    let echo = start().await;
    let (mut socket, headers) = dial(&echo, None).await;
    assert_eq!(headers["x-echo-version"], "v1");
    let large = Message::binary(vec![7; 300_000]);
    for message in [Message::text("héllo"), Message::text(""), large] {
        assert_eq!(exchange(&mut socket, message.clone()).await, message);
    }
    let pong = exchange(&mut socket, Message::Ping(Bytes::from("p"))).await;
    assert_eq!(pong, Message::Pong(Bytes::from("p")));
    let close = Message::Close(Some(CloseFrame { code: CloseCode::Library(4001), reason: "done".into() }));
    assert_eq!(exchange(&mut socket, close.clone()).await, close);
    assert!(within(socket.next()).await.is_none());
}

#[tokio::test]
async fn fragments_come_back_as_their_message() {
    let echo = start().await;
    let (mut socket, _) = dial(&echo, None).await;
    let fragments = [
        (OpCode::Data(Data::Text), "one ", false),
        (OpCode::Data(Data::Continue), "two ", false),
        (OpCode::Data(Data::Continue), "three", true),
    ];
    for (code, text, last) in fragments {
        let frame = WsFrame::message(Bytes::from(text), code, last);
        socket.send(Message::Frame(frame)).await.unwrap();
    }
    let message = within(socket.next()).await.unwrap().unwrap();
    assert_eq!(message, Message::text("one two three"));
}

#[tokio::test]
async fn the_first_subprotocol_is_taken() {
    let echo = start().await;
    let (_, headers) = dial(&echo, Some("chat.v2, chat.v1")).await;
    assert_eq!(headers["sec-websocket-protocol"], "chat.v2");
}

#[tokio::test]
async fn a_websocket_over_http2_sends_messages_back() {
    let echo = start().await;
    let mut socket = websocket_over_http2(&echo).await;
    for message in [Message::text("hi"), Message::binary(vec![1; 300_000])] {
        assert_eq!(exchange(&mut socket, message.clone()).await, message);
    }
    let close = Message::Close(None);
    assert_eq!(exchange(&mut socket, close.clone()).await, close);
    assert!(within(socket.next()).await.is_none());
}

#[tokio::test]
async fn bad_handshakes_are_refused() {
    let echo = start().await;
    let upgrade = || request("GET", "/").header("connection", "keep-alive, Upgrade").header("upgrade", "WebSocket");
    let no_key = upgrade().header("sec-websocket-version", "13");
    let answer = over_http1(&echo, no_key.body(nothing()).unwrap()).await;
    assert_eq!(answer.status, 400);
    let old = upgrade().header("sec-websocket-version", "8").header("sec-websocket-key", "x");
    let answer = over_http1(&echo, old.body(nothing()).unwrap()).await;
    assert_eq!(answer.status, 426);
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
}

#[tokio::test]
async fn the_accept_key_is_that_of_rfc_6455() {
    let echo = start().await;
    let request = request("GET", "/")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(nothing())
        .unwrap();
    let response = http1(&echo).await.send_request(request).await.unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[tokio::test]
async fn a_failing_upgrade_is_an_ordinary_500() {
    let echo = start().await;
    echo.set_fail(1.0);
    let request =
        request("GET", "/").header("connection", "upgrade").header("upgrade", "websocket").body(nothing()).unwrap();
    assert_eq!(over_http1(&echo, request).await.status, 500);
}

async fn assert_sends_bytes_back(io: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) {
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

#[tokio::test]
async fn other_upgrades_send_bytes_back() {
    let echo = start().await;
    let request =
        request("GET", "/").header("connection", "upgrade").header("upgrade", "my-proto/2").body(nothing()).unwrap();
    let response = http1(&echo).await.send_request(request).await.unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["upgrade"], "my-proto/2");
    assert_eq!(response.headers()["x-echo-version"], "v1");
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    assert_sends_bytes_back(&mut io).await;
}

#[tokio::test]
async fn other_extended_connects_send_bytes_back() {
    let echo = start().await;
    let response = extended_connect(&echo, "my-proto").await;
    assert_eq!(response.status(), 200);
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    assert_sends_bytes_back(&mut io).await;
}

#[tokio::test]
async fn bytes_sent_along_with_the_upgrade_are_not_lost() {
    let echo = start().await;
    let mut stream = TcpStream::connect(echo.address()).await.unwrap();
    let sent = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nearly";
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut received = String::new();
    within(stream.read_to_string(&mut received)).await.unwrap();
    assert!(received.starts_with("HTTP/1.1 101"), "{received}");
    assert!(received.ends_with("\r\n\r\nearly"), "{received}");
}

#[tokio::test]
async fn an_offer_of_h2c_or_a_lone_upgrade_is_ignored() {
    let echo = start().await;
    for (connection, token) in [("upgrade, http2-settings", "h2c"), ("keep-alive", "x")] {
        let request =
            request("GET", "/").header("connection", connection).header("upgrade", token).body(nothing()).unwrap();
        assert_eq!(over_http1(&echo, request).await.status, 200);
    }
}

#[tokio::test]
async fn stopping_closes_websockets_with_away() {
    let echo = start().await;
    let mut over_http2 = websocket_over_http2(&echo).await;
    let (mut over_http1, _) = dial(&echo, None).await;
    let stopping = tokio::spawn(echo.stop());
    let first = within(over_http1.next()).await.unwrap().unwrap();
    let second = within(over_http2.next()).await.unwrap().unwrap();
    for message in [first, second] {
        let Message::Close(Some(frame)) = message else {
            panic!("{message:?}");
        };
        assert_eq!(frame.code, CloseCode::Away);
    }
    assert!(within(over_http1.next()).await.is_none());
    assert!(within(over_http2.next()).await.is_none());
    within(stopping).await.unwrap();
}
