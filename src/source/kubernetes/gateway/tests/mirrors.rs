//! Copies of requests (Gateway API, `HTTPRequestMirrorFilter`).

use serde_json::{Value, json};

use super::{cluster, with_routes};
use crate::model::{Mirror, MirrorTarget, UpstreamProtocol, Version};
use crate::source::kubernetes::tests::objects::{
    Made, grant, grpc_route, http_listener, http_route, refs, service, slice,
};
use crate::source::kubernetes::tests::world::{World, shared};

fn mirror(mirror: Value) -> Value {
    json!({"type": "RequestMirror", "requestMirror": mirror})
}

fn to(backend: Value) -> Value {
    mirror(json!({"backendRef": backend}))
}

fn route(filters: Value) -> Made {
    http_route("r", &[], json!([{"filters": filters, "backendRefs": refs(&[("a", 1)])}]))
}

fn mirrors(world: &mut World) -> Vec<Mirror> {
    world.route("r").rules[0].split.mirrors.clone()
}

fn target(mirror: &Mirror) -> &Version {
    match &mirror.to {
        MirrorTarget::Backend(backend) => backend,
        MirrorTarget::Version(index) => panic!("version {index}"),
    }
}

#[test]
fn a_rule_has_several_mirrors_each_with_its_part() {
    let backend = json!({"name": "b", "port": 80});
    let filters = json!([
        to(backend.clone()),
        mirror(json!({"backendRef": backend, "percent": 20})),
        mirror(json!({"backendRef": backend, "percent": 0})),
        mirror(json!({"backendRef": backend, "fraction": {"numerator": 3}})),
        mirror(json!({"backendRef": backend, "fraction": {"numerator": 1, "denominator": 3}})),
    ]);
    let route = route(filters);
    let mut world = with_routes(std::slice::from_ref(&route));
    let mirrors = mirrors(&mut world);
    let parts = mirrors.iter().map(|mirror| (mirror.fraction.numerator(), mirror.fraction.denominator()));
    assert_eq!(parts.collect::<Vec<_>>(), [(1, 1), (1, 5), (0, 1), (3, 100), (1, 3)]);
    assert_eq!(target(&mirrors[0]).endpoints[0].address.to_string(), "10.0.1.1:8080");
    assert_eq!(world.parent(&route, "ResolvedRefs"), "True/ResolvedRefs");
}

#[test]
fn the_backend_of_a_mirror_is_none_of_the_versions() {
    let mut world = with_routes(&[route(json!([to(json!({"name": "b", "port": 80}))]))]);
    assert_eq!(world.versions("r"), ["a  1 x1"]);
    assert_eq!(world.shares("a.example/", 100), shared(&[("a", 100)]));
}

#[test]
fn copies_go_where_the_pods_are_now() {
    let mut world = with_routes(&[route(json!([to(json!({"name": "b", "port": 80}))]))]);
    mirrors(&mut world);
    world.set(&slice("b", &["10.0.1.7", "10.0.1.8"]));
    let mirrors = mirrors(&mut world);
    let addresses: Vec<String> = target(&mirrors[0]).endpoints.iter().map(|e| e.address.to_string()).collect();
    assert_eq!(addresses, ["10.0.1.7:8080", "10.0.1.8:8080"]);
}

/// What is wrong with a mirror is said, and the requests themselves are served.
#[test]
fn a_mirror_that_leads_nowhere_leaves_its_rule_working() {
    for (backend, reason, message) in [
        (json!({"name": "nowhere", "port": 80}), "BackendNotFound", "mirror: there is no Service shop/nowhere"),
        (json!({"name": "b", "port": 81}), "BackendNotFound", "mirror: Service shop/b has no port 81; it has: 80"),
        (
            json!({"name": "b", "kind": "Bucket"}),
            "InvalidKind",
            "mirror: backend b is a Bucket: only Services are known",
        ),
        (
            json!({"name": "web", "namespace": "backend", "port": 80}),
            "RefNotPermitted",
            "mirror: no ReferenceGrant in backend allows HTTPRoutes of shop to use Service backend/web",
        ),
    ] {
        let route = route(json!([to(backend)]));
        let there = [service("web", &[]).in_namespace("backend"), route.clone()];
        let mut world = with_routes(&there);
        assert_eq!(world.get("a.example/"), "a");
        assert_eq!(world.parent(&route, "ResolvedRefs"), format!("False/{reason}"));
        assert_eq!(world.parent(&route, "Accepted"), "True/Accepted");
        let conditions = &world.report(&route).parents[0].conditions;
        assert_eq!(conditions.iter().find(|c| c.kind == "ResolvedRefs").unwrap().message, message);
        assert!(conditions.iter().all(|condition| condition.kind != "PartiallyInvalid"));
        assert!(target(&mirrors(&mut world)[0]).invalid);
    }
}

#[test]
fn a_grant_lets_a_mirror_reach_another_namespace() {
    let route = route(json!([to(json!({"name": "web", "namespace": "backend", "port": 80}))]));
    let grant = grant("backend", ("HTTPRoute", "shop"), ("Service", None));
    let web = [service("web", &[]).in_namespace("backend"), slice("web", &["10.0.9.1"]).in_namespace("backend")];
    let mut world = with_routes(&[web.to_vec(), vec![route.clone(), grant.clone()]].concat());
    assert_eq!(world.parent(&route, "ResolvedRefs"), "True/ResolvedRefs");
    assert_eq!(target(&mirrors(&mut world)[0]).endpoints.len(), 1);
    world.remove(&grant);
    assert_eq!(world.parent(&route, "ResolvedRefs"), "False/RefNotPermitted");
    assert!(target(&mirrors(&mut world)[0]).endpoints.is_empty());
}

#[test]
fn a_mirror_without_a_meaning_makes_its_rule_answer_500_and_is_said() {
    let backend = json!({"name": "b", "port": 80});
    for filter in [
        json!({"type": "RequestMirror"}),
        mirror(json!({"backendRef": backend, "percent": 101})),
        mirror(json!({"backendRef": backend, "percent": 1, "fraction": {"numerator": 1}})),
        mirror(json!({"backendRef": backend, "fraction": {"numerator": 1, "denominator": 0}})),
        mirror(json!({"backendRef": backend, "fraction": {"numerator": 3, "denominator": 2}})),
    ] {
        let route = route(json!([filter]));
        let mut world = with_routes(std::slice::from_ref(&route));
        assert_eq!(world.get("a.example/"), "500", "{filter}");
        assert_eq!(world.parent(&route, "Accepted"), "False/UnsupportedValue", "{filter}");
    }
}

#[test]
fn copies_of_grpc_calls_are_http2() {
    let filters = json!([to(json!({"name": "b", "port": 80}))]);
    let rules = json!([{"filters": filters, "backendRefs": refs(&[("a", 1)])}]);
    let mut world = cluster(&json!([http_listener()]), &[grpc_route("r", &[], rules)]);
    assert_eq!(target(&mirrors(&mut world)[0]).transport.protocol, UpstreamProtocol::Http2);
}
