use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::io::AsyncWriteExt;

use super::*;
use crate::http1;
use crate::io::UNACKNOWLEDGED;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: shop.example.com\r\n\r\n";

/// A client, and this end of its connection.
async fn connected() -> (TcpStream, Wire) {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, Wire::new(Stream::Plain(listener.accept().await.unwrap().0)))
}

// Which protocol a client speaks.

#[test]
fn the_preface_is_http_2() {
    assert_eq!(spoken_in(PREFACE), Some(Spoken::Http2));
    assert_eq!(spoken_in(&[PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat()), Some(Spoken::Http2));
}

#[test]
fn as_long_as_the_preface_is_not_whole_nothing_is_certain() {
    for cut in 0..PREFACE.len() {
        assert_eq!(spoken_in(&PREFACE[..cut]), None, "cut at {cut}");
    }
}

#[tokio::test]
async fn the_preface_is_found_in_pieces_of_any_size() {
    for size in 1..PREFACE.len() {
        let (mut client, mut wire) = connected().await;
        client.set_nodelay(true).unwrap();
        let sending = async {
            for piece in PREFACE.chunks(size) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (spoken, ()) = tokio::join!(sniff(&mut wire), sending);
        assert_eq!((spoken.unwrap(), wire.inbox.unread()), (Spoken::Http2, PREFACE), "in pieces of {size}");
    }
}

#[test]
fn a_plain_request_is_http_1() {
    for request in [REQUEST, b"GET / HTTP/1.0\r\n\r\n", b"POST /x HTTP/1.1\r\n", b"G"] {
        assert_eq!(spoken_in(request), Some(Spoken::Http1));
    }
}

#[test]
fn a_request_that_begins_like_the_preface_is_told_by_its_first_other_byte() {
    for request in [&b"PUT / HTTP/1.1\r\n\r\n"[..], b"PRI /x HTTP/1.1\r\n", b"PROPFIND / HTTP/1.1\r\n"] {
        let common = request.iter().zip(PREFACE).take_while(|(a, b)| a == b).count();
        for cut in 1..=request.len() {
            let expected = (cut > common).then_some(Spoken::Http1);
            assert_eq!(spoken_in(&request[..cut]), expected, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn nothing_of_what_was_looked_at_is_lost_and_nothing_is_read_beyond_what_tells() {
    let (mut client, mut wire) = connected().await;
    client.write_all(b"GE").await.unwrap();
    assert_eq!(sniff(&mut wire).await.unwrap(), Spoken::Http1);
    client.write_all(b"T / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(sniff(&mut wire).await.unwrap(), Spoken::Http1);
    assert_eq!(wire.inbox.unread(), b"GE");
}

#[tokio::test]
async fn a_client_that_leaves_before_it_tells_is_an_error() {
    for sent in [&b""[..], b"PRI", &PREFACE[..PREFACE.len() - 1]] {
        let (mut client, mut wire) = connected().await;
        client.write_all(sent).await.unwrap();
        drop(client);
        let error = sniff(&mut wire).await.expect_err("an end");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

/// Whether the codec of HTTP/1 refuses it for its version; it is the one that gets whatever is not HTTP/2.
#[track_caller]
fn is_of_another_version(head: &[u8]) -> bool {
    assert_eq!(spoken_in(head), Some(Spoken::Http1));
    http1::request(head).is_err_and(|error| error == http1::HeadError::Version)
}

#[test]
fn a_request_line_of_another_major_version_is_refused_for_it() {
    for head in [
        &b"GET / HTTP/2.0\r\nhost: a\r\n\r\n"[..],
        b"GET / HTTP/3.0\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/2.0\n\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        assert!(is_of_another_version(head), "{}", head.escape_ascii());
    }
}

#[test]
fn the_preface_without_its_end_is_a_request_line_of_another_major_version() {
    assert_eq!(spoken_in(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n......"), Some(Spoken::Http1));
    let head = b"PRI * HTTP/2.0\r\n\r\n";
    assert_eq!(http1::request(head).err(), Some(http1::HeadError::Version));
}

#[test]
fn what_only_looks_like_another_version_is_judged_as_any_other_request() {
    for head in [
        &b"GET /HTTP/2.0 HTTP/1.1\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nx: HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.2\r\n\r\n",
        b"GET / HTTP/20\r\n\r\n",
        b"GET / HTTP/x.0\r\n\r\n",
        b"GET / http/2.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\r\n\r\n",
    ] {
        assert!(!is_of_another_version(head), "{}", head.escape_ascii());
    }
    assert!(http1::request(b"GET /HTTP/2.0 HTTP/1.1\r\n\r\n").is_ok());
    assert!(http1::request(b"GET / HTTP/1.1\r\nx: HTTP/2.0\r\n\r\n").is_ok());
}

// Binding.

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn fresh(address: SocketAddr, workers: usize) -> Result<Vec<std::net::TcpListener>, BindError> {
    bind(&listener(address), workers, Vec::new())
}

fn listener(address: SocketAddr) -> Listener {
    Listener {
        name: "http".into(),
        address,
        tls: None,
        proxy_protocol: false,
        advertised_port: None,
        reserved: false,
        isolated: Vec::new(),
    }
}

#[test]
fn sockets_of_another_process_all_stay_and_what_workers_lack_is_added() {
    let before = fresh(any_port(), 2).unwrap();
    let address = before[0].local_addr().unwrap();
    for (workers, sockets) in [(1, 2), (2, 2), (5, 5)] {
        let inherited = before.iter().map(|socket| socket.try_clone().unwrap()).collect();
        let bound = bind(&listener(any_port()), workers, inherited).unwrap();
        assert_eq!(bound.len(), sockets, "{workers} workers");
        assert!(bound.iter().all(|socket| socket.local_addr().unwrap() == address));
    }
}

#[test]
fn every_worker_listens_on_the_same_port() {
    let sockets = fresh(any_port(), 4).unwrap();
    assert_eq!(sockets.len(), 4);
    let first = sockets[0].local_addr().unwrap();
    assert_ne!(first.port(), 0);
    assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == first));
}

#[test]
fn what_is_bound_accepts_connections() {
    let sockets = fresh(any_port(), 1).unwrap();
    let mut client = std::net::TcpStream::connect(sockets[0].local_addr().unwrap()).unwrap();
    sockets[0].set_nonblocking(false).unwrap();
    let (mut served, _) = sockets[0].accept().unwrap();
    client.write_all(b"hello").unwrap();
    let mut bytes = [0; 5];
    served.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}

/// Whether the kernel asks the client of a connection that is accepted here whether it is there, and sends at once.
#[track_caller]
fn assert_watched(socket: &std::net::TcpListener) {
    let _client = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    socket.set_nonblocking(false).unwrap();
    let (served, _) = socket.accept().unwrap();
    let served = SockRef::from(&served);
    assert!(served.tcp_nodelay().unwrap() && served.keepalive().unwrap());
    let asked = (served.tcp_keepalive_time().unwrap(), served.tcp_keepalive_interval().unwrap());
    assert_eq!(asked, (PROBING.silence, PROBING.interval));
    assert_eq!(served.tcp_keepalive_retries().unwrap(), PROBING.count);
    assert_eq!(served.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
}

#[test]
fn what_is_accepted_is_asked_whether_it_is_there_without_a_call_for_it() {
    assert_watched(&fresh(any_port(), 1).unwrap()[0]);
}

#[test]
fn so_is_what_is_accepted_on_a_socket_of_another_process() {
    let plain = std::net::TcpListener::bind(any_port()).unwrap();
    assert_watched(&bind(&listener(any_port()), 1, vec![plain]).unwrap()[0]);
}

#[test]
fn a_port_that_another_program_has_is_an_error_that_says_so() {
    let taken = std::net::TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = fresh(address, 2).unwrap_err();
    assert_eq!((&*error.listener, error.address, error.error.kind()), ("http", address, io::ErrorKind::AddrInUse));
    let message = error.to_string();
    assert!(message.contains(&address.to_string()) && message.contains("another process has it"), "{message}");
}

#[test]
fn a_second_process_cannot_share_the_port_of_one_that_lives() {
    let first = fresh(any_port(), 2).unwrap();
    let address = first[0].local_addr().unwrap();
    for workers in [1, 2] {
        assert_eq!(fresh(address, workers).unwrap_err().error.kind(), io::ErrorKind::AddrInUse);
    }
    drop(first);
    assert_eq!(fresh(address, 2).unwrap().len(), 2);
}

#[test]
fn an_address_of_another_machine_is_an_error_that_says_so() {
    // Reserved for documentation (RFC 5737), so no machine has it.
    let error = fresh(SocketAddr::from(([203, 0, 113, 1], 8080)), 1).unwrap_err();
    assert!(error.to_string().contains("no such address"), "{error}");
}

#[test]
fn the_unspecified_ipv6_address_takes_ipv4_too() {
    let Ok(sockets) = fresh(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), 1) else {
        let ipv6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0));
        assert!(ipv6.is_err(), "the machine has IPv6, so that binding must work");
        return;
    };
    let port = sockets[0].local_addr().unwrap().port();
    assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
}

/// What a connection holds as long as it idles; an exchange, of several kilobytes, is none of it.
#[test]
fn a_connection_that_idles_is_small() {
    fn future<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }
    let size = future(connection);
    assert!(size < 1024, "{size} bytes");
}
