use proptest::prelude::*;

use super::*;
use crate::http1::{LAST_CHUNK, chunk_size};
use crate::testing::fixed;

/// What was found in the bytes after a head: data, trailers, and how many bytes were left for the next message.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    data: Vec<u8>,
    trailers: Option<Vec<(String, String)>>,
    left: usize,
}

/// Why there was no end.
#[derive(Debug, PartialEq, Eq)]
enum Unfound {
    Broken,
    /// More would have to come.
    More,
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Reads a body to its end. The bytes arrive in pieces of these sizes, and at most `take` bytes of data are used at once.
fn read(mut body: Body, bytes: &[u8], sizes: impl IntoIterator<Item = usize>, take: usize) -> Result<Found, Unfound> {
    let mut data = Vec::new();
    let (mut start, mut arrived) = (0, 0);
    let mut sizes = sizes.into_iter();
    loop {
        let unread = &bytes[start..arrived];
        match body.step(unread).map_err(|_| Unfound::Broken)? {
            Step::Data(length) => {
                assert!((1..=unread.len()).contains(&length), "data is what is there");
                let used = length.min(take);
                data.extend_from_slice(&unread[..used]);
                body.used(used);
                start += used;
            }
            Step::Skip(length) => {
                assert!((1..=unread.len()).contains(&length), "what is skipped is there");
                start += length;
            }
            Step::More if arrived == bytes.len() => return Err(Unfound::More),
            Step::More => arrived = bytes.len().min(arrived + sizes.next().unwrap_or(usize::MAX / 2).max(1)),
            Step::End(length, trailers) => {
                assert!(length <= unread.len(), "the end is there");
                assert!(body.is_ended());
                let lines = |section: FieldSection| {
                    section.iter().map(|(_, name, value)| (text(name), text(value))).collect::<Vec<_>>()
                };
                return Ok(Found { data, trailers: trailers.map(lines), left: bytes.len() - start - length });
            }
        }
    }
}

/// The same, whatever the pieces.
#[track_caller]
fn found(body: impl Fn() -> Body, bytes: impl AsRef<[u8]>) -> Result<Found, Unfound> {
    let bytes = bytes.as_ref();
    let whole = read(body(), bytes, [], usize::MAX);
    for size in 1..=bytes.len().min(600) {
        assert_eq!(
            read(body(), bytes, std::iter::repeat(size), usize::MAX),
            whole,
            "pieces of {size}: {}",
            text(bytes)
        );
        assert_eq!(read(body(), bytes, std::iter::repeat(size), 1), whole, "used one by one: {}", text(bytes));
    }
    whole
}

#[track_caller]
fn chunked(bytes: impl AsRef<[u8]>) -> Result<Found, Unfound> {
    found(|| Body::CHUNKED, bytes)
}

#[track_caller]
fn refused(bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    assert_eq!(chunked(bytes), Err(Unfound::Broken), "{}", text(bytes));
}

fn plain(data: &str) -> Result<Found, Unfound> {
    Ok(Found { data: data.as_bytes().to_vec(), trailers: None, left: 0 })
}

fn with_trailers(data: &str, trailers: &[(&str, &str)]) -> Result<Found, Unfound> {
    let trailers = trailers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Ok(Found { data: data.as_bytes().to_vec(), trailers: Some(trailers), left: 0 })
}

// Known lengths (RFC 9112 section 6.3).

#[test]
fn a_body_of_a_length_ends_after_so_many_bytes() {
    assert_eq!(found(|| Body::Length(5), "hello"), plain("hello"));
    assert_eq!(found(|| Body::Length(5), "helloGET /"), Ok(Found { left: 5, ..plain("hello").unwrap() }));
    assert_eq!(found(|| Body::Length(5), "hell"), Err(Unfound::More));
    assert_eq!(found(|| Body::Length(u64::MAX), "hello"), Err(Unfound::More));
}

#[test]
fn a_body_of_no_length_is_at_its_end() {
    for body in [|| Body::Length(0), || Body::Ended] {
        assert!(body().is_ended());
        assert_eq!(found(body, "GET /"), Ok(Found { left: 5, ..plain("").unwrap() }));
    }
}

#[test]
fn an_end_that_was_found_stays_one() {
    let mut body = Body::CHUNKED;
    assert!(matches!(body.step(b"0\r\n\r\n"), Ok(Step::Skip(3))));
    assert!(matches!(body.step(b"\r\n"), Ok(Step::End(2, None))));
    assert!(matches!(body.step(b"5\r\nhello"), Ok(Step::End(0, None))));
}

#[test]
fn a_body_until_the_connection_is_closed_is_whatever_comes() {
    assert_eq!(found(|| Body::UntilClosed, "0\r\n\r\n"), Err(Unfound::More));
    let mut body = Body::UntilClosed;
    assert!(matches!(body.step(b"0\r\n\r\n"), Ok(Step::Data(5))));
    body.used(5);
    assert!(matches!(body.step(b""), Ok(Step::More)));
    assert!(!body.is_ended());
}

// Chunks (section 7.1).

#[test]
fn a_body_is_chunks_and_a_last_one_of_no_size() {
    assert_eq!(chunked("0\r\n\r\n"), plain(""));
    assert_eq!(chunked("5\r\nhello\r\n0\r\n\r\n"), plain("hello"));
    assert_eq!(chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), plain("hello world"));
    assert_eq!(chunked("2\r\n\r\n\r\n3\r\n0\r\n\r\n0\r\n\r\n"), plain("\r\n0\r\n"));
}

