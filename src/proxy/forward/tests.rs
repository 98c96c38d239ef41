use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use http::{HeaderValue, Method};

use super::*;
use crate::message::Size;
use crate::proxy::filter::{self, Original};

mod asked;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const AUTHORITY: &str = "shop.example.com";

fn rng() -> fastrand::Rng {
    fastrand::Rng::with_seed(7)
}

/// 10.0.0.0/8 is trusted.
fn trusted() -> TrustedProxies {
    TrustedProxies(vec![(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8)])
}

/// Fields that are the same if each name has the same values in the same order, wherever its lines stand.
struct Lines(FieldSection);

impl Lines {
    fn sorted(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let mut lines: Vec<_> =
            self.iter().map(|(_, name, value)| (text(name).to_ascii_lowercase(), text(value))).collect();
        lines.sort_by(|a, b| a.0.cmp(&b.0));
        lines
    }
}

impl PartialEq for Lines {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.sorted().fmt(f)
    }
}

impl Deref for Lines {
    type Target = FieldSection;

    fn deref(&self) -> &FieldSection {
        &self.0
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut FieldSection {
        &mut self.0
    }
}

fn fields<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> Lines {
    let mut fields = FieldSection::new();
    for (name, value) in lines {
        fields.append(name, value.as_bytes());
    }
    Lines(fields)
}

/// Prepares what `peer` sent for `authority` over `scheme`.
fn prepare_as(fields: &mut FieldSection, peer: IpAddr, authority: &str, scheme: &Scheme, rng: &mut fastrand::Rng) {
    let authority = fields.store(authority.as_bytes());
    let arrival = Arrival { peer, port: 8080, scheme, authority, told: &Told::default() };
    prepare(fields, &arrival, &trusted(), rng);
}

/// What goes on from `peer`.
fn prepared<'a>(peer: IpAddr, lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> Lines {
    let mut fields = fields(lines);
    prepare_as(&mut fields, peer, AUTHORITY, &Scheme::HTTP, &mut rng());
    fields
}

fn stripped<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> Lines {
    let mut fields = fields(lines);
    strip(&mut fields);
    fields
}

/// Every value of a field, as text.
fn all<'a>(fields: &'a FieldSection, name: &'a str) -> Vec<&'a str> {
    fields.all(name).map(|value| std::str::from_utf8(value).expect("text")).collect()
}

#[test]
fn a_connection_tells_each_request_its_own_authority_and_port() {
    let told = Told::default();
    let told_of = |authority: &str, port: u16| {
        let mut fields = fields([("accept", "a"), ("x-forwarded-host", "forged.example")]);
        let authority = fields.store(authority.as_bytes());
        let arrival = Arrival { peer: PEER, port, scheme: &Scheme::HTTP, authority, told: &told };
        prepare(&mut fields, &arrival, &trusted(), &mut rng());
        let lines =
            |name| fields.all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>();
        [lines("x-forwarded-host"), lines("x-forwarded-port"), lines("forwarded"), lines("x-forwarded-for")].concat()
    };
    let of = |host: &str, port: &str| {
        [host, port, &format!("for=192.0.2.1;host={host};proto=http"), "192.0.2.1"].map(str::to_owned).to_vec()
    };
    for _ in 0..2 {
        assert_eq!(told_of("a.example", 80), of("a.example", "80"));
        assert_eq!(told_of("a.example", 80), of("a.example", "80"));
        assert_eq!(told_of("a.example", 81), of("a.example", "81"));
        assert_eq!(told_of("b.example", 81), of("b.example", "81"));
    }
    assert_eq!(told_of("", 80), ["80", "for=192.0.2.1;proto=http", "192.0.2.1"]);
}

#[test]
fn bytes_in_hexadecimal_digits_are_as_the_library_writes_them() {
    for byte in 0..=255 {
        assert_eq!(hex([byte, !byte]).as_flattened(), format!("{byte:02x}{:02x}", !byte).as_bytes());
    }
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
        assert_eq!(stripped([(name, "x"), (name, "y"), ("x-kept", "1")]), fields([("x-kept", "1")]), "{name}");
    }
}

#[test]
fn what_delimits_a_message_is_said_anew_for_each_connection() {
    let lines = [("content-length", "5"), ("Content-Length", "5"), ("transfer-encoding", "chunked"), ("x-kept", "1")];
    assert_eq!(stripped(lines), fields([("x-kept", "1")]));
}

