use proptest::prelude::*;

use super::*;
use crate::http1::{Body, Step, end_of_head, request_line, size_line, starts_wrong};
use crate::message::Field;
use crate::testing::fixed;

const MALFORMED: &str = "malformed";

/// What is said about a head: its method, target, version, fields and size, or why it is refused. Malformed is malformed,
/// whatever the words.
#[track_caller]
fn said(head: impl AsRef<[u8]>) -> Result<Request, &'static str> {
    let head = head.as_ref();
    assert_eq!(end_of_head(head, 0), Some(head.len()), "one head: {}", head.escape_ascii());
    request(head).map_err(|error| match error {
        HeadError::Malformed(_) => MALFORMED,
        HeadError::TooManyFields => "too many fields",
        HeadError::UnknownCoding => "unknown coding",
        HeadError::Version => "version",
    })
}

/// A GET with these lines.
fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\n{lines}\r\n")
}

/// A POST with these lines, the last without its end.
fn post(lines: impl AsRef<[u8]>) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: a\r\n", lines.as_ref(), b"\r\n\r\n"].concat()
}

/// A GET of a target.
fn of(target: impl AsRef<[u8]>) -> Vec<u8> {
    asking("GET", target)
}

fn asking(method: &str, target: impl AsRef<[u8]>) -> Vec<u8> {
    [method.as_bytes(), b" ", target.as_ref(), b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat()
}

#[track_caller]
fn refused(head: impl AsRef<[u8]>) {
    let head = head.as_ref();
    assert_eq!(said(head).err(), Some(MALFORMED), "{}", head.escape_ascii());
}

#[track_caller]
fn size(head: impl AsRef<[u8]>) -> Result<Size, &'static str> {
    said(head).map(|request| request.size)
}

/// Authority, path and query.
#[track_caller]
fn taken_apart(head: impl AsRef<[u8]>) -> (Option<String>, String, Option<String>) {
    let request = said(head).expect("a request");
    let authority = request.authority().map(|authority| String::from_utf8(authority.to_vec()).unwrap());
    (authority, request.path().to_owned(), request.query().map(str::to_owned))
}

fn lines(fields: &FieldSection) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.iter().map(|(_, name, value)| (name.to_vec(), value.to_vec())).collect()
}

// Message format (RFC 9112 section 2).

#[test]
fn a_head_is_a_request_line_and_fields() {
    let request = said("POST /a/b?q=1 HTTP/1.1\r\nHost: shop.example.com\r\nX-A: 1\r\nx-a:2\r\n\r\n").unwrap();
    assert_eq!((request.method.as_str(), request.version), ("POST", Version::HTTP_11));
    assert_eq!((request.path(), request.query(), request.authority()), ("/a/b", Some("q=1"), None));
    assert_eq!((request.size, request.protocol()), (Size::None, None));
    let line = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(lines(&request.fields), [line("Host", "shop.example.com"), line("X-A", "1"), line("x-a", "2")]);
    assert_eq!(request.fields.first(Field::Host), Some(&b"shop.example.com"[..]));
}

#[test]
fn a_head_may_have_no_fields() {
    assert!(said("GET / HTTP/1.0\r\n\r\n").unwrap().fields.is_empty());
}

#[test]
fn a_head_ends_at_its_empty_line() {
    for head in [&b""[..], b"\r\n\r\n", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.1"] {
        assert!(matches!(request(head), Err(HeadError::Malformed(_))), "{}", head.escape_ascii());
    }
    let two = b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    assert!(matches!(request(two), Err(HeadError::Malformed(_))));
    assert_eq!(end_of_head(two, 0), Some(two.len() / 2));
}

#[test]
fn the_end_of_a_head_is_found_wherever_it_is_cut() {
    for head in ["GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET / HTTP/1.1\nA: b\n\n", "GET / HTTP/1.1\r\nA: b\n\r\n"] {
        for seen in 0..head.len() {
            assert_eq!(end_of_head(&head.as_bytes()[..seen], 0), None, "{head:?} up to {seen}");
            let rest = [head, "GET / HTTP/1.1\r\n\r\n"].concat();
            // Four bytes at most tell, three of which may have been seen.
            assert_eq!(end_of_head(rest.as_bytes(), seen.saturating_sub(3)), Some(head.len()), "{head:?} from {seen}");
        }
    }
    assert_eq!(end_of_head(b"\r\n\r\n", 9), None);
}

