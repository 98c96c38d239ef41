use proptest::prelude::*;

use super::*;
use crate::http1::{next_request, next_response, request, response};
use crate::message::Request;
use crate::testing::fixed;

/// What a head says, in a form that can be compared.
fn told(fields: &FieldSection) -> Vec<(Field, Vec<u8>, Vec<u8>)> {
    fields.iter().map(|(field, name, value)| (field, name.to_vec(), value.to_vec())).collect()
}

fn asked(request: &Request) -> String {
    let Request { method, version, size, .. } = request;
    let target = (request.authority(), request.path(), request.query());
    format!("{method} {version:?} {size:?} {target:?} {:?}", told(&request.fields))
}

/// Bytes that make a difference, and a few others.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "GET", "POST", " ", "/", "/a?b", "*", "http://a", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "\r\n", "\r\n", "\n", "\r",
            ":", ": ", "\t", "host", "Host: a", "content-length", "transfer-encoding", "chunked", "5", "a-long-enough-value",
            "200", "200 OK", "099", "HTTP/1.1 200 OK\r\n", "GET / HTTP/1.1\r\n", "Host: a\r\n", "\r\n\r\n", "\\", "`", "#",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(fixed(4000))]

    /// What is read in one pass is what the whole parser reads; what that one refuses is never read.
    #[test]
    fn a_request_means_what_the_whole_parser_says(bytes in bytes(), after in any::<bool>()) {
        let whole = if after { [&b"GET / HTTP/1.1\r\n"[..], &bytes, b"\r\n\r\n"].concat() } else { bytes };
        let mut read = None;
        if let Some((length, Ok(()))) = next_request(&whole, 0, &mut read) {
            let read = read.expect("a request that was read");
            let again = request(&whole[..length]);
            prop_assert_eq!(again.ok().as_ref().map(asked), Some(asked(&read)), "{}", whole.escape_ascii());
        }
    }

    #[test]
    fn a_response_means_what_the_whole_parser_says(bytes in bytes(), after in any::<bool>(), to_head in any::<bool>()) {
        let whole = if after { [&b"HTTP/1.1 200 OK\r\n"[..], &bytes, b"\r\n\r\n"].concat() } else { bytes };
        if let Some((length, Ok((read, persistent)))) = next_response(&whole, 0, to_head) {
            let said = |read: &crate::message::Response| format!("{} {:?} {:?}", read.status, read.size, told(&read.fields));
            let again = response(&whole[..length], to_head).ok();
            let again = again.map(|(again, persistent)| (said(&again), persistent));
            prop_assert_eq!(again, Some((said(&read), persistent)), "{}", whole.escape_ascii());
        }
    }

    #[test]
    fn a_text_ends_at_the_first_control_character(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'a')], 0..40)) {
        let control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
        let first = bytes.iter().position(control).unwrap_or(bytes.len());
        prop_assert_eq!(text_end(&bytes), first);
    }
}

#[test]
fn a_head_as_it_should_be_is_read_in_one_pass() {
    let head = b"GET /a?b HTTP/1.1\r\nHost: a\r\nX:\tsome text with a tab\t. \r\nEmpty:\r\n\r\nrest";
    let line = request_line(head).expect("a request line");
    assert_eq!((line.method, line.minor, line.target), (Method::GET, 1, Span::new(4, 8)));
    let mut section = FieldSection::new();
    let (length, _) = fields(head, line.end, &mut section).expect("fields");
    section.keep(&head[..length]);
    let values: Vec<&[u8]> = section.iter().map(|(_, _, value)| value).collect();
    assert_eq!((length, values), (head.len() - 4, vec![&b"a"[..], b"some text with a tab\t.", b""]));
}

#[test]
fn as_many_fields_are_read_as_are_allowed() {
    for (count, read) in [(MOST_FIELDS, true), (MOST_FIELDS + 1, false)] {
        let head = [b"a: b\r\n".repeat(count), b"\r\n".to_vec()].concat();
        assert_eq!(fields(&head, 0, &mut FieldSection::new()).is_some(), read, "{count}");
    }
}

#[test]
fn a_line_out_of_the_ordinary_is_left_to_the_whole_parser() {
    for line in
        ["a : b\r\n", " a: b\r\n", "a: b\n", "a: b\rc\r\n", "a: b\0\r\n", ": b\r\n", "a\r\n", "content-length: x\r\n"]
    {
        let head = [line.as_bytes(), b"\r\n"].concat();
        assert!(fields(&head, 0, &mut FieldSection::new()).is_none(), "{line:?}");
    }
    for line in [
        "GET  / HTTP/1.1\r\n",
        "GET / HTTP/1.2\r\n",
        "GET / HTTP/1.1\n",
        "G@T / HTTP/1.1\r\n",
        "GET / HTTP/1.1",
        " / HTTP/1.1\r\n",
    ] {
        assert!(request_line(line.as_bytes()).is_none(), "{line:?}");
    }
    for line in
        ["HTTP/1.0 200 OK\r\n", "HTTP/1.1 200\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 200 OK\n", "HTTP/1.1 099 A\r\n"]
    {
        assert!(status_line(line.as_bytes()).is_none(), "{line:?}");
    }
}
