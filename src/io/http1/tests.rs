use std::future::poll_fn;
use std::net::Ipv4Addr;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::super::{Pump, Stream};
use super::*;

/// The other end, and the connection.
async fn connected() -> (TcpStream, Http1) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    (other, Http1::new(Wire::new(Stream::Plain(stream))))
}

/// A connection whose buffers in the kernel hold some ten thousand bytes. Less than a segment of the loopback would wait
/// for the kernel's timers.
async fn narrow() -> (TcpStream, Http1) {
    let listener = TcpSocket::new_v4().unwrap();
    listener.set_send_buffer_size(16 * 1024).unwrap();
    listener.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = listener.listen(1).unwrap();
    let other = TcpSocket::new_v4().unwrap();
    other.set_recv_buffer_size(64 * 1024).unwrap();
    let other = other.connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    (other, Http1::new(Wire::new(Stream::Plain(stream))))
}

async fn send(http1: &mut Http1, mut data: &[u8], last: bool) {
    while !data.is_empty() {
        let sent = poll_fn(|context| http1.poll_send(data, last, context)).await.unwrap();
        assert!((1..=data.len()).contains(&sent));
        data = &data[sent..];
    }
}

async fn finish(http1: &mut Http1, trailers: Option<FieldSection>) {
    let mut trailers = trailers;
    poll_fn(|context| http1.poll_finish(&mut trailers, context)).await.unwrap();
}

async fn ready(http1: &mut Http1) -> Result<Ready, Broken> {
    poll_fn(|context| http1.poll_ready(context)).await
}

/// Everything up to the end of the body, used `take` bytes at a time.
async fn body(http1: &mut Http1, take: usize) -> Result<Vec<u8>, Broken> {
    let mut all = Vec::new();
    while ready(http1).await? == Ready::Data {
        let (data, _) = http1.data();
        let used = data.len().min(take);
        all.extend_from_slice(&data[..used]);
        http1.consume(used);
    }
    Ok(all)
}

/// What the other end gets until nothing more can come.
async fn rest(mut other: TcpStream, http1: Http1) -> String {
    drop(http1);
    let mut bytes = Vec::new();
    other.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Bytes that repeat nowhere near.
fn long(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 + n / 251) as u8).collect()
}

fn trailers(lines: &[(&str, &str)]) -> Option<FieldSection> {
    let mut section = FieldSection::new();
    for (name, value) in lines {
        section.append(*name, value.as_bytes());
    }
    Some(section)
}

fn is_pending<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> bool {
    poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
}

// Written.

#[tokio::test]
async fn a_body_of_known_length_is_written_as_it_is() {
    let (other, mut http1) = connected().await;
    http1.write_chunks(false);
    send(&mut http1, b"hello", false).await;
    send(&mut http1, b" world", true).await;
    finish(&mut http1, None).await;
    assert_eq!(rest(other, http1).await, "hello world");
}

#[tokio::test]
async fn pieces_become_chunks() {
    let (other, mut http1) = connected().await;
    http1.write_chunks(true);
    send(&mut http1, b"hello", false).await;
    send(&mut http1, "x".repeat(0x1a).as_bytes(), false).await;
    finish(&mut http1, None).await;
    assert_eq!(rest(other, http1).await, format!("5\r\nhello\r\n1a\r\n{}\r\n0\r\n\r\n", "x".repeat(26)));
}

#[tokio::test]
async fn the_last_chunk_goes_with_the_last_piece() {
    let (other, mut http1) = connected().await;
    http1.write_chunks(true);
    send(&mut http1, b"hello", false).await;
    send(&mut http1, b"world", true).await;
    finish(&mut http1, None).await;
    assert_eq!(rest(other, http1).await, "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n");
}

#[tokio::test]
async fn short_chunks_go_together_and_wait_no_longer_than_for_what_follows_them() {
    let (mut other, mut http1) = connected().await;
    http1.write_chunks(true);
    for _ in 0..100 {
        send(&mut http1, b"x", false).await;
        assert!(!http1.wire.outbox.has_written());
    }
    poll_fn(|context| http1.poll_flush(context)).await.unwrap();
    let mut read = [0; 600];
    other.read_exact(&mut read).await.unwrap();
    assert_eq!(read[..], *b"1\r\nx\r\n".repeat(100));
    // A pump has nothing wait that nothing follows.
    let (mut client, mut source) = connected().await;
    source.expect(Size::Unknown, false);
    client.write_all(b"1\r\nx\r\n1\r\ny\r\n").await.unwrap();
    let mut pump = Pump::new(None);
    let reading = async {
        let mut read = [0; 12];
        other.read_exact(&mut read).await.unwrap();
        read
    };
    let read = tokio::select! {
        _ = poll_fn(|context| pump.poll(&mut source, &mut http1, &mut |_| {}, context)) => panic!("it has not ended"),
        read = reading => read,
    };
    assert_eq!(&read, b"1\r\nx\r\n1\r\ny\r\n");
    assert!(http1.wire.outbox.is_empty());
    // Nor is there more than has room.
    for _ in 0..10_000 {
        send(&mut http1, b"x", false).await;
    }
    assert!(http1.wire.outbox.len() < 6_000, "{}", http1.wire.outbox.len());
}