#[test]
fn every_line_ends_in_crlf() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    for (at, _) in head.match_indices("\r\n") {
        let bare = format!("{}{}", &head[..at], &head[at + 1..]);
        assert!(matches!(request(bare.as_bytes()), Err(HeadError::Malformed(_))), "{bare:?}");
    }
    refused("GET / HTTP/1.1\nHost: a\n\n");
    // Nor does an empty line before it make up for the first.
    refused("\r\nGET / HTTP/1.1\nHost: a\r\n\r\n");
    refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn a_bare_cr_stands_nowhere() {
    let head = "GET /a HTTP/1.1\r\nHost: a\r\nX: y z\r\n\r\n";
    for at in 0..head.len() - 1 {
        let bare = format!("{}\r{}", &head[..at], &head[at..]);
        assert!(matches!(request(bare.as_bytes()), Err(HeadError::Malformed(_))), "{bare:?}");
    }
}

#[test]
fn no_control_character_stands_anywhere() {
    let head = "GET /a?b HTTP/1.1\r\nHost: a\r\nX: y z\r\n\r\n";
    for control in (0..=0x1f).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
        for at in 0..head.len() {
            let with = [&head.as_bytes()[..at], &[control], &head.as_bytes()[at..]].concat();
            assert!(matches!(request(&with), Err(HeadError::Malformed(_))), "{}", with.escape_ascii());
        }
    }
}

#[test]
fn no_white_space_stands_between_the_request_line_and_the_first_field() {
    for first in [" Host: a\r\n", "\tHost: a\r\n", " \r\nHost: a\r\n", " Content-Length: 5\r\nHost: a\r\n"] {
        refused(get(first));
    }
}

// Versions (section 2.3).

#[test]
fn http_1_0_and_1_1_are_understood() {
    assert_eq!(said("GET / HTTP/1.0\r\n\r\n").unwrap().version, Version::HTTP_10);
    assert_eq!(said("GET / HTTP/1.1\r\n\r\n").unwrap().version, Version::HTTP_11);
}

#[test]
fn another_major_version_is_told_apart_from_nonsense() {
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/9.9"] {
        assert_eq!(said(format!("GET / {version}\r\nHost: a\r\n\r\n")).err(), Some("version"), "{version}");
    }
    for version in
        ["http/1.1", "Http/1.1", "HTTP/1.2", "HTTP/1", "HTTP/11", "HTTP/1.10", "HTTP/x.0", "HTTP/-1.0", "HTTP1.1", "x"]
    {
        refused(format!("GET / {version}\r\nHost: a\r\n\r\n"));
    }
}

#[test]
fn a_request_without_a_version_is_refused() {
    refused("GET /\r\n\r\n");
    refused("GET / \r\n\r\n");
}

// Request line (section 3).

#[test]
fn single_spaces_part_the_request_line() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET / HTTP/1.1 x",
        "GET /a b HTTP/1.1",
        "GET / / HTTP/1.1",
        "GET",
        "GET HTTP/1.1",
        "/ HTTP/1.1",
        "GET\x0b/ HTTP/1.1",
        "GET\u{a0}/ HTTP/1.1",
    ] {
        refused(format!("{line}\r\nHost: a\r\n\r\n"));
    }
}

#[test]
fn a_method_is_a_token_and_case_matters() {
    for method in ["GET", "get", "PROPFIND", "M-SEARCH", "A!#$%&'*+-.^_`|~1"] {
        assert_eq!(said(asking(method, "/")).unwrap().method.as_str(), method);
    }
    for method in ["", "G(T", "GET:", "G\"T", "GÄT", "G/T", "{GET}"] {
        refused(asking(method, "/"));
    }
}

// Targets (section 3.2).

