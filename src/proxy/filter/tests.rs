use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Version};

use super::*;
use crate::message::{Size, Target};
use crate::model::RedirectTo;

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

    /// The value of a field of one line.
    #[track_caller]
    fn one(&self, name: &str) -> &str {
        assert_eq!(self.all(name).count(), 1, "{name} in {self:?}");
        self.first(name).and_then(|value| std::str::from_utf8(value).ok()).expect("text")
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

fn fields(lines: &[(&str, &str)]) -> Lines {
    let mut fields = FieldSection::new();
    for (name, value) in lines {
        fields.append(*name, value.as_bytes());
    }
    Lines(fields)
}

/// The head of a request.
fn asking(method: Method, fields: FieldSection) -> Request {
    let (version, target) = (Version::HTTP_11, Target::default());
    Request { method, version, target, protocol: None, fields, size: Size::None }
}

/// What filters answer to a plain GET.
fn answer_to_get(filters: &[Filter], original: &Original<'_>) -> Option<(StatusCode, Lines)> {
    let (status, fields) = answer(filters, original, &asking(Method::GET, FieldSection::new()))?;
    Some((status, Lines(fields)))
}

fn original<'a>(path: &'a str, prefix: usize) -> Original<'a> {
    Original { scheme: &Scheme::HTTP, host: "shop.example.com", port: 80, path, query: None, secure: false, prefix }
}

fn redirect() -> Redirect {
    Redirect { scheme: None, host: None, port: None, path: None, status: StatusCode::FOUND }
}

/// The answer of one redirect: its `Location`.
fn redirected(redirect: Redirect, original: &Original<'_>) -> String {
    let (_, fields) = answer_to_get(&[Filter::Redirect(redirect)], original).expect("an answer");
    fields.one("location").to_owned()
}

// Redirects.

#[test]
fn what_came_in_clear_text_is_sent_to_https_with_its_path_and_query() {
    let filter = [Filter::RequireHttps(StatusCode::PERMANENT_REDIRECT)];
    let plain = Original { query: Some("q=1"), port: 8080, ..original("/a/b", 0) };
    let (status, fields) = answer_to_get(&filter, &plain).unwrap();
    assert_eq!((status.as_u16(), fields.one("location")), (308, "https://shop.example.com/a/b?q=1"));
    let secure = Original { secure: true, ..plain };
    assert_eq!(answer_to_get(&filter, &secure), None);
}

#[test]
fn a_fixed_url_may_take_the_path_and_query_along() {
    for (with_target, location) in [(false, "https://new.example.com"), (true, "https://new.example.com/a?q=1")] {
        let to = RedirectTo { url: "https://new.example.com".into(), with_target, status: StatusCode::FOUND };
        let asked = Original { query: Some("q=1"), ..original("/a", 0) };
        let (_, fields) = answer_to_get(&[Filter::RedirectTo(to)], &asked).unwrap();
        assert_eq!(fields.one("location"), location);
    }
}

#[test]
fn a_rewrite_by_pattern_takes_groups_along_and_leaves_other_paths() {
    let pattern = crate::model::Pattern::search("(?i)^/old(/|$)(.*)").unwrap();
    let rewrite = PathRewrite::Pattern(pattern, "/new/${2}".into());
    for (path, expected) in [("/old/a/b", "/new/a/b"), ("/OLD", "/new/"), ("/other", "/other")] {
        assert_eq!(rewritten(&rewrite, &original(path, 0)), expected);
    }
}

#[test]
fn a_redirect_answers_with_its_status() {
    for status in [301, 302, 303, 307, 308] {
        let status = StatusCode::from_u16(status).unwrap();
        let filter = Filter::Redirect(Redirect { status, ..redirect() });
        assert_eq!(answer_to_get(&[filter], &original("/", 0)).unwrap().0, status);
    }
}

#[test]
fn what_a_redirect_does_not_name_stays_as_the_request_had_it() {
    let original = Original { query: Some("q=1&r"), port: 8080, ..original("/a/b", 0) };
    assert_eq!(redirected(redirect(), &original), "http://shop.example.com:8080/a/b?q=1&r");
}

#[test]
fn a_redirect_keeps_the_query_whatever_the_path() {
    let original = Original { query: Some("q=1"), ..original("/a/b", 2) };
    for (path, expected) in [(PathRewrite::Full("/x".into()), "/x?q=1"), (PathRewrite::Prefix("/x".into()), "/x/b?q=1")]
    {
        let location = redirected(Redirect { path: Some(path), ..redirect() }, &original);
        assert_eq!(location, format!("http://shop.example.com{expected}"));
    }
}

