//! Splits that are routes of their own, or that divide the pods of a Service.

use serde_json::{Value, json};

use crate::source::kubernetes::tests::objects::{Made, canary_split, pod, service, slice, split};
use crate::source::kubernetes::tests::world::{World, shared};
use crate::testing::Asked;

fn world(split: &Made) -> World {
    World::of(&[
        split.clone(),
        service("stable", &[("app", "a")]),
        service("canary", &[("app", "b")]),
        slice("stable", &["10.0.0.1 s-1"]),
        slice("canary", &["10.0.1.1 c-1"]),
    ])
}

fn versions() -> Value {
    json!([{"name": "stable", "service": "stable", "weight": 1}, {"name": "canary", "service": "canary", "weight": 0}])
}

#[test]
fn weights_divide_the_requests() {
    let split = canary_split("shop", 75, 25);
    let mut world = world(&split);
    assert_eq!(world.shares("a.example/", 100), shared(&[("stable", 75), ("canary", 25)]));
    assert_eq!(world.condition(&split, "Accepted"), "True/Accepted");
    assert_eq!(world.condition(&split, "ResolvedRefs"), "True/ResolvedRefs");
}

#[test]
fn the_only_version_needs_no_weight() {
    let mut world = world(&split("shop", json!({"versions": [{"name": "v", "service": "stable"}]})));
    assert_eq!(world.get("a.example/"), "v");
}

#[test]
fn a_version_without_a_weight_among_others_has_none() {
    let versions = json!([{"name": "v", "service": "stable", "weight": 5}, {"name": "w", "service": "canary"}]);
    let mut world = world(&split("shop", json!({"versions": versions})));
    assert_eq!(world.shares("a.example/", 10), shared(&[("v", 10)]));
}

#[test]
fn hosts_and_paths_choose_the_requests() {
    let spec = json!({"hosts": ["shop.example", "*.shop.example"], "paths": ["/api"], "versions": versions()});
    let mut world = world(&split("shop", spec));
    assert_eq!(world.get("shop.example/api/v1"), "stable");
    assert_eq!(world.get("a.b.shop.example/api"), "stable");
    assert_eq!(world.get("shop.example/apis"), "404");
    assert_eq!(world.get("other.example/api"), "404");
}

#[test]
fn overrides_beat_weights() {
    let spec =
        json!({"versions": versions(), "overrides": [{"header": "x-canary", "value": "always", "to": "canary"}]});
    let mut world = world(&split("shop", spec));
    assert_eq!(world.get("a.example/"), "stable");
    assert_eq!(world.ask(&Asked::get("a.example/").header("x-canary", "always")), "canary");
}

#[test]
fn a_version_whose_service_is_missing_leaves_its_share_to_the_others() {
    let split = canary_split("shop", 1, 1);
    let mut world = world(&split);
    world.remove(&service("canary", &[]));
    assert_eq!(world.shares("a.example/", 10), shared(&[("stable", 10)]));
    assert_eq!(world.condition(&split, "Accepted"), "True/Accepted");
    assert_eq!(world.condition(&split, "ResolvedRefs"), "False/BackendNotFound");
}

#[test]
fn every_reference_that_leads_nowhere_is_named() {
    let split = canary_split("shop", 1, 1);
    let mut world = World::of(std::slice::from_ref(&split));
    let message = world.message(&split, "ResolvedRefs");
    assert_eq!(message, "there is no Service shop/stable; there is no Service shop/canary");
}

#[test]
fn pods_of_one_service_can_be_divided_by_revision() {
    let versions = json!([
        {"name": "old", "revision": "6d4cf56db6", "weight": 9},
        {"name": "new", "revision": "7c9fbd5d4f", "weight": 1},
    ]);
    let mut world = world(&split("shop", json!({"service": "stable", "versions": versions})));
    world.set(&slice("stable", &["10.0.0.1 s-1", "10.0.0.2 s-2"]));
    world.set(&pod("s-1", "6d4cf56db6"));
    world.set(&pod("s-2", "7c9fbd5d4f"));
    assert_eq!(world.versions("shop"), ["old 6d4cf56db6 9 x1", "new 7c9fbd5d4f 1 x1"]);
}