#[test]
fn origin_form_is_a_path_and_perhaps_a_query() {
    for (target, path, query) in [
        ("/", "/", None),
        ("/?", "/", Some("")),
        ("/a/b?c=d", "/a/b", Some("c=d")),
        ("/a?b?c", "/a", Some("b?c")),
        ("/a?b/c", "/a", Some("b/c")),
        ("//evil.test/a", "//evil.test/a", None),
        ("/a/../%2e%2F;x=y", "/a/../%2e%2F;x=y", None),
        ("/http://evil.test/", "/http://evil.test/", None),
        ("/a@b:c", "/a@b:c", None),
    ] {
        assert_eq!(taken_apart(of(target)), (None, path.to_owned(), query.map(str::to_owned)), "{target}");
    }
}

#[test]
fn absolute_form_has_an_authority_of_its_own() {
    for (target, authority, path, query) in [
        ("http://shop.example.com/a?b", "shop.example.com", "/a", Some("b")),
        ("https://shop.example.com:8443/", "shop.example.com:8443", "/", None),
        ("HTTP://Shop.Example.com/A", "Shop.Example.com", "/A", None),
        ("http://[2001:db8::1]:80/a", "[2001:db8::1]:80", "/a", None),
        ("http://a/b?http://c/d", "a", "/b", Some("http://c/d")),
        ("http://user@a/", "user@a", "/", None),
        ("http:///a", "", "/a", None),
    ] {
        let expected = (Some(authority.to_owned()), path.to_owned(), query.map(str::to_owned));
        assert_eq!(taken_apart(of(target)), expected, "{target}");
    }
}

#[test]
fn absolute_form_without_a_path_asks_for_the_root() {
    for (target, query) in
        [("http://a.test", None), ("http://a.test?b/c?d", Some("b/c?d")), ("http://a.test?", Some(""))]
    {
        let expected = (Some("a.test".to_owned()), "/".to_owned(), query.map(str::to_owned));
        assert_eq!(taken_apart(of(target)), expected, "{target}");
    }
}

#[test]
fn options_of_a_whole_server_in_absolute_form_is_passed_on_with_an_asterisk() {
    // Section 3.2.4: the last proxy on the way sends `*` where the URI has neither a path nor a query.
    let expected = (Some("a.test:8001".to_owned()), "*".to_owned(), None);
    assert_eq!(taken_apart(asking("OPTIONS", "http://a.test:8001")), expected);
    let with_path = (Some("a.test:8001".to_owned()), "/".to_owned(), None);
    assert_eq!(taken_apart(asking("OPTIONS", "http://a.test:8001/")), with_path);
}

#[test]
fn an_asterisk_is_for_options_only() {
    assert_eq!(taken_apart(asking("OPTIONS", "*")), (None, "*".to_owned(), None));
    for method in ["GET", "POST", "HEAD", "options"] {
        refused(asking(method, "*"));
    }
    for target in ["**", "*?a", "*/", "*a"] {
        refused(asking("OPTIONS", target));
    }
}

#[test]
fn connect_asks_for_an_authority_and_nothing_else() {
    assert_eq!(taken_apart(asking("CONNECT", "a.test:443")), (Some("a.test:443".to_owned()), String::new(), None));
    refused(of("a.test:443"));
    refused(asking("connect", "a.test:443"));
}

#[test]
fn other_forms_of_a_target_are_refused() {
    for target in [
        "a/b",
        "?a",
        "ftp://a.test/",
        "ws://a.test/",
        "http:/a",
        "http:a",
        "httpx://a.test/",
        "http//a.test/",
        "://a",
        "javascript:x",
        ".",
        "%2f",
        "\\a",
    ] {
        refused(of(target));
    }
}

#[test]
fn a_target_has_no_fragment() {
    for target in ["/#", "/a#b", "/a?b#c", "#", "http://a.test#b", "http://a.test/#b", "/a%23#b"] {
        refused(of(target));
    }
    assert!(said(of("/a%23b")).is_ok());
    refused(asking("CONNECT", "a.test:443#b"));
    refused(asking("OPTIONS", "*#"));
}

#[test]
fn a_path_has_no_backslash() {
    for target in ["/\\", "/a\\b", "/..\\b", "http://a.test\\@b.test/", "http://a.test/\\b", "http:\\\\a.test/"] {
        refused(of(target));
    }
    assert!(said(of("/a%5Cb")).is_ok());
}

#[test]
fn a_query_may_have_what_browsers_leave_in_it() {
    let query = "a=[b]&c={d}|e^f`g\\h\"i";
    assert_eq!(taken_apart(of(format!("/?{query}"))).2.as_deref(), Some(query));
}