#[test]
fn the_port_of_a_redirect_is_its_own_else_that_of_its_scheme_else_the_listeners() {
    let (http, https) = (Some(Scheme::HTTP), Some(Scheme::HTTPS));
    for (scheme, port, listener, expected) in [
        // Its own, left out where it is the scheme's.
        (None, Some(8443), 80, "http://shop.example.com:8443/"),
        (None, Some(80), 8080, "http://shop.example.com/"),
        (None, Some(443), 80, "http://shop.example.com:443/"),
        (https.clone(), Some(443), 80, "https://shop.example.com/"),
        (https.clone(), Some(80), 80, "https://shop.example.com:80/"),
        // That of its scheme.
        (https, None, 8080, "https://shop.example.com/"),
        (http, None, 8080, "http://shop.example.com/"),
        // The listener's.
        (None, None, 8080, "http://shop.example.com:8080/"),
        (None, None, 80, "http://shop.example.com/"),
        (None, None, 443, "http://shop.example.com:443/"),
    ] {
        let original = Original { port: listener, ..original("/", 0) };
        assert_eq!(redirected(Redirect { scheme, port, ..redirect() }, &original), expected);
    }
}

#[test]
fn on_tls_the_well_known_port_is_443() {
    let tls = |port| Original { scheme: &Scheme::HTTPS, port, ..original("/", 0) };
    assert_eq!(redirected(redirect(), &tls(443)), "https://shop.example.com/");
    assert_eq!(redirected(redirect(), &tls(8443)), "https://shop.example.com:8443/");
    assert_eq!(
        redirected(Redirect { scheme: Some(Scheme::HTTP), ..redirect() }, &tls(443)),
        "http://shop.example.com/"
    );
}

#[test]
fn a_redirect_may_name_another_host() {
    let redirect = Redirect { host: Some("other.example.com".into()), ..redirect() };
    assert_eq!(redirected(redirect, &original("/a", 0)), "http://other.example.com/a");
}

#[test]
fn a_redirect_of_an_ipv6_address_keeps_its_brackets() {
    let original = Original { host: "[2001:db8::1]", port: 8080, ..original("/", 0) };
    assert_eq!(redirected(redirect(), &original), "http://[2001:db8::1]:8080/");
}

#[test]
fn a_path_of_two_slashes_names_no_other_host() {
    assert_eq!(redirected(redirect(), &original("//evil.test/x", 0)), "http://shop.example.com//evil.test/x");
    let stripped = Redirect { path: Some(PathRewrite::Prefix("/".into())), ..redirect() };
    assert_eq!(redirected(stripped, &original("/a//evil.test", 2)), "http://shop.example.com//evil.test");
}

#[test]
fn without_a_filter_that_answers_there_is_no_answer() {
    let filters = [
        Filter::RequestHeader(HeaderEdit::Remove(http::header::COOKIE)),
        Filter::RewriteHost(HeaderValue::from_static("h")),
        Filter::RewritePath(PathRewrite::Full("/x".into())),
    ];
    assert!(answer_to_get(&filters, &original("/", 0)).is_none());
}

// Rewrites.

#[test]
fn a_full_rewrite_replaces_the_whole_path() {
    assert_eq!(rewritten(&PathRewrite::Full("/x/y".into()), &original("/a/b/c", 2)), "/x/y");
}