fn of_service(more: &Value) -> Made {
    let mut spec = json!({"targetRef": {"group": "", "kind": "Service", "name": "stable"}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    split("shop", spec)
}

fn deployed(split: &Made) -> World {
    let mut world = world(split);
    world.set(&slice("stable", &["10.0.0.1 s-1", "10.0.0.2 s-2", "10.0.0.3 s-3", "10.0.0.4 s-4"]));
    ["s-1", "s-2", "s-3"].iter().for_each(|name| world.set(&pod(name, "6d4cf56db6")));
    world.set(&pod("s-4", "7c9fbd5d4f").made_after(5));
    world
}

#[test]
fn the_pods_of_a_service_share_in_proportion_to_their_number() {
    let mut world = deployed(&of_service(&json!({})));
    assert_eq!(world.versions("shop"), ["6d4cf56db6 6d4cf56db6 3 x3", "7c9fbd5d4f 7c9fbd5d4f 1 x1"]);
    assert_eq!(world.shares("a.example/", 100), shared(&[("6d4cf56db6", 75), ("7c9fbd5d4f", 25)]));
}

#[test]
fn versions_named_for_the_pods_of_a_service_share_in_proportion_too() {
    let versions = json!([{"name": "old", "revision": "6d4cf56db6"}, {"name": "new", "revision": "7c9fbd5d4f"}]);
    let mut world = deployed(&of_service(&json!({"versions": versions})));
    assert_eq!(world.shares("a.example/", 100), shared(&[("old", 75), ("new", 25)]));
}

#[test]
fn weights_given_beat_the_number_of_pods() {
    let versions = json!([
        {"name": "old", "revision": "6d4cf56db6", "weight": 50},
        {"name": "new", "revision": "7c9fbd5d4f", "weight": 50},
    ]);
    let mut world = deployed(&of_service(&json!({"versions": versions})));
    assert_eq!(world.shares("a.example/", 100), shared(&[("old", 50), ("new", 50)]));
}

#[test]
fn a_service_without_pods_is_accepted_and_waited_for() {
    let split = of_service(&json!({}));
    let mut world = world(&split);
    world.set(&slice("stable", &[]));
    assert_eq!(world.get("a.example/"), "503");
    assert_eq!(world.condition(&split, "Accepted"), "True/Accepted");
    world.set(&slice("stable", &["10.0.0.1 s-1"]));
    assert_eq!(world.get("a.example/"), "pods");
}

/// What is said of a Split with this in its spec, beside two good versions.
fn refusal(key: &str, value: Value) -> String {
    let mut spec = json!({"versions": versions()});
    spec[key] = value;
    let split = split("shop", spec);
    let mut world = world(&split);
    assert_eq!(world.get("a.example/"), "404", "{key}");
    assert!(world.condition(&split, "Accepted").starts_with("False/"), "{key}");
    world.message(&split, "Accepted")
}

#[test]
fn what_is_wrong_is_said_with_its_field() {
    let message = refusal("overrides", json!([{"header": "x", "value": "1", "to": "cannary"}]));
    assert!(message.starts_with("spec.overrides.0.to: "), "{message}");
    assert!(message.contains("canary"), "{message}");
    let message = refusal("hosts", json!(["a.example", "under score!.example"]));
    assert!(message.starts_with("spec.hosts.1: "), "{message}");
    let message = refusal("listeners", json!(["htp"]));
    assert!(message.starts_with("spec.listeners.0: "), "{message}");
    let message = refusal("sticky", json!({"cookie": "a", "header": "b"}));
    assert!(message.starts_with("spec.sticky"), "{message}");
    let message = refusal("guard", json!({"window": "0s"}));
    assert!(message.starts_with("spec.guard.window: "), "{message}");
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let split = split(
        "shop",
        json!({"versions": versions(), "hosts": ["a..b"], "overrides": [{"header": "x", "value": "1", "to": "nobody"}]}),
    );
    let message = world(&split).message(&split, "Accepted");
    assert!(message.contains("spec.hosts.0: ") && message.contains("spec.overrides.0.to: "), "{message}");
}

#[test]
fn a_key_that_is_not_known_is_named() {
    let message = refusal("stiky", json!({}));
    assert!(message.contains("stiky"), "{message}");
}

#[test]
fn weights_that_are_all_0_are_refused() {
    let split = canary_split("shop", 0, 0);
    let mut world = world(&split);
    assert_eq!(world.condition(&split, "Accepted"), "False/Invalid");
}

#[test]
fn a_split_without_versions_asks_for_them() {
    let split = split("shop", json!({}));
    assert_eq!(world(&split).condition(&split, "ResolvedRefs"), "False/NoVersions");
}

#[test]
fn a_split_that_is_spoilt_is_taken_out_and_one_that_is_mended_comes_back() {
    let good = canary_split("shop", 1, 0);
    let mut world = world(&good);
    assert_eq!(world.get("a.example/"), "stable");
    world.set(&split("shop", json!({"versions": 5})));
    assert_eq!(world.condition(&good, "Accepted"), "False/Malformed");
    assert_eq!(world.get("a.example/"), "404");
    world.set(&good);
    assert_eq!(world.get("a.example/"), "stable");
}

#[test]
fn a_service_that_asks_for_tls_answers_500_rather_than_be_spoken_to_in_clear_text() {
    for protocol in ["https", "HTTPS", "kubernetes.io/wss", "mysql"] {
        let split = canary_split("shop", 50, 50);
        let mut world = world(&split);
        let port = "/spec/ports/0/appProtocol";
        world.set(&service("canary", &[("app", "b")]).with(port, protocol.into()));
        assert_eq!(world.shares("a.example/", 10), shared(&[("stable", 5), ("500", 5)]), "{protocol}");
        assert_eq!(world.condition(&split, "Accepted"), "True/Accepted");
        assert_eq!(world.condition(&split, "ResolvedRefs"), "False/UnsupportedProtocol");
        let message = world.message(&split, "ResolvedRefs");
        assert!(message.contains("Service shop/canary") && message.contains(protocol), "{message}");
        // Also where the split is told in which version of HTTP to speak.
        let versions = json!([{"name": "canary", "service": "canary", "weight": 1, "protocol": "http1"}]);
        world.set(&self::split("shop", json!({"versions": versions})));
        assert_eq!(world.get("a.example/"), "500", "{protocol}");
    }
}

#[test]
fn the_pods_of_a_service_that_asks_for_tls_are_not_spoken_to_either() {
    let split = split("shop", json!({"targetRef": {"kind": "Service", "name": "stable"}}));
    let mut world = world(&split);
    assert_eq!(world.condition(&split, "ResolvedRefs"), "True/ResolvedRefs");
    world.set(&service("stable", &[("app", "a")]).with("/spec/ports/0/appProtocol", "https".into()));
    assert_eq!(world.get("a.example/"), "500");
    assert_eq!(world.condition(&split, "ResolvedRefs"), "False/UnsupportedProtocol");
}

#[test]
fn the_version_of_http_is_the_one_that_the_service_says() {
    use crate::model::UpstreamProtocol::{Auto, Http2};
    for (protocol, spoken) in [("kubernetes.io/h2c", Http2), ("H2C", Http2), ("kubernetes.io/ws", Auto), ("http", Auto)]
    {
        let mut world = world(&canary_split("shop", 50, 50));
        world.set(&service("canary", &[("app", "b")]).with("/spec/ports/0/appProtocol", protocol.into()));
        let version = world.route("shop").rules[0].split.versions[1].clone();
        assert_eq!((version.transport.protocol, version.invalid), (spoken, false), "{protocol}");
    }
}
