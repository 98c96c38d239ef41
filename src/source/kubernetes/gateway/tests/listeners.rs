//! What is said about GatewayClasses, Gateways and their listeners.

use serde_json::{Value, json};

use super::cluster;
use crate::source::kubernetes::object::ObjectKind;
use crate::source::kubernetes::tests::objects::{Made, class, gateway, gateway_service, http_listener, object, secret};
use crate::source::kubernetes::tests::world::World;

fn gateway_id() -> Made {
    gateway("gw", json!([]))
}

/// A condition of the listener `l` beside one that is good.
fn of_listener(listener: &Value, kind: &str) -> String {
    let mut listener = listener.clone();
    listener["name"] = "l".into();
    cluster(&json!([{"name": "good", "port": 8080, "protocol": "HTTP"}, listener]), &[]).listener(
        &gateway_id(),
        "l",
        kind,
    )
}

fn of_gateway(listeners: &Value, kind: &str) -> String {
    cluster(listeners, &[]).condition(&gateway_id(), kind)
}

#[test]
fn a_class_that_names_this_controller_is_accepted() {
    assert_eq!(World::of(&[class("weir")]).condition(&class("weir"), "Accepted"), "True/Accepted");
}

#[test]
fn a_class_of_another_controller_is_not_spoken_of() {
    let other = object(ObjectKind::GatewayClass, "other", json!({"spec": {"controllerName": "example.com/other"}}));
    assert!(World::of(std::slice::from_ref(&other)).report(&other).conditions.is_empty());
}

#[test]
fn a_class_with_parameters_is_refused() {
    let parameters = json!({"group": "", "kind": "ConfigMap", "name": "p"});
    let class = class("weir").with("/spec/parametersRef", parameters);
    assert_eq!(World::of(std::slice::from_ref(&class)).condition(&class, "Accepted"), "False/InvalidParameters");
}

#[test]
fn a_gateway_of_another_class_is_not_spoken_of_and_makes_no_listener() {
    let other = object(ObjectKind::GatewayClass, "weir", json!({"spec": {"controllerName": "example.com/other"}}));
    let mut world = cluster(&json!([http_listener()]), &[]);
    assert_eq!(world.model().listeners.len(), 2);
    world.set(&other);
    assert_eq!(world.model().listeners.len(), 1);
    assert!(world.report(&gateway_id()).conditions.is_empty());
}

#[test]
fn a_gateway_is_served_once_its_class_is_there() {
    let mut world = cluster(&json!([http_listener()]), &[]);
    world.remove(&class("weir"));
    assert_eq!(world.model().listeners.len(), 1);
    world.set(&class("weir"));
    assert_eq!(world.model().listeners.len(), 2);
}

#[test]
fn a_gateway_whose_listeners_are_all_valid_is_accepted_and_programmed() {
    assert_eq!(of_gateway(&json!([http_listener()]), "Accepted"), "True/Accepted");
    assert_eq!(of_gateway(&json!([http_listener()]), "Programmed"), "True/Programmed");
}

#[test]
fn a_gateway_with_some_valid_listeners_is_accepted_with_that_reason() {
    let tcp = json!({"name": "tcp", "port": 9000, "protocol": "TCP"});
    assert_eq!(of_gateway(&json!([http_listener(), tcp]), "Accepted"), "True/ListenersNotValid");
    assert_eq!(of_gateway(&json!([http_listener(), tcp]), "Programmed"), "True/Programmed");
}

#[test]
fn a_gateway_without_a_valid_listener_is_not_accepted() {
    let tcp = json!([{"name": "tcp", "port": 9000, "protocol": "TCP"}]);
    assert_eq!(of_gateway(&tcp, "Accepted"), "False/ListenersNotValid");
    assert_eq!(of_gateway(&tcp, "Programmed"), "False/Invalid");
}

#[test]
fn a_gateway_with_parameters_is_refused_and_serves_nothing() {
    let parameters = json!({"parametersRef": {"group": "", "kind": "ConfigMap", "name": "p"}});
    let gateway = gateway("gw", json!([http_listener()])).with("/spec/infrastructure", parameters);
    let mut world = cluster(&json!([]), std::slice::from_ref(&gateway));
    assert_eq!(world.condition(&gateway, "Accepted"), "False/InvalidParameters");
    assert_eq!(world.model().listeners.len(), 1);
}

#[test]
fn before_its_service_is_there_a_gateway_is_accepted_but_not_programmed() {
    let mut world = cluster(&json!([http_listener()]), &[]);
    world.remove(&gateway_service("gw", &[]));
    assert_eq!(world.condition(&gateway_id(), "Accepted"), "True/Accepted");
    assert_eq!(world.condition(&gateway_id(), "Programmed"), "False/AddressNotAssigned");
    assert_eq!(world.listener(&gateway_id(), "http", "Programmed"), "False/Pending");
    assert_eq!(world.model().listeners.len(), 1);
}

#[test]
fn a_listener_that_is_served_says_so_in_every_condition() {
    let http = json!({"port": 80, "protocol": "HTTP"});
    assert_eq!(of_listener(&http, "Accepted"), "True/Accepted");
    assert_eq!(of_listener(&http, "Programmed"), "True/Programmed");
    assert_eq!(of_listener(&http, "ResolvedRefs"), "True/ResolvedRefs");
    assert_eq!(of_listener(&http, "Conflicted"), "False/NoConflicts");
}

