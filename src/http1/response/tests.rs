use super::*;
use crate::http1::status_line;
use crate::message::Field;

/// The size of the body, and whether another request may follow. `lines`: with the end of each.
#[track_caller]
fn size(status_line: &str, lines: &str) -> Option<(Size, bool)> {
    let head = format!("{status_line}\r\n{lines}\r\n");
    response(head.as_bytes(), false).ok().map(|(response, persistent)| (response.size, persistent))
}

/// The same in answer to HEAD.
fn size_to_head(status_line: &str, lines: &str) -> Option<(Size, bool)> {
    let head = format!("{status_line}\r\n{lines}\r\n");
    response(head.as_bytes(), true).ok().map(|(response, persistent)| (response.size, persistent))
}

#[track_caller]
fn refused(head: impl AsRef<[u8]>) {
    let head = head.as_ref();
    for to_head in [false, true] {
        assert!(response(head, to_head).is_err(), "{}", head.escape_ascii());
    }
}

const OK: &str = "HTTP/1.1 200 OK";
const LENGTH: &str = "Content-Length: 5\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

// Status line (RFC 9112 section 4).

#[test]
fn a_head_is_a_status_line_and_fields() {
    let (response, persistent) =
        response(b"HTTP/1.1 404 Not Found\r\nX-A: 1\r\nContent-Length: 5\r\n\r\n", false).unwrap();
    assert_eq!((response.status.as_u16(), response.size, persistent), (404, Size::Known(5), true));
    assert_eq!(response.fields.first("x-a"), Some(&b"1"[..]));
    assert_eq!(response.fields.first(Field::ContentLength), Some(&b"5"[..]));
}

#[test]
fn the_reason_says_nothing() {
    for line in
        ["HTTP/1.1 200 ", "HTTP/1.1 200", "HTTP/1.1 200 404 Not Found", "HTTP/1.1 200 O\tK", "HTTP/1.1 200 Größe"]
    {
        assert_eq!(size(line, LENGTH), Some((Size::Known(5), true)), "{line}");
    }
}

#[test]
fn a_status_line_is_a_version_and_three_digits() {
    for line in [
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 20x OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 000 OK",
        "HTTP/1.1 -12 OK",
        "HTTP/1.1\t200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1.1200 OK",
        "HTTP/1.1",
        "http/1.1 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/2 200",
        "HTTP/0.9 200 OK",
        "HTTP/1.2 200 OK",
        "ICY 200 OK",
        "200 OK",
        "GET / HTTP/1.1",
        "",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1 200 O\x7fK",
        "HTTP/1.1 200 O\x1bK",
    ] {
        refused(format!("{line}\r\nContent-Length: 5\r\n\r\n"));
    }
}

