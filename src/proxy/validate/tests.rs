use http::Uri;

use super::*;
use crate::http1;
use crate::message::{FieldSection, Size, Target};

/// A request whose target and header lines are as given.
struct Head {
    method: Method,
    target: String,
    version: Version,
    lines: Vec<(&'static str, Vec<u8>)>,
}

fn get(target: &str) -> Head {
    Head { method: Method::GET, target: target.to_owned(), version: Version::HTTP_11, lines: Vec::new() }
}

/// A GET of `/` for shop.example.com.
fn plain() -> Head {
    get("/").line("host", "shop.example.com")
}

impl Head {
    fn line(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.lines.push((name, value.as_ref().to_vec()));
        self
    }

    fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// As its codec gives it. What the codec refuses closes the connection.
    fn request(&self) -> Result<Request, HeadError> {
        if self.version == Version::HTTP_2 {
            return Ok(self.over_http2());
        }
        let mut bytes = format!("{} {} {:?}\r\n", self.method, self.target, self.version).into_bytes();
        for (name, value) in &self.lines {
            bytes.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\n");
        http1::request(&bytes).map_err(|error| HeadError::closing(error.into()))
    }

    fn over_http2(&self) -> Request {
        let uri: Uri = self.target.parse().expect("a target");
        let mut fields = FieldSection::new();
        let target = Target {
            authority: uri.authority().map(|authority| fields.store(authority.as_str().as_bytes())),
            path: fields.store(uri.path().as_bytes()),
            query: uri.query().map(|query| fields.store(query.as_bytes())),
        };
        for (name, value) in &self.lines {
            fields.append(*name, value);
        }
        let (method, version) = (self.method.clone(), self.version);
        Request { method, version, target, protocol: None, fields, size: Size::Unknown }
    }

    fn check(&self) -> Result<String, HeadError> {
        let request = self.request()?;
        authority(&request).map(|authority| request.fields.text_at(authority.whole).to_owned())
    }

    /// The status that refuses it; its connection cannot be used again.
    #[track_caller]
    fn closing(&self) -> u16 {
        let error = self.check().expect_err("a refusal");
        assert!(error.close, "{error:?} closes");
        error.fault.status().as_u16()
    }
}

// Framing.

#[test]
fn chunked_is_the_only_transfer_coding() {
    for coding in ["chunked", "Chunked", "CHUNKED"] {
        assert!(plain().line("transfer-encoding", coding).check().is_ok(), "{coding}");
    }
    let odd = [
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        ",chunked",
        "chunked,",
        "",
        "identity",
        "xchunked",
        "chunked x",
        "chunked;q=1",
        "\"chunked\"",
        "identity, chunked",
        "chunked\tx",
    ];
    for coding in odd {
        assert_eq!(plain().line("transfer-encoding", coding).closing(), 501, "{coding}");
    }
    assert_eq!(
        plain().line("transfer-encoding", b"\x0bchunked".map(|b| if b == 0x0b { 0x80 } else { b })).closing(),
        501
    );
}

#[test]
fn transfer_encoding_is_one_line() {
    for second in ["chunked", "identity", ""] {
        let head = plain().line("transfer-encoding", "chunked").line("transfer-encoding", second);
        assert_eq!(head.closing(), 501, "{second:?}");
    }
}

#[test]
fn transfer_encoding_beside_a_content_length_is_refused() {
    assert_eq!(plain().line("transfer-encoding", "chunked").line("content-length", "5").closing(), 400);
    assert_eq!(plain().line("content-length", "0").line("transfer-encoding", "chunked").closing(), 400);
}

#[test]
fn transfer_encoding_belongs_to_http_1_1_only() {
    for version in [Version::HTTP_10, Version::HTTP_2] {
        assert_eq!(plain().version(version).line("transfer-encoding", "chunked").closing(), 400, "{version:?}");
    }
}

#[test]
fn a_content_length_is_one_number() {
    for length in ["0", "5", "18446744073709551615"] {
        assert!(plain().line("content-length", length).check().is_ok(), "{length}");
    }
    for length in ["+5", "-5", "", " ", "5,5", "5, 5", "0x5", "5 5", "5.0", "five", "5;"] {
        assert_eq!(plain().line("content-length", length).closing(), 400, "{length:?}");
    }
}

#[test]
fn a_content_length_is_one_number_over_http_2_too() {
    // The codec takes one without digits for a zero.
    assert_eq!(plain().version(Version::HTTP_2).line("content-length", "").closing(), 400);
    let twice = plain().version(Version::HTTP_2).line("content-length", "5").line("content-length", "5");
    assert_eq!(twice.closing(), 400);
}

#[test]
fn a_repeated_content_length_is_refused_whether_equal_or_not() {
    for second in ["5", "6", ""] {
        let head = plain().line("content-length", "5").line("content-length", second);
        assert_eq!(head.closing(), 400, "{second:?}");
    }
}

#[test]
fn framing_is_judged_before_anything_else() {
    let head = get("/").method(Method::TRACE).line("transfer-encoding", "gzip, chunked");
    assert_eq!(head.closing(), 501);
}

// Methods, targets, expectations.

#[test]
fn connect_and_trace_are_not_carried() {
    assert_eq!(plain().method(Method::TRACE).closing(), 405);
    assert_eq!(get("shop.example.com:443").line("host", "shop.example.com:443").method(Method::CONNECT).closing(), 405);
    assert_eq!(get("https://shop.example.com/").method(Method::CONNECT).version(Version::HTTP_2).closing(), 405);
}

#[test]
fn an_extended_connect_is_carried() {
    let head = get("https://shop.example.com/chat").method(Method::CONNECT).version(Version::HTTP_2);
    let mut request = head.request().unwrap();
    request.protocol = Some(request.fields.store(b"websocket"));
    let authority = authority(&request).map(|authority| request.fields.text_at(authority.whole));
    assert_eq!(authority, Ok("shop.example.com"));
}

#[test]
fn other_methods_are_carried_known_or_not() {
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get", "TRACEX"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert!(plain().method(method.clone()).check().is_ok(), "{method}");
    }
}

#[test]
fn a_target_of_8192_bytes_is_the_longest() {
    let of = |length: usize| get(&format!("/{}?q", "a".repeat(length - 3))).line("host", "shop.example.com");
    assert!(of(8192).check().is_ok());
    assert_eq!(of(8193).closing(), 414);
}

#[test]
fn the_only_expectation_is_100_continue() {
    for expect in ["100-continue", "100-Continue"] {
        assert!(plain().line("expect", expect).check().is_ok(), "{expect}");
    }
    for expect in ["", "200-ok", "100-continue, x", "100-continue;x", "100"] {
        assert_eq!(plain().line("expect", expect).closing(), 417, "{expect:?}");
    }
    assert_eq!(plain().line("expect", "100-continue").line("expect", "x").closing(), 417);
}

// Authority.

#[test]
fn the_host_is_the_authority_of_a_plain_request() {
    assert_eq!(plain().check(), Ok("shop.example.com".to_owned()));
    assert_eq!(get("/").line("host", "shop.example.com:8080").check(), Ok("shop.example.com:8080".to_owned()));
}

#[test]
fn http_1_1_needs_a_host() {
    assert_eq!(get("/").closing(), 400);
}

#[test]
fn an_empty_host_is_refused_but_in_http_1_0() {
    assert!(get("/").line("host", "").check().is_err());
    assert!(get("/").line("host", "").version(Version::HTTP_2).check().is_err());
    assert_eq!(get("/").line("host", "").version(Version::HTTP_10).check(), Ok(String::new()));
}

#[test]
fn http_1_0_needs_no_host() {
    assert_eq!(get("/").version(Version::HTTP_10).check(), Ok(String::new()));
}

#[test]
fn http_2_needs_an_authority() {
    assert_eq!(get("https://shop.example.com/").version(Version::HTTP_2).check(), Ok("shop.example.com".to_owned()));
    assert_eq!(get("/").version(Version::HTTP_2).closing(), 400);
    assert_eq!(plain().version(Version::HTTP_2).check(), Ok("shop.example.com".to_owned()), "Host stands for it");
}

#[test]
fn a_repeated_host_is_refused_whether_equal_or_not() {
    for second in ["shop.example.com", "evil.test", ""] {
        assert_eq!(plain().line("host", second).closing(), 400, "{second:?}");
        assert_eq!(plain().line("host", second).version(Version::HTTP_10).closing(), 400, "{second:?}");
    }
}

#[test]
fn target_and_host_must_agree() {
    for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
        let head = || get("http://shop.example.com:8080/").version(version);
        assert!(head().line("host", "SHOP.example.com:8080").check().is_ok());
        for host in ["evil.test", "shop.example.com", "shop.example.com:80", ""] {
            assert_eq!(head().line("host", host).closing(), 400, "{version:?} {host:?}");
        }
    }
}