#[test]
fn what_belongs_to_the_message_goes_on() {
    let lines = [
        ("accept", "*/*"),
        ("authorization", "secret"),
        ("cookie", "a=1"),
        ("host", "a"),
        ("trailer", "x-sum"),
        ("via", "1.1 other"),
        ("www-authenticate", "Basic"),
        ("x-a", "1"),
        ("x-a", "2"),
    ];
    assert_eq!(stripped(lines), fields(lines));
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
    assert_eq!(stripped(lines), fields([("x-four", "4")]));
}

#[test]
fn what_connection_names_beside_bytes_outside_ascii_goes_no_further() {
    let mut fields = fields([("x-one", "1")]);
    fields.append("connection", b"\xff, x-one");
    strip(&mut fields);
    assert!(fields.is_empty());
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
        let fields = stripped([("te", te), ("connection", "te")]);
        assert_eq!(all(&fields, "te"), Vec::from_iter(expected), "{te}");
        assert!(!fields.has("connection"));
    }
}

#[test]
fn trailers_may_stand_in_any_line_of_te() {
    assert_eq!(stripped([("te", "gzip"), ("te", "trailers")]), fields([("te", "trailers")]));
}

#[test]
fn an_expectation_goes_no_further() {
    assert!(!prepared(PEER, [("expect", "100-continue")]).has("expect"));
}

#[test]
fn trailers_that_frame_or_route_a_message_go_no_further() {
    for name in [
        "content-length",
        "transfer-encoding",
        "host",
        "trailer",
        "te",
        "connection",
        "keep-alive",
        "proxy-authorization",
        "upgrade",
    ] {
        let mut trailers = fields([(name, "trailers"), ("x-sum", "1"), (name, "x"), ("grpc-status", "0")]);
        strip_trailers(&mut trailers);
        assert_eq!(trailers, fields([("x-sum", "1"), ("grpc-status", "0")]), "{name}");
    }
}

// Where a request came from.

