use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::*;
use crate::model::{HostPattern, Match, PathMatch, Pattern, ValueMatch};
use crate::snapshot::MatchSummary;
use crate::testing::{Asked, exact, fixed, host, is, prefix, regex};
use http::{HeaderName, Method};

/// A host (none: every) and a condition; its position in the list is its rule.
type Entry = (Option<HostPattern>, Match);

fn table(entries: &[Entry]) -> RouteTable {
    let mut table = RouteTable::default();
    for (rule, (host, condition)) in entries.iter().enumerate() {
        table.add(host.as_ref(), condition, rule, (rule, 0));
    }
    table.sort();
    table
}

fn rule(entries: &[Entry], asked: &Asked) -> Option<usize> {
    find(&table(entries), &asked.head()).map(|found| found.rule)
}

/// Whether a condition on its own takes a request.
fn takes(entry: &Entry, asked: &Asked) -> bool {
    rule(std::slice::from_ref(entry), asked).is_some()
}

/// Both take the request, and the first one does whichever comes first in the configuration.
#[track_caller]
fn beats(winner: Entry, loser: Entry, asked: &Asked) {
    assert!(takes(&winner, asked), "the winner takes the request");
    assert!(takes(&loser, asked), "the loser takes the request");
    assert_eq!(rule(&[winner.clone(), loser.clone()], asked), Some(0));
    assert_eq!(rule(&[loser, winner], asked), Some(1));
}

fn at(name: &str) -> Entry {
    (Some(host(name)), Match::path(prefix("/")))
}

fn any(condition: Match) -> Entry {
    (None, condition)
}

fn with_method(mut condition: Match, method: Method) -> Match {
    condition.method = Some(method);
    condition
}

fn with_header(mut condition: Match, name: &'static str, value: ValueMatch) -> Match {
    condition.headers.push(HeaderMatch { name: HeaderName::from_static(name), value });
    condition
}

fn with_query(mut condition: Match, name: &str, value: ValueMatch) -> Match {
    condition.query.push(QueryMatch { name: name.into(), value });
    condition
}

fn with_also(condition: Match, also: Also) -> Match {
    Match { also: Some(Arc::new(also)), ..condition }
}

fn root() -> Match {
    Match::path(prefix("/"))
}

fn expression(text: &str) -> ValueMatch {
    ValueMatch::Regex(Pattern::whole(text).unwrap())
}

// Precedence.

#[test]
fn an_exact_host_beats_a_wildcard_even_with_a_shorter_path() {
    let narrow = (Some(host("*.example.com")), Match::path(exact("/a/b")));
    beats(at("shop.example.com"), narrow, &Asked::get("shop.example.com/a/b"));
}

#[test]
fn a_longer_wildcard_beats_a_shorter_one() {
    beats(at("*.eu.example.com"), at("*.example.com"), &Asked::get("shop.eu.example.com"));
}

#[test]
fn a_wildcard_beats_no_host() {
    beats(at("*.example.com"), any(Match::path(exact("/a"))), &Asked::get("shop.example.com/a"));
}

#[test]
fn an_exact_path_beats_an_expression() {
    beats(any(Match::path(exact("/a"))), any(Match::path(regex("/a|/a/very/long/alternative"))), &Asked::get("h/a"));
}

#[test]
fn an_exact_path_beats_a_prefix_with_more_conditions() {
    let loser = with_header(with_method(Match::path(prefix("/a")), Method::GET), "x-a", ValueMatch::Present);
    beats(any(Match::path(exact("/a"))), any(loser), &Asked::get("h/a").header("x-a", "1"));
}

#[test]
fn an_expression_beats_a_prefix() {
    beats(any(Match::path(regex("/a/.*"))), any(Match::path(prefix("/a/b/c"))), &Asked::get("h/a/b/c"));
}

#[test]
fn the_longer_of_two_expressions_wins() {
    beats(any(Match::path(regex("/a/[a-z]+"))), any(Match::path(regex("/a/.*"))), &Asked::get("h/a/b"));
}

#[test]
fn the_longer_of_two_prefixes_wins_even_with_fewer_conditions() {
    let loser = with_method(Match::path(prefix("/a")), Method::GET);
    beats(any(Match::path(prefix("/a/b"))), any(loser), &Asked::get("h/a/b/c"));
}