#[test]
fn a_target_has_no_brackets_of_html_and_no_white_space() {
    for byte in b"<> \t\x00\x0b\x0c\x7f" {
        for target in [&b"/a"[..], b"/a?b", b"http://a.test/", b"http://a.test"] {
            refused(of([target, &[*byte], b"c"].concat()));
        }
    }
}

#[test]
fn a_target_is_ascii() {
    // RFC 3986 section 2: what is not is sent percent-encoded, and servers disagree about what it means if it is not.
    for odd in ["/ä".as_bytes(), b"/\xe4", b"/\xff", "/a?ä".as_bytes(), b"/a?\xe4", "/\u{2024}\u{2024}/".as_bytes()] {
        refused(of(odd));
        refused(of([b"http://a.test", odd].concat()));
    }
    refused(of("http://ä.test/"));
    refused(asking("CONNECT", "ä.test:443"));
}

// Fields (section 5).

#[test]
fn white_space_around_a_value_is_no_part_of_it() {
    for line in ["X:y", "X: y", "X:\ty", "X:  \t y \t ", "X: y\t"] {
        let request = said(get(&format!("{line}\r\n"))).unwrap();
        assert_eq!(request.fields.first("x"), Some(&b"y"[..]), "{line:?}");
    }
    for line in ["X:", "X: ", "X:\t \t"] {
        let request = said(get(&format!("{line}\r\nY: z\r\n"))).unwrap();
        assert_eq!(request.fields.first("x"), Some(&b""[..]), "{line:?}");
        assert_eq!(request.fields.first("y"), Some(&b"z"[..]), "{line:?}");
    }
}

#[test]
fn a_value_keeps_its_inner_white_space_and_bytes_outside_ascii() {
    let request = said(b"GET / HTTP/1.1\r\nX: a \t b:c\xff\xe4\r\n\r\n").unwrap();
    assert_eq!(request.fields.first("x"), Some(&b"a \t b:c\xff\xe4"[..]));
}

#[test]
fn no_white_space_stands_between_name_and_colon() {
    for name in ["Content-Length ", "Content-Length\t", "Transfer-Encoding ", "Host ", "X  "] {
        refused(get(&format!("{name}: 5\r\n")));
    }
}

#[test]
fn lines_are_not_folded() {
    for lines in [
        "Host: a\r\n b\r\n",
        "Host: a\r\n\tb\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Content-Length:\r\n\t5\r\n",
        "X: a\r\n \r\n",
        "X: a\r\n Content-Length: 5\r\n",
    ] {
        refused(get(lines));
    }
}

#[test]
fn a_name_is_a_token() {
    for name in ["X-A", "x_a", "1", "!#$%&'*+-.^_`|~"] {
        assert!(said(get(&format!("{name}: 1\r\n"))).unwrap().fields.has(name), "{name}");
    }
    for name in ["", "X A", "X(A", "X\"", "Xä", "X/", "X[", "X\\", "{X}", "X@", "X,Y", "X;", "X="] {
        refused(get(&format!("{name}: 1\r\n")));
    }
    refused(get("no colon\r\n"));
    refused(get("nocolon\r\n"));
    refused(b"GET / HTTP/1.1\r\nX\xff: 1\r\n\r\n");
}

#[test]
fn a_hundred_fields_are_the_most() {
    let of = |count: usize| get(&(0..count).map(|n| format!("x-{n}: {n}\r\n")).collect::<String>());
    assert_eq!(said(of(100)).unwrap().fields.len(), 100);
    assert_eq!(said(of(101)).err(), Some("too many fields"));
}

// How long the body is (section 6.3).

#[test]
fn without_a_length_there_is_no_body() {
    assert_eq!(size(post("X: y")), Ok(Size::None));
    assert_eq!(size("POST / HTTP/1.0\r\n\r\n"), Ok(Size::None));
}

#[test]
fn a_length_is_one_number_of_64_bits() {
    for (length, expected) in
        [("0", 0), ("5", 5), ("005", 5), (" 5 ", 5), ("\t5", 5), ("18446744073709551615", u64::MAX)]
    {
        assert_eq!(size(post(format!("Content-Length:{length}"))), Ok(Size::Known(expected)), "{length:?}");
        assert_eq!(size(post(format!("cOnTeNt-lEnGtH:{length}"))), Ok(Size::Known(expected)), "{length:?}");
    }
}

