//! Which parents take a route, and what each of them is told.

use serde_json::{Value, json};

use super::{cluster, with_routes};
use crate::source::kubernetes::object::ObjectKind;
use crate::source::kubernetes::tests::objects::{Made, grpc_route, http_listener, http_route, object, to};
use crate::source::kubernetes::tests::world::World;

fn route() -> Made {
    http_route("r", &[], json!([to(&[("a", 1)])]))
}

fn on(parents: Value) -> Made {
    route().with("/spec/parentRefs", parents)
}

fn two_listeners() -> Value {
    json!([
        {"name": "one", "port": 80, "protocol": "HTTP"},
        {"name": "two", "port": 8080, "protocol": "HTTP", "hostname": "two.example"},
    ])
}

#[test]
fn a_route_is_on_every_listener_of_its_gateway() {
    let mut world = cluster(&two_listeners(), &[route()]);
    assert_eq!(world.parent(&route(), "Accepted"), "True/Accepted");
    assert_eq!(world.parent(&route(), "ResolvedRefs"), "True/ResolvedRefs");
    let attached: Vec<String> =
        world.report(&route()).parents[0].attached.iter().map(|(_, name)| name.to_string()).collect();
    assert_eq!(attached, ["one", "two"]);
    assert_eq!(world.get("any.example/"), "a");
    world.listen_at(8080);
    assert_eq!(world.get("two.example/"), "a");
    assert_eq!(world.get("any.example/"), "404");
}

#[test]
fn a_section_name_and_a_port_must_both_fit_one_listener() {
    let says = |parent: Value| cluster(&two_listeners(), &[on(json!([parent]))]).parent(&route(), "Accepted");
    assert_eq!(says(json!({"name": "gw", "sectionName": "one"})), "True/Accepted");
    assert_eq!(says(json!({"name": "gw", "sectionName": "nope"})), "False/NoMatchingParent");
    assert_eq!(says(json!({"name": "gw", "port": 8080})), "True/Accepted");
    assert_eq!(says(json!({"name": "gw", "port": 81})), "False/NoMatchingParent");
    assert_eq!(says(json!({"name": "gw", "sectionName": "two", "port": 8080})), "True/Accepted");
    assert_eq!(says(json!({"name": "gw", "sectionName": "one", "port": 8080})), "False/NoMatchingParent");
}

#[test]
fn a_section_name_keeps_the_route_off_other_listeners() {
    let mut world = cluster(&two_listeners(), &[on(json!([{"name": "gw", "sectionName": "two"}]))]);
    assert_eq!(world.get("two.example/"), "404");
    world.listen_at(8080);
    assert_eq!(world.get("two.example/"), "a");
}

#[test]
fn a_parent_is_repeated_as_it_was_written() {
    let parent = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw", "sectionName": "one"});
    let mut world = cluster(&two_listeners(), &[on(json!([parent]))]);
    assert_eq!(world.report(&route()).parents[0].reference, parent);
}

#[test]
fn each_parent_is_told_for_itself() {
    let route = on(json!([{"name": "gw", "sectionName": "one"}, {"name": "gw", "sectionName": "nope"}]));
    let report = cluster(&two_listeners(), std::slice::from_ref(&route)).report(&route);
    let accepted: Vec<bool> = report.parents.iter().map(|parent| parent.conditions[0].holds).collect();
    assert_eq!(accepted, [true, false]);
}

#[test]
fn parents_of_others_are_theirs_to_speak_of() {
    let others = json!([
        {"name": "elsewhere"},
        {"group": "", "kind": "Service", "name": "gw"},
        {"group": "example.com", "kind": "Gateway", "name": "gw"},
    ]);
    let mut world = cluster(&two_listeners(), &[on(others)]);
    assert!(world.report(&route()).parents.is_empty());
    assert!(world.model().routes.is_empty());
}

#[test]
fn a_gateway_that_appears_takes_the_routes_that_wait_for_it() {
    let route = on(json!([{"name": "late"}]));
    let mut world = cluster(&json!([http_listener()]), std::slice::from_ref(&route));
    assert!(world.report(&route).parents.is_empty());
    world.set(&crate::source::kubernetes::tests::objects::gateway("late", json!([http_listener()])));
    assert_eq!(world.parent(&route, "Accepted"), "True/Accepted");
}