#[test]
fn an_endpoint_is_told_where_a_request_came_from() {
    for peer in [PEER, PROXY] {
        let fields = prepared(peer, []);
        let peer = peer.to_string();
        assert_eq!(all(&fields, "x-forwarded-for"), [&*peer]);
        assert_eq!(all(&fields, "x-forwarded-proto"), ["http"]);
        assert_eq!(all(&fields, "x-forwarded-host"), ["shop.example.com"]);
        assert_eq!(all(&fields, "x-forwarded-port"), ["8080"]);
        assert_eq!(all(&fields, "forwarded"), [format!("for={peer};host=shop.example.com;proto=http")]);
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
    let fields = prepared(
        PROXY,
        [
            ("x-forwarded-for", "192.0.2.9, 10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "outside.example.com"),
            ("x-forwarded-port", "443"),
            ("forwarded", "for=192.0.2.9;proto=https"),
        ],
    );
    assert_eq!(all(&fields, "x-forwarded-for"), ["192.0.2.9, 10.0.0.2, 10.0.0.1"]);
    assert_eq!(all(&fields, "x-forwarded-proto"), ["https"]);
    assert_eq!(all(&fields, "x-forwarded-host"), ["outside.example.com"]);
    assert_eq!(all(&fields, "x-forwarded-port"), ["443"]);
    assert_eq!(all(&fields, "forwarded"), ["for=192.0.2.9;proto=https, for=10.0.0.1;host=shop.example.com;proto=http"]);
}

#[test]
fn the_lines_of_a_chain_are_joined_in_their_order() {
    let lines = [("x-forwarded-for", "192.0.2.9"), ("x-forwarded-for", ""), ("x-forwarded-for", "10.0.0.2")];
    assert_eq!(all(&prepared(PROXY, lines), "x-forwarded-for"), ["192.0.2.9, 10.0.0.2, 10.0.0.1"]);
}

#[test]
fn twins_of_a_trusted_peer_are_removed_too() {
    let fields = prepared(PROXY, [("x_forwarded_for", "192.0.2.9"), ("X_Forwarded-Proto", "https")]);
    assert_eq!(fields, prepared(PROXY, []));
}

#[test]
fn twins_of_what_frames_a_message_are_removed() {
    for name in ["content_length", "Transfer_Encoding"] {
        assert_eq!(prepared(PEER, [(name, "5")]), prepared(PEER, []), "{name}");
    }
}

#[test]
fn other_names_with_underscores_go_on() {
    let fields = prepared(PEER, [("x_custom", "1"), ("x_forwarded", "2"), ("x_forwarded_for_x", "3")]);
    assert_eq!((all(&fields, "x_custom"), all(&fields, "x_forwarded")), (vec!["1"], vec!["2"]));
    assert_eq!(all(&fields, "x_forwarded_for_x"), ["3"]);
}

#[test]
fn on_tls_the_scheme_is_https() {
    let mut fields = FieldSection::new();
    prepare_as(&mut fields, PEER, AUTHORITY, &Scheme::HTTPS, &mut rng());
    assert_eq!(all(&fields, "x-forwarded-proto"), ["https"]);
    assert_eq!(all(&fields, "forwarded"), ["for=192.0.2.1;host=shop.example.com;proto=https"]);
}

#[test]
fn an_ipv6_peer_is_quoted_in_forwarded_only() {
    let fields = prepared(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), []);
    assert_eq!(all(&fields, "x-forwarded-for"), ["2001:db8::1"]);
    assert_eq!(all(&fields, "forwarded"), ["for=\"[2001:db8::1]\";host=shop.example.com;proto=http"]);
}

#[test]
fn an_ipv4_address_written_as_ipv6_is_told_as_ipv4() {
    let peer = IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
    assert_eq!(prepared(peer, []), prepared(PEER, []));
}

#[test]
fn a_host_with_a_port_is_quoted_in_forwarded() {
    let mut fields = FieldSection::new();
    prepare_as(&mut fields, PEER, "shop.example.com:8080", &Scheme::HTTP, &mut rng());
    assert_eq!(all(&fields, "forwarded"), ["for=192.0.2.1;host=\"shop.example.com:8080\";proto=http"]);
    assert_eq!(all(&fields, "x-forwarded-host"), ["shop.example.com:8080"]);
}

#[test]
fn without_an_authority_no_host_is_told() {
    let mut fields = fields([("x-forwarded-host", "spoof")]);
    prepare_as(&mut fields, PEER, "", &Scheme::HTTP, &mut rng());
    assert!(!fields.has("x-forwarded-host"));
    assert_eq!(all(&fields, "forwarded"), ["for=192.0.2.1;proto=http"]);
}

// The client's address.

fn client(peer: IpAddr, lines: &[&str]) -> String {
    let lines = fields(lines.iter().map(|line| ("x-forwarded-for", *line)));
    client_address(peer, &trusted(), &lines).to_string()
}

#[test]
fn the_client_of_an_untrusted_peer_is_the_peer() {
    assert_eq!(client(PEER, &[]), "192.0.2.1");
    assert_eq!(client(PEER, &["10.0.0.9"]), "192.0.2.1");
    assert_eq!(client_address(PROXY, &TrustedProxies::default(), &fields([("x-forwarded-for", "1.1.1.1")])), PROXY);
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
    let mut fields = fields([("x-forwarded-for", "198.51.100.1")]);
    fields.append("x-forwarded-for", b"\xff, 203.0.113.5");
    assert_eq!(client_address(PROXY, &trusted(), &fields).to_string(), "203.0.113.5");
    fields.append("x-forwarded-for", b"\xff");
    assert_eq!(client_address(PROXY, &trusted(), &fields), PROXY);
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
        let fields = prepared(PEER, lines);
        let ids = all(&fields, "x-request-id");
        assert!(ids.len() == 1 && ids[0].len() == 32 && ids[0].bytes().all(|b| b.is_ascii_hexdigit()), "{ids:?}");
    }
}

#[test]
fn no_two_requests_get_the_same_id_or_trace() {
    let mut rng = rng();
    let mut made = std::collections::HashSet::new();
    for _ in 0..1000 {
        let mut fields = FieldSection::new();
        prepare_as(&mut fields, PEER, AUTHORITY, &Scheme::HTTP, &mut rng);
        for name in ["x-request-id", "traceparent"] {
            assert_eq!(all(&fields, name).len(), 1);
            assert!(made.insert(all(&fields, name)[0].to_owned()));
        }
    }
}