#[test]
fn a_method_beats_headers_and_query_parameters() {
    let loser = with_header(with_header(root(), "x-a", ValueMatch::Present), "x-b", ValueMatch::Present);
    let loser = with_query(loser, "q", ValueMatch::Present);
    let asked = Asked::get("h/?q=1").header("x-a", "1").header("x-b", "1");
    beats(any(with_method(root(), Method::GET)), any(loser), &asked);
}

#[test]
fn more_headers_beat_more_query_parameters() {
    let winner = with_header(with_header(root(), "x-a", ValueMatch::Present), "x-b", ValueMatch::Present);
    let loser = with_query(with_header(root(), "x-a", ValueMatch::Present), "q", ValueMatch::Present);
    beats(any(winner), any(loser), &Asked::get("h/?q=1").header("x-a", "1").header("x-b", "1"));
}

#[test]
fn more_query_parameters_win() {
    let one = with_query(root(), "q", ValueMatch::Present);
    let two = with_query(one.clone(), "p", is("2"));
    beats(any(two), any(one), &Asked::get("h/?q=1&p=2"));
}

#[test]
fn the_earlier_rule_wins_when_nothing_else_decides() {
    let entries = [any(root()), any(root())];
    assert_eq!(rule(&entries, &Asked::get("h/")), Some(0));
    let swapped = [any(with_header(root(), "x-a", is("1"))), any(with_header(root(), "x-b", is("1")))];
    assert_eq!(rule(&swapped, &Asked::get("h/").header("x-a", "1").header("x-b", "1")), Some(0));
}

#[test]
fn what_a_request_must_be_too_says_nothing_of_precedence() {
    let more = || Also { path: Some(Pattern::whole("/.*").unwrap()), methods: vec![Method::GET], headers: Vec::new() };
    let entries = [any(root()), any(with_also(root(), more()))];
    assert_eq!(rule(&entries, &Asked::get("h/")), Some(0));
    let [all, some] = entries;
    assert_eq!(rule(&[some.clone(), all], &Asked::get("h/")), Some(0));
    beats(any(with_query(root(), "q", ValueMatch::Present)), some, &Asked::get("h/?q"));
}

#[test]
fn the_earlier_condition_of_a_rule_wins_when_nothing_else_decides() {
    let mut table = RouteTable::default();
    table.add(None, &with_query(root(), "b", ValueMatch::Present), 7, (0, 1));
    table.add(None, &with_query(root(), "a", ValueMatch::Present), 8, (0, 0));
    table.sort();
    assert_eq!(find(&table, &Asked::get("h/?a&b").head()).map(|found| found.rule), Some(8));
}

// Hosts.

#[test]
fn a_request_that_no_rule_of_its_host_takes_falls_through_to_less_specific_hosts() {
    let only = |name: &str, path| (Some(host(name)), Match::path(prefix(path)));
    let entries = [
        only("shop.eu.example.com", "/exact"),
        only("*.eu.example.com", "/near"),
        only("*.example.com", "/far"),
        any(Match::path(prefix("/any"))),
    ];
    for (path, expected) in [("/exact", 0), ("/near", 1), ("/far", 2), ("/any", 3)] {
        assert_eq!(rule(&entries, &Asked::get(&format!("shop.eu.example.com{path}"))), Some(expected), "{path}");
    }
    assert_eq!(rule(&entries, &Asked::get("shop.eu.example.com/none")), None);
}

#[test]
fn a_wildcard_takes_names_of_hosts_only() {
    let wildcard = at("*.test");
    let name = |length: usize| format!("{}.test", "a.".repeat(length / 2 - 3) + &"b".repeat(length % 2 + 1));
    let asked = |length| Asked::get(&name(length));
    for length in [252, 253] {
        assert_eq!(name(length).len(), length);
        assert!(takes(&wildcard, &asked(length)), "{length}");
    }
    assert!(!takes(&wildcard, &asked(254)));
}

#[test]
fn a_wildcard_needs_one_label_at_least() {
    let wildcard = at("*.example.com");
    for (name, expected) in [
        ("a.example.com", true),
        ("a.b.example.com", true),
        ("example.com", false),
        (".example.com", false),
        ("aexample.com", false),
        ("a.example.com.evil.test", false),
        ("a.example.org", false),
    ] {
        assert_eq!(takes(&wildcard, &Asked::get(name)), expected, "{name}");
    }
}

