//! Splits on listeners of Gateways.

use serde_json::{Value, json};

use crate::source::kubernetes::object::ObjectKind;
use crate::source::kubernetes::tests::objects::{Made, class, gateway, gateway_service, object, service, slice, split};
use crate::source::kubernetes::tests::world::World;

fn on_gateway(reference: &Value, hosts: &[&str]) -> Made {
    split("shop", json!({"gateways": [reference], "hosts": hosts, "versions": [{"name": "v", "service": "web"}]}))
}

fn world(listeners: Value, split: &Made) -> World {
    World::of(&[
        class("weir"),
        gateway("gw", listeners),
        gateway_service("gw", &[(80, 20080), (8080, 20088)]),
        split.clone(),
        service("web", &[]),
        slice("web", &["10.0.0.1"]),
    ])
    .at_port(80)
}

fn two_ports() -> Value {
    json!([{"name": "http", "port": 80, "protocol": "HTTP"}, {"name": "alt", "port": 8080, "protocol": "HTTP"}])
}

#[test]
fn a_split_is_on_every_listener_of_the_gateway_that_it_names_and_nowhere_else() {
    let mut world = world(two_ports(), &on_gateway(&json!({"name": "gw"}), &[]));
    assert_eq!(world.get("a.example/"), "v");
    world.listen_at(8080);
    assert_eq!(world.get("a.example/"), "v");
    let model = world.model();
    assert!(!model.routes[0].attachments.iter().any(|attachment| attachment.is_on(&crate::testing::listener("http"))));
}

#[test]
fn a_section_name_chooses_one_listener() {
    let mut world = world(two_ports(), &on_gateway(&json!({"name": "gw", "sectionName": "alt"}), &[]));
    assert_eq!(world.get("a.example/"), "404");
    world.listen_at(8080);
    assert_eq!(world.get("a.example/"), "v");
}

#[test]
fn without_gateways_a_split_is_on_the_listeners_of_the_process_only() {
    let split = split("shop", json!({"versions": [{"name": "v", "service": "web"}]}));
    let mut world = world(two_ports(), &split);
    assert_eq!(world.get("a.example/"), "404");
}

#[test]
fn a_gateway_that_is_not_there_is_named() {
    let split = on_gateway(&json!({"name": "other"}), &[]);
    let mut world = world(two_ports(), &split);
    assert_eq!(world.condition(&split, "Accepted"), "False/GatewayNotFound");
    assert!(world.message(&split, "Accepted").contains("Gateway shop/other"));
    assert_eq!(world.get("a.example/"), "404");
}

#[test]
fn a_gateway_of_another_class_is_not_ours() {
    let split = on_gateway(&json!({"name": "gw"}), &[]);
    let mut world = world(two_ports(), &split);
    world.set(&object(ObjectKind::GatewayClass, "weir", json!({"spec": {"controllerName": "example.com/other"}})));
    assert_eq!(world.condition(&split, "Accepted"), "False/GatewayNotFound");
}

#[test]
fn hosts_are_those_that_the_listener_has_too() {
    let listeners = json!([{"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.shop.example"}]);
    let mut world = world(listeners, &on_gateway(&json!({"name": "gw"}), &["a.shop.example", "other.example"]));
    assert_eq!(world.get("a.shop.example/"), "v");
    assert_eq!(world.get("b.shop.example/"), "404");
    assert_eq!(world.get("other.example/"), "404");
}

#[test]
fn a_split_that_has_no_host_in_common_with_the_listener_takes_nothing() {
    let listeners = json!([{"name": "http", "port": 80, "protocol": "HTTP", "hostname": "shop.example"}]);
    let split = on_gateway(&json!({"name": "gw"}), &["other.example"]);
    let mut world = world(listeners, &split);
    assert_eq!(world.get("shop.example/"), "404");
    assert_eq!(world.get("other.example/"), "404");
    assert_eq!(world.condition(&split, "Accepted"), "False/NoMatchingListenerHostname");
}

#[test]
fn a_host_that_another_listener_fits_better_is_left_to_it() {
    let listeners = json!([
        {"name": "http", "port": 80, "protocol": "HTTP"},
        {"name": "own", "port": 80, "protocol": "HTTP", "hostname": "shop.example"},
    ]);
    let split = on_gateway(&json!({"name": "gw", "sectionName": "http"}), &["shop.example"]);
    let mut world = world(listeners, &split);
    assert_eq!(world.get("shop.example/"), "404");
    assert_eq!(world.get("other.example/"), "404");
}

#[test]
fn a_listener_takes_no_split_of_a_namespace_that_it_does_not_allow() {
    let split = on_gateway(&json!({"name": "gw", "namespace": "shop"}), &[]).in_namespace("elsewhere");
    let mut world = world(two_ports(), &split);
    world.set(&service("web", &[]).in_namespace("elsewhere"));
    world.set(&slice("web", &["10.0.0.9"]).in_namespace("elsewhere"));
    assert_eq!(world.get("a.example/"), "404");
    assert_eq!(world.condition(&split, "Accepted"), "False/NotAllowedByListeners");
    let open =
        json!([{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}]);
    world.set(&gateway("gw", open));
    assert_eq!(world.get("a.example/"), "v");
    assert_eq!(world.condition(&split, "Accepted"), "True/Accepted");
}

#[test]
fn a_section_name_that_no_listener_has_is_said() {
    let split = on_gateway(&json!({"name": "gw", "sectionName": "nope"}), &[]);
    let mut world = world(two_ports(), &split);
    assert_eq!(world.condition(&split, "Accepted"), "False/NoMatchingParent");
}
