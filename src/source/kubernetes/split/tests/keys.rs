//! Keys of sticky cookies, from Secrets.

use serde_json::{Value, json};

use crate::model::ClientId;
use crate::source::kubernetes::index::Change;
use crate::source::kubernetes::tests::objects::{
    Made, class, gateway, gateway_service, http_listener, http_route, opaque, service, slice, split, to,
};
use crate::source::kubernetes::tests::world::World;

const FIRST: &str = "0123456789abcdef";
const SECOND: &str = "fedcba9876543210";

fn sticky() -> Value {
    json!({"cookie": "weir", "keySecretRef": {"name": "sticky", "key": "keys"}})
}

fn shop() -> Made {
    split("shop", json!({"versions": [{"name": "v", "service": "stable"}], "sticky": sticky()}))
}

fn secret(content: &str) -> Made {
    opaque("sticky", &[("keys", content)])
}

fn world(objects: &[Made]) -> World {
    let all = [service("stable", &[]), slice("stable", &["10.0.0.1"])];
    World::of(&[all.to_vec(), objects.to_vec()].concat())
}

/// The server says that there is no such Secret.
fn missing(world: &mut World) {
    world.index.apply(Change::Gone(secret("").id()));
}

/// Keys of the only rule of a route; none: it has no stickiness.
fn keys(world: &mut World, route: &str) -> Option<Vec<String>> {
    let route = world.route(route);
    let sticky = route.rules[0].split.sticky.as_ref()?;
    let ClientId::Cookie { keys, .. } = &sticky.client else { panic!("{sticky:?}") };
    Some(keys.iter().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect())
}

#[test]
fn the_cookie_is_signed_with_the_keys_of_the_secret() {
    let mut world = world(&[shop(), secret(&format!("{FIRST}\n{SECOND}\n"))]);
    assert_eq!(keys(&mut world, "shop").unwrap(), [FIRST, SECOND]);
    assert_eq!(world.condition(&shop(), "ResolvedRefs"), "True/ResolvedRefs");
}

#[test]
fn other_keys_come_into_force_as_they_are_written() {
    let mut world = world(&[shop(), secret(FIRST)]);
    assert_eq!(keys(&mut world, "shop").unwrap(), [FIRST]);
    world.set(&secret(&format!("{SECOND}\n{FIRST}")));
    assert_eq!(keys(&mut world, "shop").unwrap(), [SECOND, FIRST]);
}

#[test]
fn without_the_secret_requests_go_by_the_weights_and_the_split_says_what_to_do() {
    let mut world = world(&[shop()]);
    missing(&mut world);
    assert_eq!(keys(&mut world, "shop"), None);
    assert_eq!(world.get("a.example/"), "v");
    assert_eq!(world.condition(&shop(), "Accepted"), "True/Accepted");
    assert_eq!(world.condition(&shop(), "ResolvedRefs"), "False/SecretNotFound");
    let message = world.message(&shop(), "ResolvedRefs");
    assert!(message.contains("kubectl -n shop create secret generic sticky --from-literal=keys="), "{message}");
    world.set(&secret(FIRST));
    assert_eq!(keys(&mut world, "shop").unwrap(), [FIRST]);
    world.remove(&secret(FIRST));
    assert_eq!(world.condition(&shop(), "ResolvedRefs"), "False/SecretNotFound");
}

#[test]
fn a_secret_that_cannot_be_used_is_told_with_what_is_wrong() {
    for (secret, wrong) in [
        (opaque("sticky", &[("other", FIRST)]), "Secret shop/sticky: has no key keys in its data; it has: other"),
        (secret("short"), "Secret shop/sticky: key 1 of keys is too short: use 16 bytes or more"),
        (secret(" \n"), "Secret shop/sticky: keys has no key: write one per line, of 16 bytes or more"),
    ] {
        let mut world = world(&[shop(), secret]);
        assert_eq!(keys(&mut world, "shop"), None);
        assert_eq!(world.condition(&shop(), "ResolvedRefs"), "False/InvalidSecret");
        let message = world.message(&shop(), "ResolvedRefs");
        assert!(message.starts_with(wrong), "{message}");
    }
}

#[test]
fn a_split_stays_as_it_was_until_a_secret_that_it_names_anew_is_known() {
    let mut world = world(&[shop(), secret(FIRST)]);
    assert_eq!(keys(&mut world, "shop").unwrap(), [FIRST]);
    let other = json!({"cookie": "weir", "keySecretRef": {"name": "next", "key": "keys"}});
    world.set(&shop().with("/spec/sticky", other));
    assert_eq!(keys(&mut world, "shop").unwrap(), [FIRST]);
    assert_eq!(world.index.named().iter().map(|id| &*id.name).collect::<Vec<_>>(), ["next"]);
    world.set(&opaque("next", &[("keys", SECOND)]));
    assert_eq!(keys(&mut world, "shop").unwrap(), [SECOND]);
}

#[test]
fn only_secrets_that_something_names_are_asked_for() {
    let mut world = world(&[shop()]);
    world.model();
    assert_eq!(world.index.named().iter().map(ToString::to_string).collect::<Vec<_>>(), ["Secret shop/sticky"]);
    world.remove(&shop());
    world.model();
    assert!(world.index.named().is_empty());
}

#[test]
fn behaviour_for_a_route_is_signed_too() {
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "web"});
    let policy = split("policy", json!({"targetRef": target, "sticky": sticky()}));
    let mut world = world(&[
        class("weir"),
        gateway("gw", json!([http_listener()])),
        gateway_service("gw", &[(80, 20080)]),
        http_route("web", &[], json!([to(&[("stable", 1)])])),
        policy.clone(),
        secret(FIRST),
    ])
    .at_port(80);
    assert_eq!(keys(&mut world, "web").unwrap(), [FIRST]);
    assert_eq!(world.condition(&policy, "ResolvedRefs"), "True/ResolvedRefs");
    world.remove(&secret(FIRST));
    assert_eq!(keys(&mut world, "web"), None);
    assert_eq!(world.get("a.example/"), "stable");
    assert_eq!(world.condition(&policy, "ResolvedRefs"), "False/SecretNotFound");
}
