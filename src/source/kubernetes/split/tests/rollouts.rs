//! Splits that follow an Argo Rollout without a traffic router.

use serde_json::{Value, json};

use crate::source::kubernetes::tests::objects::{Made, pod, rollout, service, service_of, slice, split};
use crate::source::kubernetes::tests::world::{World, shared};
use crate::testing::Asked;

const OLD: &str = "6d4cf56db6";
const NEW: &str = "7c9fbd5d4f";

fn following() -> Made {
    split("shop", json!({"targetRef": {"group": "argoproj.io", "kind": "Rollout", "name": "shop"}}))
}

fn steps() -> Value {
    json!([
        {"setWeight": 20}, {"pause": {}},
        {"setWeight": 50}, {"pause": {}},
        {"setWeight": 100},
    ])
}

fn at_step(index: usize) -> Made {
    rollout("shop", steps(), json!({"stableRS": OLD, "currentPodHash": NEW, "currentStepIndex": index}))
}

/// One Service that selects the pods of both versions.
fn world(rollout: Made) -> World {
    World::of(&[
        following(),
        rollout,
        service("stable", &[("app", "shop")]),
        slice("stable", &["10.0.0.1 old-1", "10.0.0.2 old-2", "10.0.0.3 old-3", "10.0.1.1 new-1"]),
        pod("old-1", OLD),
        pod("old-2", OLD),
        pod("old-3", OLD),
        pod("new-1", NEW).made_after(9),
    ])
}

#[test]
fn the_weights_are_those_of_the_steps_whatever_the_number_of_pods() {
    let mut world = world(at_step(0));
    assert_eq!(world.versions("shop"), [format!("stable {OLD} 80 x3"), format!("canary {NEW} 20 x1")]);
    assert_eq!(world.shares("a.example/", 100), shared(&[("stable", 80), ("canary", 20)]));
    world.set(&at_step(3));
    assert_eq!(world.shares("a.example/", 100), shared(&[("stable", 50), ("canary", 50)]));
    world.set(&at_step(4));
    assert_eq!(world.shares("a.example/", 100), shared(&[("canary", 100)]));
}

#[test]
fn an_abort_sends_all_to_the_stable_version() {
    let mut world = world(at_step(3));
    let status = json!({"stableRS": OLD, "currentPodHash": NEW, "currentStepIndex": 3, "abort": true});
    world.set(&rollout("shop", steps(), status));
    assert_eq!(world.shares("a.example/", 100), shared(&[("stable", 100)]));
}

#[test]
fn a_promotion_makes_the_new_version_the_stable_one() {
    let mut world = world(at_step(5));
    assert_eq!(world.shares("a.example/", 10), shared(&[("canary", 10)]));
    world.set(&rollout("shop", steps(), json!({"stableRS": NEW, "currentPodHash": NEW, "currentStepIndex": 5})));
    assert_eq!(world.versions("shop")[0], format!("stable {NEW} 1 x1"));
    assert_eq!(world.shares("a.example/", 10), shared(&[("stable", 10)]));
}

#[test]
fn a_canary_without_pods_leaves_its_share_to_the_stable_version() {
    let mut world = world(at_step(3));
    world.set(&slice("stable", &["10.0.0.1 old-1"]));
    assert_eq!(world.shares("a.example/", 100), shared(&[("stable", 100)]));
}

#[test]
fn without_steps_shares_are_those_of_the_pods() {
    let status = json!({"stableRS": OLD, "currentPodHash": NEW});
    let mut world = world(rollout("shop", json!([]), status));
    assert_eq!(world.shares("a.example/", 100), shared(&[("stable", 75), ("canary", 25)]));
}

#[test]
fn pods_of_neither_version_serve_when_there_are_no_others() {
    let status = json!({"stableRS": "5b8f4c7d9b", "currentPodHash": "5b8f4c7d9b"});
    let mut world = world(rollout("shop", steps(), status));
    assert_eq!(world.shares("a.example/", 10), shared(&[("stable", 10)]));
}