#[test]
fn what_follows_the_last_chunk_is_left_alone() {
    let next = "GET / HTTP/1.1\r\n\r\n";
    let expected = Ok(Found { left: next.len(), ..plain("hello").unwrap() });
    assert_eq!(chunked(format!("5\r\nhello\r\n0\r\n\r\n{next}")), expected);
}

#[test]
fn sizes_are_hexadecimal_in_either_case() {
    let data = "x".repeat(0xaf);
    for size in ["af", "AF", "aF", "00af", "00000000000000AF"] {
        assert_eq!(chunked(format!("{size}\r\n{data}\r\n0\r\n\r\n")), plain(&data), "{size}");
    }
}

#[test]
fn the_last_chunk_may_have_more_than_one_zero() {
    for zeros in ["00", "000000", "0000000000000000"] {
        assert_eq!(chunked(format!("5\r\nhello\r\n{zeros}\r\n\r\n")), plain("hello"), "{zeros}");
    }
}

#[test]
fn a_size_is_digits_and_nothing_else() {
    for size in [
        "", " ", "+5", "-5", "-0", "0x5", "0X5", " 5", "\t5", "5 ", "5\t", "5 5", "5_0", "g", "5g", "5h", "5,5", "5.",
        "\"5\"", "x", "5=", "5\u{a0}", "\u{665}", "5:", "5#",
    ] {
        refused(format!("{size}\r\nhello\r\n0\r\n\r\n"));
    }
    for byte in [0, 0x0b, 0x0c, 0x7f, 0x80, 0xff] {
        refused([b"5", &[byte][..], b"\r\nhello\r\n0\r\n\r\n"].concat());
        refused([&[byte][..], b"5\r\nhello\r\n0\r\n\r\n"].concat());
    }
}

#[test]
fn a_size_that_needs_more_than_64_bits_is_refused() {
    for size in [
        "10000000000000000",
        "10000000000000005",
        "fffffffffffffffff",
        "100000000000000000000000000000005",
        "ffffffffffffffff",
        "fffffffffffffffe",
        "8000000000000000",
    ] {
        refused(format!("{size}\r\nhello\r\n0\r\n\r\n"));
    }
    assert_eq!(chunked("7fffffffffffffff\r\nhello"), Err(Unfound::More));
}

#[test]
fn the_line_of_a_size_ends_in_crlf() {
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\rhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5\n\rhello\r\n0\r\n\r\n",
        "\n5\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
    ] {
        refused(body);
    }
}

#[test]
fn data_is_followed_by_crlf() {
    for body in [
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\n\r0\r\n\r\n",
        "5\r\nhello \r\n0\r\n\r\n",
        "5\r\nhello world\r\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
    ] {
        refused(body);
    }
    refused("6\r\nhello\r\n0\r\n\r\n");
}