#[test]
fn a_length_that_is_no_number_is_refused() {
    for length in [
        "",
        " ",
        "\t",
        "+5",
        "-5",
        "-0",
        "+",
        "5 5",
        "5\t5",
        "0x5",
        "5x",
        "5.0",
        "5e1",
        "five",
        "5;",
        "\"5\"",
        "1_0",
        "18446744073709551616",
        "99999999999999999999",
        "36893488147419103232",
        "5,",
        ",5",
        "5,5",
        "5, 5",
        "5, 6",
        "\u{665}",
        "5\u{a0}",
    ] {
        refused(post(format!("Content-Length:{length}")));
    }
    refused(post(b"Content-Length: 5\xff"));
}

#[test]
fn a_length_said_twice_is_refused_whether_the_same_or_not() {
    for second in ["5", "6", "", "0", "x"] {
        refused(post(format!("Content-Length: 5\r\nContent-Length: {second}")));
        refused(post(format!("Content-Length: 5\r\nX: y\r\ncontent-length: {second}")));
    }
}

#[test]
fn chunked_says_that_the_body_says_how_long_it_is() {
    for coding in ["chunked", "Chunked", "CHUNKED", " chunked ", "\tchunked\t"] {
        assert_eq!(size(post(format!("Transfer-Encoding:{coding}"))), Ok(Size::Unknown), "{coding:?}");
        assert_eq!(size(post(format!("tRaNsFeR-eNcOdInG:{coding}"))), Ok(Size::Unknown), "{coding:?}");
    }
}

#[test]
fn any_other_coding_is_unknown() {
    for coding in [
        "",
        "gzip",
        "identity",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,chunked",
        ",chunked",
        "chunked,",
        "chunked ,",
        ", chunked",
        "chunked;q=1",
        "chunked ;",
        "\"chunked\"",
        "'chunked'",
        "xchunked",
        "chunkedx",
        "chunked x",
        "x chunked",
        "chunked\tx",
        "chunke",
        "chu nked",
        "identity, chunked",
        "cow",
        "chunked\u{a0}",
        "\u{212a}",
        "chun\u{212a}ed",
    ] {
        assert_eq!(size(post(format!("Transfer-Encoding: {coding}"))), Err("unknown coding"), "{coding:?}");
    }
    assert_eq!(size(post(b"Transfer-Encoding: chunked\xff")), Err("unknown coding"));
    for coding in ["\x0bchunked", "chunked\x0c", "chunk\x00ed", "chunked\x7f"] {
        refused(post(format!("Transfer-Encoding: {coding}")));
    }
}

#[test]
fn a_coding_said_twice_is_unknown() {
    for second in ["chunked", "identity", "", "gzip"] {
        let lines = format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: {second}");
        assert_eq!(size(post(lines)), Err("unknown coding"), "{second:?}");
        let lines = format!("Transfer-Encoding: {second}\r\nX: y\r\ntransfer-encoding: chunked");
        assert_eq!(size(post(lines)), Err("unknown coding"), "{second:?}");
    }
}

#[test]
fn a_length_beside_a_coding_is_refused_in_either_order() {
    for length in ["0", "5", "6"] {
        refused(post(format!("Content-Length: {length}\r\nTransfer-Encoding: chunked")));
        refused(post(format!("Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: {length}")));
    }
    assert!(size(post("Content-Length: 5\r\nTransfer-Encoding: identity")).is_err());
    assert!(size(post("Content-Length: 5\r\nTransfer-Encoding:")).is_err());
}

#[test]
fn http_1_0_has_no_transfer_codings() {
    refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n");
    assert!(size("POST / HTTP/1.0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n").is_err());
    assert_eq!(size("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n"), Ok(Size::Known(5)));
}

#[test]
fn names_that_only_look_like_framing_say_nothing() {
    for line in [
        "Content_Length: 5",
        "Transfer_Encoding: chunked",
        "X-Content-Length: 5",
        "Content-Length-X: 5",
        "Transfer-Encodin: chunked",
        "Transfer-Encodingx: chunked",
        "Content-Lengt: 5",
        "Contentlength: 5",
    ] {
        assert_eq!(size(post(line)), Ok(Size::None), "{line}");
    }
}