#[test]
fn a_rollout_that_has_no_status_yet_serves_what_there_is() {
    let mut world = world(rollout("shop", steps(), json!(null)));
    assert_eq!(world.shares("a.example/", 10), shared(&[("stable", 10)]));
}

/// As Argo Rollouts has it with `stableService` and `canaryService`: each selects one ReplicaSet.
#[test]
fn the_canary_service_of_the_rollout_has_the_pods_of_the_canary() {
    let with_canary = at_step(0).with("/spec/strategy/canary/canaryService", json!("canary"));
    let mut world = world(with_canary);
    world.set(&service_of("stable", OLD));
    world.set(&slice("stable", &["10.0.0.1 old-1"]));
    world.set(&service_of("canary", NEW));
    world.set(&slice("canary", &["10.0.1.1 new-1"]));
    assert_eq!(world.versions("shop"), [format!("stable {OLD} 80 x1"), format!("canary {NEW} 20 x1")]);
}

#[test]
fn the_services_of_versions_have_their_pods() {
    let versions = json!([{"name": "blue"}, {"name": "green", "service": "canary"}]);
    let mut world = world(at_step(0));
    world.set(&following().with("/spec/versions", versions));
    world.set(&service_of("stable", OLD));
    world.set(&slice("stable", &["10.0.0.1 old-1"]));
    world.set(&service_of("canary", NEW));
    world.set(&slice("canary", &["10.0.1.1 new-1"]));
    assert_eq!(world.versions("shop"), [format!("blue {OLD} 80 x1"), format!("green {NEW} 20 x1")]);
}

#[test]
fn blue_green_sends_all_to_the_active_version_and_previews_the_other() {
    let strategy = json!({"blueGreen": {"activeService": "stable", "previewService": "preview"}});
    let selectors = json!({"activeSelector": OLD, "previewSelector": NEW});
    let status = json!({"stableRS": OLD, "currentPodHash": NEW, "blueGreen": selectors});
    let mut world = world(rollout("shop", json!([]), status).with("/spec/strategy", strategy));
    world.set(&service_of("stable", OLD));
    world.set(&slice("stable", &["10.0.0.1 old-1"]));
    world.set(&service_of("preview", NEW));
    world.set(&slice("preview", &["10.0.1.1 new-1"]));
    assert_eq!(world.versions("shop"), [format!("stable {OLD} 1 x1"), format!("canary {NEW} 0 x1")]);
    assert_eq!(world.shares("a.example/", 10), shared(&[("stable", 10)]));
}

#[test]
fn a_rollout_that_is_not_there_is_named() {
    let mut world = World::of(&[following()]);
    assert_eq!(world.condition(&following(), "ResolvedRefs"), "False/TargetNotFound");
    assert_eq!(world.message(&following(), "ResolvedRefs"), "there is no Rollout shop/shop");
    assert_eq!(world.condition(&following(), "Programmed"), "False/Invalid", "nothing of it is in force");
    assert_eq!(world.get("a.example/"), "404");
}

#[test]
fn a_rollout_without_a_service_asks_for_one() {
    let bare = at_step(0).with("/spec/strategy/canary/stableService", json!(null));
    let mut world = world(bare);
    assert_eq!(world.condition(&following(), "ResolvedRefs"), "False/NoService");
    world.set(&following().with("/spec/service", json!("stable")));
    assert_eq!(world.condition(&following(), "ResolvedRefs"), "True/ResolvedRefs");
    assert_eq!(world.versions("shop").len(), 2);
}

#[test]
fn a_second_split_on_a_rollout_is_told_that_both_have_its_weights() {
    let second = split("admin", following_spec()).made_after(5);
    let mut world = world(at_step(0));
    world.set(&second);
    let notes = world.report(&second).notes;
    assert_eq!(notes[0].reason, "TargetShared");
    assert!(notes[0].message.contains("Split shop/shop"), "{}", notes[0].message);
    assert_eq!(world.condition(&second, "Conflicted"), "True/TargetShared");
    assert_eq!(world.condition(&second, "Accepted"), "True/Accepted");
    assert!(world.report(&following()).notes.is_empty());
    assert!(world.report(&following()).conditions.iter().all(|condition| condition.kind != "Conflicted"));
    assert_eq!(world.versions("admin"), world.versions("shop"));
}