#[test]
fn a_prefix_rewrite_replaces_the_prefix_and_doubles_or_loses_no_slash() {
    // The table of `HTTPPathModifier` in the Gateway API, and the cases that it leaves out.
    for (path, matched, replacement, expected) in [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/", "/foo", "/xyz/", "/xyz/"),
        ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"),
        ("/foo", "/foo", "", "/"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
        ("/foo/bar", "/foo", "/", "/bar"),
        ("/foo/bar/", "/foo", "/xyz", "/xyz/bar/"),
        ("/foo/bar/baz", "/foo/bar", "/x/y", "/x/y/baz"),
        // The root prefix.
        ("/bar", "", "/xyz", "/xyz/bar"),
        ("/bar", "", "/xyz/", "/xyz/bar"),
        ("/", "", "/xyz", "/xyz/"),
        ("/bar", "", "/", "/bar"),
        ("/", "", "/", "/"),
    ] {
        assert!(path.starts_with(matched));
        let rewrite = PathRewrite::Prefix(replacement.into());
        assert_eq!(rewritten(&rewrite, &original(path, matched.len())), expected, "{path} {matched} {replacement}");
    }
}

#[test]
fn a_prefix_rewrite_leaves_escapes_alone() {
    assert_eq!(rewritten(&PathRewrite::Prefix("/x".into()), &original("/a/%2F%2e%2e/b", 2)), "/x/%2F%2e%2e/b");
}

// Header edits.

fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn value(value: &'static str) -> HeaderValue {
    HeaderValue::from_static(value)
}

fn edited(edits: &[HeaderEdit], before: &[(&'static str, &'static str)]) -> Lines {
    let Lines(mut fields) = fields(before);
    edit(edits.iter(), &mut fields);
    Lines(fields)
}

#[test]
fn set_replaces_every_value() {
    let set = HeaderEdit::Set(name("x-a"), value("3"));
    assert_eq!(edited(std::slice::from_ref(&set), &[("x-a", "1"), ("x-a", "2")]), fields(&[("x-a", "3")]));
    assert_eq!(edited(&[set], &[("x-b", "1")]), fields(&[("x-b", "1"), ("x-a", "3")]));
}

#[test]
fn add_keeps_the_values_that_are_there() {
    let add = HeaderEdit::Add(name("x-a"), value("2"));
    assert_eq!(edited(&[add], &[("x-a", "1")]), fields(&[("x-a", "1"), ("x-a", "2")]));
}

#[test]
fn remove_takes_every_value() {
    let remove = HeaderEdit::Remove(name("x-a"));
    assert_eq!(edited(&[remove], &[("x-a", "1"), ("x-a", "2"), ("x-b", "1")]), fields(&[("x-b", "1")]));
}

#[test]
fn edits_apply_in_their_order() {
    let edits = [
        HeaderEdit::Add(name("x-a"), value("1")),
        HeaderEdit::Remove(name("x-a")),
        HeaderEdit::Set(name("x-b"), value("1")),
        HeaderEdit::Add(name("x-b"), value("2")),
    ];
    assert_eq!(edited(&edits, &[]), fields(&[("x-b", "1"), ("x-b", "2")]));
}

#[test]
fn edits_of_requests_and_responses_are_kept_apart() {
    let (request, response) = (HeaderEdit::Remove(name("x-a")), HeaderEdit::Remove(name("x-b")));
    let filters = [Filter::RequestHeader(request.clone()), Filter::ResponseHeader(response.clone())];
    assert_eq!(request_edits(&filters).collect::<Vec<_>>(), [&request]);
    assert_eq!(response_edits(&filters).collect::<Vec<_>>(), [&response]);
}

// Cross-origin resource sharing.

fn cors(origins: &[&str]) -> Cors {
    Cors {
        allow_origins: origins.iter().map(|origin| Arc::from(*origin)).collect(),
        allow_methods: Vec::new(),
        allow_headers: Vec::new(),
        expose_headers: Vec::new(),
        allow_credentials: false,
        max_age: None,
    }
}

/// The answer to a preflight from an origin for a PUT with two fields.
fn preflight_from(origin: &'static str, cors: Cors) -> Lines {
    let Lines(asked) = fields(&[
        ("origin", origin),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "x-a, x-b"),
    ]);
    let (status, fields) =
        answer(&[Filter::Cors(cors)], &original("/", 0), &asking(Method::OPTIONS, asked)).expect("an answer");
    assert_eq!(status, StatusCode::NO_CONTENT);
    Lines(fields)
}

/// What a simple request from an origin adds to an answer.
fn shared(origin: Option<&'static str>, cors: Cors, before: &[(&'static str, &'static str)]) -> Lines {
    let Lines(mut fields) = fields(before);
    share(&[Filter::Cors(cors)], origin.map(str::as_bytes), &mut fields);
    Lines(fields)
}

const APP: &str = "https://app.example.com";

#[test]
fn a_preflight_from_an_allowed_origin_allows_what_is_asked_for() {
    let expected = fields(&[
        ("vary", "origin"),
        ("access-control-allow-origin", APP),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "x-a, x-b"),
    ]);
    assert_eq!(preflight_from(APP, cors(&[APP])), expected);
}

#[test]
fn a_preflight_allows_what_is_configured() {
    let cors = Cors {
        allow_methods: vec![Method::GET, Method::PUT],
        allow_headers: vec![name("x-a"), name("x-c")],
        expose_headers: vec![name("x-d")],
        max_age: Some(Duration::from_secs(600)),
        ..cors(&[APP])
    };
    let expected = fields(&[
        ("vary", "origin"),
        ("access-control-allow-origin", APP),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "x-a, x-c"),
        ("access-control-expose-headers", "x-d"),
        ("access-control-max-age", "600"),
    ]);
    assert_eq!(preflight_from(APP, cors), expected);
}