#[test]
fn a_target_with_authority_still_needs_a_host_to_be_no_more_than_one() {
    let head = get("http://shop.example.com/").line("host", "shop.example.com").line("host", "shop.example.com");
    assert_eq!(head.closing(), 400);
}

#[test]
fn an_authority_is_a_host_and_perhaps_a_port() {
    for good in [
        "a.test",
        "a.test:8080",
        "A.Test",
        "a.test.",
        "192.0.2.1:80",
        "[2001:db8::1]:443",
        "[::1]",
        "a_b.c",
        "xn--bcher-kva.test",
    ] {
        assert_eq!(get("/").line("host", good).check(), Ok(good.to_owned()), "{good}");
    }
    let bad = [
        "a.test,b.test",
        "a.test/b",
        "a.test?b",
        "a.test#b",
        "a.test:80:90",
        "a.test:x",
        "a.test:+80",
        "a.test:-1",
        "a.test:99999",
        ":80",
        "a b",
        "[::1",
        "::1",
        "a\\b",
        "a;b",
        "a%2fb",
        "a'b",
        "a\"b",
        "<a>",
        "http://a.test",
        "a|b",
    ];
    for bad in bad {
        assert!(get("/").line("host", bad).check().is_err(), "{bad}");
    }
}

#[test]
fn an_authority_with_user_information_is_refused() {
    for host in ["user@a.test", "user:pass@a.test", "@a.test", "a.test@"] {
        assert!(get("/").line("host", host).check().is_err(), "{host}");
    }
    for version in [Version::HTTP_11, Version::HTTP_2] {
        assert!(get("http://user@a.test/").version(version).check().is_err());
        assert!(get("http://user@a.test/").line("host", "user@a.test").version(version).check().is_err());
    }
}

