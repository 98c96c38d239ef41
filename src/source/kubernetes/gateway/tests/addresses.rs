//! Where a Gateway is reached.

use std::collections::BTreeSet;

use serde_json::json;

use super::cluster;
use crate::source::kubernetes::gateway::{BIND_PORTS, OwnedService, owned_service, service_name};
use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::{Id, ObjectKind};
use crate::source::kubernetes::tests::objects::{gateway, gateway_service, http_listener, service};
use crate::source::kubernetes::tests::world::{World, options};

fn id(namespace: &str, name: &str) -> Id {
    Id::new(ObjectKind::Gateway, namespace, name)
}

/// The Service that the Gateway `gw` is to have.
fn owned(world: &World, ports: &[u16]) -> OwnedService {
    let options = options(&[]);
    let gateway = id("shop", "gw");
    let reader = Reader::new(world.index.objects(), &options, &gateway);
    owned_service(&reader, &gateway, &ports.iter().copied().collect::<BTreeSet<u16>>())
}

#[test]
fn the_name_of_a_service_is_readable_valid_and_unique_whatever_the_gateway_is_called() {
    let long = "a".repeat(253);
    let names = [
        service_name(&id("shop", "gw")),
        service_name(&id("shop", "gw.v2")),
        service_name(&id("shop", "gw-v2")),
        service_name(&id("shop-gw", "v2")),
        service_name(&id("shop", &long)),
        service_name(&id("shop", &format!("{}b", &long[..252]))),
    ];
    let valid = |name: &str| {
        name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    assert!(names.iter().all(|name| valid(name)), "{names:?}");
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert!(names[0].starts_with("gw-shop-gw-"));
}

#[test]
fn each_port_is_bound_at_one_that_needs_no_privilege() {
    let owned = owned(&World::of([]), &[80, 443]);
    assert_eq!(owned.ports.keys().copied().collect::<Vec<_>>(), [80, 443]);
    assert!(owned.ports.values().all(|bound| BIND_PORTS.contains(bound)));
    assert_ne!(owned.ports[&80], owned.ports[&443]);
}

#[test]
fn every_replica_comes_to_the_same_ports() {
    assert_eq!(owned(&World::of([]), &[80, 443]), owned(&World::of([]), &[443, 80]));
}

#[test]
fn ports_that_are_bound_stay_as_they_are() {
    let world = World::of(&[gateway_service("gw", &[(80, 29_999)])]);
    let owned = owned(&world, &[80, 8080]);
    assert_eq!(owned.ports[&80], 29_999);
    assert!(owned.ports.contains_key(&8080));
}

#[test]
fn ports_that_are_not_asked_for_any_more_are_given_back() {
    let world = World::of(&[gateway_service("gw", &[(80, 29_999), (81, 29_998)])]);
    assert_eq!(owned(&world, &[80]).ports.keys().copied().collect::<Vec<_>>(), [80]);
}

#[test]
fn ports_of_other_gateways_are_not_taken() {
    let free = owned(&World::of([]), &[80]).ports[&80];
    let world = World::of(&[gateway_service("other", &[(80, free)])]);
    assert_ne!(owned(&world, &[80]).ports[&80], free);
    let foreign = service("other", &[])
        .in_namespace("weir-system")
        .with("/spec/ports", json!([{"port": 80, "targetPort": free}]));
    assert_eq!(
        owned(&World::of(&[foreign]), &[80]).ports[&80],
        free,
        "Services that are no Gateway's count for nothing"
    );
}

#[test]
fn the_address_is_that_of_the_service() {
    let gateway = gateway("gw", json!([]));
    let mut world = cluster(&json!([http_listener()]), &[]);
    assert_eq!(world.report(&gateway).addresses, [json!({"type": "IPAddress", "value": "10.96.7.7"})]);
}

#[test]
fn addresses_of_a_load_balancer_count_before_the_services_own() {
    let ingress = json!([{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]);
    let balanced = gateway_service("gw", &[(80, 20080)]).with("/status", json!({"loadBalancer": {"ingress": ingress}}));
    let mut world = cluster(&json!([http_listener()]), &[balanced]);
    let expected =
        [json!({"type": "IPAddress", "value": "192.0.2.1"}), json!({"type": "Hostname", "value": "lb.example.com"})];
    assert_eq!(world.report(&gateway("gw", json!([]))).addresses, expected);
}

#[test]
fn an_address_that_was_asked_for_and_is_not_there_is_said() {
    let asks = |value: &str| {
        let addresses = json!([{"type": "IPAddress", "value": value}]);
        let asking = gateway("gw", json!([http_listener()])).with("/spec/addresses", addresses);
        cluster(&json!([]), std::slice::from_ref(&asking)).condition(&asking, "Programmed")
    };
    assert_eq!(asks("192.0.2.9"), "False/AddressNotUsable");
    assert_eq!(asks("10.96.7.7"), "True/Programmed");
}

#[test]
fn an_address_without_a_value_asks_for_any() {
    let asking = gateway("gw", json!([http_listener()])).with("/spec/addresses", json!([{"type": "IPAddress"}]));
    assert_eq!(cluster(&json!([]), std::slice::from_ref(&asking)).condition(&asking, "Programmed"), "True/Programmed");
}

#[test]
fn an_address_of_a_type_that_is_not_known_refuses_the_gateway() {
    let address = |kind: &str| json!([{"type": kind, "value": "10.96.7.7"}]);
    let with = |kind: &str| gateway("gw", json!([http_listener()])).with("/spec/addresses", address(kind));
    let mut world = cluster(&json!([http_listener()]), &[]);
    world.set(&with("test.example/Foo"));
    let gateway = with("IPAddress");
    assert_eq!(world.condition(&gateway, "Accepted"), "False/UnsupportedAddress");
    assert_eq!(world.condition(&gateway, "Programmed"), "False/Invalid");
    assert!(world.message(&gateway, "Accepted").contains("test.example/Foo"));
    assert_eq!(world.model().listeners.len(), 1);
    world.set(&gateway);
    assert_eq!(world.condition(&gateway, "Accepted"), "True/Accepted");
    assert_eq!(world.condition(&gateway, "Programmed"), "True/Programmed");
}

#[test]
fn of_gateways_that_came_to_the_same_port_the_first_by_name_keeps_it() {
    let both = |other: &str| [gateway_service("gw", &[(80, 20_007)]), gateway_service(other, &[(80, 20_007)])];
    assert_eq!(owned(&World::of(&both("zz")), &[80]).ports[&80], 20_007);
    let given_up = owned(&World::of(&both("aa")), &[80]).ports[&80];
    assert_ne!(given_up, 20_007);
    let mut world = cluster(&json!([http_listener()]), &[gateway_service("aa", &[(80, 20080)])]);
    let bound = world.model().listeners.iter().filter(|listener| listener.name.starts_with("gateway/")).count();
    assert_eq!(bound, 0, "nothing is bound where the other one is");
    let gateway = gateway("gw", json!([http_listener()]));
    assert_eq!(world.listener(&gateway, "http", "Programmed"), "False/Pending");
    assert_ne!(world.report(&gateway).service.unwrap().ports[&80], 20_080);
}

#[test]
fn a_new_port_of_a_gateway_does_not_take_that_of_another_one_of_its_own() {
    let free = owned(&World::of([]), &[80]).ports[&80];
    let owned = owned(&World::of(&[gateway_service("gw", &[(443, free)])]), &[80, 443]);
    assert_eq!(owned.ports[&443], free);
    assert_ne!(owned.ports[&80], free);
}