#[test]
fn an_exact_host_takes_no_other_name() {
    for name in ["a.shop.example.com", "shop.example.co", "shop.example.com.evil.test", "hop.example.com", ""] {
        assert!(!takes(&at("shop.example.com"), &Asked::get(name)), "{name}");
    }
}

#[test]
fn a_rule_without_host_takes_every_host_and_none() {
    for name in ["shop.example.com", "192.0.2.7", "[2001:db8::1]", ""] {
        assert!(takes(&any(root()), &Asked::get(name)), "{name}");
    }
}

#[test]
fn an_address_is_a_host_like_any_other() {
    assert!(takes(&at("192.0.2.7"), &Asked::get("192.0.2.7")));
    assert!(takes(&at("[2001:db8::1]"), &Asked::get("[2001:db8::1]")));
    assert!(!takes(&at("192.0.2.7"), &Asked::get("192.0.2.70")));
}

// Paths.

#[test]
fn a_prefix_is_compared_by_path_elements() {
    for (path, expected) in [
        ("/api", true),
        ("/api/", true),
        ("/api/x", true),
        ("/api/x/y/", true),
        ("/api//", true),
        ("/api//x", true),
        ("/apix", false),
        ("/api.json", false),
        ("/ap", false),
        ("/", false),
        ("/x/api", false),
        ("//api", false),
        ("/API", false),
        ("/%61pi", false),
    ] {
        assert_eq!(takes(&any(Match::path(prefix("/api"))), &Asked::get(&format!("h{path}"))), expected, "{path}");
    }
}

#[test]
fn a_trailing_slash_in_the_configuration_of_a_prefix_means_nothing() {
    for (path, expected) in [("/api", true), ("/api/", true), ("/api/x", true), ("/apix", false)] {
        assert_eq!(takes(&any(Match::path(prefix("/api/"))), &Asked::get(&format!("h{path}"))), expected, "{path}");
    }
}

#[test]
fn the_root_prefix_takes_every_path() {
    for path in ["/", "/a", "/a/", "//", "/a//b", "/.well-known/x", "/%2e%2e"] {
        assert!(takes(&any(root()), &Asked::get(&format!("h{path}"))), "{path}");
    }
}

#[test]
fn an_exact_path_is_compared_byte_for_byte() {
    for (path, expected) in [("/a/b", true), ("/a/b/", false), ("/a", false), ("/a/B", false), ("/a/b/c", false)] {
        assert_eq!(takes(&any(Match::path(exact("/a/b"))), &Asked::get(&format!("h{path}"))), expected, "{path}");
    }
}

#[test]
fn an_expression_must_match_the_whole_path() {
    for (path, expected) in [("/v1/x", true), ("/v2/x", true), ("/v3/x", false), ("/v1/xy", false), ("/a/v1/x", false)]
    {
        assert_eq!(
            takes(&any(Match::path(regex("/v1/x|/v2/x"))), &Asked::get(&format!("h{path}"))),
            expected,
            "{path}"
        );
    }
}

#[test]
fn the_query_is_no_part_of_the_path() {
    assert!(takes(&any(Match::path(exact("/a"))), &Asked::get("h/a?b=/c")));
    assert!(takes(&any(Match::path(regex("/a"))), &Asked::get("h/a?b")));
}

#[test]
fn the_length_of_the_prefix_that_matched_is_told_without_a_trailing_slash() {
    let matched = |condition: PathMatch, path: &str| {
        find(&table(&[any(Match::path(condition))]), &Asked::get(&format!("h{path}")).head()).map(|found| found.prefix)
    };
    assert_eq!(matched(prefix("/api"), "/api"), Some(4));
    assert_eq!(matched(prefix("/api"), "/api/"), Some(4));
    assert_eq!(matched(prefix("/api/"), "/api/x"), Some(4));
    assert_eq!(matched(prefix("/"), "/api/x"), Some(0));
    assert_eq!(matched(exact("/api"), "/api"), Some(0));
    assert_eq!(matched(regex("/api.*"), "/api/x"), Some(0));
}