fn allowing(namespaces: Value) -> Value {
    json!([{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": namespaces}}])
}

fn elsewhere() -> Made {
    route().in_namespace("elsewhere")
}

fn labelled(value: &str) -> Made {
    object(ObjectKind::Namespace, "elsewhere", json!({})).label("team", value)
}

#[test]
fn without_a_word_only_routes_of_the_same_namespace_are_allowed() {
    let listeners = json!([{"name": "http", "port": 80, "protocol": "HTTP"}]);
    let mut world = cluster(&listeners, &[elsewhere(), route()]);
    assert_eq!(world.parent(&elsewhere(), "Accepted"), "False/NotAllowedByListeners");
    assert_eq!(world.parent(&route(), "Accepted"), "True/Accepted");
}

#[test]
fn routes_of_all_namespaces_can_be_allowed() {
    let mut world = cluster(&allowing(json!({"from": "All"})), &[elsewhere()]);
    assert_eq!(world.parent(&elsewhere(), "Accepted"), "True/Accepted");
}

#[test]
fn routes_of_namespaces_with_a_label_can_be_allowed() {
    let selector = json!({"from": "Selector", "selector": {"matchLabels": {"team": "web"}}});
    let mut world = cluster(&allowing(selector), &[elsewhere(), labelled("web")]);
    assert_eq!(world.parent(&elsewhere(), "Accepted"), "True/Accepted");
    world.set(&labelled("other"));
    assert_eq!(world.parent(&elsewhere(), "Accepted"), "False/NotAllowedByListeners");
}

#[test]
fn selectors_may_have_expressions() {
    let says = |operator: &str, values: Value| {
        let requirement = json!({"key": "team", "operator": operator, "values": values});
        let selector = json!({"from": "Selector", "selector": {"matchExpressions": [requirement]}});
        let mut world = cluster(&allowing(selector), &[elsewhere(), labelled("web")]);
        world.parent(&elsewhere(), "Accepted") == "True/Accepted"
    };
    assert!(says("In", json!(["web", "api"])) && !says("In", json!(["api"])));
    assert!(says("NotIn", json!(["api"])) && !says("NotIn", json!(["web"])));
    assert!(says("Exists", json!([])) && !says("DoesNotExist", json!([])));
}

#[test]
fn a_selector_fits_no_namespace_that_is_not_known() {
    let selector = json!({"from": "Selector", "selector": {}});
    let mut world = cluster(&allowing(selector), &[elsewhere()]);
    assert_eq!(world.parent(&elsewhere(), "Accepted"), "False/NotAllowedByListeners");
}

#[test]
fn kinds_that_a_listener_does_not_allow_stay_off() {
    let kinds =
        json!([{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"kinds": [{"kind": "GRPCRoute"}]}}]);
    let grpc = grpc_route("g", &[], json!([to(&[("b", 1)])]));
    let mut world = cluster(&kinds, &[route(), grpc.clone()]);
    assert_eq!(world.parent(&route(), "Accepted"), "False/NotAllowedByListeners");
    assert_eq!(world.parent(&grpc, "Accepted"), "True/Accepted");
    assert_eq!(world.get("a.example/"), "b");
}

#[test]
fn references_are_told_also_when_the_route_is_not_accepted() {
    let route = http_route("r", &[], json!([to(&[("nope", 1)])])).with("/spec/parentRefs/0/sectionName", json!("nope"));
    let mut world = with_routes(std::slice::from_ref(&route));
    assert_eq!(world.parent(&route, "Accepted"), "False/NoMatchingParent");
    assert_eq!(world.parent(&route, "ResolvedRefs"), "False/BackendNotFound");
}

#[test]
fn a_route_that_is_not_accepted_takes_nothing() {
    let listeners = json!([{"name": "http", "port": 80, "protocol": "HTTP"}]);
    assert_eq!(cluster(&listeners, &[elsewhere()]).get("a.example/"), "404");
}

#[test]
fn several_gateways_serve_a_route_each_for_itself() {
    use crate::source::kubernetes::tests::objects::{gateway, gateway_service};
    let second = gateway("second", json!([{"name": "http", "port": 80, "protocol": "HTTP", "hostname": "b.example"}]));
    let route = on(json!([{"name": "gw"}, {"name": "second"}]));
    let mut world: World = with_routes(&[second, gateway_service("second", &[(80, 20999)]), route]);
    assert_eq!(world.get("a.example/"), "a");
    assert_eq!(world.model().routes[0].attachments.len(), 2);
}

/// What cannot be understood is served by nobody, and takes nobody with it.
#[test]
fn a_route_that_is_malformed_takes_nothing() {
    let bad = http_route("bad", &["bad.example"], json!([{"backendRefs": [{"name": "a", "port": "eighty"}]}]));
    let mut world = with_routes(&[bad, http_route("good", &["good.example"], json!([to(&[("b", 1)])]))]);
    assert_eq!(world.get("bad.example/"), "404");
    assert_eq!(world.get("good.example/"), "b");
}
