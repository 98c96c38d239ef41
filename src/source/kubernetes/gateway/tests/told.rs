//! What routes and Gateways are told of what is not carried or not understood.

use serde_json::{Value, json};

use super::{cluster, with_routes};
use crate::source::kubernetes::object::ObjectKind;
use crate::source::kubernetes::tests::objects::{
    Made, gateway, grpc_route, http_listener, http_route, object, refs, service, slice, to,
};
use crate::source::kubernetes::tests::world::{World, shared};

fn regex(expression: &str, backend: &str) -> Value {
    let matches = json!([{"path": {"type": "RegularExpression", "value": expression}}]);
    json!({"matches": matches, "backendRefs": refs(&[(backend, 1)])})
}

/// A condition of a route's only parent with its message, if it is there.
fn message(world: &mut World, route: &Made, kind: &str) -> Option<String> {
    let parents = world.report(route).parents;
    parents[0].conditions.iter().find(|condition| condition.kind == kind).map(|condition| condition.message.clone())
}

#[test]
fn rules_that_are_dropped_are_named_after_the_prefix_of_the_specification() {
    let mut named = regex("[", "a");
    named["name"] = "odd".into();
    let route = http_route("r", &[], json!([to(&[("b", 1)]), named]));
    let mut world = with_routes(std::slice::from_ref(&route));
    assert_eq!(world.parent(&route, "PartiallyInvalid"), "True/UnsupportedValue");
    assert_eq!(world.parent(&route, "Accepted"), "True/Accepted");
    let message = message(&mut world, &route, "PartiallyInvalid").unwrap();
    assert!(message.starts_with("Dropped Rule") && message.contains("rules[1] (odd)"), "{message}");
}

#[test]
fn a_route_of_which_nothing_is_carried_is_not_accepted_and_not_partially_invalid() {
    let route = http_route("r", &[], json!([regex("[", "a"), regex("(", "b")]));
    let mut world = with_routes(std::slice::from_ref(&route));
    assert_eq!(world.parent(&route, "Accepted"), "False/UnsupportedValue");
    assert_eq!(message(&mut world, &route, "PartiallyInvalid"), None);
    assert!(message(&mut world, &route, "Accepted").unwrap().contains("rules[0]"));
    assert!(world.report(&route).parents[0].attached.is_empty());
}

#[test]
fn a_route_that_no_listener_takes_is_not_partially_invalid() {
    let other = http_route("r", &[], json!([to(&[("a", 1)]), regex("[", "a")]))
        .with("/spec/parentRefs", json!([{"name": "gw", "sectionName": "nope"}]));
    let mut world = with_routes(std::slice::from_ref(&other));
    assert_eq!(world.parent(&other, "Accepted"), "False/NoMatchingParent");
    assert_eq!(message(&mut world, &other, "PartiallyInvalid"), None);
}

fn speaking(app_protocol: &str) -> Made {
    service("web", &[]).with("/spec/ports", json!([{"port": 80, "targetPort": 8080, "appProtocol": app_protocol}]))
}

#[test]
fn a_protocol_that_is_not_carried_keeps_its_share_and_answers_500() {
    for protocol in ["https", "HTTPS", "kubernetes.io/wss", "example.com/other", "mysql"] {
        let route = http_route("r", &[], json!([to(&[("web", 1), ("b", 1)])]));
        let mut world = with_routes(&[route.clone(), speaking(protocol), slice("web", &["10.0.9.1"])]);
        assert_eq!(world.shares("a.example/", 100), shared(&[("500", 50), ("b", 50)]), "{protocol}");
        assert_eq!(world.parent(&route, "ResolvedRefs"), "False/UnsupportedProtocol", "{protocol}");
        assert_eq!(world.parent(&route, "Accepted"), "True/Accepted");
    }
    let route = grpc_route("r", &[], json!([to(&[("web", 1)])]));
    let mut world = with_routes(&[route.clone(), speaking("https"), slice("web", &["10.0.9.1"])]);
    assert_eq!(world.parent(&route, "ResolvedRefs"), "False/UnsupportedProtocol");
}

#[test]
fn protocols_that_are_carried_are_served() {
    for protocol in ["", "http", "http2", "h2c", "grpc", "kubernetes.io/h2c", "kubernetes.io/ws"] {
        let route = http_route("r", &[], json!([to(&[("web", 1)])]));
        let mut world = with_routes(&[route.clone(), speaking(protocol), slice("web", &["10.0.9.1"])]);
        assert_eq!(world.get("a.example/"), "web", "{protocol}");
        assert_eq!(world.parent(&route, "ResolvedRefs"), "True/ResolvedRefs", "{protocol}");
    }
}

#[test]
fn a_route_that_cannot_be_understood_is_refused_with_the_place() {
    let bad = json!([to(&[("a", 1)]), {"backendRefs": refs(&[("a", 1)]), "retry": {"attempts": -1}}]);
    for route in [http_route("r", &[], bad.clone()), grpc_route("r", &[], bad)] {
        let other = http_route("other", &["b.example"], json!([to(&[("b", 1)])]));
        let mut world = with_routes(&[route.clone(), other]);
        assert_eq!(world.parent(&route, "Accepted"), "False/UnsupportedValue");
        let message = message(&mut world, &route, "Accepted").unwrap();
        assert!(message.contains("spec.rules[1].retry.attempts"), "{message}");
        assert_eq!((world.get("a.example/"), world.get("b.example/")), ("404".to_owned(), "b".to_owned()));
    }
}

#[test]
fn a_gateway_that_cannot_be_understood_is_refused_with_the_place() {
    let mut listener = http_listener();
    listener["port"] = 70_000.into();
    let gateway = gateway("gw", json!([listener]));
    let mut world = cluster(&json!([http_listener()]), &[]);
    world.set(&gateway);
    assert_eq!(world.condition(&gateway, "Accepted"), "False/Invalid");
    let message = world.message(&gateway, "Accepted");
    assert!(message.contains("spec.listeners[0].port"), "{message}");
    let foreign = gateway.with("/spec/gatewayClassName", "other".into());
    world.set(&foreign);
    assert!(world.report(&foreign).conditions.is_empty());
}

#[test]
fn a_service_that_cannot_be_understood_is_told_from_one_that_is_not_there() {
    let route = http_route("r", &[], json!([to(&[("web", 1)])]));
    let odd = object(ObjectKind::Service, "web", json!({"spec": {"ports": [{"port": -1}]}}));
    let mut world = with_routes(&[route.clone(), odd]);
    assert_eq!(world.parent(&route, "ResolvedRefs"), "False/BackendNotFound");
    let message = message(&mut world, &route, "ResolvedRefs").unwrap();
    assert!(message.contains("cannot be understood"), "{message}");
}