#[test]
fn extensions_are_read_over() {
    for extension in [";", ";a", ";a=b", " ;a=b", "\t; a = b", ";a=\"b;c\"", ";a;b;c", "; x=\"", ";5", ";\"\\\"\""] {
        assert_eq!(chunked(format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n")), plain("hello"), "{extension}");
    }
}

#[test]
fn an_extension_hides_no_end_of_line() {
    for extension in [";a\rb", ";a=\"\n\"", ";a=\"\r\n\"", ";\r", ";a\0", ";a\x0b", ";\x7f", ";a\n", ";\r\r"] {
        let body = format!("5{extension}\r\nhello\r\n0\r\n\r\n");
        assert_ne!(chunked(&body), plain("hello"), "{body:?}");
        refused(body);
    }
    for byte in [0x80, 0xff] {
        refused([b"5;a", &[byte][..], b"\r\nhello\r\n0\r\n\r\n"].concat());
    }
}

#[test]
fn a_line_of_a_size_is_not_endless() {
    let of = |length: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(length));
    assert_eq!(chunked(of(256 - 4)), plain("hello"));
    refused(of(256 - 3));
    // Nobody waits for its end.
    refused("5;".to_owned() + &"x".repeat(256));
    refused("0".repeat(256));
}

// Trailers (section 7.1.2).

#[test]
fn trailers_are_told_apart_from_data() {
    let expected = with_trailers("hello", &[("A", "b"), ("x-sum", "1 2"), ("e", "")]);
    assert_eq!(chunked("5\r\nhello\r\n0\r\nA: b\r\nx-sum:\t1 2 \r\ne:\r\n\r\n"), expected);
    assert_eq!(chunked("0;last\r\nA: b\r\n\r\n"), with_trailers("", &[("A", "b")]));
}

#[test]
fn what_follows_trailers_is_left_alone() {
    let next = "GET / HTTP/1.1\r\nA: c\r\n\r\n";
    let expected = Ok(Found { left: next.len(), ..with_trailers("", &[("A", "b")]).unwrap() });
    assert_eq!(chunked(format!("0\r\nA: b\r\n\r\n{next}")), expected);
}

#[test]
fn trailers_keep_to_the_grammar_of_fields() {
    for trailers in [
        "A : b\r\n\r\n",
        "A: b\r\n c\r\n\r\n",
        " A: b\r\n\r\n",
        "A\r\n\r\n",
        ": b\r\n\r\n",
        "A: b\0\r\n\r\n",
        "A: b\rc\r\n\r\n",
        "A B: c\r\n\r\n",
        "GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        refused(format!("5\r\nhello\r\n0\r\n{trailers}"));
    }
}

#[test]
fn lines_of_trailers_end_in_crlf() {
    for trailers in ["A: b\n\r\n", "A: b\n\n", "A: b\r\n\n", "\n\r\n", "\n\n", "\nA: b\r\n\r\n", "A: b\r\nC: d\n\r\n"] {
        refused(format!("5\r\nhello\r\n0\r\n{trailers}"));
    }
    // What others take for the next request is not read over as a part of the trailers.
    refused("0\r\n\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    // Whether more comes or not, a bare LF is no end.
    assert_ne!(chunked("0\r\n\n"), plain(""));
    assert_ne!(chunked("0\r\n\r\r\n"), plain(""));
}

#[test]
fn trailers_frame_nothing() {
    // They are told as trailers, which do not make the next message longer or shorter.
    let next = "GET / HTTP/1.1\r\n\r\n";
    for line in ["Content-Length: 18", "Transfer-Encoding: chunked"] {
        let (name, value) = line.split_once(": ").unwrap();
        let expected = Ok(Found { left: next.len(), ..with_trailers("", &[(name, value)]).unwrap() });
        assert_eq!(chunked(format!("0\r\n{line}\r\n\r\n{next}")), expected, "{line}");
    }
    for line in ["Content-Length: x", "Content-Length: 1\r\nContent-Length: 1", "Transfer-Encoding: gzip"] {
        refused(format!("0\r\n{line}\r\n\r\n"));
    }
}

#[test]
fn trailers_are_not_endless() {
    let of = |length: usize| format!("0\r\na: {}\r\n\r\n", "x".repeat(length));
    // 8 KiB, the name and the ends of lines included.
    let longest = 8 * 1024 - "a: \r\n\r\n".len();
    assert!(read(Body::CHUNKED, of(longest).as_bytes(), [], 1).is_ok());
    assert_eq!(read(Body::CHUNKED, of(longest + 1).as_bytes(), [], 1), Err(Unfound::Broken));
    let endless = format!("0\r\na: {}", "x".repeat(8 * 1024));
    assert_eq!(read(Body::CHUNKED, endless.as_bytes(), std::iter::repeat(1000), 1), Err(Unfound::Broken));
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    assert_eq!(read(Body::CHUNKED, format!("0\r\n{many}\r\n").as_bytes(), [], 1), Err(Unfound::Broken));
}

#[test]
fn a_body_that_breaks_off_has_no_end() {
    let body = "5;a\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n";
    for cut in 0..body.len() {
        assert_eq!(read(Body::CHUNKED, &body.as_bytes()[..cut], [], 1), Err(Unfound::More), "{:?}", &body[..cut]);
    }
}

// Knowing the end ahead.

#[test]
fn the_end_is_known_ahead_where_it_is_there() {
    assert!(Body::Length(5).ends_with(5, b"hello"));
    assert!(Body::Length(5).ends_with(5, b"helloGET /"));
    assert!(!Body::Length(6).ends_with(5, b"hello"));
    let data = |left| Body::Chunked(Chunk::Data(left));
    assert!(data(5).ends_with(5, b"hello\r\n0\r\n\r\n"));
    assert!(data(5).ends_with(5, b"hello\r\n0\r\n\r\nGET /"));
    for bytes in
        ["hello", "hello\r\n", "hello\r\n0\r\n\r", "hello\r\n0\r\nA: b\r\n\r\n", "hello\r\n1\r\n!\r\n0\r\n\r\n"]
    {
        assert!(!data(5).ends_with(5, bytes.as_bytes()), "{bytes:?}");
    }
    assert!(!data(6).ends_with(5, b"hello\r\n0\r\n\r\n"));
    assert!(!Body::UntilClosed.ends_with(5, b"hello"));
}

// Written.

#[test]
fn the_line_of_a_size_that_is_written_is_read_again() {
    for size in [1, 9, 10, 15, 16, 255, 65_536, u64::MAX / 2] {
        let mut line = Vec::new();
        chunk_size(&mut line, size);
        assert_eq!(line, format!("{size:x}\r\n").as_bytes());
        let mut body = Body::CHUNKED;
        assert!(matches!(body.step(&line), Ok(Step::Skip(length)) if length == line.len()));
        assert!(matches!(body, Body::Chunked(Chunk::Data(left)) if left == size));
    }
    assert_eq!(chunked(LAST_CHUNK), plain(""));
}

/// A body in chunks of these sizes.
fn encoded(data: &[u8], sizes: &[usize], extension: &str, trailers: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut rest, mut sizes) = (data, sizes.iter().cycle());
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
        out.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
        rest = after;
    }
    out.extend_from_slice(format!("0{extension}\r\n{trailers}\r\n").as_bytes());
    out
}