#[test]
fn a_longer_prefix_whose_conditions_do_not_hold_leaves_the_request_to_a_shorter_one() {
    let entries =
        [any(with_method(Match::path(prefix("/a/b")), Method::POST)), any(Match::path(prefix("/a"))), any(root())];
    assert_eq!(rule(&entries, &Asked::get("h/a/b")), Some(1));
    assert_eq!(rule(&entries, &Asked::get("h/a/b").method(Method::POST)), Some(0));
    assert_eq!(rule(&entries, &Asked::get("h/b")), Some(2));
}

// Methods, headers, query parameters.

#[test]
fn a_method_is_compared_as_it_is_written() {
    let condition = any(with_method(root(), Method::POST));
    assert!(takes(&condition, &Asked::get("h/").method(Method::POST)));
    assert!(!takes(&condition, &Asked::get("h/")));
    assert!(!takes(&condition, &Asked::get("h/").method(Method::from_bytes(b"post").unwrap())));
}

#[test]
fn every_condition_must_hold() {
    let condition =
        with_query(with_header(with_method(Match::path(prefix("/a")), Method::GET), "x-a", is("1")), "q", is("2"));
    let condition = any(condition);
    let good = Asked::get("h/a?q=2").header("x-a", "1");
    assert!(takes(&condition, &good));
    assert!(!takes(&condition, &good.clone().method(Method::PUT)));
    assert!(!takes(&condition, &Asked::get("h/a?q=2").header("x-a", "2")));
    assert!(!takes(&condition, &Asked::get("h/a?q=3").header("x-a", "1")));
    assert!(!takes(&condition, &Asked::get("h/b?q=2").header("x-a", "1")));
}

#[test]
fn all_that_a_request_must_be_too_must_hold() {
    let header = HeaderMatch { name: HeaderName::from_static("x-a"), value: is("1") };
    let methods = vec![Method::GET, Method::POST];
    let also = Also { path: Some(Pattern::whole("/a.").unwrap()), methods, headers: vec![header] };
    let condition = any(with_also(root(), also));
    let good = Asked::get("h/ab").header("x-a", "1");
    assert!(takes(&condition, &good));
    assert!(takes(&condition, &good.clone().method(Method::POST)));
    assert!(!takes(&condition, &good.method(Method::PUT)));
    assert!(!takes(&condition, &Asked::get("h/ab").header("x-a", "2")));
    assert!(!takes(&condition, &Asked::get("h/abc").header("x-a", "1")));
    assert!(takes(&any(with_also(root(), Also::default())), &Asked::get("h/")));
}

#[test]
fn a_header_is_compared_exactly_by_expression_or_by_presence() {
    let asked = |value: &str| Asked::get("h/").header("x-a", value);
    let condition = |value| any(with_header(root(), "x-a", value));
    assert!(takes(&condition(is("one")), &asked("one")));
    assert!(!takes(&condition(is("one")), &asked("One")));
    assert!(!takes(&condition(is("one")), &asked("one two")));
    assert!(takes(&condition(expression("o.*")), &asked("one")));
    assert!(!takes(&condition(expression("o")), &asked("one")));
    assert!(takes(&condition(ValueMatch::Present), &asked("")));
    for value in [is(""), expression(".*"), ValueMatch::Present] {
        assert!(!takes(&condition(value), &Asked::get("h/")), "an absent header");
    }
}

#[test]
fn the_name_of_a_header_is_compared_without_case() {
    assert!(takes(&any(with_header(root(), "x-a", is("1"))), &Asked::get("h/").header("X-A", "1")));
}

#[test]
fn repeated_headers_are_compared_joined_by_commas() {
    let asked = Asked::get("h/").header("x-a", "1").header("x-a", "2");
    assert!(takes(&any(with_header(root(), "x-a", is("1,2"))), &asked));
    assert!(takes(&any(with_header(root(), "x-a", expression("1,2"))), &asked));
    assert!(takes(&any(with_header(root(), "x-a", ValueMatch::Present)), &asked));
    assert!(!takes(&any(with_header(root(), "x-a", is("1"))), &asked));
    assert!(!takes(&any(with_header(root(), "x-a", is("2"))), &asked));
}

#[test]
fn repeated_cookie_lines_are_compared_joined_by_semicolons() {
    let asked = Asked::get("h/").header("cookie", "a=1").header("cookie", "b=2");
    assert!(takes(&any(with_header(root(), "cookie", is("a=1; b=2"))), &asked));
}

