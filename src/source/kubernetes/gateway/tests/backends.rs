//! Backends: shares, and what leads nowhere (Gateway API, `HTTPRouteRule.backendRefs`).

use serde_json::{Value, json};

use super::with_routes;
use crate::source::kubernetes::tests::objects::{Made, http_route, service, slice, to};
use crate::source::kubernetes::tests::world::shared;

fn route(backends: &Value) -> Made {
    http_route("r", &[], json!([{"backendRefs": backends}]))
}

#[test]
fn weights_divide_the_requests_whatever_their_total() {
    let mut world = with_routes(&[http_route("r", &[], json!([to(&[("a", 9), ("b", 1)])]))]);
    assert_eq!(world.shares("a.example/", 100), shared(&[("a", 90), ("b", 10)]));
    world.set(&http_route("r", &[], json!([to(&[("a", 997), ("b", 3)])])));
    assert_eq!(world.shares("a.example/", 1000), shared(&[("a", 997), ("b", 3)]));
}

#[test]
fn a_backend_without_a_weight_has_1() {
    let mut world = with_routes(&[route(&json!([{"name": "a", "port": 80, "weight": 3}, {"name": "b", "port": 80}]))]);
    assert_eq!(world.shares("a.example/", 100), shared(&[("a", 75), ("b", 25)]));
}

#[test]
fn a_weight_of_0_gets_nothing() {
    let mut world = with_routes(&[http_route("r", &[], json!([to(&[("a", 100), ("b", 0)])]))]);
    assert_eq!(world.shares("a.example/", 100), shared(&[("a", 100)]));
}

#[test]
fn weights_that_are_all_0_answer_with_an_error() {
    let mut world = with_routes(&[http_route("r", &[], json!([to(&[("a", 0), ("b", 0)])]))]);
    assert_eq!(world.get("a.example/"), "503");
}

#[test]
fn a_backend_that_is_not_there_keeps_its_share_and_answers_500() {
    let route = http_route("r", &[], json!([to(&[("a", 3), ("nope", 1)])]));
    let mut world = with_routes(std::slice::from_ref(&route));
    assert_eq!(world.shares("a.example/", 100), shared(&[("a", 75), ("500", 25)]));
    assert_eq!(world.parent(&route, "Accepted"), "True/Accepted");
    assert_eq!(world.parent(&route, "ResolvedRefs"), "False/BackendNotFound");
    world.set(&service("nope", &[]));
    world.set(&slice("nope", &["10.0.9.1"]));
    assert_eq!(world.shares("a.example/", 100), shared(&[("a", 75), ("nope", 25)]));
    assert_eq!(world.parent(&route, "ResolvedRefs"), "True/ResolvedRefs");
}

#[test]
fn a_kind_that_is_not_known_keeps_its_share_and_answers_500() {
    for reference in [
        json!({"group": "example.com", "kind": "Bucket", "name": "a", "port": 80}),
        json!({"kind": "ConfigMap", "name": "a", "port": 80}),
        json!({"group": "example.com", "kind": "Service", "name": "a", "port": 80}),
    ] {
        let route = route(&json!([reference, {"name": "b", "port": 80}]));
        let mut world = with_routes(std::slice::from_ref(&route));
        assert_eq!(world.shares("a.example/", 100), shared(&[("500", 50), ("b", 50)]));
        assert_eq!(world.parent(&route, "ResolvedRefs"), "False/InvalidKind");
    }
}

#[test]
fn a_port_that_the_service_does_not_have_leads_nowhere() {
    let route = route(&json!([{"name": "a", "port": 81}]));
    let mut world = with_routes(std::slice::from_ref(&route));
    assert_eq!(world.get("a.example/"), "500");
    assert_eq!(world.parent(&route, "ResolvedRefs"), "False/BackendNotFound");
}

#[test]
fn a_rule_without_backends_answers_500() {
    let mut world = with_routes(&[route(&json!([]))]);
    assert_eq!(world.get("a.example/"), "500");
    world.set(&http_route("r", &[], json!([{}])));
    assert_eq!(world.get("a.example/"), "500");
}

#[test]
fn a_service_without_ready_pods_leaves_its_share_to_the_others() {
    let mut world = with_routes(&[http_route("r", &[], json!([to(&[("a", 1), ("b", 1)])]))]);
    world.set(&slice("b", &["10.0.1.1 unready"]));
    assert_eq!(world.shares("a.example/", 100), shared(&[("a", 100)]));
    world.set(&slice("a", &[]));
    assert_eq!(world.get("a.example/"), "503");
}

#[test]
fn every_reference_that_leads_nowhere_is_named_and_the_first_gives_the_reason() {
    let route = route(&json!([{"name": "nope", "port": 80}, {"kind": "Bucket", "name": "x"}]));
    let report = with_routes(std::slice::from_ref(&route)).report(&route);
    let resolved = report.parents[0].conditions.iter().find(|condition| condition.kind == "ResolvedRefs").unwrap();
    assert_eq!(resolved.reason, "BackendNotFound");
    assert!(resolved.message.contains("nope") && resolved.message.contains("Bucket"), "{}", resolved.message);
}

#[test]
fn one_service_may_be_named_twice() {
    let other_port = json!([{"name": "web", "port": 80}, {"name": "alt", "port": 81}]);
    let twice = route(&json!([{"name": "a", "port": 80, "weight": 1}, {"name": "a", "port": 81, "weight": 1}]));
    let mut world = with_routes(&[twice, service("a", &[]).with("/spec/ports", other_port)]);
    let numbers = json!([{"name": "web", "port": 8080}, {"name": "alt", "port": 8081}]);
    world.set(&slice("a", &["10.0.0.1"]).with("/ports", numbers));
    assert_eq!(world.addresses("r", 0), ["10.0.0.1:8080"]);
    assert_eq!(world.addresses("r", 1), ["10.0.0.1:8081"]);
    let shares = world.shares("a.example/", 10);
    assert_eq!(shares.len(), 2, "each has a name of its own: {shares:?}");
}

#[test]
fn rules_of_one_route_are_resolved_each_for_itself() {
    let rules = json!([
        to(&[("nope", 1)]),
        {"matches": [{"path": {"value": "/b"}}], "backendRefs": [{"name": "b", "port": 80}]},
    ]);
    let mut world = with_routes(&[http_route("r", &[], rules)]);
    assert_eq!(world.get("a.example/"), "500");
    assert_eq!(world.get("a.example/b"), "b");
}