#[tokio::test]
async fn a_body_of_nothing_is_the_last_chunk() {
    let (other, mut http1) = connected().await;
    http1.write_chunks(true);
    finish(&mut http1, None).await;
    assert_eq!(rest(other, http1).await, "0\r\n\r\n");
}

#[tokio::test]
async fn nothing_is_written_after_the_last_chunk() {
    let (other, mut http1) = connected().await;
    http1.write_chunks(true);
    send(&mut http1, b"hello", true).await;
    finish(&mut http1, None).await;
    assert!(poll_fn(|context| http1.poll_send(b"more", true, context)).await.is_err());
    finish(&mut http1, trailers(&[("a", "b")])).await;
    assert_eq!(rest(other, http1).await, "5\r\nhello\r\n0\r\n\r\n");
}

#[tokio::test]
async fn the_next_body_has_chunks_of_its_own() {
    let (other, mut http1) = connected().await;
    for data in [b"hello", b"world"] {
        http1.write_chunks(true);
        send(&mut http1, data, true).await;
        finish(&mut http1, None).await;
    }
    assert_eq!(rest(other, http1).await, "5\r\nhello\r\n0\r\n\r\n5\r\nworld\r\n0\r\n\r\n");
}

#[tokio::test]
async fn trailers_follow_the_last_chunk() {
    for (given, expected) in [
        (trailers(&[("x-sum", "1"), ("grpc-status", "0")]), "0\r\nx-sum: 1\r\ngrpc-status: 0\r\n\r\n"),
        (trailers(&[]), "0\r\n\r\n"),
    ] {
        let (other, mut http1) = connected().await;
        http1.write_chunks(true);
        send(&mut http1, b"hello", false).await;
        finish(&mut http1, given).await;
        assert_eq!(rest(other, http1).await, format!("5\r\nhello\r\n{expected}"));
    }
}

#[tokio::test]
async fn a_body_of_known_length_has_no_trailers() {
    let (other, mut http1) = connected().await;
    http1.write_chunks(false);
    send(&mut http1, b"hello", false).await;
    finish(&mut http1, trailers(&[("a", "b")])).await;
    assert_eq!(rest(other, http1).await, "hello");
}

#[tokio::test]
async fn a_head_goes_out_before_the_body() {
    for chunks in [false, true] {
        let (other, mut http1) = connected().await;
        http1.write_chunks(chunks);
        http1.wire.outbox.bytes().extend_from_slice(b"HEAD\r\n\r\n");
        assert!(!http1.wire.outbox.has_written());
        send(&mut http1, b"hello", true).await;
        assert!(http1.wire.outbox.has_written() && http1.wire.outbox.is_empty());
        http1.wire.outbox.forget();
        assert!(!http1.wire.outbox.has_written());
        finish(&mut http1, None).await;
        let expected = if chunks { "HEAD\r\n\r\n5\r\nhello\r\n0\r\n\r\n" } else { "HEAD\r\n\r\nhello" };
        assert_eq!(rest(other, http1).await, expected);
    }
}

#[tokio::test]
async fn what_the_other_end_does_not_take_yet_is_written_later() {
    for chunks in [false, true] {
        let (mut other, mut http1) = narrow().await;
        let data = long(1_000_000);
        http1.write_chunks(chunks);
        http1.wire.outbox.bytes().extend_from_slice(&long(100_000));
        let writing = async {
            let mut waited = false;
            for piece in data.chunks(70_001) {
                waited |= is_pending(|context| http1.poll_flush(context));
                send(&mut http1, piece, false).await;
            }
            finish(&mut http1, None).await;
            waited
        };
        let reading = async {
            let mut head = vec![0; 100_000];
            other.read_exact(&mut head).await.unwrap();
            assert_eq!(head, long(100_000));
            let mut other = Http1::new(Wire::new(Stream::Plain(other)));
            other.expect(if chunks { Size::Unknown } else { Size::Known(data.len() as u64) }, false);
            body(&mut other, usize::MAX).await.unwrap()
        };
        let (waited, read) = tokio::join!(writing, reading);
        assert!(waited, "the connection is narrow");
        assert!(read == data, "{} of {} bytes", read.len(), data.len());
    }
}

