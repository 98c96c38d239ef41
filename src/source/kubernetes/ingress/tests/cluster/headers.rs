//! `custom-headers`: a ConfigMap that is read when an Ingress refers to it.

use super::*;
use crate::model::{Filter, HeaderEdit};

fn headers(namespace: &str, data: serde_json::Value) -> Made {
    object(ObjectKind::ConfigMap, "headers", json!({"data": data})).in_namespace(namespace)
}

fn main(map: &str) -> Made {
    with(ingress("main", "shop.example.com", "a"), "custom-headers", map)
}

/// The headers that answers get.
fn added(world: &mut World) -> Vec<String> {
    let filters = &world.route("main").rules[0].filters;
    let added = filters.iter().filter_map(|filter| match filter {
        Filter::ResponseHeader(HeaderEdit::Set(name, value)) => Some(format!("{name}: {}", value.to_str().unwrap())),
        _ => None,
    });
    added.collect()
}

#[test]
fn a_config_map_is_asked_for_by_name_and_followed() {
    let mut world = world(&[main("headers")]);
    world.model();
    let id = headers("shop", json!({})).id();
    assert!(world.index.named().contains(&id));
    assert_eq!(added(&mut world), [""; 0]);
    assert!(told(&mut world, &main("headers")).contains("there is no ConfigMap shop/headers"));
    world.set(&headers("shop", json!({"X-Team": "web"})));
    assert_eq!(added(&mut world), ["x-team: web"]);
    assert!(!told(&mut world, &main("headers")).contains("AnnotationRefused"));
    world.set(&headers("shop", json!({"X-Team": "shop", "X-B": "c"})));
    assert_eq!(added(&mut world), ["x-b: c", "x-team: shop"]);
    world.remove(&headers("shop", json!({})));
    assert_eq!(added(&mut world), [""; 0]);
    world.set(&ingress("main", "shop.example.com", "a"));
    world.model();
    assert!(world.index.named().is_empty());
}

#[test]
fn the_namespace_may_be_written_and_another_one_needs_a_grant() {
    let mut world = world(&[main("shop/headers"), headers("shop", json!({"X-Team": "web"}))]);
    assert_eq!(added(&mut world), ["x-team: web"]);
    world.set(&main("other/headers"));
    world.set(&headers("other", json!({"X-Team": "other"})));
    assert_eq!(added(&mut world), [""; 0]);
    assert!(told(&mut world, &main("other/headers")).contains("ReferenceGrant"));
    let from = json!([{"group": "networking.k8s.io", "kind": "Ingress", "namespace": "shop"}]);
    let spec = json!({"spec": {"from": from, "to": [{"group": "", "kind": "ConfigMap", "name": "headers"}]}});
    world.set(&object(ObjectKind::ReferenceGrant, "headers", spec).in_namespace("other"));
    assert_eq!(added(&mut world), ["x-team: other"]);
}

#[test]
fn what_frames_a_message_or_is_no_header_is_told_and_the_others_are_set() {
    let data =
        json!({"Content-Length": "5", "Connection": "close", "no header": "x", "X-Lines": "a\nb", "X-Team": "web"});
    let mut world = world(&[main("headers"), headers("shop", data)]);
    assert_eq!(added(&mut world), ["x-team: web"]);
    let told = told(&mut world, &main("headers"));
    for name in ["content-length", "connection", "no header", "X-Lines"] {
        assert!(told.contains(name), "{name}: {told}");
    }
}