proptest! {
    #![proptest_config(fixed(1000))]

    #[test]
    fn any_body_in_any_chunks_cut_anywhere_is_the_same(
        data in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\r\n0;5".to_vec())], 0..400),
        chunks in prop::collection::vec(1..100_usize, 1..8),
        cuts in prop::collection::vec(1..60_usize, 0..40),
        take in 1..200_usize,
        extension in prop::sample::select(vec!["", ";", ";a=\"b\""]),
        trailer in any::<bool>(),
    ) {
        let trailers = if trailer { "x-sum: 1\r\n" } else { "" };
        let mut bytes = encoded(&data, &chunks, extension, trailers);
        bytes.extend_from_slice(b"next");
        let found = read(Body::CHUNKED, &bytes, cuts, take).expect("a body");
        prop_assert_eq!(found.data, data);
        prop_assert_eq!(found.trailers.is_some(), trailer);
        prop_assert_eq!(found.left, 4);
    }

    #[test]
    fn what_is_changed_somewhere_is_never_read_beyond_what_it_says(
        data in prop::collection::vec(any::<u8>(), 0..40),
        chunks in prop::collection::vec(1..20_usize, 1..4),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), prop::sample::select(b"\r\n0;5 \0".to_vec())],
        cuts in prop::collection::vec(1..10_usize, 0..20),
    ) {
        let mut bytes = encoded(&data, &chunks, "", "");
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let whole = read(Body::CHUNKED, &bytes, [], usize::MAX);
        // However it arrives, it is understood in the same way.
        prop_assert_eq!(&read(Body::CHUNKED, &bytes, cuts, 3), &whole);
        prop_assert_eq!(&read(Body::CHUNKED, &bytes, std::iter::repeat(1), 1), &whole);
        if let Ok(Found { data, trailers: None, left }) = whole {
            // The framing is what it would be if it were written again.
            let used = bytes.len() - left;
            prop_assert!(bytes[..used].ends_with(b"0\r\n\r\n") && used >= data.len() + 5);
        }
    }

    #[test]
    fn the_end_that_is_told_ahead_comes(
        data in prop::collection::vec(any::<u8>(), 1..60),
        chunks in prop::collection::vec(1..30_usize, 1..4),
        trailer in any::<bool>(),
    ) {
        let bytes = encoded(&data, &chunks, "", if trailer { "a: b\r\n" } else { "" });
        let (mut body, mut start, mut seen) = (Body::CHUNKED, 0, 0);
        let told = loop {
            match body.step(&bytes[start..]).expect("a body") {
                Step::Data(length) => {
                    seen += length;
                    let last = body.ends_with(length, &bytes[start..]);
                    prop_assert_eq!(last, seen == data.len() && !trailer);
                    body.used(length);
                    start += length;
                }
                Step::Skip(length) => start += length,
                Step::End(length, trailers) => break (start + length, trailers.is_some()),
                Step::More => prop_assert!(false, "all of it is there"),
            }
        };
        prop_assert_eq!(told, (bytes.len(), trailer));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop::sample::select(b"05afg;\r\n :A\0\xff".to_vec()), 0..64)) {
        let whole = read(Body::CHUNKED, &bytes, [], usize::MAX);
        prop_assert_eq!(&read(Body::CHUNKED, &bytes, std::iter::repeat(1), 1), &whole, "{}", text(&bytes));
    }
}
