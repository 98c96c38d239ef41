//! Routes as Argo Rollouts and Flagger write them (contracts/rollouts.md, section 1.1).

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::with_routes;
use crate::model::{Filter, HeaderEdit};
use crate::source::kubernetes::tests::objects::{Made, http_route, refs, to};
use crate::source::kubernetes::tests::world::shared;
use crate::testing::Asked;

/// What the Argo plugin appends for a `setHeaderRoute`: one rule for each that the route has.
fn managed(path: Value) -> Value {
    let header = json!({"type": "Exact", "name": "x-canary", "value": "always"});
    json!({
        "name": "canary-header",
        "matches": [{"path": path, "headers": [header]}],
        "backendRefs": [{"name": "b", "port": 80}],
    })
}

fn argo(path: &str, weights: (u32, u32), header: bool) -> Made {
    let own = json!({
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "backendRefs": refs(&[("a", weights.0), ("b", weights.1)]),
    });
    let mut rules = vec![own];
    if header {
        rules.push(managed(json!({"type": "RegularExpression", "value": format!("{path}.*")})));
    }
    http_route("shop", &[], rules.into())
}

#[test]
fn a_header_rule_that_argo_appends_beats_the_rule_that_it_is_an_exception_of() {
    for (prefix, target) in [("/", "x.example/any/path"), ("/api", "x.example/api/v1"), ("/", "x.example/")] {
        let mut world = with_routes(&[argo(prefix, (100, 0), true)]);
        assert_eq!(world.ask(&Asked::get(target).header("x-canary", "always")), "b", "{prefix}");
        assert_eq!(world.ask(&Asked::get(target).header("x-canary", "never")), "a", "{prefix}");
        assert_eq!(world.get(target), "a", "{prefix}");
    }
}

#[test]
fn a_header_rule_from_an_exact_path_wins_by_its_header() {
    let own = json!({"matches": [{"path": {"type": "Exact", "value": "/x"}}], "backendRefs": refs(&[("a", 1)])});
    let mut world =
        with_routes(&[http_route("shop", &[], json!([own, managed(json!({"type": "Exact", "value": "/x"}))]))]);
    assert_eq!(world.ask(&Asked::get("x.example/x").header("x-canary", "always")), "b");
    assert_eq!(world.get("x.example/x"), "a");
}

#[test]
fn a_header_rule_that_argo_removes_leaves_its_requests_to_the_others() {
    let mut world = with_routes(&[argo("/", (100, 0), true)]);
    let asked = Asked::get("x.example/").header("x-canary", "always");
    assert_eq!(world.ask(&asked), "b");
    world.set(&argo("/", (100, 0), false));
    assert_eq!(world.ask(&asked), "a");
}

#[test]
fn weights_of_a_release_are_followed_step_by_step() {
    let mut world = with_routes(&[argo("/", (100, 0), false)]);
    for weight in [0, 5, 20, 50, 100, 0] {
        world.set(&argo("/", (100 - weight, weight), false));
        let shares = world.shares("x.example/", 100);
        assert_eq!(shares.get("b").copied().unwrap_or_default(), weight as usize);
    }
}

#[test]
fn a_weight_that_is_written_again_unchanged_changes_nothing() {
    let mut world = with_routes(&[argo("/", (80, 20), false)]);
    world.model();
    world.set(&argo("/", (80, 20), false));
    assert!(!world.index.is_dirty());
}

#[test]
fn the_backends_of_an_experiment_need_not_sum_up_to_100() {
    use crate::source::kubernetes::tests::objects::{service, slice};
    let route = http_route("shop", &[], json!([to(&[("a", 60), ("b", 20), ("experiment", 10)])]));
    let mut world = with_routes(&[route, service("experiment", &[]), slice("experiment", &["10.0.5.1"])]);
    assert_eq!(world.shares("x.example/", 90), shared(&[("a", 60), ("b", 20), ("experiment", 10)]));
}

fn set_cookie(value: &str) -> Value {
    json!([{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "Set-Cookie", "value": value}]}}])
}

