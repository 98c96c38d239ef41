//! Heads that are no requests (RFC 9113 section 8): refused, each alone, and unseen by any endpoint.

use super::wire::*;
use crate::support::*;

const BASE: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "shop.example")];

fn with(more: &[(&str, &str)]) -> Vec<u8> {
    block(&[&BASE[..], more].concat())
}

/// Without the pseudo-header field of that name.
fn without(name: &str) -> Vec<u8> {
    block(&BASE.into_iter().filter(|(there, _)| *there != name).collect::<Vec<_>>())
}

/// Whether that is how a malformed request may end (section 8.1.1).
fn is_refused(end: End) -> bool {
    matches!(end, End::Reset(PROTOCOL_ERROR) | End::Answer(400))
}

/// The heads are refused, while the connection goes on and no endpoint hears of them.
async fn are_refused(cases: Vec<(&str, Vec<u8>)>) {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    let count = cases.len() as u64;
    for (n, (what, head)) in cases.into_iter().enumerate() {
        let id = 4 * n as u32 + 1;
        wire.send(frame(HEADERS, WHOLE, id, head)).await;
        let end = wire.end(id).await;
        assert!(is_refused(end), "{what}: {end:?}");
        wire.works(id + 2).await;
    }
    assert_eq!(echo.stats().requests as u64, count, "an endpoint was asked what is no request");
}

#[tokio::test]
async fn pseudo_header_fields_are_there_once_and_first() {
    are_refused(vec![
        ("no method", without(":method")),
        ("no scheme", without(":scheme")),
        ("no path", without(":path")),
        ("two methods", with(&[(":method", "GET")])),
        ("two schemes", with(&[(":scheme", "http")])),
        ("two paths", with(&[(":path", "/")])),
        ("two authorities", with(&[(":authority", "shop.example")])),
        ("a status", with(&[(":status", "200")])),
        ("an unknown one", with(&[(":unknown", "x")])),
        ("one without a name", with(&[(":", "x")])),
        ("one after a field", block(&[&BASE[..3], &[("x-a", "1"), BASE[3]]].concat())),
        ("an empty path", block(&[BASE[0], BASE[1], (":path", ""), BASE[3]])),
        ("an empty method", block(&[(":method", ""), BASE[1], BASE[2], BASE[3]])),
        ("a method with a space", block(&[(":method", "GET /x"), BASE[1], BASE[2], BASE[3]])),
        ("a path with a space", block(&[BASE[0], BASE[1], (":path", "/a b"), BASE[3]])),
        ("a path without a slash", block(&[BASE[0], BASE[1], (":path", "a"), BASE[3]])),
        ("CONNECT with a path", block(&[(":method", "CONNECT"), BASE[1], BASE[2], BASE[3]])),
        ("a protocol without CONNECT", with(&[(":protocol", "websocket")])),
    ])
    .await;
}

/// What goes into a line of its own towards an endpoint on HTTP/1.1 (RFC 8441 section 4, RFC 9110 section 7.8).
#[tokio::test]
async fn a_protocol_is_a_name() {
    let connect = |protocol: &str| block(&[(":method", "CONNECT"), BASE[1], BASE[2], BASE[3], (":protocol", protocol)]);
    are_refused(vec![
        ("no name", connect("")),
        ("an end of line", connect("websocket\r\nx-b: 2")),
        ("a request", connect("x\r\n\r\nGET /second HTTP/1.1\r\nhost: a")),
        ("LF", connect("websocket\n")),
        ("a space", connect("web socket")),
        ("two names", connect("websocket, other")),
        ("no version", connect("other/")),
        ("a letter beyond ASCII", connect("\u{e4}")),
    ])
    .await;
}

#[tokio::test]
async fn names_are_in_lower_case_and_of_the_characters_of_names() {
    are_refused(vec![
        ("upper case", with(&[("X-Upper", "1")])),
        ("upper case of a known one", with(&[("Accept", "*/*")])),
        ("one letter in upper case", with(&[("x-uppeR", "1")])),
        ("no name", with(&[("", "1")])),
        ("a space", with(&[("x a", "1")])),
        ("a colon", with(&[("x:a", "1")])),
        ("an end of line", with(&[("x\r\na", "1")])),
        ("a control character in the place of a hyphen", with(&[("x\rforwarded\rfor", "1")])),
        ("a letter beyond ASCII", with(&[("x-\u{e4}", "1")])),
    ])
    .await;
}

#[tokio::test]
async fn values_end_no_line() {
    are_refused(vec![
        ("CRLF", with(&[("x-a", "1\r\nx-b: 2")])),
        ("LF", with(&[("x-a", "1\nx-b: 2")])),
        ("CR", with(&[("x-a", "1\r")])),
        ("NUL", with(&[("x-a", "1\0")])),
        ("an authority with an end of line", block(&[BASE[0], BASE[1], BASE[2], (":authority", "a\r\nx: 1")])),
    ])
    .await;
}

#[tokio::test]
async fn fields_of_a_connection_are_refused() {
    are_refused(vec![
        ("connection", with(&[("connection", "close")])),
        ("keep-alive", with(&[("keep-alive", "timeout=5")])),
        ("proxy-connection", with(&[("proxy-connection", "keep-alive")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "websocket")])),
        ("te of something else", with(&[("te", "gzip")])),
        ("te of more", with(&[("te", "trailers, gzip")])),
    ])
    .await;
}