#[test]
fn a_host_outside_ascii_is_refused() {
    for host in [&b"\xff"[..], "bücher.test".as_bytes()] {
        assert!(get("/").line("host", host).check().is_err(), "{host:?}");
    }
}

// The host that routes compare.

#[test]
fn the_host_is_the_authority_without_its_port() {
    assert_eq!(host_of("shop.example.com"), "shop.example.com");
    assert_eq!(host_of("shop.example.com:8080"), "shop.example.com");
    assert_eq!(host_of("192.0.2.1:80"), "192.0.2.1");
    assert_eq!(host_of(""), "");
}

#[test]
fn an_ipv6_address_keeps_its_brackets() {
    assert_eq!(host_of("[2001:db8::1]"), "[2001:db8::1]");
    assert_eq!(host_of("[2001:db8::1]:443"), "[2001:db8::1]");
    assert_eq!(host_of("[2001:DB8::A]:443"), "[2001:db8::a]");
}

#[test]
fn the_host_is_in_lower_case() {
    assert_eq!(host_of("SHOP.Example.COM:80"), "shop.example.com");
}

#[test]
fn the_final_dot_of_a_host_means_nothing() {
    assert_eq!(host_of("shop.example.com."), "shop.example.com");
    assert_eq!(host_of("shop.example.com.:80"), "shop.example.com");
}