fn sticky(cookie: &str) -> Value {
    let header = json!({"type": "RegularExpression", "name": "Cookie", "value": format!(".*flagger.*{cookie}.*")});
    json!({"matches": [{"headers": [header], "path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": refs(&[("a", 0), ("b", 100)])})
}

fn weighted(weights: (u32, u32), cookie: &str) -> Value {
    let mut backends = refs(&[("a", weights.0), ("b", weights.1)]);
    backends[1]["filters"] = set_cookie(&format!("flagger={cookie}; Max-Age=86400"));
    json!({"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": backends})
}

#[test]
fn a_client_with_flaggers_cookie_stays_on_the_canary() {
    let rules = json!([sticky("LpsIaLdoNZ"), weighted((90, 10), "LpsIaLdoNZ")]);
    let mut world = with_routes(&[http_route("shop", &[], rules)]);
    let with_cookie = Asked::get("x.example/").header("cookie", "a=b; flagger=LpsIaLdoNZ; c=d");
    assert!((0..50).all(|_| world.ask(&with_cookie) == "b"));
    let old = Asked::get("x.example/").header("cookie", "flagger=another");
    let canary = (0..100).filter(|_| world.ask(&old) == "b").count();
    assert_eq!(canary, 10);
}

#[test]
fn flaggers_cookie_is_set_by_the_canary_only() {
    let mut world = with_routes(&[http_route("shop", &[], json!([weighted((90, 10), "LpsIaLdoNZ")]))]);
    let split = world.route("shop").rules[0].split.clone();
    assert!(split.versions[0].filters.is_empty());
    let cookie = HeaderValue::from_static("flagger=LpsIaLdoNZ; Max-Age=86400");
    let edit = HeaderEdit::Add(HeaderName::from_static("set-cookie"), cookie);
    assert_eq!(split.versions[1].filters, [Filter::ResponseHeader(edit)]);
}

/// Without an old cookie Flagger writes the rule that it would put before the first one twice.
#[test]
fn of_two_identical_rules_the_first_takes_all() {
    let rule = json!({"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": refs(&[("a", 100), ("b", 0)])});
    let route = http_route("shop", &[], json!([rule, rule]));
    let mut world = with_routes(std::slice::from_ref(&route));
    assert_eq!(world.shares("x.example/", 50), shared(&[("a", 50)]));
    assert_eq!(world.parent(&route, "Accepted"), "True/Accepted");
    assert_eq!(world.parent(&route, "ResolvedRefs"), "True/ResolvedRefs");
}

#[test]
fn an_ab_test_of_flagger_sends_by_header_and_all_others_to_the_primary() {
    let header = json!({"type": "Exact", "name": "x-user", "value": "insider"});
    let rules = json!([
        {"matches": [{"headers": [header]}], "backendRefs": refs(&[("a", 0), ("b", 100)])},
        {"backendRefs": refs(&[("a", 100)])},
    ]);
    let mut world = with_routes(&[http_route("shop", &[], rules)]);
    assert_eq!(world.ask(&Asked::get("x.example/").header("x-user", "insider")), "b");
    assert_eq!(world.get("x.example/"), "a");
}

#[test]
fn a_canary_at_rest_has_no_pods_and_is_no_trouble() {
    use crate::source::kubernetes::tests::objects::slice;
    let route = http_route("shop", &[], json!([to(&[("a", 100), ("b", 0)])]));
    let mut world = with_routes(&[route.clone(), slice("b", &[])]);
    assert_eq!(world.shares("x.example/", 20), shared(&[("a", 20)]));
    assert_eq!(world.parent(&route, "ResolvedRefs"), "True/ResolvedRefs");
}

#[test]
fn when_the_canary_has_gone_before_the_weight_the_primary_takes_its_share() {
    use crate::source::kubernetes::tests::objects::slice;
    let mut world = with_routes(&[http_route("shop", &[], json!([to(&[("a", 0), ("b", 100)])])), slice("b", &[])]);
    assert_eq!(world.shares("x.example/", 20), shared(&[("a", 20)]));
}
