//! What endpoints on HTTP/2 may send, what becomes of a request where they send something else, and what they are sent.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::wire::*;
use crate::support::*;

/// A client and a server on HTTP/2 with the proxy between them, whose stream 1 has been answered. No other connection is
/// taken.
async fn between() -> (Wire, Wire, Proxy) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::before([format!("h2c://{}", listener.local_addr().unwrap())]).await;
    let mut client = Wire::open(proxy.http()).await;
    // The proxy connects with the first request.
    client.send(frame(HEADERS, WHOLE, 1, plain_get("/first"))).await;
    let (stream, _) = within(listener.accept()).await.unwrap();
    let mut server = Wire::serve(stream, &[]).await;
    let head = server.next_of(HEADERS).await;
    server.send(frame(HEADERS, WHOLE, head.id, [0x88])).await;
    assert_eq!(client.answer(1).await.0, 200);
    (client, server, proxy)
}

#[tokio::test]
async fn one_stream_is_opened_before_the_server_has_said_how_many_it_takes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::before([format!("h2c://{}", listener.local_addr().unwrap())]).await;
    let mut client = Wire::open(proxy.http()).await;
    client.send(frame(HEADERS, WHOLE, 1, plain_get("/first"))).await;
    client.send(frame(HEADERS, WHOLE, 3, plain_get("/second"))).await;
    let (stream, _) = within(listener.accept()).await.unwrap();
    wait_until("both are under way", async || proxy.metric("weir_active_requests", &[]).await == 2.0).await;
    let mut server = Wire::serve(stream, &[(MAX_CONCURRENT_STREAMS, 1)]).await;
    server.send(frame(PING, 0, 0, [0; 8])).await;
    let mut opened = Vec::new();
    loop {
        let frame = server.next().await.unwrap();
        match frame.kind {
            HEADERS => opened.push(frame.id),
            PING => break,
            _ => {}
        }
    }
    assert_eq!(opened, [1]);
    server.send(frame(HEADERS, WHOLE, 1, [0x88])).await;
    assert_eq!(client.answer(1).await.0, 200);
    let second = server.next_of(HEADERS).await;
    server.send(frame(HEADERS, WHOLE, second.id, [0x88])).await;
    assert_eq!(client.answer(3).await.0, 200);
}

/// A line that must never be indexed.
fn never_indexed(name: &str, value: &str) -> Vec<u8> {
    let mut line = block(&[(name, value)]);
    line[0] = 0x10;
    line
}

#[tokio::test]
async fn what_is_no_answer_is_none() {
    let ok = [0x88];
    let length = block(&[(":status", "200"), ("content-length", "4")]);
    let cases: Vec<(&str, Vec<Frame>)> = vec![
        ("a head without a status", vec![frame(HEADERS, WHOLE, 1, block(&[("x-a", "1")]))]),
        ("two statuses", vec![frame(HEADERS, WHOLE, 1, [0x88, 0x88])]),
        ("a status that is none", vec![frame(HEADERS, WHOLE, 1, block(&[(":status", "2x0")]))]),
        ("a method", vec![frame(HEADERS, WHOLE, 1, [0x88, 0x82])]),
        ("upper case", vec![frame(HEADERS, WHOLE, 1, block(&[(":status", "200"), ("X-A", "1")]))]),
        ("an end of line", vec![frame(HEADERS, WHOLE, 1, block(&[(":status", "200"), ("x-a", "1\r\nx-b: 2")]))]),
        (
            "a transfer coding",
            vec![frame(HEADERS, WHOLE, 1, block(&[(":status", "200"), ("transfer-encoding", "chunked")]))],
        ),
        ("data before a head", vec![frame(DATA, END_STREAM, 1, "x")]),
        ("an informational end", vec![frame(HEADERS, WHOLE, 1, block(&[(":status", "103")]))]),
        ("a promise", vec![frame(PUSH_PROMISE, END_HEADERS, 1, [&[0, 0, 0, 2][..], &plain_get("/")].concat())]),
        ("a block that cannot be decoded", vec![frame(HEADERS, WHOLE, 1, [0x80])]),
        ("a frame that is too long", vec![frame(HEADERS, END_HEADERS, 1, [0; 16_385])]),
        ("a body that is too short", vec![frame(HEADERS, END_HEADERS, 1, &length), frame(DATA, END_STREAM, 1, "xyz")]),
        ("a body that is too long", vec![frame(HEADERS, END_HEADERS, 1, &length), frame(DATA, END_STREAM, 1, "xyzzy")]),
        ("a reset in the body", vec![frame(HEADERS, END_HEADERS, 1, ok), frame(DATA, 0, 1, "x"), reset(1, 2)]),
    ];
    for (what, frames) in cases {
        let (mut client, mut server, _proxy) = between().await;
        client.send(frame(HEADERS, WHOLE, 3, plain_get("/"))).await;
        let id = server.next_of(HEADERS).await.id;
        server.send_all(frames.into_iter().map(|frame| Frame { id, ..frame })).await;
        let end = client.end(3).await;
        assert!(matches!(end, End::Answer(502 | 503) | End::Reset(_)), "{what}: {end:?}");
    }
}

