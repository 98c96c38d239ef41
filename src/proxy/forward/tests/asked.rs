//! How an endpoint is asked for a target: what a connection to it carries, of either version of HTTP.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use super::*;
use crate::endpoint::{Endpoint, EndpointId};
use crate::io::Sink;
use crate::model::{Transport, UpstreamProtocol};
use crate::upstream::{Demand, Lease, Outgoing, Pool};

/// A listener, and a connection of the pool's to it.
async fn leased(protocol: UpstreamProtocol) -> (TcpListener, Lease) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let transport = Arc::new(Transport { protocol, tls: None });
    let address = listener.local_addr().unwrap();
    let endpoint = Arc::new(Endpoint::new(EndpointId(0), address, None, transport));
    let lease = Pool::default().lease(&endpoint, Demand::Any, Duration::from_secs(5)).await.unwrap();
    (listener, lease)
}

/// Sends a request without a body, its fields after preparation.
async fn send(lease: &mut Lease, fields: &FieldSection, path: &str, secure: bool) {
    let outgoing = Outgoing {
        method: &Method::GET,
        path: path.as_bytes(),
        host: b"shop.example.com:8080",
        secure,
        fields,
        size: Size::None,
        upgrade: None,
    };
    lease.upstream.send(&outgoing).await.unwrap();
    poll_fn(|context| lease.upstream.poll_flush(context)).await.unwrap();
}

/// The head that arrives over HTTP/1.1.
async fn http1(fields: &FieldSection, path: &str) -> String {
    let (listener, mut lease) = leased(UpstreamProtocol::Http1).await;
    send(&mut lease, fields, path, false).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    poll_fn(|context| lease.upstream.poll_finish(&mut None, context)).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0, "it stays open");
    }
    String::from_utf8(head).unwrap()
}

/// The head that arrives over HTTP/2.
async fn http2(fields: &FieldSection, path: &str, secure: bool) -> http::request::Parts {
    LocalSet::new()
        .run_until(async {
            let (listener, mut lease) = leased(UpstreamProtocol::Http2).await;
            let accepting = tokio::task::spawn_local(accept_http2(listener));
            send(&mut lease, fields, path, secure).await;
            accepting.await.unwrap()
        })
        .await
}

async fn accept_http2(listener: TcpListener) -> http::request::Parts {
    let (stream, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (request, _respond) = connection.accept().await.unwrap().unwrap();
    request.into_parts().0
}

fn prepared_with_te() -> Lines {
    let mut fields = prepared(PEER, [("te", "trailers"), ("host", "first"), ("connection", "te")]);
    fields.remove_if(|field, _| field != Field::Te);
    fields
}

#[tokio::test]
async fn http_1_asks_by_path_and_one_host() {
    let mut fields = prepared(PEER, [("host", "first"), ("host", "second"), ("x-a", "1")]);
    fields.remove_if(|_, name| name != b"x-a" && !name.eq_ignore_ascii_case(b"host"));
    let head = http1(&fields, "/a/b?q=1").await;
    assert_eq!(head, "GET /a/b?q=1 HTTP/1.1\r\nhost: shop.example.com:8080\r\nx-a: 1\r\n\r\n");
}

#[tokio::test]
async fn http_1_announces_te_in_connection() {
    let head = http1(&prepared_with_te(), "/").await;
    assert_eq!(head, "GET / HTTP/1.1\r\nhost: shop.example.com:8080\r\nte: trailers\r\nconnection: te\r\n\r\n");
}

#[tokio::test]
async fn http_2_asks_by_a_whole_target_without_host_and_connection() {
    let parts = http2(&prepared_with_te(), "/a/b?q=1", true).await;
    assert_eq!(parts.version, Version::HTTP_2);
    assert_eq!(parts.uri.to_string(), "https://shop.example.com:8080/a/b?q=1");
    let lines: Vec<_> = parts.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(lines, [("te", "trailers")]);
}

#[tokio::test]
async fn a_target_changes_its_form_from_try_to_try() {
    let fields = prepared_with_te();
    let before = http1(&fields, "/a").await;
    let parts = http2(&fields, "/a", false).await;
    assert_eq!((parts.version, parts.uri.to_string()), (Version::HTTP_2, "http://shop.example.com:8080/a".to_owned()));
    assert!(!parts.headers.contains_key("connection") && !parts.headers.contains_key("host"));
    assert_eq!(http1(&fields, "/a").await, before);
    assert_eq!(before, "GET /a HTTP/1.1\r\nhost: shop.example.com:8080\r\nte: trailers\r\nconnection: te\r\n\r\n");
}
