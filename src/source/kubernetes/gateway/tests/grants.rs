//! References into other namespaces (Gateway API, `ReferenceGrant`).

use serde_json::{Value, json};

use super::{cluster, with_routes};
use crate::source::kubernetes::tests::objects::{Made, gateway, grant, http_route, secret, service, slice};
use crate::source::kubernetes::tests::world::{World, shared};

fn route() -> Made {
    let backends = json!([{"name": "a", "port": 80}, {"name": "web", "namespace": "backend", "port": 80}]);
    http_route("r", &[], json!([{"backendRefs": backends}]))
}

fn world(grants: &[Made]) -> World {
    let there =
        [service("web", &[]).in_namespace("backend"), slice("web", &["10.0.9.1"]).in_namespace("backend"), route()];
    with_routes(&[there.to_vec(), grants.to_vec()].concat())
}

fn granted(grant: Made) -> bool {
    world(&[grant]).parent(&route(), "ResolvedRefs") == "True/ResolvedRefs"
}

#[test]
fn a_service_of_another_namespace_is_refused_without_a_grant_and_keeps_its_share() {
    let mut world = world(&[]);
    assert_eq!(world.parent(&route(), "ResolvedRefs"), "False/RefNotPermitted");
    assert_eq!(world.shares("a.example/", 100), shared(&[("500", 50), ("a", 50)]));
}

#[test]
fn a_grant_there_allows_it_and_its_end_ends_it() {
    let grant = grant("backend", ("HTTPRoute", "shop"), ("Service", None));
    let mut world = world(&[]);
    world.model();
    world.set(&grant);
    assert_eq!(world.shares("a.example/", 100), shared(&[("a", 50), ("web", 50)]));
    assert_eq!(world.parent(&route(), "ResolvedRefs"), "True/ResolvedRefs");
    world.remove(&grant);
    assert_eq!(world.shares("a.example/", 100), shared(&[("500", 50), ("a", 50)]));
    assert_eq!(world.parent(&route(), "ResolvedRefs"), "False/RefNotPermitted");
}

#[test]
fn a_grant_may_name_the_service() {
    assert!(granted(grant("backend", ("HTTPRoute", "shop"), ("Service", Some("web")))));
    assert!(!granted(grant("backend", ("HTTPRoute", "shop"), ("Service", Some("other")))));
}

#[test]
fn a_grant_must_fit_in_all_its_parts() {
    assert!(
        !granted(grant("shop", ("HTTPRoute", "shop"), ("Service", None))),
        "it must be in the namespace pointed to"
    );
    assert!(!granted(grant("backend", ("HTTPRoute", "backend"), ("Service", None))));
    assert!(!granted(grant("backend", ("GRPCRoute", "shop"), ("Service", None))));
    assert!(!granted(grant("backend", ("HTTPRoute", "shop"), ("Secret", None))));
    let group =
        grant("backend", ("HTTPRoute", "shop"), ("Service", None)).with("/spec/from/0/group", json!("example.com"));
    assert!(!granted(group));
}

#[test]
fn one_of_several_entries_is_enough() {
    let mut grant = grant("backend", ("Gateway", "other"), ("Secret", None));
    let group = "gateway.networking.k8s.io";
    let from = json!([
        {"group": group, "kind": "Gateway", "namespace": "other"},
        {"group": group, "kind": "HTTPRoute", "namespace": "shop"},
    ]);
    grant = grant.with("/spec/from", from);
    grant = grant
        .with("/spec/to", json!([{"group": "", "kind": "Secret"}, {"group": "", "kind": "Service", "name": "web"}]));
    assert!(granted(grant));
}

fn https() -> Value {
    let tls = json!({"certificateRefs": [{"name": "cert", "namespace": "certs"}]});
    json!([{"name": "https", "port": 443, "protocol": "HTTPS", "tls": tls}])
}

#[test]
fn a_secret_of_another_namespace_needs_a_grant() {
    let grant = grant("certs", ("Gateway", "shop"), ("Secret", Some("cert")));
    let mut world = cluster(&https(), &[secret("cert", &["a.example"]).in_namespace("certs")]);
    let gateway = gateway("gw", json!([]));
    assert_eq!(world.listener(&gateway, "https", "ResolvedRefs"), "False/RefNotPermitted");
    assert_eq!(world.listener(&gateway, "https", "Programmed"), "False/Invalid");
    world.set(&grant);
    assert_eq!(world.listener(&gateway, "https", "ResolvedRefs"), "True/ResolvedRefs");
    assert_eq!(world.model().listeners.len(), 2);
    world.remove(&grant);
    assert_eq!(world.listener(&gateway, "https", "ResolvedRefs"), "False/RefNotPermitted");
    assert_eq!(world.model().listeners.len(), 1, "what it may not show, it does not serve");
}

#[test]
fn without_a_grant_it_is_not_told_whether_the_secret_is_there() {
    let mut world = cluster(&https(), &[]);
    assert_eq!(world.listener(&gateway("gw", json!([])), "https", "ResolvedRefs"), "False/RefNotPermitted");
}