#[test]
fn any_method_may_have_a_body() {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(size(head), Ok(Size::Known(5)), "{method}");
    }
}

// Heads that have begun.

#[test]
fn what_can_still_become_a_head_is_waited_for() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nX: y z\r\nEmpty:\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\n\r\n",
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\n\r\n",
    ] {
        for cut in 0..=head.len() {
            assert!(!starts_wrong(&head.as_bytes()[..cut]), "{:?}", &head[..cut]);
        }
    }
}

#[test]
fn what_can_still_become_a_head_with_a_status_of_its_own_is_waited_for() {
    // Otherwise the same bytes would be answered with 505 or 400, as they happen to arrive.
    for head in ["GET / HTTP/2.0\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n", "GET / HTTP/0.9\r\n\r\n"] {
        for cut in 0..=head.len() {
            assert!(!starts_wrong(&head.as_bytes()[..cut]), "{:?}", &head[..cut]);
        }
    }
    let many = get(&(0..101).map(|n| format!("x-{n}: {n}\r\n")).collect::<String>());
    assert!(!starts_wrong(many.as_bytes()));
}

#[test]
fn what_can_never_become_a_head_is_not_waited_for() {
    for begun in [&b"\x16\x03\x01\x02\0\x01\0\x01"[..], b"\0", b"GET  ", b"GET / HTTP/1.1\r\nHost : a", b"hello\r\n"] {
        assert!(starts_wrong(begun), "{}", begun.escape_ascii());
    }
}

// Written.

#[test]
fn a_request_line_that_is_written_is_read_again() {
    for (method, path) in [(Method::GET, "/"), (Method::OPTIONS, "*"), (Method::from_bytes(b"x-Y").unwrap(), "/a?b")] {
        let mut head = Vec::new();
        request_line(&mut head, &method, path.as_bytes());
        head.extend_from_slice(b"\r\n");
        let request = said(&head).unwrap();
        let target = request.query().map_or(request.path().to_owned(), |query| format!("{}?{query}", request.path()));
        assert_eq!((request.method, &*target, request.version), (method, path, Version::HTTP_11));
    }
}

#[test]
fn a_length_that_is_written_is_read_again() {
    for length in [0, 1, 9, 10, 99, 100, 1_234_567_890, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        let mut line = Vec::new();
        size_line(&mut line, length);
        assert_eq!(line, format!("content-length: {length}\r\n").as_bytes());
        assert_eq!(size(get(std::str::from_utf8(&line).unwrap())), Ok(Size::Known(length)));
    }
}

// Connections (sections 2.2, 6.3 and 9.3.2).

/// The targets that are asked for on a connection, up to the first that is refused, with the data of their bodies. The
/// bytes arrive in pieces of `size`.
fn connection(bytes: &[u8], size: usize) -> Vec<Result<(String, Vec<u8>), &'static str>> {
    let mut found = Vec::new();
    let mut unread = Vec::new();
    let mut body: Option<Body> = None;
    for piece in bytes.chunks(size.clamp(1, bytes.len())) {
        unread.extend_from_slice(piece);
        loop {
            let used = match &mut body {
                None => {
                    let blank = unread.iter().take_while(|byte| b"\r\n".contains(byte)).count();
                    let Some(end) = end_of_head(&unread[blank..], 0) else { break };
                    match said(&unread[blank..blank + end]) {
                        Ok(request) => {
                            found.push(Ok((request.path().to_owned(), Vec::new())));
                            body = Some(match request.size {
                                Size::None => Body::Ended,
                                Size::Known(length) => Body::Length(length),
                                Size::Unknown => Body::CHUNKED,
                            });
                        }
                        Err(error) => {
                            found.push(Err(error));
                            return found;
                        }
                    }
                    blank + end
                }
                Some(reading) => match reading.step(&unread) {
                    Ok(Step::More) => break,
                    Ok(Step::Skip(length)) => length,
                    Ok(Step::Data(length)) => {
                        if let Some(Ok((_, data))) = found.last_mut() {
                            data.extend_from_slice(&unread[..length]);
                        }
                        reading.used(length);
                        length
                    }
                    Ok(Step::End(length, _)) => {
                        body = None;
                        length
                    }
                    Err(_) => {
                        found.push(Err("broken body"));
                        return found;
                    }
                },
            };
            unread.drain(..used);
        }
    }
    found
}