#[test]
fn bytes_outside_utf8_match_no_expression_but_are_present() {
    let mut asked = Asked::get("h/");
    asked.headers.insert("x-a", http::HeaderValue::from_bytes(b"\xff").unwrap());
    assert!(takes(&any(with_header(root(), "x-a", ValueMatch::Present)), &asked));
    assert!(!takes(&any(with_header(root(), "x-a", expression(".*"))), &asked));
}

#[test]
fn a_query_parameter_is_compared_exactly_by_expression_or_by_presence() {
    let condition = |value| any(with_query(root(), "q", value));
    assert!(takes(&condition(is("one")), &Asked::get("h/?p=0&q=one")));
    assert!(!takes(&condition(is("one")), &Asked::get("h/?q=One")));
    assert!(!takes(&condition(is("one")), &Asked::get("h/?qq=one")));
    assert!(takes(&condition(expression("o.e")), &Asked::get("h/?q=one")));
    assert!(!takes(&condition(expression("o")), &Asked::get("h/?q=one")));
    assert!(takes(&condition(ValueMatch::Present), &Asked::get("h/?q")));
    assert!(takes(&condition(is("")), &Asked::get("h/?q=")));
    assert!(!takes(&condition(ValueMatch::Present), &Asked::get("h/?p")));
    assert!(!takes(&condition(ValueMatch::Present), &Asked::get("h/")));
}

#[test]
fn the_value_of_a_query_parameter_is_percent_decoded() {
    let condition = any(with_query(root(), "q", is("a b&c=d+e")));
    assert!(takes(&condition, &Asked::get("h/?q=a%20b%26c%3Dd%2Be")));
    assert!(!takes(&any(with_query(root(), "q", is("a%20b"))), &Asked::get("h/?q=a%20b")));
}

#[test]
fn the_name_of_a_query_parameter_is_percent_decoded() {
    assert!(takes(&any(with_query(root(), "a b", is("1"))), &Asked::get("h/?a%20b=1")));
    assert!(!takes(&any(with_query(root(), "a%20b", is("1"))), &Asked::get("h/?a%20b=1")));
    assert!(takes(&any(with_query(root(), "a%20b", is("1"))), &Asked::get("h/?a%2520b=1")));
}

#[test]
fn a_plus_in_a_query_is_a_space() {
    assert!(takes(&any(with_query(root(), "q", is("a b"))), &Asked::get("h/?q=a+b")));
    assert!(!takes(&any(with_query(root(), "q", is("a+b"))), &Asked::get("h/?q=a+b")));
    assert!(takes(&any(with_query(root(), "a b", ValueMatch::Present)), &Asked::get("h/?a+b=1")));
    assert!(!takes(&any(with_query(root(), "a+b", ValueMatch::Present)), &Asked::get("h/?a+b=1")));
}

#[test]
fn of_repeated_query_parameters_the_first_counts() {
    let condition = any(with_query(root(), "q", is("1")));
    assert!(takes(&condition, &Asked::get("h/?q=1&q=2")));
    assert!(!takes(&condition, &Asked::get("h/?q=2&q=1")));
    assert!(!takes(&condition, &Asked::get("h/?%71=2&q=1")), "the encoded name is the first");
}

#[test]
fn a_value_may_hold_an_equals_sign() {
    assert!(takes(&any(with_query(root(), "q", is("a=b"))), &Asked::get("h/?q=a=b")));
}

// All of it together.

/// What a condition means, told as simply as possible.
fn naive(entry: &Entry, asked: &Asked) -> bool {
    let (pattern, condition) = entry;
    let host_fits = pattern.as_ref().is_none_or(|pattern| pattern.matches(&asked.host));
    let path_fits = match &condition.path {
        PathMatch::Exact(path) => **path == *asked.path,
        PathMatch::Prefix(path) if &**path == "/" => true,
        PathMatch::Prefix(path) => *asked.path == **path || asked.path.starts_with(&format!("{path}/")),
        PathMatch::Regex(pattern) => pattern.is_match(&asked.path),
    };
    let method_fits = condition.method.as_ref().is_none_or(|method| *method == asked.method);
    let headers_fit = condition.headers.iter().all(|condition| {
        asked.headers.get(&condition.name).is_some_and(|value| condition.value.matches(value.as_bytes()))
    });
    let pairs: Vec<(&str, &str)> =
        asked.query.iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('=')).collect();
    let query_fits = condition.query.iter().all(|condition| {
        let first = pairs.iter().find(|(name, _)| *name == &*condition.name);
        first.is_some_and(|(_, value)| condition.value.matches(value.as_bytes()))
    });
    let also_fits = condition.also.as_ref().is_none_or(|also| also.methods.contains(&asked.method));
    host_fits && path_fits && method_fits && headers_fit && query_fits && also_fits
}