fn following_spec() -> Value {
    json!({"targetRef": {"group": "argoproj.io", "kind": "Rollout", "name": "shop"}, "paths": ["/admin"]})
}

/// A Rollout that a traffic router steers, which was told 40 for stable, 10 for the canary and 50 for an experiment.
fn routed() -> Made {
    let additional = json!([{"weight": 50, "podTemplateHash": "5b8f4c7d9b", "serviceName": "trial"}]);
    let weights = json!({"stable": {"weight": 40}, "canary": {"weight": 10}, "additional": additional});
    let status = json!({"stableRS": OLD, "currentPodHash": NEW, "canary": {"weights": weights}});
    rollout("shop", steps(), status).with("/spec/strategy/canary/trafficRouting", json!({"nginx": {}}))
}

#[test]
fn a_rollout_that_a_traffic_router_steers_is_followed_and_that_is_told() {
    let mut world = world(routed());
    assert_eq!(world.condition(&following(), "Accepted"), "True/Accepted");
    assert_eq!(world.condition(&following(), "Conflicted"), "True/TargetRouted");
    let notes = world.report(&following()).notes;
    assert_eq!(notes[0].reason, "TargetRouted");
    assert!(notes[0].message.contains("nginx"), "{}", notes[0].message);
}

#[test]
fn experiments_have_their_share_from_their_own_service() {
    let mut world = world(routed());
    world.set(&service_of("trial", "5b8f4c7d9b"));
    world.set(&slice("trial", &["10.0.2.1 trial-1"]));
    world.set(&pod("trial-1", "5b8f4c7d9b"));
    assert_eq!(world.versions("shop")[2], "experiment-1 5b8f4c7d9b 50 x1");
    let shares = world.shares("a.example/", 100);
    assert_eq!(shares, shared(&[("stable", 40), ("canary", 10), ("experiment-1", 50)]));
}

#[test]
fn versions_are_told_apart_by_hash_whichever_of_ping_and_pong_has_them() {
    let services = json!({"pingService": "ping", "pongService": "pong"});
    let canary = json!({"pingPong": services, "steps": steps()});
    for (stable, other) in [("ping", "pong"), ("pong", "ping")] {
        let mut world = world(at_step(0).with("/spec/strategy/canary", canary.clone()));
        world.set(&service_of(stable, OLD));
        world.set(&slice(stable, &["10.0.0.1 old-1"]));
        world.set(&service_of(other, NEW));
        world.set(&slice(other, &["10.0.1.1 new-1"]));
        assert_eq!(world.versions("shop"), [format!("stable {OLD} 80 x1"), format!("canary {NEW} 20 x1")]);
    }
}

#[test]
fn header_routes_lead_to_the_canary_and_what_is_not_carried_is_told() {
    let matched = json!([{"headerName": "x-canary", "headerValue": {"exact": "yes"}}]);
    let some = json!([{"path": {"prefix": "/a"}}]);
    let steps = json!([
        {"setHeaderRoute": {"name": "a", "match": matched}},
        {"setMirrorRoute": {"name": "m", "match": some, "percentage": 5}},
        {"pause": {}},
    ]);
    let status = json!({"stableRS": OLD, "currentPodHash": NEW, "currentStepIndex": 2});
    let mut world = world(rollout("shop", steps, status));
    assert_eq!(world.get("a.example/"), "stable");
    assert_eq!(world.ask(&Asked::get("a.example/").header("x-canary", "yes")), "canary");
    let notes = world.report(&following()).notes;
    assert_eq!(notes.iter().map(|note| note.reason).collect::<Vec<_>>(), ["StepNotCarried"]);
}
