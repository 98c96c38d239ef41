//! From a port of a Service to the port of an address.

use serde_json::json;

use crate::source::kubernetes::tests::objects::{Made, named_slice, service, slice, split};
use crate::source::kubernetes::tests::world::World;

/// A Split with the only version `v`, at the first port of the Service `web` or at this one.
fn to_port(port: Option<u16>) -> Made {
    let mut spec = json!({"service": "web", "versions": [{"name": "v"}]});
    if let Some(port) = port {
        spec["port"] = port.into();
    }
    split("shop", spec)
}

fn ports(ports: serde_json::Value) -> Made {
    service("web", &[]).with("/spec/ports", ports)
}

#[test]
fn the_slice_tells_the_number_by_the_name_of_the_port() {
    let of = json!([{"name": "metrics", "port": 9090, "targetPort": 9091}, {"name": "http", "port": 80, "targetPort": "web"}]);
    let numbers = json!([{"name": "http", "port": 8443}, {"name": "metrics", "port": 9091}]);
    let objects = [to_port(Some(80)), ports(of), named_slice("a", "web", numbers, &["10.0.0.1"])];
    assert_eq!(World::of(&objects).addresses("shop", 0), ["10.0.0.1:8443"]);
}

#[test]
fn without_a_number_the_first_port_is_meant() {
    let of = json!([{"name": "http", "port": 80}, {"name": "metrics", "port": 9090}]);
    let numbers = json!([{"name": "metrics", "port": 9091}, {"name": "http", "port": 8080}]);
    let objects = [to_port(None), ports(of), named_slice("a", "web", numbers, &["10.0.0.1"])];
    assert_eq!(World::of(&objects).addresses("shop", 0), ["10.0.0.1:8080"]);
}

#[test]
fn a_headless_service_is_like_any_other() {
    let headless = service("web", &[("app", "web")]).with("/spec/clusterIP", json!("None"));
    let objects = [to_port(Some(80)), headless, slice("web", &["10.0.0.1"])];
    assert_eq!(World::of(&objects).addresses("shop", 0), ["10.0.0.1:8080"]);
}

#[test]
fn a_service_without_a_selector_has_the_addresses_of_slices_made_by_hand() {
    let bare = service("web", &[]).with("/spec", json!({"ports": [{"port": 80}]}));
    let by_hand = slice("web", &[]).with("/endpoints", json!([{"addresses": ["192.0.2.7"]}]));
    assert_eq!(World::of(&[to_port(None), bare, by_hand]).addresses("shop", 0), ["192.0.2.7:8080"]);
}

