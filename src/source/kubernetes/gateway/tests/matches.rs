//! Matches of HTTPRoutes and the precedence between them (Gateway API, `HTTPRouteRule.matches`).

use http::Method;
use serde_json::{Value, json};

use super::with_routes;
use crate::source::kubernetes::tests::objects::{Made, http_route, refs};
use crate::testing::Asked;

fn rule(condition: Value, backend: &str) -> Value {
    json!({"matches": [condition], "backendRefs": refs(&[(backend, 1)])})
}

fn route(rules: &[Value]) -> Made {
    http_route("r", &[], rules.into())
}

fn path(kind: &str, value: &str) -> Value {
    json!({"path": {"type": kind, "value": value}})
}

/// Whether a request is taken by a rule with this condition.
fn takes(condition: Value, asked: &Asked) -> bool {
    with_routes(&[route(&[rule(condition, "a")])]).ask(asked) == "a"
}

#[test]
fn a_rule_without_matches_takes_everything() {
    let mut world = with_routes(&[route(&[json!({"backendRefs": refs(&[("a", 1)])})])]);
    assert_eq!(world.get("a.example/any/path"), "a");
}

#[test]
fn prefixes_are_of_path_elements_and_a_slash_at_the_end_is_nothing() {
    for prefix in ["/foo", "/foo/"] {
        let takes = |target: &str| takes(path("PathPrefix", prefix), &Asked::get(target));
        assert!(takes("a.example/foo") && takes("a.example/foo/") && takes("a.example/foo/bar"), "{prefix}");
        assert!(!takes("a.example/foobar") && !takes("a.example/Foo") && !takes("a.example/"), "{prefix}");
    }
}

#[test]
fn an_exact_path_is_exact() {
    let takes = |target: &str| takes(path("Exact", "/foo"), &Asked::get(target));
    assert!(takes("a.example/foo"));
    assert!(!takes("a.example/foo/") && !takes("a.example/FOO") && !takes("a.example/foo/bar"));
}

#[test]
fn an_expression_must_match_the_whole_path() {
    let takes = |target: &str| takes(path("RegularExpression", "/v[0-9]+/items"), &Asked::get(target));
    assert!(takes("a.example/v12/items"));
    assert!(!takes("a.example/v12/items/1") && !takes("a.example/x/v12/items"));
}

#[test]
fn all_conditions_of_a_match_must_hold_and_one_match_of_a_rule() {
    let both = json!({"headers": [{"name": "x-a", "value": "1"}], "method": "POST"});
    let asked = Asked::get("a.example/").header("X-A", "1");
    assert!(!takes(both.clone(), &asked));
    assert!(takes(both, &asked.clone().method(Method::POST)));
    let either = json!({"matches": [path("Exact", "/x"), path("Exact", "/y")], "backendRefs": refs(&[("a", 1)])});
    let mut world = with_routes(&[route(&[either])]);
    assert_eq!([world.get("a.example/x"), world.get("a.example/y"), world.get("a.example/z")], ["a", "a", "404"]);
}

#[test]
fn of_two_conditions_on_one_header_or_parameter_the_first_counts() {
    let headers = json!({"headers": [{"name": "x-a", "value": "1"}, {"name": "X-A", "value": "2"}]});
    assert!(takes(headers, &Asked::get("a.example/").header("x-a", "1")));
    let query = json!({"queryParams": [{"name": "q", "value": "1"}, {"name": "q", "value": "2"}]});
    assert!(takes(query, &Asked::get("a.example/?q=1")));
}

#[test]
fn query_parameters_match_by_name_with_regard_to_case() {
    let query = || json!({"queryParams": [{"name": "animal", "value": "wha.*", "type": "RegularExpression"}]});
    assert!(takes(query(), &Asked::get("a.example/?animal=whale")));
    assert!(!takes(query(), &Asked::get("a.example/?Animal=whale")));
    assert!(!takes(query(), &Asked::get("a.example/?animal=awhale")));
}

/// The rules take the request in the order in which they stand, if told in the other order.
fn precedes(first: Value, second: Value, asked: &Asked) {
    let rules = [rule(first.clone(), "a"), rule(second.clone(), "b")];
    assert_eq!(with_routes(&[route(&rules)]).ask(asked), "a", "{first} {second}");
    let rules = [rule(second.clone(), "b"), rule(first.clone(), "a")];
    assert_eq!(with_routes(&[route(&rules)]).ask(asked), "a", "{first} {second}");
}

#[test]
fn an_exact_path_comes_before_the_longest_prefix_and_the_longer_prefix_before_the_shorter() {
    let asked = Asked::get("a.example/foo/bar");
    precedes(path("Exact", "/foo/bar"), path("PathPrefix", "/foo/bar"), &asked);
    precedes(path("PathPrefix", "/foo/bar"), path("PathPrefix", "/foo"), &asked);
    precedes(path("PathPrefix", "/foo"), path("PathPrefix", "/"), &asked);
}

#[test]
fn paths_come_before_methods_methods_before_headers_and_headers_before_parameters() {
    let asked = Asked::get("a.example/foo?q=1").header("x-a", "1").header("x-b", "2");
    let header = |name: &str, value: &str| json!({"name": name, "value": value});
    let method = json!({"method": "GET"});
    let headers = json!({"headers": [header("x-a", "1"), header("x-b", "2")]});
    let query = json!({"queryParams": [{"name": "q", "value": "1"}]});
    precedes(path("PathPrefix", "/foo"), method.clone(), &asked);
    precedes(method, headers.clone(), &asked);
    precedes(headers.clone(), json!({"headers": [header("x-a", "1")]}), &asked);
    precedes(headers, query.clone(), &asked);
    precedes(query, json!({}), &asked);
}

#[test]
fn of_equal_rules_the_first_wins_and_of_equal_routes_the_older() {
    let mut world = with_routes(&[route(&[rule(json!({}), "a"), rule(json!({}), "b")])]);
    assert_eq!(world.get("a.example/"), "a");
    let (older, younger) = (http_route("z", &[], json!([rule(json!({}), "b")])), route(&[rule(json!({}), "a")]));
    world = with_routes(&[younger.made_after(2), older.made_after(1)]);
    assert_eq!(world.get("a.example/"), "b");
}

#[test]
fn a_more_specific_match_of_a_younger_route_beats_an_older_route() {
    let older = http_route("older", &[], json!([rule(path("PathPrefix", "/"), "a")]));
    let younger = http_route("younger", &[], json!([rule(path("PathPrefix", "/b"), "b")])).made_after(9);
    let mut world = with_routes(&[older, younger]);
    assert_eq!(world.way("x.example/b"), "younger/b");
    assert_eq!(world.way("x.example/"), "older/a");
}

#[test]
fn a_condition_that_cannot_be_understood_takes_nothing_and_is_said() {
    for bad in [
        path("RegularExpression", "/("),
        path("Nope", "/"),
        json!({"headers": [{"name": "x a", "value": "1"}]}),
        json!({"headers": [{"name": "x", "value": "1", "type": "Nope"}]}),
        json!({"method": "G ET"}),
    ] {
        let route = route(&[rule(bad.clone(), "a"), rule(path("Exact", "/b"), "b")]);
        let mut world = with_routes(std::slice::from_ref(&route));
        assert_eq!(world.get("a.example/"), "404", "{bad}");
        assert_eq!(world.get("a.example/b"), "b", "{bad}");
        assert_eq!(world.parent(&route, "PartiallyInvalid"), "True/UnsupportedValue");
    }
}
