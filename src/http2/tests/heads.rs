//! RFC 9113 section 8.

use super::*;
use crate::message::Field;

/// What becomes of a request with these lines.
fn asked(lines: &[(&str, &str)]) -> Result<Arrived, Reason> {
    let mut end = server();
    end.take(&raw([frame::HEADERS, frame::END_HEADERS | frame::END_STREAM], 1, &block(lines))).unwrap();
    match end.connection.next_arrived() {
        Some(arrived) => Ok(arrived),
        None => {
            let (header, payload) = end.frames().pop().unwrap();
            assert_eq!((header.kind, header.stream), (frame::RST_STREAM, 1));
            Err(Reason(frame::number(payload[..].try_into().unwrap())))
        }
    }
}

const GOOD: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":authority", "a.example"), (":path", "/x?y=1")];

fn with(more: &[(&str, &str)]) -> Result<Arrived, Reason> {
    asked(&[&GOOD[..], more].concat())
}

#[test]
fn a_request_is_what_its_fields_say() {
    let request = with(&[("accept", "*/*"), ("x-a", "1")]).unwrap().request.unwrap();
    assert_eq!((request.method.as_str(), request.path(), request.query()), ("GET", "/x", Some("y=1")));
    assert_eq!(request.authority(), Some(&b"a.example"[..]));
    let lines: Vec<_> = request.fields.iter().collect();
    assert_eq!(lines, [(Field::Accept, &b"accept"[..], &b"*/*"[..]), (Field::Other, b"x-a", b"1")]);
    assert_eq!(request.size, Size::None);
}

#[test]
fn the_head_becomes_one_of_http1_as_it_is() {
    let request = with(&[("accept", "*/*"), ("x-a", "1")]).unwrap().request.unwrap();
    let mut out = Vec::new();
    request.fields.write_to(&mut out);
    assert_eq!(out, b"accept: */*\r\nx-a: 1\r\n");
}

#[test]
fn pseudo_fields_are_there_once_and_first() {
    for missing in 0..4 {
        let mut lines = GOOD.to_vec();
        lines.remove(missing);
        // An authority may stand in Host.
        assert_eq!(asked(&lines).is_err(), missing != 2, "{missing}");
    }
    assert_eq!(with(&[(":path", "/z")]).err(), Some(Reason::PROTOCOL_ERROR));
    assert_eq!(with(&[("a", "b"), (":path", "/z")]).err(), Some(Reason::PROTOCOL_ERROR));
    assert_eq!(with(&[(":unknown", "x")]).err(), Some(Reason::PROTOCOL_ERROR));
    assert_eq!(with(&[(":status", "200")]).err(), Some(Reason::PROTOCOL_ERROR));
}

#[test]
fn a_path_begins_with_a_slash_and_has_no_other_characters_than_allowed() {
    for path in ["", "x", "http://a/", "/a b", "/a#b", "/\u{e4}", "/a\\b", "*"] {
        let lines = [GOOD[0], GOOD[1], GOOD[2], (":path", path)];
        assert!(asked(&lines).is_err(), "{path}");
    }
    let options = [(":method", "OPTIONS"), GOOD[1], GOOD[2], (":path", "*")];
    assert_eq!(asked(&options).unwrap().request.unwrap().path(), "*");
}

#[test]
fn names_are_tokens_in_lower_case() {
    for name in ["Accept", "X-a", "a b", "a:", "", "\u{e4}", "Content-Type"] {
        assert_eq!(with(&[(name, "x")]).err(), Some(Reason::PROTOCOL_ERROR), "{name}");
    }
}

#[test]
fn values_have_no_control_characters_and_no_space_around_them() {
    for value in ["a\0", "a\r\nb: c", "a\nb", " a", "a ", "\ta", "a\x7f", "a\x01"] {
        assert_eq!(with(&[("x", value)]).err(), Some(Reason::PROTOCOL_ERROR), "{value:?}");
    }
    for value in ["", "a\tb", "a b", "\u{e4}"] {
        assert!(with(&[("x", value)]).is_ok(), "{value:?}");
    }
}

#[test]
fn fields_that_belong_to_a_connection_are_refused() {
    for (name, value) in [
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
    ] {
        assert_eq!(with(&[(name, value)]).err(), Some(Reason::PROTOCOL_ERROR), "{name}");
    }
    assert!(with(&[("te", "trailers")]).is_ok());
}

#[test]
fn a_connect_has_an_authority_only() {
    let request = asked(&[(":method", "CONNECT"), (":authority", "a:1")]).unwrap().request.unwrap();
    assert_eq!((request.authority(), request.path()), (Some(&b"a:1"[..]), ""));
    assert!(asked(&[(":method", "CONNECT"), (":authority", "a:1"), (":path", "/")]).is_err());
    assert!(asked(&[(":method", "CONNECT")]).is_err());
}