/// The same, whatever the pieces.
#[track_caller]
fn asked_for(bytes: impl AsRef<[u8]>) -> Vec<Result<(String, Vec<u8>), &'static str>> {
    let bytes = bytes.as_ref();
    let whole = connection(bytes, usize::MAX);
    for size in 1..=bytes.len() {
        assert_eq!(connection(bytes, size), whole, "in pieces of {size}: {}", bytes.escape_ascii());
    }
    whole
}

fn ok(path: &str, data: &str) -> Result<(String, Vec<u8>), &'static str> {
    Ok((path.to_owned(), data.as_bytes().to_vec()))
}

const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn requests_are_told_apart_by_their_framing() {
    let inner = "GET /not HTTP/1.1\r\nHost: a\r\n\r\n";
    let post = format!("POST /known HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{inner}", inner.len());
    let chunked = format!(
        "POST /chunked HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n{:x};x=\"\r\n{inner}\r\n0\r\nA: b\r\n\r\n",
        inner.len()
    );
    assert_eq!(
        asked_for(format!("{NEXT}{post}\r\n{chunked}{NEXT}")),
        [ok("/next", ""), ok("/known", inner), ok("/chunked", inner), ok("/next", "")]
    );
}

#[test]
fn what_follows_a_refusal_is_no_request() {
    for (lines, error) in [
        ("Content-Length: 1\r\nContent-Length: 1", MALFORMED),
        ("Content-Length: 6\r\nTransfer-Encoding: chunked", MALFORMED),
        ("Transfer-Encoding: chunked\r\nContent-Length: 6", MALFORMED),
        ("Transfer-Encoding: xchunked", "unknown coding"),
        ("Content-Length: 6\r\n\tx", MALFORMED),
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
        assert_eq!(asked_for(format!("{head}0\r\n\r\n{NEXT}")), [Err(error)], "{lines}");
    }
}

#[test]
fn what_follows_chunks_that_are_none_is_no_request() {
    let chunked = "POST /chunked HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in
        ["zz\r\n", "5\r\nhello0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "0\r\nA : b\r\n\r\n", "10000000000000000\r\n"]
    {
        let found = asked_for(format!("{chunked}{body}{NEXT}"));
        assert_eq!(found.last(), Some(&Err("broken body")), "{body:?}");
        assert_eq!(found.len(), 2, "{body:?}");
    }
}

#[test]
fn empty_lines_before_a_request_are_ignored() {
    assert_eq!(asked_for(format!("\r\n\r\n{NEXT}\r\n{NEXT}")), [ok("/next", ""), ok("/next", "")]);
}

#[test]
fn a_length_of_nothing_and_chunks_of_nothing_are_followed_by_the_next_request() {
    for (lines, body) in [("Content-Length: 0", ""), ("Transfer-Encoding: chunked", "0\r\n\r\n"), ("X: y", "")] {
        let first = format!("POST /first HTTP/1.1\r\n{lines}\r\n\r\n{body}");
        assert_eq!(asked_for(format!("{first}{NEXT}")), [ok("/first", ""), ok("/next", "")], "{lines}");
    }
}

// Everything else.

/// A second reader, which knows no forgiveness: the name and value of every line, if the head keeps to the grammar and
/// says at most once how long its body is.
fn strictly(head: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let text = head.strip_suffix(b"\r\n\r\n")?;
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let last = lines.pop()?;
    lines = lines.into_iter().map(|line| line.strip_suffix(b"\r")).collect::<Option<_>>()?;
    lines.push(last);
    let (first, lines) = lines.split_first()?;
    let is_token = |text: &[u8]| {
        !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
    };
    let mut words = first.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let fits = is_token(method)
        && !target.is_empty()
        && target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#')
        && (version == b"HTTP/1.1" || version == b"HTTP/1.0")
        && words.next().is_none();
    let mut fields = Vec::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let clean = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        if !is_token(name) || !value.iter().all(clean) {
            return None;
        }
        fields.push((name.to_vec(), value.trim_ascii().to_vec()));
    }
    let named = |name: &str| fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).count();
    let (lengths, codings) = (named("content-length"), named("transfer-encoding"));
    let framed = lengths + codings <= 1 && (codings == 0 || version == b"HTTP/1.1");
    (fits && framed).then_some(fields)
}