#[test]
fn a_protocol_that_is_not_served_is_refused() {
    for protocol in ["TCP", "UDP", "TLS", "example.com/own"] {
        let listener = json!({"port": 80, "protocol": protocol});
        assert_eq!(of_listener(&listener, "Accepted"), "False/UnsupportedProtocol");
        assert_eq!(of_listener(&listener, "Programmed"), "False/Invalid");
    }
}

#[test]
fn a_kind_of_route_that_is_not_known_is_told() {
    let kinds = |kinds: Value| json!({"name": "l", "port": 80, "protocol": "HTTP", "allowedRoutes": {"kinds": kinds}});
    let supported = |listener: &Value| {
        let report = cluster(&json!([listener]), &[]).report(&gateway_id());
        report.listeners[0]
            .supported_kinds
            .iter()
            .map(|kind| kind["kind"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let only = kinds(json!([{"kind": "Nope"}]));
    assert_eq!(of_listener(&only, "ResolvedRefs"), "False/InvalidRouteKinds");
    assert_eq!(of_listener(&only, "Programmed"), "False/Invalid");
    assert_eq!(supported(&only), Vec::<String>::new());
    let mixed = kinds(json!([{"kind": "Nope"}, {"kind": "HTTPRoute"}]));
    assert_eq!(of_listener(&mixed, "ResolvedRefs"), "False/InvalidRouteKinds");
    assert_eq!(of_listener(&mixed, "Programmed"), "True/Programmed");
    assert_eq!(supported(&mixed), ["HTTPRoute"]);
    let foreign = kinds(json!([{"group": "example.com", "kind": "HTTPRoute"}]));
    assert_eq!(of_listener(&foreign, "ResolvedRefs"), "False/InvalidRouteKinds");
    assert_eq!(supported(&kinds(json!([]))), ["HTTPRoute", "GRPCRoute"]);
}

#[test]
fn listeners_for_the_same_host_and_port_are_both_refused() {
    let listener = |name: &str| json!({"name": name, "port": 80, "protocol": "HTTP", "hostname": "a.example"});
    let other = json!({"name": "other", "port": 80, "protocol": "HTTP"});
    let mut world = cluster(&json!([listener("one"), listener("two"), other]), &[]);
    for name in ["one", "two"] {
        assert_eq!(world.listener(&gateway_id(), name, "Conflicted"), "True/HostnameConflict");
        assert_eq!(world.listener(&gateway_id(), name, "Accepted"), "False/HostnameConflict");
        assert_eq!(world.listener(&gateway_id(), name, "Programmed"), "False/Invalid");
    }
    assert_eq!(world.listener(&gateway_id(), "other", "Accepted"), "True/Accepted");
}

#[test]
fn listeners_of_two_protocols_on_one_port_are_both_refused() {
    let tls = json!({"certificateRefs": [{"name": "cert"}]});
    let https = json!({"name": "https", "port": 80, "protocol": "HTTPS", "hostname": "b.example", "tls": tls});
    let mut world = cluster(&json!([http_listener(), https]), &[secret("cert", &["b.example"])]);
    for name in ["http", "https"] {
        assert_eq!(world.listener(&gateway_id(), name, "Conflicted"), "True/ProtocolConflict");
        assert_eq!(world.listener(&gateway_id(), name, "Accepted"), "False/ProtocolConflict");
    }
    assert_eq!(world.model().listeners.len(), 1, "only that of the process");
}

#[test]
fn the_same_host_on_two_ports_is_no_conflict() {
    let on = |name: &str, port: u16| json!({"name": name, "port": port, "protocol": "HTTP"});
    let mut world = cluster(&json!([on("one", 80), on("two", 8080)]), &[]);
    assert_eq!(world.listener(&gateway_id(), "one", "Conflicted"), "False/NoConflicts");
    assert_eq!(world.condition(&gateway_id(), "Accepted"), "True/Accepted");
}

#[test]
fn each_port_is_one_socket_that_binds_what_the_service_leads_to() {
    let mut world = cluster(
        &json!([
            {"name": "one", "port": 80, "protocol": "HTTP"},
            {"name": "two", "port": 80, "protocol": "HTTP", "hostname": "*.a.example"},
            {"name": "three", "port": 8080, "protocol": "HTTP"},
        ]),
        &[],
    );
    let model = world.model();
    let found: Vec<String> = model.listeners[1..].iter().map(|l| format!("{} {}", l.name, l.address)).collect();
    assert_eq!(found, ["gateway/shop/gw/80 [::]:20080", "gateway/shop/gw/8080 [::]:20088"]);
    assert!(model.listeners[1..].iter().all(|listener| listener.reserved));
    assert_eq!(model.listeners[1].advertised_port, Some(80));
    assert_eq!(model.listeners[1].isolated.iter().map(ToString::to_string).collect::<Vec<_>>(), ["*.a.example"]);
}

#[test]
fn a_listener_that_changes_leaves_the_sockets_of_other_gateways_the_same() {
    let other = gateway("other", json!([http_listener()]));
    let mut world = cluster(&json!([http_listener()]), &[other, gateway_service("other", &[(80, 20999)])]);
    let of = |world: &mut World, name: &str| world.model().listeners.iter().find(|l| &*l.name == name).cloned();
    let before = of(&mut world, "gateway/shop/other/80").unwrap();
    world.set(&gateway("gw", json!([{"name": "http", "port": 80, "protocol": "HTTP", "hostname": "x.example"}])));
    assert!(std::sync::Arc::ptr_eq(&before, &of(&mut world, "gateway/shop/other/80").unwrap()));
}
