use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use http::{Method, Request};

use super::*;
use crate::model::PathRewrite;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fn rng() -> fastrand::Rng {
    fastrand::Rng::with_seed(7)
}

/// 10.0.0.0/8 is trusted.
fn trusted() -> TrustedProxies {
    TrustedProxies(vec![(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8)])
}

fn arrival(peer: IpAddr) -> Arrival<'static> {
    Arrival { peer, port: 8080, scheme: &Scheme::HTTP, authority: "shop.example.com" }
}

fn headers<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::try_from(name).expect("a name"), HeaderValue::try_from(value).expect("a value"));
    }
    headers
}

/// What goes on from `peer`.
fn prepared<'a>(peer: IpAddr, lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut headers = headers(lines);
    prepare(&mut headers, &arrival(peer), &trusted(), &mut rng());
    headers
}

fn stripped<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut headers = headers(lines);
    strip_hop_by_hop(&mut headers);
    headers
}

/// Every value of a header, as text.
fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect()
}

// Hop by hop.

#[test]
fn what_belongs_to_one_connection_goes_no_further() {
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "proxy-authenticate",
        "te",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    ] {
        assert_eq!(stripped([(name, "x"), (name, "y"), ("x-kept", "1")]), headers([("x-kept", "1")]), "{name}");
    }
}

#[test]
fn what_belongs_to_the_message_goes_on() {
    let lines = [
        ("accept", "*/*"),
        ("authorization", "secret"),
        ("content-length", "5"),
        ("cookie", "a=1"),
        ("host", "a"),
        ("trailer", "x-sum"),
        ("via", "1.1 other"),
        ("www-authenticate", "Basic"),
        ("x-a", "1"),
        ("x-a", "2"),
    ];
    assert_eq!(stripped(lines), headers(lines));
}

#[test]
fn what_connection_names_goes_no_further() {
    let lines = [
        ("connection", "close, X-One,x-two ,, bad name,x-absent"),
        ("connection", "x-three"),
        ("x-one", "1"),
        ("x-two", "2"),
        ("x-three", "3"),
        ("x-four", "4"),
    ];
    assert_eq!(stripped(lines), headers([("x-four", "4")]));
}

#[test]
fn what_connection_names_beside_bytes_outside_ascii_goes_no_further() {
    let mut headers = headers([("x-one", "1")]);
    headers.insert("connection", HeaderValue::from_bytes(b"\xff, x-one").unwrap());
    strip_hop_by_hop(&mut headers);
    assert!(headers.is_empty());
}

#[test]
fn te_trailers_goes_on_and_nothing_else_of_te() {
    for (te, expected) in [
        ("trailers", Some("trailers")),
        ("Trailers", Some("trailers")),
        ("gzip, trailers", Some("trailers")),
        ("trailers;q=0.5", None),
        ("gzip", None),
        ("xtrailers", None),
        ("", None),
    ] {
        let headers = stripped([("te", te), ("connection", "te")]);
        assert_eq!(headers.get("te").map(|te| te.to_str().unwrap()), expected, "{te}");
        assert!(!headers.contains_key("connection"));
    }
}

#[test]
fn trailers_may_stand_in_any_line_of_te() {
    assert_eq!(stripped([("te", "gzip"), ("te", "trailers")]), headers([("te", "trailers")]));
}

#[test]
fn an_expectation_goes_no_further() {
    assert!(!prepared(PEER, [("expect", "100-continue")]).contains_key("expect"));
}

// Where a request came from.

#[test]
fn an_endpoint_is_told_where_a_request_came_from() {
    for peer in [PEER, PROXY] {
        let headers = prepared(peer, []);
        let peer = peer.to_string();
        assert_eq!(all(&headers, "x-forwarded-for"), [&*peer]);
        assert_eq!(all(&headers, "x-forwarded-proto"), ["http"]);
        assert_eq!(all(&headers, "x-forwarded-host"), ["shop.example.com"]);
        assert_eq!(all(&headers, "x-forwarded-port"), ["8080"]);
        assert_eq!(all(&headers, "forwarded"), [format!("for={peer};host=shop.example.com;proto=http")]);
    }
}