/// A field line as it may come.
fn field() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        4 => "[A-Za-z][A-Za-z0-9_-]{0,12}",
        1 => Just("Host".to_owned()),
        1 => Just("content-length".to_owned()),
        1 => Just("Transfer-Encoding".to_owned()),
    ];
    let value = prop_oneof![4 => "[ -~\t]{0,20}", 1 => "[0-9]{1,3}", 1 => Just("chunked".to_owned())];
    (name, "[ \t]{0,2}", value, "[ \t]{0,2}")
        .prop_map(|(name, before, value, after)| format!("{name}:{before}{value}{after}\r\n"))
}

fn head() -> impl Strategy<Value = Vec<u8>> {
    let fields = prop::collection::vec(field(), 0..6);
    ("(GET|POST|x)", "/[a-z0-9/?%=]{0,12}", "1\\.[01]", fields).prop_map(|(method, target, version, fields)| {
        format!("{method} {target} HTTP/{version}\r\n{}\r\n", fields.concat()).into_bytes()
    })
}

/// Bytes that parsers disagree about.
fn odd_byte() -> impl Strategy<Value = u8> {
    prop_oneof![prop::sample::select(b"\r\n\0\t :;,+-#\\\"\x0b\x0c\x7f\x80\xff05x".to_vec()), any::<u8>(),]
}

proptest! {
    #![proptest_config(fixed(2000))]

    #[test]
    fn what_is_taken_is_what_a_strict_reader_takes(
        head in head(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(odd_byte()), any::<bool>()), 0..4),
    ) {
        let mut changed = head;
        for (at, byte, replace) in changes {
            let at = at.index(changed.len());
            if byte.is_none() || replace {
                changed.remove(at);
            }
            if let Some(byte) = byte {
                changed.insert(at, byte);
            }
            if changed.is_empty() {
                changed.push(b'G');
            }
        }
        if let Ok(taken) = request(&changed) {
            // Empty lines before it are for whoever reads the connection.
            let from = changed.iter().take_while(|byte| b"\r\n".contains(byte)).count();
            let strict = strictly(&changed[from..]);
            prop_assert_eq!(Some(lines(&taken.fields)), strict, "{}", changed.escape_ascii());
        }
    }

    #[test]
    fn a_head_is_neither_complete_nor_wrong_before_its_end(head in head()) {
        if request(&head).is_ok() {
            for cut in 0..head.len() {
                prop_assert_eq!(end_of_head(&head[..cut], 0), None);
                prop_assert!(!starts_wrong(&head[..cut]), "{}", head[..cut].escape_ascii());
            }
            prop_assert!(!starts_wrong(&head));
        }
    }

    #[test]
    fn fields_that_are_written_again_are_read_again(head in head(), removed in any::<prop::sample::Index>()) {
        let Ok(mut first) = request(&head) else { return Ok(()) };
        let again = |fields: &FieldSection| {
            let mut bytes = b"GET / HTTP/1.1\r\n".to_vec();
            fields.write_to(&mut bytes);
            bytes.extend_from_slice(b"\r\n");
            request(&bytes)
        };
        // A coding is for HTTP/1.1 only, which is what it is written as.
        let second = again(&first.fields).expect("what was read can be read");
        prop_assert_eq!(lines(&second.fields), lines(&first.fields));
        prop_assert_eq!(second.size, first.size);
        if !first.fields.is_empty() {
            let name = lines(&first.fields)[removed.index(first.fields.len())].0.clone();
            first.fields.remove_if(|_, other| other.eq_ignore_ascii_case(&name));
            first.fields.append("x-added", b"1");
            let third = again(&first.fields).expect("what was read can be read");
            prop_assert_eq!(lines(&third.fields), lines(&first.fields));
            prop_assert!(!lines(&third.fields).iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(odd_byte(), 0..64)) {
        let _ = request(&bytes);
        let _ = starts_wrong(&bytes);
        let _ = end_of_head(&bytes, bytes.len() / 2);
    }
}