#[test]
fn a_trace_is_passed_on_with_its_state() {
    for trace in [TRACE, "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like"] {
        let fields = prepared(PEER, [("traceparent", trace), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        assert_eq!(all(&fields, "traceparent"), [trace]);
        assert_eq!(all(&fields, "tracestate"), ["a=1", "b=2"]);
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
        let fields = prepared(PEER, [("traceparent", trace), ("tracestate", "a=1")]);
        let made = all(&fields, "traceparent");
        assert_ne!(made, [trace]);
        assert!(made.len() == 1 && is_traceparent(made[0].as_bytes()), "{trace}: {made:?}");
        assert!(!fields.has("tracestate"), "{trace}");
    }
}

#[test]
fn a_request_without_a_trace_begins_one() {
    let fields = prepared(PEER, [("tracestate", "a=1")]);
    assert!(fields.first("traceparent").is_some_and(is_traceparent));
    assert!(!fields.has("tracestate"));
}

// Cookies, decisions, Via.

#[test]
fn cookies_are_joined_into_one_line() {
    let fields = prepared(PEER, [("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")]);
    assert_eq!(all(&fields, "cookie"), ["a=1; b=2; c=3; d=4"]);
}

#[test]
fn a_single_line_of_cookies_stays_as_it_is() {
    assert_eq!(all(&prepared(PEER, [("cookie", "a=1;b=2")]), "cookie"), ["a=1;b=2"]);
    assert!(!prepared(PEER, []).has("cookie"));
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
    let mut fields = fields([("x-weir-version", "before"), ("x-weir-why", "before")]);
    tell_decision(&mut fields, "canary", Why::Sticky);
    assert_eq!(all(&fields, "x-weir-version"), ["canary"]);
    assert_eq!(all(&fields, "x-weir-why"), ["sticky"]);
}

#[test]
fn via_is_added_to() {
    let mut fields = fields([("via", "1.0 other")]);
    via(&mut fields, Version::HTTP_11);
    assert_eq!(all(&fields, "via"), ["1.0 other", "1.1 weir"]);
    for (version, expected) in
        [(Version::HTTP_10, "1.0 weir"), (Version::HTTP_11, "1.1 weir"), (Version::HTTP_2, "2 weir")]
    {
        let mut fields = FieldSection::new();
        via(&mut fields, version);
        assert_eq!(all(&fields, "via"), [expected]);
    }
}

// The target.

/// A request for `path` and `query`, which stand side by side as they came, and the place of its authority.
fn request(path: &str, query: Option<&str>) -> (Request, Span) {
    let mut fields = FieldSection::new();
    let authority = fields.store(b"shop.example.com:8080");
    let path = fields.store(path.as_bytes());
    let query = query.map(|query| {
        fields.store(b"?");
        fields.store(query.as_bytes())
    });
    let target = crate::message::Target { authority: None, path, query };
    let (method, version) = (Method::GET, Version::HTTP_11);
    (Request { method, version, target, protocol: None, fields, size: Size::None }, authority)
}

/// What rules make of a path of which a condition matched the first two bytes.
fn rewritten(to: &PathRewrite, request: &Request) -> String {
    let (path, query) = (request.path(), request.query());
    let host = "shop.example.com";
    let original = Original { scheme: &Scheme::HTTP, host, port: 80, path, query, secure: false, prefix: 2 };
    filter::rewritten(to, &original)
}

/// Path and authority after filters.
fn target(filters: &[Filter], path: &str, query: Option<&str>) -> Option<(String, String)> {
    let (mut request, authority) = request(path, query);
    let places = [authority, request.target.path];
    let target = Target::rewritten(filters, rewritten, places, &mut request)?;
    let text = |span| request.fields.text_at(span).to_owned();
    Some((text(target.path), text(target.host)))
}

fn rewrite(path: &str) -> Filter {
    Filter::RewritePath(PathRewrite::Full(Arc::from(path)))
}

#[test]
fn without_rewrites_the_target_is_what_the_client_asked_for() {
    let target = target(&[], "/a/b", Some("q=1")).unwrap();
    assert_eq!(target, ("/a/b?q=1".to_owned(), "shop.example.com:8080".to_owned()));
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
        assert_eq!(target(&[], path, query).unwrap().0, expected);
    }
}

#[test]
fn a_target_whose_path_and_query_stand_apart_is_put_together() {
    // As an absolute-form without a path has them: `http://shop.example.com?q=1`.
    let (mut request, authority) = request("", Some("q=1"));
    request.target.path = request.fields.store(b"/");
    let places = [authority, request.target.path];
    let target = Target::rewritten(&[], rewritten, places, &mut request).unwrap();
    assert_eq!(request.fields.text_at(target.path), "/?q=1");
}

#[test]
fn a_rewrite_of_the_path_keeps_the_query() {
    let prefix = Filter::RewritePath(PathRewrite::Prefix("/x".into()));
    assert_eq!(target(&[prefix], "/a/b", Some("q=1")).unwrap().0, "/x/b?q=1");
    assert_eq!(target(&[rewrite("/y")], "/a/b", Some("q=1")).unwrap().0, "/y?q=1");
}

#[test]
fn a_rewrite_of_the_host_names_another_one() {
    let filter = Filter::RewriteHost(HeaderValue::from_static("inner.example.com"));
    assert_eq!(target(&[filter], "/a", None).unwrap(), ("/a".to_owned(), "inner.example.com".to_owned()));
}

#[test]
fn a_rewrite_that_makes_no_path_makes_no_target() {
    for path in ["/a b", "/a\r\nx: y"] {
        assert!(target(&[rewrite(path)], "/", None).is_none(), "{path:?}");
    }
}
