use serde_json::json;

use super::*;
use crate::model::Model;
use crate::source::kubernetes::tests::objects::{Made, canary_split, object, pod, service, slice};
use crate::source::kubernetes::tests::world::World;

const SOON: &str = "2026-01-01T00:00:30Z";

fn replica_set(hash: &str, deadline: &str) -> Made {
    let set = object(ObjectKind::ReplicaSet, &format!("web-{hash}"), json!({}));
    if deadline.is_empty() { set } else { set.annotation(SCALE_DOWN_DEADLINE, deadline) }
}

/// Two ReplicaSets of a Rollout: two pods of `a`, one of `b`.
fn world() -> World {
    World::of(&[
        service("stable", &[("app", "web")]),
        service("canary", &[("app", "web")]),
        slice("stable", &["10.0.0.1 web-a-1", "10.0.0.2 web-a-2"]),
        slice("canary", &["10.0.1.1 web-b-1"]),
        pod("web-a-1", "a"),
        pod("web-a-2", "a"),
        pod("web-b-1", "b"),
        canary_split("shop", 1, 0),
    ])
}

fn ending(model: &Model) -> Vec<(&str, String)> {
    model.ending.iter().map(|(pod, end)| (&**pod, end.to_string())).collect()
}

#[test]
fn the_pods_of_a_replica_set_end_when_it_is_scaled_down() {
    let mut world = world();
    assert_eq!(ending(&world.model()), []);
    world.set(&replica_set("a", SOON));
    assert!(world.index.is_dirty());
    let soon = || SOON.to_owned();
    assert_eq!(ending(&world.model()), [("web-a-1", soon()), ("web-a-2", soon())]);
    assert!(!world.index.is_dirty());
}

#[test]
fn pods_that_no_slice_has_any_more_end_as_well() {
    let mut world = world();
    world.set(&replica_set("a", SOON));
    world.set(&slice("stable", &["10.0.1.1 web-b-1"]));
    assert_eq!(ending(&world.model()).len(), 2);
}

#[test]
fn a_deadline_that_is_moved_or_taken_back_is_followed() {
    let mut world = world();
    world.set(&replica_set("b", SOON));
    world.model();
    world.set(&replica_set("b", "2026-01-01T00:01:00Z"));
    assert!(world.index.is_dirty());
    assert_eq!(ending(&world.model()), [("web-b-1", "2026-01-01T00:01:00Z".to_owned())]);
    world.set(&replica_set("b", ""));
    assert!(world.index.is_dirty());
    assert_eq!(ending(&world.model()), []);
}

#[test]
fn a_replica_set_that_goes_has_no_deadline_any_more() {
    let mut world = world();
    let set = replica_set("a", SOON);
    world.set(&set);
    world.model();
    world.remove(&set);
    assert!(world.index.is_dirty());
    assert_eq!(ending(&world.model()), []);
}

#[test]
fn another_change_of_a_replica_set_is_no_news() {
    let mut world = world();
    world.set(&replica_set("a", SOON));
    world.model();
    world.set(&replica_set("a", SOON).made_after(1));
    assert!(!world.index.is_dirty());
}

#[test]
fn what_is_no_time_is_as_good_as_nothing() {
    let mut world = world();
    world.set(&replica_set("a", "in half a minute"));
    assert_eq!(ending(&world.model()), []);
}

#[test]
fn a_pod_whose_name_only_begins_like_the_replica_set_is_another_ones() {
    let mut world = world();
    world.set(&pod("web-a-b-1", "a-b"));
    world.set(&replica_set("a", SOON));
    assert!(ending(&world.model()).iter().all(|(pod, _)| *pod != "web-a-b-1"));
}