#[test]
fn an_extended_connect_has_a_protocol_and_everything_else() {
    let lines = [(":method", "CONNECT"), (":protocol", "websocket"), GOOD[1], GOOD[2], GOOD[3]];
    assert_eq!(asked(&lines).unwrap().request.unwrap().protocol(), Some(&b"websocket"[..]));
    assert!(with(&[(":protocol", "websocket")]).is_err());
}

#[test]
fn a_head_that_is_too_long_is_told_apart() {
    let mut end = server();
    let long = "x".repeat(120);
    let mut lines = GOOD.to_vec();
    lines.resize(80, ("x-long", &long));
    end.take(&raw([frame::HEADERS, frame::END_HEADERS | frame::END_STREAM], 1, &block(&lines))).unwrap();
    assert!(end.connection.next_arrived().unwrap().request.is_none());
    // The next one is none.
    end.take(&headers(3, true, &[])).unwrap();
    assert!(end.connection.next_arrived().unwrap().request.is_some());
}

#[test]
fn a_length_is_kept() {
    let mut end = server();
    end.take(&headers(1, false, &[("content-length", "5")])).unwrap();
    assert_eq!(end.connection.next_arrived().unwrap().request.unwrap().size, Size::Known(5));
    assert_eq!(reset_by(&mut end, &raw([frame::DATA, 0], 1, b"sixsix")), (1, Reason::PROTOCOL_ERROR));
    end.take(&headers(3, false, &[("content-length", "5")])).unwrap();
    assert_eq!(reset_by(&mut end, &raw([frame::DATA, frame::END_STREAM], 3, b"four")), (3, Reason::PROTOCOL_ERROR));
    assert_eq!(reset_by(&mut end, &headers(5, true, &[("content-length", "5")])), (5, Reason::PROTOCOL_ERROR));
    assert_eq!(reset_by(&mut end, &headers(7, false, &[("content-length", "five")])), (7, Reason::PROTOCOL_ERROR));
    let twice = [("content-length", "5"), ("content-length", "5")];
    assert_eq!(reset_by(&mut end, &headers(9, false, &twice)), (9, Reason::PROTOCOL_ERROR));
}

#[test]
fn an_answer_arrives_as_it_was_sent() {
    let mut pair = Pair::new();
    let (key, stream) = pair.ask();
    let mut response = Response::new(StatusCode::EARLY_HINTS, Size::Unknown);
    response.fields.append("link", b"</a.css>");
    pair.server.connection.answer(stream, (&response, None), false, &mut pair.server.out).unwrap();
    let mut response = Response::new(StatusCode::CREATED, Size::Known(0));
    response.fields.append("X-Answer", b"42");
    pair.server.connection.answer(stream, (&response, Some(b"today")), true, &mut pair.server.out).unwrap();
    pair.exchange();
    let mut next = || match pair.client.connection.poll_head(key, &context()) {
        Poll::Ready(head) => head.unwrap(),
        Poll::Pending => panic!("nothing has come"),
    };
    let early = next();
    assert_eq!((early.status, early.fields.first("link")), (StatusCode::EARLY_HINTS, Some(&b"</a.css>"[..])));
    let last = next();
    assert_eq!((last.status, last.size), (StatusCode::CREATED, Size::Known(0)));
    let lines: Vec<_> = last.fields.iter().map(|(_, name, value)| (name, value)).collect();
    assert_eq!(lines, [(&b"x-answer"[..], &b"42"[..]), (b"content-length", b"0"), (b"date", b"today")]);
}

#[test]
fn nothing_but_its_body_follows_an_answer() {
    let mut pair = Pair::new();
    let (_, stream) = pair.ask();
    pair.server.answer(stream, false);
    let late = Response::new(StatusCode::EARLY_HINTS, Size::Unknown);
    let answered = pair.server.connection.answer(stream, (&late, None), false, &mut pair.server.out);
    assert!(matches!(answered, Err(Broken::Closed)));
}

#[test]
fn a_request_without_an_authority_has_none() {
    let mut pair = Pair::new();
    let none = fields(&[]);
    let (_, arrived) = pair.open(&RequestHead { authority: b"", ..get("/", &none) }, true);
    assert_eq!(arrived.request.unwrap().authority(), None);
}

#[test]
fn an_answer_to_head_has_a_length_and_no_body() {
    let mut pair = Pair::new();
    let none = fields(&[]);
    let request = RequestHead { method: &Method::HEAD, ..get("/", &none) };
    let (key, arrived) = pair.open(&request, true);
    let response = Response::new(StatusCode::OK, Size::Known(1000));
    pair.server.connection.answer(arrived.key, (&response, None), true, &mut pair.server.out).unwrap();
    pair.exchange();
    let head = pair.client.connection.poll_head(key, &context());
    assert!(matches!(head, Poll::Ready(Ok(response)) if response.size == Size::Known(1000)));
    assert!(matches!(pair.client.data(key), Poll::Ready(Ok(None))));
}

