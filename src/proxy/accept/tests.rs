use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::io::ReadBuf;

use super::*;

/// A client that sends these pieces, one for every read, and then closes.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(piece) = self.0.pop_front() {
            buffer.put_slice(&piece);
        }
        Poll::Ready(Ok(()))
    }
}

/// What is found out from the pieces, and how many of them were left unread.
fn sniffed(pieces: &[&[u8]]) -> (io::Result<(Bytes, Option<Codec>)>, usize) {
    let mut pieces = Pieces(pieces.iter().map(|piece| piece.to_vec()).collect());
    let result = sniff(&mut pieces).now_or_never().expect("reads never wait here");
    (result, pieces.0.len())
}

#[track_caller]
fn codec(bytes: &[u8]) -> Option<Codec> {
    let (ahead, codec) = sniffed(&[bytes]).0.expect("a client");
    assert_eq!(ahead, bytes, "nothing of it is lost");
    codec
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: shop.example.com\r\n\r\n";

// Which protocol a client speaks.

#[test]
fn the_preface_is_http_2() {
    assert_eq!(codec(PREFACE), Some(Codec::Http2));
    assert_eq!(codec(&[PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat()), Some(Codec::Http2));
}

#[test]
fn the_preface_is_found_in_pieces_of_any_size() {
    for cut in 1..PREFACE.len() {
        let (result, left) = sniffed(&[&PREFACE[..cut], &PREFACE[cut..]]);
        assert_eq!((result.unwrap(), left), ((Bytes::from_static(PREFACE), Some(Codec::Http2)), 0), "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = PREFACE.chunks(1).collect();
    assert_eq!(sniffed(&bytes).0.unwrap(), (Bytes::from_static(PREFACE), Some(Codec::Http2)));
}

#[test]
fn a_plain_request_is_http_1() {
    for request in [REQUEST, b"GET / HTTP/1.0\r\n\r\n", b"POST /x HTTP/1.1\r\n", b"G"] {
        assert_eq!(codec(request), Some(Codec::Http1));
    }
}

#[test]
fn a_request_that_begins_like_the_preface_is_told_by_its_first_other_byte() {
    for request in [&b"PUT / HTTP/1.1\r\n\r\n"[..], b"PRI /x HTTP/1.1\r\n", b"PROPFIND / HTTP/1.1\r\n"] {
        for cut in 1..request.len() {
            let (result, left) = sniffed(&[&request[..cut], &request[cut..]]);
            let (ahead, codec) = result.unwrap();
            assert_eq!(codec, Some(Codec::Http1));
            let read = if left == 0 { request.len() } else { cut };
            assert_eq!(ahead, &request[..read]);
        }
    }
}

#[test]
fn nothing_is_read_beyond_what_tells() {
    let (result, left) = sniffed(&[b"GE", b"T / HTTP/1.1\r\n"]);
    assert_eq!(result.unwrap(), (Bytes::from_static(b"GE"), Some(Codec::Http1)));
    assert_eq!(left, 1);
}

#[test]
fn a_client_that_leaves_before_it_tells_is_an_error() {
    for pieces in [&[][..], &[&b"PRI"[..]], &[&PREFACE[..PREFACE.len() - 1]]] {
        let error = sniffed(pieces).0.expect_err("an end");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn a_request_line_of_another_major_version_has_no_codec() {
    for line in [
        &b"GET / HTTP/2.0\r\nhost: a\r\n\r\n"[..],
        b"GET / HTTP/3.0\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/2.0\n",
        b"GET / HTTP/9.9\r\n",
    ] {
        assert_eq!(codec(line), None, "{:?}", line.escape_ascii().to_string());
    }
}

#[test]
fn the_preface_without_its_end_has_no_codec() {
    assert_eq!(codec(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n......"), None);
}

#[test]
fn what_only_looks_like_another_version_is_left_to_the_codec() {
    for line in [
        &b"GET /HTTP/2.0 HTTP/1.1\r\n"[..],
        b"GET / HTTP/1.1\r\nx: HTTP/2.0\r\n",
        b"GET / HTTP/1.2\r\n",
        b"GET / HTTP/20\r\n",
        b"GET / HTTP/x.0\r\n",
        b"GET / http/2.0\r\n",
        b"GET /\r\n",
        b"\r\n",
    ] {
        assert_eq!(codec(line), Some(Codec::Http1), "{:?}", line.escape_ascii().to_string());
    }
}

// Binding.

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

#[test]
fn every_worker_listens_on_the_same_port() {
    let sockets = bind("http", any_port(), 4).unwrap();
    assert_eq!(sockets.len(), 4);
    let first = sockets[0].local_addr().unwrap();
    assert_ne!(first.port(), 0);
    assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == first));
}

#[test]
fn what_is_bound_accepts_connections() {
    let sockets = bind("http", any_port(), 1).unwrap();
    let mut client = std::net::TcpStream::connect(sockets[0].local_addr().unwrap()).unwrap();
    sockets[0].set_nonblocking(false).unwrap();
    let (mut served, _) = sockets[0].accept().unwrap();
    client.write_all(b"hello").unwrap();
    let mut bytes = [0; 5];
    served.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}

#[test]
fn a_port_that_another_program_has_is_an_error_that_says_so() {
    let taken = std::net::TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind("http", address, 2).unwrap_err();
    assert_eq!((&*error.listener, error.address, error.error.kind()), ("http", address, io::ErrorKind::AddrInUse));
    let message = error.to_string();
    assert!(message.contains(&address.to_string()) && message.contains("another process has it"), "{message}");
}

#[test]
fn a_second_process_cannot_share_the_port_of_one_that_lives() {
    let first = bind("http", any_port(), 2).unwrap();
    let address = first[0].local_addr().unwrap();
    for workers in [1, 2] {
        assert_eq!(bind("http", address, workers).unwrap_err().error.kind(), io::ErrorKind::AddrInUse);
    }
    drop(first);
    assert_eq!(bind("http", address, 2).unwrap().len(), 2);
}

#[test]
fn an_address_of_another_machine_is_an_error_that_says_so() {
    // Reserved for documentation (RFC 5737), so no machine has it.
    let error = bind("http", SocketAddr::from(([203, 0, 113, 1], 8080)), 1).unwrap_err();
    assert!(error.to_string().contains("no such address"), "{error}");
}

#[test]
fn the_unspecified_ipv6_address_takes_ipv4_too() {
    let Ok(sockets) = bind("http", SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), 1) else {
        let ipv6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0));
        assert!(ipv6.is_err(), "the machine has IPv6, so that binding must work");
        return;
    };
    let port = sockets[0].local_addr().unwrap().port();
    assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
}