#[tokio::test]
async fn what_an_endpoint_may_send_is_taken() {
    let (mut client, mut server, _proxy) = between().await;
    client.send(frame(HEADERS, WHOLE, 3, plain_get("/"))).await;
    let id = server.next_of(HEADERS).await.id;
    let head = block(&[(":status", "200"), ("x-one", "1")]);
    server
        .send_all([
            frame(0xbe, 0xff, id, "unknown"),
            frame(PING, 0, 0, [5; 8]),
            frame(HEADERS, END_HEADERS, id, block(&[(":status", "103"), ("link", "</a>")])),
            frame(HEADERS, PADDED, id, [&[2][..], &head[..3], &[0; 2]].concat()),
            frame(CONTINUATION, END_HEADERS, id, &head[3..]),
            frame(DATA, PADDED, id, "\u{2}ab\0\0"),
            frame(DATA, 0, id, ""),
            frame(DATA, 0, id, "cd"),
            frame(HEADERS, WHOLE, id, block(&[("x-trailer", "t")])),
        ])
        .await;
    assert_eq!(client.answer(3).await, (200, b"abcd".to_vec()));
    assert!(client.lines.contains(&("x-trailer".to_owned(), "t".to_owned())), "{:?}", client.lines);
    loop {
        let ping = server.next_of(PING).await;
        if ping.has(ACK) {
            assert_eq!(ping.payload, [5; 8]);
            break;
        }
    }
}

#[tokio::test]
async fn what_is_never_indexed_stays_so() {
    let (mut client, mut server, _proxy) = between().await;
    let head = [
        plain_get("/"),
        block(&[("authorization", "secret-a"), ("cookie", "secret-b"), ("x-plain", "p")]),
        never_indexed("x-key", "secret-c"),
    ];
    for id in [3, 5, 7] {
        client.send(frame(HEADERS, WHOLE, id, head.concat())).await;
        let came = server.next_of(HEADERS).await;
        // The names of the static table are 23 and 32 (RFC 7541 section 6.2.3 and appendix A).
        for line in [&b"\x1f\x08\x08secret-a"[..], b"\x1f\x11\x08secret-b", b"\x10\x05x-key\x08secret-c"] {
            let there = came.payload.windows(line.len()).any(|window| window == line);
            assert!(
                there,
                "{:?} is not in {:?}",
                line.escape_ascii().to_string(),
                came.payload.escape_ascii().to_string()
            );
        }
        let answer = [vec![0x88], never_indexed("x-key", "secret-d")].concat();
        server.send(frame(HEADERS, WHOLE, came.id, answer)).await;
        let answer = client.next_of(HEADERS).await;
        let line = b"\x10\x05x-key\x08secret-d";
        assert!(answer.payload.windows(line.len()).any(|window| window == line), "{:?}", answer.payload);
    }
}

/// Bytes that a client on HTTP/1.1 would take for the next answer.
const SECOND: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond";