#[test]
fn a_preflight_from_another_origin_allows_nothing() {
    let cors = Cors { allow_credentials: true, max_age: Some(Duration::from_secs(1)), ..cors(&[APP]) };
    assert_eq!(preflight_from("https://evil.test", cors), fields(&[("vary", "origin")]));
}

#[test]
fn a_request_that_asks_for_no_method_is_no_preflight() {
    let Lines(asked) = fields(&[("origin", APP)]);
    assert!(answer(&[Filter::Cors(cors(&[APP]))], &original("/", 0), &asking(Method::OPTIONS, asked)).is_none());
}

#[test]
fn any_origin_is_told_as_a_star_unless_cookies_go_along() {
    let star = shared(Some(APP), cors(&["*"]), &[]);
    assert_eq!(star.one("access-control-allow-origin"), "*");
    assert!(!star.has("access-control-allow-credentials"));
    let credentials = shared(Some(APP), Cors { allow_credentials: true, ..cors(&["*"]) }, &[]);
    assert_eq!(credentials.one("access-control-allow-origin"), APP);
    assert_eq!(credentials.one("access-control-allow-credentials"), "true");
}

#[test]
fn a_star_stands_for_a_part_of_the_host() {
    for (pattern, origin, allowed) in [
        ("https://*.example.com", "https://app.example.com", true),
        ("https://*.example.com", "https://a.b.example.com", true),
        ("https://*.example.com", "HTTPS://APP.Example.com", true),
        ("https://*.example.com", "http://app.example.com", false),
        ("https://*.example.com", "https://example.com", false),
        ("https://*.example.com", "https://evilexample.com", false),
        ("https://*.example.com", "https://app.example.com.evil.test", false),
        ("https://*.example.com", "https://app.example.com:8443", false),
        ("https://app.example.com:*", "https://app.example.com:8443", true),
        ("https://app.example.com", "https://app.example.com", true),
        ("https://app.example.com", "https://app.example.com.evil.test", false),
        ("https://app.example.com", "https://xapp.example.com", false),
        ("https://app.example.com", "null", false),
        ("ab*ba", "aba", false),
        ("*", "null", true),
    ] {
        let fields = shared(Some(origin), cors(&[pattern]), &[]);
        assert_eq!(fields.has("access-control-allow-origin"), allowed, "{pattern} {origin}");
    }
}

#[test]
fn the_first_origin_that_fits_allows() {
    let fields = shared(Some(APP), cors(&["https://other.test", APP]), &[]);
    assert_eq!(fields.one("access-control-allow-origin"), APP);
}

#[test]
fn an_answer_to_an_allowed_origin_may_be_read_with_the_headers_exposed() {
    let cors = Cors { expose_headers: vec![name("x-a"), name("x-b")], ..cors(&[APP]) };
    let expected = fields(&[
        ("vary", "origin"),
        ("access-control-allow-origin", APP),
        ("access-control-expose-headers", "x-a, x-b"),
    ]);
    assert_eq!(shared(Some(APP), cors, &[]), expected);
}

#[test]
fn an_answer_to_another_origin_exposes_nothing() {
    let cors = Cors { expose_headers: vec![name("x-a")], allow_credentials: true, ..cors(&[APP]) };
    assert_eq!(shared(Some("https://evil.test"), cors, &[]), fields(&[("vary", "origin")]));
}

#[test]
fn what_the_endpoint_says_about_origins_is_replaced() {
    let theirs = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x-secret"),
        ("x-kept", "1"),
    ];
    let expected = fields(&[("x-kept", "1"), ("vary", "origin")]);
    assert_eq!(shared(Some("https://evil.test"), cors(&[APP]), &theirs), expected);
}

#[test]
fn caches_learn_that_answers_differ_by_origin_also_from_a_request_without_one() {
    // Fetch standard, section 3.2.5: what such an answer lacks would else be lacking for every origin.
    assert_eq!(shared(None, cors(&[APP]), &[]), fields(&[("vary", "origin")]));
    let varied = shared(None, cors(&[APP]), &[("vary", "accept-encoding")]);
    assert_eq!(varied.all("vary").collect::<Vec<_>>(), [&b"accept-encoding"[..], b"origin"]);
}

#[test]
fn without_a_policy_the_endpoints_answer_is_left_alone() {
    let Lines(mut answer) = fields(&[("access-control-allow-origin", "*")]);
    share(&[], Some(APP.as_bytes()), &mut answer);
    assert_eq!(Lines(answer), fields(&[("access-control-allow-origin", "*")]));
}