#[tokio::test]
async fn a_chunk_that_was_begun_is_ended_whatever_follows_it() {
    let (mut other, mut http1) = narrow().await;
    let data = long(400_000);
    http1.write_chunks(true);
    // The first call announces all of it, and the kernel takes a part.
    let sent = poll_fn(|context| http1.poll_send(&data, true, context)).await.unwrap();
    assert!(sent < data.len(), "the connection is narrow");
    let reading = async {
        let mut line = [0; 7];
        other.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"61a80\r\n");
        let mut read = vec![0; data.len() + 7];
        other.read_exact(&mut read).await.unwrap();
        read
    };
    let writing = async {
        send(&mut http1, &data[sent..], true).await;
        finish(&mut http1, None).await;
    };
    let (read, ()) = tokio::join!(reading, writing);
    assert!(read == [&data[..], b"\r\n0\r\n\r\n"].concat());
}

#[tokio::test]
async fn an_end_that_has_gone_is_an_error() {
    let (other, mut http1) = connected().await;
    SockRef::from(&other).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(other);
    http1.write_chunks(true);
    let data = long(1_000_000);
    let error = poll_fn(|context| {
        loop {
            match http1.poll_send(&data, false, context) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    assert!(matches!(error, Broken::Io(_)), "{error:?}");
}

// Read.

#[tokio::test]
async fn the_next_head_stays_in_the_inbox() {
    for (size, sent) in
        [(Size::Known(5), "hello"), (Size::Unknown, "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), (Size::None, "")]
    {
        let (mut other, mut http1) = connected().await;
        let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
        other.write_all(format!("{sent}{next}").as_bytes()).await.unwrap();
        if size == Size::None {
            poll_fn(|context| http1.wire.poll_fill(SMALL, context)).await.unwrap();
        }
        http1.expect(size, false);
        let expected: &[u8] = if size == Size::None { b"" } else { b"hello" };
        assert_eq!(body(&mut http1, usize::MAX).await.unwrap(), expected, "{size:?}");
        assert!(http1.has_read_all());
        assert_eq!(http1.to_come(), Some(0));
        assert_eq!(http1.wire.inbox.unread(), next.as_bytes(), "{size:?}");
        assert_eq!(ready(&mut http1).await.unwrap(), Ready::End);
    }
}

#[tokio::test]
async fn bodies_follow_one_another_on_a_connection() {
    let (mut other, mut http1) = connected().await;
    other.write_all(b"hello5\r\nworld\r\n0\r\na: b\r\n\r\n!").await.unwrap();
    http1.expect(Size::Known(5), false);
    assert_eq!(body(&mut http1, 2).await.unwrap(), b"hello");
    http1.expect(Size::Unknown, false);
    assert_eq!(body(&mut http1, 2).await.unwrap(), b"world");
    http1.expect(Size::Known(1), false);
    assert!(http1.trailers().is_none(), "those of the body before");
    assert_eq!(body(&mut http1, 2).await.unwrap(), b"!");
}

#[tokio::test]
async fn a_body_arrives_in_pieces_of_any_size() {
    let data = long(600);
    let chunked = [b"12c\r\n", &data[..300], b"\r\n12c;x\r\n", &data[300..], b"\r\n0\r\na: b\r\n\r\n"].concat();
    for (size, sent) in [(Size::Known(600), &data), (Size::Unknown, &chunked)] {
        for (piece, take) in [(1, 1), (7, 100), (64, 3), (1000, 1000)] {
            let (mut other, mut http1) = connected().await;
            other.set_nodelay(true).unwrap();
            http1.expect(size, false);
            let sending = async {
                for piece in sent.chunks(piece) {
                    other.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            let (read, ()) = tokio::join!(body(&mut http1, take), sending);
            assert!(read.unwrap() == data, "{size:?} in pieces of {piece}");
            assert_eq!(http1.trailers().is_some(), size == Size::Unknown);
            assert!(http1.wire.inbox.unread().is_empty());
        }
    }
}

#[tokio::test]
async fn a_long_body_gets_through() {
    let data = long(3_000_000);
    let mut chunked = Vec::new();
    for chunk in data.chunks(100_003) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    for (size, until_closed, sent) in
        [(Size::Known(data.len() as u64), false, &data), (Size::Unknown, false, &chunked), (Size::Unknown, true, &data)]
    {
        for take in [usize::MAX, 1009] {
            let (mut other, mut http1) = connected().await;
            http1.expect(size, until_closed);
            let sending = async {
                other.write_all(sent).await.unwrap();
                other.shutdown().await.unwrap();
            };
            let (read, ()) = tokio::join!(body(&mut http1, take), sending);
            assert!(read.unwrap() == data, "{size:?}, until closed: {until_closed}");
        }
    }
}

#[tokio::test]
async fn the_last_piece_is_known_where_it_is_the_last() {
    for (size, sent, last) in [
        (Size::Known(5), "hello", true),
        (Size::Known(5), "helloGET /", true),
        (Size::Known(6), "hello", false),
        (Size::Unknown, "5\r\nhello\r\n0\r\n\r\n", true),
        (Size::Unknown, "5\r\nhello\r\n0\r\na: b\r\n\r\n", false),
        (Size::Unknown, "5\r\nhello\r\n", false),
    ] {
        let (mut other, mut http1) = connected().await;
        other.write_all(sent.as_bytes()).await.unwrap();
        http1.expect(size, false);
        assert_eq!(ready(&mut http1).await.unwrap(), Ready::Data);
        assert_eq!(http1.data(), (&b"hello"[..], last), "{sent:?}");
        // What was said stays true for what is left of the piece.
        http1.consume(2);
        assert_eq!(http1.data(), (&b"llo"[..], last), "{sent:?}");
    }
}

#[tokio::test]
async fn how_much_is_to_come_is_known_of_known_lengths() {
    let (mut other, mut http1) = connected().await;
    other.write_all(b"hel").await.unwrap();
    http1.expect(Size::Known(5), false);
    assert_eq!((http1.to_come(), http1.has_read_all()), (Some(5), false));
    assert_eq!(ready(&mut http1).await.unwrap(), Ready::Data);
    http1.consume(3);
    assert_eq!((http1.to_come(), http1.has_read_all()), (Some(2), false));
    assert!(is_pending(|context| http1.poll_ready(context)));
    http1.expect(Size::Unknown, false);
    assert_eq!((http1.to_come(), http1.has_read_all()), (None, false));
}

#[tokio::test]
async fn trailers_are_there_once_the_end_has_come() {
    let (mut other, mut http1) = connected().await;
    other.write_all(b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n").await.unwrap();
    http1.expect(Size::Unknown, false);
    assert_eq!(ready(&mut http1).await.unwrap(), Ready::Data);
    assert!(http1.trailers().is_none());
    http1.consume(5);
    assert_eq!(ready(&mut http1).await.unwrap(), Ready::End);
    assert_eq!(ready(&mut http1).await.unwrap(), Ready::End, "an end stays one");
    assert_eq!(http1.trailers().unwrap().first("x-sum"), Some(&b"1"[..]));
    assert!(http1.trailers().is_none());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_end() {
    for (size, sent) in [
        (Size::Known(5), ""),
        (Size::Known(5), "hell"),
        (Size::Unknown, ""),
        (Size::Unknown, "5\r\nhell"),
        (Size::Unknown, "5\r\nhello"),
        (Size::Unknown, "5\r\nhello\r\n"),
        (Size::Unknown, "5\r\nhello\r\n0\r\n"),
        (Size::Unknown, "5\r\nhello\r\n0\r\na: b\r\n"),
    ] {
        let (mut other, mut http1) = connected().await;
        other.write_all(sent.as_bytes()).await.unwrap();
        drop(other);
        http1.expect(size, false);
        assert!(matches!(body(&mut http1, 2).await, Err(Broken::Closed)), "{size:?} {sent:?}");
        assert!(!http1.has_read_all());
    }
}

#[tokio::test]
async fn a_reset_is_no_end_either() {
    for (size, until_closed) in [(Size::Known(5), false), (Size::Unknown, false), (Size::Unknown, true)] {
        let (other, mut http1) = connected().await;
        SockRef::from(&other).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(other);
        http1.expect(size, until_closed);
        assert!(matches!(body(&mut http1, 2).await, Err(Broken::Io(_))), "{size:?}");
    }
}

#[tokio::test]
async fn what_is_no_chunk_is_told_so() {
    let (mut other, mut http1) = connected().await;
    other.write_all(b"5\r\nhello0\r\n\r\n").await.unwrap();
    http1.expect(Size::Unknown, false);
    assert!(matches!(body(&mut http1, 2).await, Err(Broken::Malformed(_))));
}

#[tokio::test]
async fn without_a_length_the_body_lasts_until_the_connection_is_closed() {
    let (mut other, mut http1) = connected().await;
    other.write_all(b"0\r\n\r\n").await.unwrap();
    http1.expect(Size::Unknown, true);
    assert_eq!(ready(&mut http1).await.unwrap(), Ready::Data);
    assert_eq!(http1.data(), (&b"0\r\n\r\n"[..], false));
    http1.consume(5);
    assert!(is_pending(|context| http1.poll_ready(context)));
    other.write_all(b"more").await.unwrap();
    drop(other);
    assert_eq!(body(&mut http1, 3).await.unwrap(), b"more");
    assert!(http1.has_read_all());
}

// Connections.

#[tokio::test]
async fn a_connection_is_quiet_while_the_other_end_says_nothing_and_is_there() {
    let (other, mut http1) = connected().await;
    assert!(http1.wire.is_quiet());
    drop(other);
    http1.wire.stream.plain().unwrap().readable().await.unwrap();
    assert!(!http1.wire.is_quiet());

    let (mut other, mut http1) = connected().await;
    other.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
    http1.wire.stream.plain().unwrap().readable().await.unwrap();
    assert!(!http1.wire.is_quiet());
    assert!(!http1.wire.is_quiet(), "what was read is not forgotten");
}

#[tokio::test]
async fn a_body_goes_from_one_connection_to_the_other_however_it_is_cut() {
    let data = long(50_000);
    let mut chunked = Vec::new();
    for chunk in data.chunks(777) {
        chunked.extend_from_slice(format!("{:x};x\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\nx-sum: 1\r\n\r\n");
    for (size, sent) in [(Size::Known(50_000), &data), (Size::Unknown, &chunked)] {
        for piece in [13, 1000, 100_000] {
            let ((mut client, mut source), (server, mut sink)) = (connected().await, narrow().await);
            client.set_nodelay(true).unwrap();
            source.expect(size, false);
            sink.write_chunks(size == Size::Unknown);
            let sending = async {
                for piece in sent.chunks(piece) {
                    client.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            let mut pump = Pump::new(None);
            let pumping = poll_fn(|context| pump.poll(&mut source, &mut sink, &mut |_| {}, context));
            let reading = async {
                let mut server = Http1::new(Wire::new(Stream::Plain(server)));
                server.expect(size, false);
                let read = body(&mut server, usize::MAX).await.unwrap();
                (read, server.trailers())
            };
            let ((), pumped, (read, trailers)) = tokio::join!(sending, pumping, reading);
            pumped.unwrap();
            assert!(read == data, "{size:?} in pieces of {piece}");
            assert_eq!(pump.moved(), 50_000);
            let sum = trailers.as_ref().and_then(|trailers| trailers.first("x-sum"));
            assert_eq!(sum, (size == Size::Unknown).then_some(&b"1"[..]));
        }
    }
}

#[tokio::test]
async fn a_tunnel_carries_bytes_and_ends_each_way_by_itself() {
    let (mut other, mut http1) = connected().await;
    other.write_all(b"0\r\n\r\nearly").await.unwrap();
    http1.become_tunnel();
    assert_eq!(ready(&mut http1).await.unwrap(), Ready::Data);
    let length = http1.data().0.len();
    http1.consume(length);
    // The other end says no more, and still listens.
    other.shutdown().await.unwrap();
    body(&mut http1, usize::MAX).await.unwrap();
    assert!(http1.has_read_all());
    send(&mut http1, b"still ", false).await;
    send(&mut http1, b"here", false).await;
    finish(&mut http1, None).await;
    let mut got = String::new();
    other.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "still here", "the end comes with the connection still open");
    assert!(http1.wire.stream.plain().is_some());
}

#[tokio::test]
async fn a_tunnel_whose_way_out_has_ended_is_still_read() {
    let (mut other, mut http1) = connected().await;
    http1.become_tunnel();
    finish(&mut http1, None).await;
    assert_eq!(other.read(&mut [0; 1]).await.unwrap(), 0);
    other.write_all(b"later").await.unwrap();
    drop(other);
    assert_eq!(body(&mut http1, usize::MAX).await.unwrap(), b"later");
}

#[tokio::test]
async fn what_came_with_the_head_is_the_beginning_of_a_tunnel() {
    let (mut other, mut http1) = connected().await;
    other.write_all(b"HEAD\r\n\r\nearly").await.unwrap();
    while http1.wire.inbox.unread().len() < 13 {
        poll_fn(|context| http1.wire.poll_fill(SMALL, context)).await.unwrap();
    }
    http1.wire.inbox.consume(8);
    http1.become_tunnel();
    assert_eq!(ready(&mut http1).await.unwrap(), Ready::Data);
    assert_eq!(http1.data(), (&b"early"[..], false));
}