#[tokio::test]
async fn an_authority_is_said_once_whatever_its_name() {
    are_refused(vec![
        ("another host", with(&[("host", "other.example")])),
        ("two hosts", block(&[&BASE[..3], &[("host", "a"), ("host", "b")]].concat())),
    ])
    .await;
}

#[tokio::test]
async fn trailers_are_the_end_and_have_no_pseudo_header_fields() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    let cases = [
        ("that do not end the stream", END_HEADERS, block(&[("x-trailer", "1")])),
        ("with a pseudo-header field", WHOLE, block(&[(":method", "GET")])),
        ("with a status", WHOLE, block(&[(":status", "200")])),
        ("with an upper-case name", WHOLE, block(&[("X-Trailer", "1")])),
        ("with a field of the connection", WHOLE, block(&[("transfer-encoding", "chunked")])),
    ];
    for (n, (what, flags, trailers)) in cases.into_iter().enumerate() {
        let id = 4 * n as u32 + 1;
        wire.send_all([
            frame(HEADERS, END_HEADERS, id, plain_post("/")),
            frame(DATA, 0, id, "body"),
            frame(HEADERS, flags, id, trailers),
        ])
        .await;
        let end = wire.end(id).await;
        assert!(is_refused(end), "{what}: {end:?}");
        wire.works(id + 2).await;
    }
}

#[tokio::test]
async fn a_body_is_as_long_as_it_says() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    let post = |length: &str| {
        let lines = [(":method", "POST"), BASE[1], (":path", "/echo"), BASE[3], ("content-length", length)];
        block(&lines)
    };
    let data = |id, flags, bytes: usize| frame(DATA, flags, id, vec![b'x'; bytes]);
    let cases: Vec<(&str, Vec<Frame>)> = vec![
        ("too short", vec![frame(HEADERS, END_HEADERS, 0, post("4")), data(0, END_STREAM, 3)]),
        ("too long", vec![frame(HEADERS, END_HEADERS, 0, post("4")), data(0, END_STREAM, 5)]),
        ("too long in pieces", vec![frame(HEADERS, END_HEADERS, 0, post("4")), data(0, 0, 4), data(0, END_STREAM, 1)]),
        ("none", vec![frame(HEADERS, WHOLE, 0, post("4"))]),
        ("too short before trailers", {
            let trailers = frame(HEADERS, WHOLE, 0, block(&[("x-t", "1")]));
            vec![frame(HEADERS, END_HEADERS, 0, post("4")), data(0, 0, 3), trailers]
        }),
        ("of no number", vec![frame(HEADERS, END_HEADERS, 0, post("four")), data(0, END_STREAM, 4)]),
        ("of a number with a sign", vec![frame(HEADERS, END_HEADERS, 0, post("+4")), data(0, END_STREAM, 4)]),
        ("of two numbers", vec![frame(HEADERS, END_HEADERS, 0, post("4, 4")), data(0, END_STREAM, 4)]),
    ];
    for (n, (what, frames)) in cases.into_iter().enumerate() {
        let id = 4 * n as u32 + 1;
        wire.send_all(frames.into_iter().map(|frame| Frame { id, ..frame })).await;
        let end = wire.end(id).await;
        assert!(is_refused(end), "{what}: {end:?}");
        wire.works(id + 2).await;
    }
    // Padding does not count.
    wire.send_all([
        frame(HEADERS, END_HEADERS, 101, post("4")),
        frame(DATA, PADDED | END_STREAM, 101, "\u{3}body\0\0\0"),
    ])
    .await;
    assert_eq!(wire.answer(101).await, (200, b"body".to_vec()));
}

#[tokio::test]
async fn a_head_may_come_in_any_pieces_with_padding() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    let head = with(&[("x-one", "1"), ("te", "trailers"), ("cookie", "a=1"), ("cookie", "b=2")]);
    let mut frames = vec![frame(HEADERS, END_STREAM | PADDED, 1, [&[3][..], &head[..1], &[0; 3]].concat())];
    frames.extend(head[1..].chunks(20).map(|piece| frame(CONTINUATION, 0, 1, piece)));
    frames.push(frame(CONTINUATION, END_HEADERS, 1, []));
    wire.send_all(frames).await;
    let (status, body) = wire.answer(1).await;
    let body = String::from_utf8(body).unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("a=1; b=2") && body.contains("x-one"), "{body}");
}

/// RFC 9110 section 10.1.1: some clients wait for as long as they are not asked.
#[tokio::test]
async fn who_waits_to_be_asked_for_its_body_is_asked() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    let post = [(":method", "POST"), BASE[1], (":path", "/echo"), BASE[3], ("expect", "100-continue")];
    let head = |id| frame(HEADERS, END_HEADERS, id, block(&post));
    let body = |id| frame(DATA, END_STREAM, id, "body");
    wire.send(head(1)).await;
    wire.next_of(HEADERS).await;
    assert_eq!(wire.lines, [(":status".to_owned(), "100".to_owned())]);
    wire.send(body(1)).await;
    assert_eq!(wire.answer(1).await, (200, b"body".to_vec()));
    // Who does not wait is not asked.
    wire.send_all([head(3), body(3)]).await;
    wire.next_of(HEADERS).await;
    assert_eq!(wire.lines[0], (":status".to_owned(), "200".to_owned()));
}