#[test]
fn what_an_untrusted_peer_says_is_replaced_in_every_spelling() {
    let ours = prepared(PEER, []);
    let names = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded"];
    let mut cases = 0;
    for name in names {
        let underscores = name.replace('-', "_");
        let last = name.rsplit_once('-').map_or(name.to_owned(), |(first, last)| format!("{first}_{last}"));
        let first = name.replacen('-', "_", 1);
        let upper = name.to_ascii_uppercase();
        for spelling in [name, &*upper, &*underscores, &*first, &*last] {
            for lines in [
                vec![(spelling, "spoof")],
                vec![(spelling, "spoof"), (spelling, "10.0.0.9")],
                vec![(spelling, "spoof"), ("connection", name)],
                vec![(spelling, "spoof"), ("connection", spelling)],
                vec![(spelling, "")],
                vec![(spelling, "spoof"), (name, "10.0.0.9")],
            ] {
                assert_eq!(prepared(PEER, lines.clone()), ours, "{lines:?}");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 150);
}

#[test]
fn what_connection_names_never_removes_what_the_proxy_says() {
    let ours = prepared(PEER, []);
    let names = "x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-forwarded-port, forwarded, x-request-id, traceparent, host";
    assert_eq!(prepared(PEER, [("connection", names), ("host", "shop.example.com")]), ours);
    let from_proxy = prepared(PROXY, [("connection", names), ("x-forwarded-for", "192.0.2.9")]);
    assert_eq!(all(&from_proxy, "x-forwarded-for"), ["10.0.0.1"]);
}

#[test]
fn what_a_trusted_peer_says_is_kept_and_added_to() {
    let headers = prepared(
        PROXY,
        [
            ("x-forwarded-for", "192.0.2.9, 10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "outside.example.com"),
            ("x-forwarded-port", "443"),
            ("forwarded", "for=192.0.2.9;proto=https"),
        ],
    );
    assert_eq!(all(&headers, "x-forwarded-for"), ["192.0.2.9, 10.0.0.2, 10.0.0.1"]);
    assert_eq!(all(&headers, "x-forwarded-proto"), ["https"]);
    assert_eq!(all(&headers, "x-forwarded-host"), ["outside.example.com"]);
    assert_eq!(all(&headers, "x-forwarded-port"), ["443"]);
    assert_eq!(
        all(&headers, "forwarded"),
        ["for=192.0.2.9;proto=https, for=10.0.0.1;host=shop.example.com;proto=http"]
    );
}

#[test]
fn the_lines_of_a_chain_are_joined_in_their_order() {
    let lines = [("x-forwarded-for", "192.0.2.9"), ("x-forwarded-for", ""), ("x-forwarded-for", "10.0.0.2")];
    assert_eq!(all(&prepared(PROXY, lines), "x-forwarded-for"), ["192.0.2.9, 10.0.0.2, 10.0.0.1"]);
}

#[test]
fn twins_of_a_trusted_peer_are_removed_too() {
    let headers = prepared(PROXY, [("x_forwarded_for", "192.0.2.9"), ("X_Forwarded-Proto", "https")]);
    assert_eq!(headers, prepared(PROXY, []));
}

#[test]
fn twins_of_what_frames_a_message_are_removed() {
    for name in ["content_length", "Transfer_Encoding"] {
        assert_eq!(prepared(PEER, [(name, "5")]), prepared(PEER, []), "{name}");
    }
}

#[test]
fn other_names_with_underscores_go_on() {
    let headers = prepared(PEER, [("x_custom", "1"), ("x_forwarded", "2"), ("x_forwarded_for_x", "3")]);
    assert_eq!((all(&headers, "x_custom"), all(&headers, "x_forwarded")), (vec!["1"], vec!["2"]));
    assert_eq!(all(&headers, "x_forwarded_for_x"), ["3"]);
}

#[test]
fn on_tls_the_scheme_is_https() {
    let mut headers = HeaderMap::new();
    let arrival = Arrival { scheme: &Scheme::HTTPS, ..arrival(PEER) };
    prepare(&mut headers, &arrival, &trusted(), &mut rng());
    assert_eq!(all(&headers, "x-forwarded-proto"), ["https"]);
    assert_eq!(all(&headers, "forwarded"), ["for=192.0.2.1;host=shop.example.com;proto=https"]);
}

#[test]
fn an_ipv6_peer_is_quoted_in_forwarded_only() {
    let headers = prepared(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), []);
    assert_eq!(all(&headers, "x-forwarded-for"), ["2001:db8::1"]);
    assert_eq!(all(&headers, "forwarded"), ["for=\"[2001:db8::1]\";host=shop.example.com;proto=http"]);
}

#[test]
fn an_ipv4_address_written_as_ipv6_is_told_as_ipv4() {
    let peer = IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
    assert_eq!(prepared(peer, []), prepared(PEER, []));
}

#[test]
fn a_host_with_a_port_is_quoted_in_forwarded() {
    let mut headers = HeaderMap::new();
    let arrival = Arrival { authority: "shop.example.com:8080", ..arrival(PEER) };
    prepare(&mut headers, &arrival, &trusted(), &mut rng());
    assert_eq!(all(&headers, "forwarded"), ["for=192.0.2.1;host=\"shop.example.com:8080\";proto=http"]);
    assert_eq!(all(&headers, "x-forwarded-host"), ["shop.example.com:8080"]);
}

#[test]
fn without_an_authority_no_host_is_told() {
    let mut headers = headers([("x-forwarded-host", "spoof")]);
    let arrival = Arrival { authority: "", ..arrival(PEER) };
    prepare(&mut headers, &arrival, &trusted(), &mut rng());
    assert!(!headers.contains_key("x-forwarded-host"));
    assert_eq!(all(&headers, "forwarded"), ["for=192.0.2.1;proto=http"]);
}

// The client's address.

fn client(peer: IpAddr, lines: &[&str]) -> String {
    let lines = headers(lines.iter().map(|line| ("x-forwarded-for", *line)));
    client_address(peer, &trusted(), &lines).to_string()
}

#[test]
fn the_client_of_an_untrusted_peer_is_the_peer() {
    assert_eq!(client(PEER, &[]), "192.0.2.1");
    assert_eq!(client(PEER, &["10.0.0.9"]), "192.0.2.1");
    assert_eq!(client_address(PROXY, &TrustedProxies::default(), &headers([("x-forwarded-for", "1.1.1.1")])), PROXY);
}

#[test]
fn the_client_is_the_rightmost_address_that_is_not_trusted() {
    for (lines, expected) in [
        (&[][..], "10.0.0.1"),
        (&["203.0.113.5"], "203.0.113.5"),
        (&["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
        (&["203.0.113.5, 10.0.0.2, 10.0.0.3"], "203.0.113.5"),
        (&["198.51.100.1", "203.0.113.5,10.0.0.2"], "203.0.113.5"),
        (&["203.0.113.5", "10.0.0.2"], "203.0.113.5"),
        (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ] {
        assert_eq!(client(PROXY, lines), expected, "{lines:?}");
    }
}

#[test]
fn addresses_may_have_brackets_and_ports() {
    for (line, expected) in [
        ("203.0.113.5:1234", "203.0.113.5"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:1234", "2001:db8::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("  203.0.113.5\t", "203.0.113.5"),
    ] {
        assert_eq!(client(PROXY, &[line]), expected, "{line}");
    }
}

#[test]
fn a_chain_is_believed_up_to_what_is_no_address() {
    assert_eq!(client(PROXY, &["203.0.113.5, unknown"]), "10.0.0.1");
    assert_eq!(client(PROXY, &["203.0.113.5, unknown, 10.0.0.2"]), "10.0.0.2");
    assert_eq!(client(PROXY, &["203.0.113.5, "]), "10.0.0.1");
    assert_eq!(client(PROXY, &["203.0.113.5", "_hidden"]), "10.0.0.1");
}

#[test]
fn a_line_outside_ascii_does_not_hide_what_a_trusted_proxy_added_to_it() {
    let mut headers = headers([("x-forwarded-for", "198.51.100.1")]);
    headers.append("x-forwarded-for", HeaderValue::from_bytes(b"\xff, 203.0.113.5").unwrap());
    assert_eq!(client_address(PROXY, &trusted(), &headers).to_string(), "203.0.113.5");
    headers.append("x-forwarded-for", HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(client_address(PROXY, &trusted(), &headers), PROXY);
}

#[test]
fn a_trusted_network_is_found_through_an_ipv4_address_written_as_ipv6() {
    let peer = IpAddr::V6(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped());
    assert_eq!(client(peer, &["203.0.113.5"]), "203.0.113.5");
    assert_eq!(client(peer, &[]), "10.0.0.1");
}

// Request id and trace.

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_request_id_is_passed_on() {
    for id in ["a", "client-id", &"x".repeat(128)] {
        assert_eq!(all(&prepared(PEER, [("x-request-id", id)]), "x-request-id"), [id]);
    }
}

#[test]
fn a_request_without_an_id_gets_one() {
    let too_long = "x".repeat(129);
    for lines in [vec![], vec![("x-request-id", "")], vec![("x-request-id", &*too_long)]] {
        let headers = prepared(PEER, lines);
        let ids = all(&headers, "x-request-id");
        assert!(ids.len() == 1 && ids[0].len() == 32 && ids[0].bytes().all(|b| b.is_ascii_hexdigit()), "{ids:?}");
    }
}

#[test]
fn no_two_requests_get_the_same_id_or_trace() {
    let mut rng = rng();
    let mut made = std::collections::HashSet::new();
    for _ in 0..1000 {
        let mut headers = HeaderMap::new();
        prepare(&mut headers, &arrival(PEER), &trusted(), &mut rng);
        assert!(made.insert(headers["x-request-id"].clone()));
        assert!(made.insert(headers["traceparent"].clone()));
    }
}

#[test]
fn a_trace_is_passed_on_with_its_state() {
    for trace in [TRACE, "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like"] {
        let headers = prepared(PEER, [("traceparent", trace), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        assert_eq!(all(&headers, "traceparent"), [trace]);
        assert_eq!(all(&headers, "tracestate"), ["a=1", "b=2"]);
    }
}

#[test]
fn a_trace_that_is_not_well_formed_is_replaced_and_its_state_removed() {
    for trace in [
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
    ] {
        let headers = prepared(PEER, [("traceparent", trace), ("tracestate", "a=1")]);
        let made = all(&headers, "traceparent");
        assert_ne!(made, [trace]);
        assert!(made.len() == 1 && is_traceparent(made[0].as_bytes()), "{trace}: {made:?}");
        assert!(!headers.contains_key("tracestate"), "{trace}");
    }
}

#[test]
fn a_request_without_a_trace_begins_one() {
    let headers = prepared(PEER, [("tracestate", "a=1")]);
    assert!(is_traceparent(headers["traceparent"].as_bytes()));
    assert!(!headers.contains_key("tracestate"));
}

// Cookies, decisions, Via.

#[test]
fn cookies_are_joined_into_one_line() {
    let headers = prepared(PEER, [("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")]);
    assert_eq!(all(&headers, "cookie"), ["a=1; b=2; c=3; d=4"]);
}

#[test]
fn a_single_line_of_cookies_stays_as_it_is() {
    assert_eq!(all(&prepared(PEER, [("cookie", "a=1;b=2")]), "cookie"), ["a=1;b=2"]);
    assert!(!prepared(PEER, []).contains_key("cookie"));
}

#[test]
fn what_a_client_says_about_the_decision_is_removed_in_every_spelling() {
    for peer in [PEER, PROXY] {
        for name in ["x-weir-version", "x-weir-why", "x_weir_version", "x_weir_why", "X-Weir_Version"] {
            assert_eq!(prepared(peer, [(name, "spoof")]), prepared(peer, []), "{name}");
        }
    }
}

#[test]
fn an_endpoint_is_told_the_decision() {
    let mut headers = headers([("x-weir-version", "before"), ("x-weir-why", "before")]);
    tell_decision(&mut headers, "canary", Why::Sticky);
    assert_eq!(all(&headers, "x-weir-version"), ["canary"]);
    assert_eq!(all(&headers, "x-weir-why"), ["sticky"]);
}

#[test]
fn via_is_added_to() {
    let mut headers = headers([("via", "1.0 other")]);
    via(&mut headers, Version::HTTP_11);
    assert_eq!(all(&headers, "via"), ["1.0 other", "1.1 weir"]);
    for (version, expected) in
        [(Version::HTTP_10, "1.0 weir"), (Version::HTTP_11, "1.1 weir"), (Version::HTTP_2, "2 weir")]
    {
        let mut headers = HeaderMap::new();
        via(&mut headers, version);
        assert_eq!(all(&headers, "via"), [expected]);
    }
}

// The target.

fn original<'a>(path: &'a str, query: Option<&'a str>) -> Original<'a> {
    Original { scheme: &Scheme::HTTP, host: "shop.example.com", port: 80, path, query, secure: false, prefix: 2 }
}

fn target(filters: &[Filter], path: &str, query: Option<&str>) -> Target {
    Target::rewritten(filters, &original(path, query), "shop.example.com:8080").expect("a target")
}

fn parts(version: Version, lines: &[(&str, &str)]) -> Parts {
    let uri = "http://shop.example.com:8080/a/b?q=1";
    let mut parts = Request::builder().method(Method::GET).uri(uri).version(version).body(()).unwrap().into_parts().0;
    parts.headers = headers(lines.iter().copied());
    parts
}

fn rewrite(path: &str) -> Filter {
    Filter::RewritePath(PathRewrite::Full(Arc::from(path)))
}

#[test]
fn without_rewrites_the_target_is_what_the_client_asked_for() {
    let target = target(&[], "/a/b", Some("q=1"));
    assert_eq!((target.path.as_str(), target.host.to_str().unwrap()), ("/a/b?q=1", "shop.example.com:8080"));
}

#[test]
fn a_target_keeps_escapes_and_empty_queries_as_they_came() {
    for (path, query, expected) in [
        ("/a%2Fb/%2e%2e/c", None, "/a%2Fb/%2e%2e/c"),
        ("//a///b", None, "//a///b"),
        ("/a;b=1", Some("x=%20+y"), "/a;b=1?x=%20+y"),
        ("/a", Some(""), "/a?"),
        ("/a", Some("b?c"), "/a?b?c"),
    ] {
        assert_eq!(target(&[], path, query).path.as_str(), expected);
    }
}

#[test]
fn a_rewrite_of_the_path_keeps_the_query() {
    let prefix = Filter::RewritePath(PathRewrite::Prefix("/x".into()));
    assert_eq!(target(&[prefix], "/a/b", Some("q=1")).path, "/x/b?q=1");
    assert_eq!(target(&[rewrite("/y")], "/a/b", Some("q=1")).path, "/y?q=1");
}

#[test]
fn a_rewrite_of_the_host_names_another_one() {
    let filter = Filter::RewriteHost(HeaderValue::from_static("inner.example.com"));
    let target = target(&[filter], "/a", None);
    assert_eq!((target.host.to_str().unwrap(), target.path.as_str()), ("inner.example.com", "/a"));
}

#[test]
fn a_rewrite_that_makes_no_path_makes_no_target() {
    for path in ["/a b", "/a\r\nx: y"] {
        assert!(Target::rewritten(&[rewrite(path)], &original("/", None), "h").is_none(), "{path:?}");
    }
}

#[test]
fn http_1_asks_by_path_and_one_host() {
    let mut parts = parts(Version::HTTP_2, &[("host", "first"), ("host", "second")]);
    target(&[], "/a/b", Some("q=1")).http1(&mut parts);
    assert_eq!(parts.version, Version::HTTP_11);
    assert_eq!(parts.uri.to_string(), "/a/b?q=1");
    assert_eq!(all(&parts.headers, "host"), ["shop.example.com:8080"]);
    assert!(!parts.headers.contains_key("connection"));
}

#[test]
fn http_1_announces_te_in_connection() {
    let mut parts = parts(Version::HTTP_11, &[("te", "trailers")]);
    target(&[], "/", None).http1(&mut parts);
    assert_eq!(all(&parts.headers, "connection"), ["te"]);
}

#[test]
fn http_2_asks_by_a_whole_target_without_host_and_connection() {
    let mut parts = parts(Version::HTTP_11, &[("host", "h"), ("connection", "te"), ("te", "trailers")]);
    target(&[], "/a/b", Some("q=1")).http2(&mut parts, Scheme::HTTPS);
    assert_eq!(parts.version, Version::HTTP_2);
    assert_eq!(parts.uri.to_string(), "https://shop.example.com:8080/a/b?q=1");
    assert_eq!(parts.headers, headers([("te", "trailers")]));
}

#[test]
fn a_target_changes_its_form_from_try_to_try() {
    let target = target(&[], "/a", None);
    let mut parts = parts(Version::HTTP_11, &[("te", "trailers")]);
    target.http1(&mut parts);
    target.http2(&mut parts, Scheme::HTTP);
    assert_eq!((parts.version, parts.uri.to_string()), (Version::HTTP_2, "http://shop.example.com:8080/a".to_owned()));
    assert!(!parts.headers.contains_key("connection") && !parts.headers.contains_key("host"));
    target.http1(&mut parts);
    assert_eq!((parts.version, parts.uri.to_string()), (Version::HTTP_11, "/a".to_owned()));
    assert_eq!(all(&parts.headers, "connection"), ["te"]);
    assert_eq!(all(&parts.headers, "host"), ["shop.example.com:8080"]);
}