#[test]
fn all_slices_of_a_service_count() {
    let http = json!([{"name": "", "port": 8080}]);
    let mut world = World::of(&[
        to_port(None),
        service("web", &[]),
        named_slice("web-a", "web", http.clone(), &["10.0.0.1", "10.0.0.2"]),
        named_slice("web-b", "web", http.clone(), &["10.0.0.3", "10.0.0.2"]),
        named_slice("other-a", "other", http.clone(), &["10.0.0.9"]),
    ]);
    assert_eq!(world.addresses("shop", 0), ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"], "each once");
    world.remove(&named_slice("web-a", "web", http.clone(), &[]));
    assert_eq!(world.addresses("shop", 0), ["10.0.0.2:8080", "10.0.0.3:8080"]);
    world.set(&named_slice("other-a", "web", http, &["10.0.0.9"]));
    assert_eq!(world.addresses("shop", 0).len(), 3, "a slice may come to belong to another Service");
}

#[test]
fn a_named_port_may_have_another_number_in_each_slice() {
    let of = json!([{"name": "http", "port": 80, "targetPort": "web"}]);
    let numbers = |port: u16| json!([{"name": "http", "port": port}]);
    let objects = [
        to_port(None),
        ports(of),
        named_slice("web-a", "web", numbers(8080), &["10.0.0.1"]),
        named_slice("web-b", "web", numbers(9090), &["10.0.0.2"]),
    ];
    assert_eq!(World::of(&objects).addresses("shop", 0), ["10.0.0.1:8080", "10.0.0.2:9090"]);
}

#[test]
fn addresses_may_be_of_ip_version_6() {
    let objects = [to_port(None), service("web", &[]), slice("web", &["2001:db8::1"])];
    assert_eq!(World::of(&objects).addresses("shop", 0), ["[2001:db8::1]:8080"]);
}

#[test]
fn addresses_that_are_names_are_left_out() {
    let objects = [to_port(None), service("web", &[]), slice("web", &["db.example.com", "10.0.0.1"])];
    assert_eq!(World::of(&objects).addresses("shop", 0), ["10.0.0.1:8080"]);
}

#[test]
fn of_several_addresses_of_one_endpoint_the_first_is_used() {
    let both = slice("web", &[]).with("/endpoints", json!([{"addresses": ["10.0.0.1", "10.0.0.2"]}]));
    assert_eq!(World::of(&[to_port(None), service("web", &[]), both]).addresses("shop", 0), ["10.0.0.1:8080"]);
}

#[test]
fn ports_of_other_protocols_are_none() {
    let numbers = json!([{"name": "", "port": 53, "protocol": "UDP"}, {"name": "", "port": 8080, "protocol": "TCP"}]);
    let objects = [to_port(None), service("web", &[]), named_slice("a", "web", numbers, &["10.0.0.1"])];
    assert_eq!(World::of(&objects).addresses("shop", 0), ["10.0.0.1:8080"]);
}

#[test]
fn a_slice_without_ports_and_endpoints_is_empty() {
    let empty = slice("web", &[]).with("/endpoints", json!(null)).with("/ports", json!(null));
    assert_eq!(World::of(&[to_port(None), service("web", &[]), empty]).get("a.example/"), "503");
}

#[test]
fn a_service_that_is_not_there_is_named() {
    let split = to_port(None);
    let mut world = World::of(std::slice::from_ref(&split));
    assert_eq!(world.condition(&split, "ResolvedRefs"), "False/BackendNotFound");
    assert_eq!(world.message(&split, "ResolvedRefs"), "there is no Service shop/web");
}

#[test]
fn a_port_that_is_not_there_is_named_with_those_that_are() {
    let split = to_port(Some(81));
    let mut world = World::of(&[split.clone(), ports(json!([{"name": "a", "port": 80}, {"name": "b", "port": 90}]))]);
    assert_eq!(world.message(&split, "ResolvedRefs"), "Service shop/web has no port 81; it has: 80, 90");
}

#[test]
fn a_service_that_stands_for_a_name_elsewhere_is_refused() {
    let split = to_port(None);
    let external = service("web", &[]).with("/spec/type", json!("ExternalName"));
    let mut world = World::of(&[split.clone(), external, slice("web", &["10.0.0.1"])]);
    assert_eq!(world.condition(&split, "ResolvedRefs"), "False/BackendNotFound");
    assert!(world.message(&split, "ResolvedRefs").contains("ExternalName"));
    assert_eq!(world.get("a.example/"), "503");
}

#[test]
fn what_a_port_says_of_its_protocol_is_followed() {
    use crate::model::UpstreamProtocol::{Auto, Http1, Http2};
    let protocol = |app: Option<&str>, asked: Option<&str>| {
        let mut split = to_port(None);
        if let Some(asked) = asked {
            split = split.with("/spec/versions/0/protocol", json!(asked));
        }
        let port = app.map_or(json!([{"port": 80}]), |app| json!([{"port": 80, "appProtocol": app}]));
        World::of(&[split, ports(port)]).route("shop").rules[0].split.versions[0].transport.protocol
    };
    assert_eq!(protocol(None, None), Auto);
    assert_eq!(protocol(Some("kubernetes.io/h2c"), None), Http2);
    assert_eq!(protocol(Some("grpc"), None), Http2);
    assert_eq!(protocol(Some("kubernetes.io/ws"), None), Auto);
    assert_eq!(protocol(Some("kubernetes.io/h2c"), Some("http1")), Http1);
    assert_eq!(protocol(None, Some("http2")), Http2);
}