#[test]
fn an_answer_that_is_none_breaks_its_stream() {
    for lines in [&[(":status", "101")][..], &[(":status", "abc")], &[], &[(":status", "200"), (":path", "/")]] {
        let mut pair = Pair::new();
        let (key, _) = pair.ask();
        pair.client.take(&raw([frame::HEADERS, frame::END_HEADERS], 1, &block(lines))).unwrap();
        let head = pair.client.connection.poll_head(key, &context());
        assert!(matches!(head, Poll::Ready(Err(Broken::Malformed(_)))), "{lines:?}");
    }
}

#[test]
fn trailers_are_the_end_and_have_no_pseudo_fields() {
    let trailers = |flags, lines: &[(&str, &str)]| raw([frame::HEADERS, frame::END_HEADERS | flags], 1, &block(lines));
    let open = || {
        let mut end = server();
        end.take(&headers(1, false, &[])).unwrap();
        let key = end.connection.next_arrived().unwrap().key;
        (end, key)
    };
    let (mut end, key) = open();
    end.take(&raw([frame::DATA, 0], 1, b"body")).unwrap();
    end.take(&trailers(frame::END_STREAM, &[("x-sum", "1")])).unwrap();
    assert!(matches!(end.data(key), Poll::Ready(Ok(Some((data, false)))) if data == b"body"));
    assert!(matches!(end.data(key), Poll::Ready(Ok(None))));
    assert_eq!(end.connection.take_trailers(key).unwrap().first("x-sum"), Some(&b"1"[..]));
    assert_eq!(reset_by(&mut open().0, &trailers(0, &[("x-sum", "1")])), (1, Reason::PROTOCOL_ERROR));
    assert_eq!(reset_by(&mut open().0, &trailers(1, &[(":path", "1")])), (1, Reason::PROTOCOL_ERROR));
}

#[test]
fn a_protocol_is_a_name_perhaps_with_a_version() {
    let connect = |protocol| asked(&[(":method", "CONNECT"), (":protocol", protocol), GOOD[1], GOOD[2], GOOD[3]]);
    for protocol in ["websocket", "connect-udp", "my-proto/2", "WebSocket"] {
        assert!(connect(protocol).is_ok(), "{protocol}");
    }
    for protocol in ["", "/", "a/", "/1", "a/1/2", "a b", "a, b", "a\r\nb: c", "a\n", "a\0", "\u{e4}"] {
        assert_eq!(connect(protocol).err(), Some(Reason::PROTOCOL_ERROR), "{protocol:?}");
    }
}

/// A client that was answered with this head, and has had DATA after it.
fn answered(method: &Method, status: &str, data: &[u8]) -> (End, Key) {
    let mut pair = Pair::new();
    let none = fields(&[]);
    let (key, _) = pair.open(&RequestHead { method, ..get("/", &none) }, true);
    pair.client.take(&raw([frame::HEADERS, frame::END_HEADERS], 1, &block(&[(":status", status)]))).unwrap();
    pair.client.take(&raw([frame::DATA, frame::END_STREAM], 1, data)).unwrap();
    (pair.client, key)
}

#[test]
fn an_answer_that_has_no_body_is_followed_by_none() {
    for (method, status) in [(&Method::HEAD, "200"), (&Method::GET, "204"), (&Method::GET, "304")] {
        let (mut client, key) = answered(method, status, b"body");
        assert!(matches!(client.connection.poll_head(key, &context()), Poll::Ready(Ok(_))));
        assert!(matches!(client.data(key), Poll::Ready(Err(Broken::Malformed(_)))), "{method} {status}");
        let (mut client, key) = answered(method, status, b"");
        assert!(matches!(client.data(key), Poll::Ready(Ok(None))), "{method} {status}");
    }
}

#[test]
fn an_answer_without_a_body_by_its_status_says_nothing_of_a_length() {
    let mut pair = Pair::new();
    let (key, _) = pair.ask();
    for status in ["103", "204"] {
        let head = block(&[(":status", status), ("content-length", "0")]);
        let last = if status == "204" { frame::END_STREAM } else { 0 };
        pair.client.take(&raw([frame::HEADERS, frame::END_HEADERS | last], 1, &head)).unwrap();
        let head = pair.client.connection.poll_head(key, &context());
        assert!(matches!(head, Poll::Ready(Ok(response)) if response.size == Size::None), "{status}");
    }
}
