//! Extended CONNECT (RFC 8441) that is not granted.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::wire::*;
use crate::support::*;

/// The next head that comes, or what there is of it.
async fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match within(stream.read_u8()).await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Waits until what was sent before has been looked at by whoever it is for: the first answer may be written before.
async fn seen(wire: &mut Wire) {
    for ping in [1, 2] {
        wire.send(frame(PING, 0, 0, [ping; 8])).await;
        while wire.next_of(PING).await.payload != [ping; 8] {}
    }
}

/// What a client sends after its extended CONNECT is for the other protocol: an endpoint on HTTP/1.1 that has refused it would
/// take it for requests.
#[tokio::test]
async fn what_follows_one_that_was_refused_goes_nowhere() {
    for kind in ["text/plain", "application/grpc"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::before([listener.local_addr().unwrap()]).await;
        let mut client = Wire::open(proxy.http()).await;
        client.next_of(SETTINGS).await;
        let connect = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/chat")];
        let lines = [&connect[..], &[(":authority", "shop.example"), ("content-type", kind)]].concat();
        client.send(frame(HEADERS, END_HEADERS, 1, block(&lines))).await;
        let (mut stream, _) = within(listener.accept()).await.unwrap();
        assert!(head_of(&mut stream).await.starts_with("GET /chat "), "{kind}");
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nn").await.unwrap();
        client.next_of(HEADERS).await;
        client.send(frame(DATA, 0, 1, "GET /second HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        seen(&mut client).await;
        stream.write_all(b"o").await.unwrap();
        while !client.next_of(DATA).await.has(END_STREAM) {}
        let http = proxy.http();
        let next = tokio::spawn(async move { get(http, "/next").await });
        let (mut again, head) = tokio::select! {
            head = head_of(&mut stream) => (stream, head),
            accepted = listener.accept() => {
                let mut stream = accepted.unwrap().0;
                let head = head_of(&mut stream).await;
                (stream, head)
            }
        };
        assert!(head.starts_with("GET /next "), "{kind}: {head}");
        again.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        assert_eq!(within(next).await.unwrap().text(), "ok");
    }
}