#[test]
fn a_head_ends_at_its_empty_line() {
    refused(b"HTTP/1.1 200 OK\r\n");
    refused(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
    refused(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
}

// Fields (section 5).

#[test]
fn every_line_ends_in_crlf() {
    let head = "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\n\r\n";
    for (at, _) in head.match_indices("\r\n") {
        refused(format!("{}{}", &head[..at], &head[at + 1..]));
        refused(format!("{}\r{}", &head[..at], &head[at + 2..]));
    }
    // Nor does an empty line before it make up for the first.
    refused("\r\nHTTP/1.1 200 OK\nX: y\r\n\r\n");
    refused("\nHTTP/1.1 200 OK\r\nX: y\r\n\r\n");
}

#[test]
fn a_control_character_in_a_field_is_refused() {
    for control in (0..=0x1f).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
        refused([b"HTTP/1.1 200 OK\r\nX: a", &[control][..], b"b\r\n\r\n"].concat());
        refused([b"HTTP/1.1 200 OK\r\nX", &[control][..], b": b\r\n\r\n"].concat());
    }
    refused(b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\n\r\n");
}

#[test]
fn lines_that_others_repair_are_refused() {
    for lines in [
        "X : y\r\n",
        "Content-Length : 5\r\n",
        "X: a\r\n folded\r\n",
        " X: y\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        ": y\r\n",
        "nocolon\r\n",
        "X Y: z\r\n",
        "Xä: y\r\n",
    ] {
        assert_eq!(size(OK, lines), None, "{lines:?}");
    }
}

#[test]
fn a_hundred_fields_are_the_most() {
    let of = |count: usize| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    assert!(size(OK, &of(100)).is_some());
    assert_eq!(response(format!("{OK}\r\n{}\r\n", of(101)).as_bytes(), false).err(), Some(HeadError::TooManyFields));
}

// How long the body is (section 6.3).

#[test]
fn an_answer_to_head_has_no_body_and_keeps_what_it_says_about_one() {
    assert_eq!(size_to_head(OK, LENGTH), Some((Size::Known(5), true)));
    assert_eq!(size_to_head(OK, CHUNKED), Some((Size::None, true)));
    assert_eq!(size_to_head(OK, ""), Some((Size::None, true)));
    assert!(Response::is_bodiless(StatusCode::OK, true));
}

#[test]
fn informational_answers_have_no_body_whatever_they_say() {
    for line in
        ["HTTP/1.1 100 Continue", "HTTP/1.1 101 Switching Protocols", "HTTP/1.1 103 Early Hints", "HTTP/1.1 199 x"]
    {
        for lines in ["", LENGTH, CHUNKED] {
            assert_eq!(size(line, lines).map(|size| size.0), Some(Size::None), "{line} {lines}");
        }
    }
    assert!(Response::is_bodiless(StatusCode::CONTINUE, false));
}

#[test]
fn a_204_has_no_body_whatever_it_says() {
    for lines in ["", LENGTH, CHUNKED] {
        assert_eq!(size("HTTP/1.1 204 No Content", lines).map(|size| size.0), Some(Size::None), "{lines}");
        assert_eq!(size_to_head("HTTP/1.1 204 No Content", lines).map(|size| size.0), Some(Size::None), "{lines}");
    }
    assert!(Response::is_bodiless(StatusCode::NO_CONTENT, false));
}

#[test]
fn a_304_has_no_body_and_may_say_how_long_that_of_a_200_would_be() {
    assert_eq!(size("HTTP/1.1 304 Not Modified", ""), Some((Size::None, true)));
    assert_eq!(size("HTTP/1.1 304 Not Modified", CHUNKED), Some((Size::None, true)));
    assert_eq!(size("HTTP/1.1 304 Not Modified", LENGTH), Some((Size::Known(5), true)));
    assert!(Response::is_bodiless(StatusCode::NOT_MODIFIED, false));
}

#[test]
fn a_205_and_errors_have_bodies_like_any_other() {
    for line in ["HTTP/1.1 205 Reset Content", "HTTP/1.1 404 Not Found", "HTTP/1.1 500 x", "HTTP/1.1 599 x"] {
        assert_eq!(size(line, LENGTH), Some((Size::Known(5), true)), "{line}");
        assert_eq!(size(line, ""), Some((Size::Unknown, false)), "{line}");
    }
}

#[test]
fn a_length_is_one_number() {
    assert_eq!(size(OK, LENGTH), Some((Size::Known(5), true)));
    assert_eq!(size(OK, "Content-Length: 0\r\n"), Some((Size::Known(0), true)));
    for length in ["", " ", "+5", "-5", "5, 5", "5,6", "5 5", "0x5", "5.0", "18446744073709551616", "five", "5;"] {
        assert_eq!(size(OK, &format!("Content-Length: {length}\r\n")), None, "{length:?}");
    }
}

#[test]
fn a_length_said_twice_is_refused_whether_the_same_or_not() {
    for second in ["5", "6", ""] {
        for line in [OK, "HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified", "HTTP/1.0 200 OK", "HTTP/1.1 103 x"] {
            let lines = format!("{LENGTH}X: y\r\ncontent-length: {second}\r\n");
            assert_eq!(size(line, &lines), None, "{line} {second:?}");
            assert_eq!(size_to_head(line, &lines), None, "{line} {second:?}");
        }
    }
}

#[test]
fn a_length_beside_a_coding_is_refused_in_either_order() {
    assert_eq!(size(OK, &format!("{LENGTH}{CHUNKED}")), None);
    assert_eq!(size(OK, &format!("{CHUNKED}{LENGTH}")), None);
    assert_eq!(size_to_head(OK, &format!("{CHUNKED}{LENGTH}")), None);
}

#[test]
fn chunked_is_the_only_coding() {
    for coding in ["chunked", "Chunked", "CHUNKED"] {
        let lines = format!("Transfer-Encoding: {coding}\r\n");
        assert_eq!(size(OK, &lines), Some((Size::Unknown, true)), "{coding}");
    }
    for coding in [
        "",
        "gzip",
        "identity",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        ",chunked",
        "xchunked",
        "chunked;q=1",
    ] {
        let head = format!("{OK}\r\nTransfer-Encoding: {coding}\r\n\r\n");
        assert_eq!(response(head.as_bytes(), false).err(), Some(HeadError::UnknownCoding), "{coding:?}");
    }
    let twice = format!("{OK}\r\n{CHUNKED}{CHUNKED}\r\n");
    assert_eq!(response(twice.as_bytes(), false).err(), Some(HeadError::UnknownCoding));
}

#[test]
fn without_a_length_the_body_lasts_until_the_connection_is_closed() {
    assert_eq!(size(OK, ""), Some((Size::Unknown, false)));
    assert_eq!(size("HTTP/1.0 200 OK", ""), Some((Size::Unknown, false)));
}

// Connections (section 9.3).

#[test]
fn nothing_follows_an_answer_of_http_1_0() {
    assert_eq!(size("HTTP/1.0 200 OK", LENGTH), Some((Size::Known(5), false)));
    assert_eq!(size("HTTP/1.0 204 No Content", ""), Some((Size::None, false)));
    assert_eq!(size_to_head("HTTP/1.0 200 OK", LENGTH), Some((Size::Known(5), false)));
}

#[test]
fn http_1_0_has_no_transfer_codings() {
    // Section 6.1: the framing is faulty, even with a length. Whoever sent it, and whoever passed it on, may have read it
    // otherwise.
    assert_eq!(size("HTTP/1.0 200 OK", CHUNKED), None);
    assert_eq!(size("HTTP/1.0 200 OK", &format!("{CHUNKED}{LENGTH}")), None);
}

// Written.

#[test]
fn a_status_line_that_is_written_is_read_again() {
    for code in 100..=999 {
        let status = StatusCode::from_u16(code).unwrap();
        let mut head = Vec::new();
        status_line(&mut head, status);
        let reason = status.canonical_reason().unwrap_or_default();
        assert_eq!(head, format!("HTTP/1.1 {code} {reason}\r\n").as_bytes());
        head.extend_from_slice(b"\r\n");
        assert_eq!(response(&head, false).unwrap().0.status, status);
    }
}