const HOSTS: [&str; 6] =
    ["a.example.com", "b.a.example.com", "*.example.com", "*.a.example.com", "*.com", "other.test"];
const PATHS: [&str; 8] = ["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b", "//a"];

/// Compiled once, since that is what takes time.
static REGEXES: LazyLock<[PathMatch; 5]> = LazyLock::new(|| ["/.*", "/a/?b?", "/[ab]", "/a.*", "/(a|b)"].map(regex));
static ONE_OR_TWO: LazyLock<ValueMatch> = LazyLock::new(|| expression("[12]"));

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(texts)
}

fn any_path() -> impl Strategy<Value = PathMatch> {
    prop_oneof![
        4 => one_of(&["/", "/a", "/a/b", "/b"]).prop_map(prefix),
        2 => one_of(&PATHS).prop_map(exact),
        1 => proptest::sample::select(&REGEXES[..]),
    ]
}

fn any_value() -> impl Strategy<Value = ValueMatch> {
    prop_oneof![Just(ValueMatch::Present), Just(is("1")), Just(is("2")), Just(ONE_OR_TWO.clone())]
}

fn any_method() -> impl Strategy<Value = Method> {
    prop_oneof![Just(Method::GET), Just(Method::POST)]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let headers = proptest::collection::vec((one_of(&["x-a", "x-b"]), any_value()), 0..3);
    let query = proptest::collection::vec((one_of(&["q", "p"]), any_value()), 0..3);
    let host_name = proptest::option::of(one_of(&HOSTS));
    let method = || proptest::option::of(any_method());
    (host_name, any_path(), method(), headers, query, method()).prop_map(
        |(name, path, method, headers, query, also)| {
            let mut condition = Match::path(path);
            condition.method = method;
            condition.also = also.map(|method| Arc::new(Also { methods: vec![method], ..Also::default() }));
            for (name, value) in headers {
                condition = with_header(condition, name, value);
            }
            for (name, value) in query {
                condition = with_query(condition, name, value);
            }
            (name.map(host), condition)
        },
    )
}

fn any_request() -> impl Strategy<Value = Asked> {
    let name = one_of(&["a.example.com", "b.a.example.com", "c.b.a.example.com", "example.com", "other.test", ""]);
    let value = || proptest::option::of(one_of(&["1", "2", "3"]));
    (name, one_of(&PATHS), any_method(), value(), value(), value(), value()).prop_map(
        |(name, path, method, a, b, q, p)| {
            let mut asked = Asked::get(&format!("{name}{path}")).method(method);
            for (name, value) in [("x-a", a), ("x-b", b)] {
                if let Some(value) = value {
                    asked = asked.header(name, value);
                }
            }
            let pairs: Vec<String> =
                [("q", q), ("p", p)].iter().filter_map(|(name, value)| value.map(|v| format!("{name}={v}"))).collect();
            asked.query = (!pairs.is_empty()).then(|| pairs.join("&"));
            asked
        },
    )
}

proptest! {
    #![proptest_config(fixed(512))]

    /// The rule that is found is the one with the greatest summary among all that match.
    #[test]
    fn the_greatest_match_is_found(
        entries in proptest::collection::vec(any_entry(), 0..16),
        requests in proptest::collection::vec(any_request(), 8),
    ) {
        let table = table(&entries);
        for asked in &requests {
            let expected = entries
                .iter()
                .enumerate()
                .filter(|(_, entry)| naive(entry, asked))
                .max_by_key(|(rule, (host, condition))| MatchSummary::new(host.as_ref(), condition, (*rule, 0)))
                .map(|(rule, _)| rule);
            prop_assert_eq!(find(&table, &asked.head()).map(|found| found.rule), expected, "{:?}", asked);
        }
    }
}