/// RFC 9110 section 6.4.1: what has no body cannot be followed by one, or it would be taken for the next answer.
#[tokio::test]
async fn an_answer_that_has_no_body_is_followed_by_nothing() {
    for (method, status) in [("HEAD", "200"), ("GET", "204"), ("GET", "304")] {
        for at_once in [true, false] {
            let (_, mut server, proxy) = between().await;
            let mut client = TcpStream::connect(proxy.http()).await.unwrap();
            let asked = format!("{method} / HTTP/1.1\r\nhost: shop.example\r\n\r\n");
            client.write_all(asked.as_bytes()).await.unwrap();
            let id = server.next_of(HEADERS).await.id;
            let (head, data) =
                (frame(HEADERS, END_HEADERS, id, block(&[(":status", status)])), frame(DATA, END_STREAM, id, SECOND));
            let mut received = Vec::new();
            if at_once {
                server.send_all([head, data]).await;
            } else {
                server.send(head).await;
                assert_ne!(within(client.read_buf(&mut received)).await.unwrap(), 0);
                server.send(data).await;
            }
            assert_eq!(server.next_of(RST_STREAM).await.number(0), PROTOCOL_ERROR, "{method} {status}");
            // Nothing follows on its connection, which may have been closed.
            let _ = client.shutdown().await;
            let _ = within(client.read_to_end(&mut received)).await;
            let received = String::from_utf8(received).unwrap();
            assert!(!received.contains("second"), "{method} {status}: {received}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_has_no_body_may_end_with_no_data() {
    for (method, status) in [("HEAD", "200"), ("GET", "204"), ("GET", "304")] {
        let (mut client, mut server, _proxy) = between().await;
        let lines = [(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "shop.example")];
        client.send(frame(HEADERS, WHOLE, 3, block(&lines))).await;
        let id = server.next_of(HEADERS).await.id;
        let head = block(&[(":status", status)]);
        server.send_all([frame(HEADERS, END_HEADERS, id, head), frame(DATA, END_STREAM, id, "")]).await;
        assert_eq!(client.end(3).await, End::Answer(status.parse().unwrap()), "{method}");
    }
}

/// RFC 9110 section 8.6.
#[tokio::test]
async fn a_204_says_nothing_about_a_length() {
    let (_, mut server, proxy) = between().await;
    let mut client = TcpStream::connect(proxy.http()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n").await.unwrap();
    let id = server.next_of(HEADERS).await.id;
    server.send(frame(HEADERS, WHOLE, id, block(&[(":status", "204"), ("content-length", "0"), ("x-one", "1")]))).await;
    let mut answer = String::new();
    within(client.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 ") && answer.contains("x-one: 1"), "{answer}");
    assert!(!answer.contains("content-length"), "{answer}");
}

/// RFC 8441 section 3: without the setting, the request would be malformed.
#[tokio::test]
async fn an_endpoint_that_takes_no_extended_connect_is_not_asked_for_one() {
    let (mut client, mut server, proxy) = between().await;
    let asked = request("GET", "/chat")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = send(proxy.http(), asked.body(nothing()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (502, Some("upgrade_failed")));
    // Nothing came there, and the connection goes on.
    client.send(frame(HEADERS, WHOLE, 3, plain_get("/next"))).await;
    let head = server.next_of(HEADERS).await;
    assert_eq!(head.id, 3);
    assert!(server.lines.contains(&(":path".to_owned(), "/next".to_owned())), "{:?}", server.lines);
    server.send(frame(HEADERS, WHOLE, head.id, [0x88])).await;
    assert_eq!(client.answer(3).await.0, 200);
}

#[tokio::test]
async fn clients_that_take_nothing_hold_up_nobody_else_on_their_connection_to_an_endpoint() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([format!("h2c://{}", echo.address())]).await;
    let mut idle = Wire::open_with(proxy.http(), &[(INITIAL_WINDOW_SIZE, 0)]).await;
    // Each holds as much as a stream may have under way.
    for n in 0..40 {
        idle.send(frame(HEADERS, WHOLE, 2 * n + 1, plain_get("/bytes/1000000"))).await;
        idle.next_of(HEADERS).await;
    }
    let answer = get(proxy.http(), "/bytes/100000").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 100_000));
}
