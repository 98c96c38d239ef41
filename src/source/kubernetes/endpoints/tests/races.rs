//! Selectors, weights and slices that arrive apart (rollout controllers change them in one breath).

use std::sync::Arc;

use serde_json::json;

use crate::source::kubernetes::tests::objects::{Made, canary_split, pod, service, service_of, slice, split};
use crate::source::kubernetes::tests::world::{World, shared};

const OLD: &str = "6d4cf56db6";
const NEW: &str = "7c9fbd5d4f";
const NEWER: &str = "5b8f4c7d9b";

fn pods() -> Vec<Made> {
    vec![
        pod("old-1", OLD),
        pod("old-2", OLD),
        pod("new-1", NEW).made_after(9),
        pod("new-2", NEW).made_after(9),
        pod("newer-1", NEWER).made_after(20),
    ]
}

/// In the midst of a release: half to each.
fn releasing() -> World {
    let objects = [
        canary_split("shop", 50, 50),
        service_of("stable", OLD),
        service_of("canary", NEW),
        slice("stable", &["10.0.0.1 old-1", "10.0.0.2 old-2"]),
        slice("canary", &["10.0.1.1 new-1", "10.0.1.2 new-2"]),
    ];
    World::of(&[objects.to_vec(), pods()].concat())
}

#[test]
fn a_selector_that_is_ahead_of_its_slices_borrows_pods_from_those_of_another_service() {
    let mut world = releasing();
    world.set(&service_of("stable", NEW));
    assert_eq!(world.addresses("shop", 0), ["10.0.1.1:8080", "10.0.1.2:8080"]);
    assert_eq!(world.versions("shop")[0], format!("stable {NEW} 50 x2"));
}

#[test]
fn borrowed_pods_follow_the_slices_that_they_were_borrowed_from() {
    let mut world = releasing();
    world.set(&service_of("stable", NEW));
    world.model();
    world.set(&slice("canary", &["10.0.1.2 new-2"]));
    assert_eq!(world.addresses("shop", 0), ["10.0.1.2:8080"]);
}

#[test]
fn once_the_own_slices_have_them_nothing_is_borrowed() {
    let mut world = releasing();
    world.set(&service_of("stable", NEW));
    world.set(&slice("stable", &["10.0.0.1 old-1", "10.0.1.2 new-2"]));
    assert_eq!(world.addresses("shop", 0), ["10.0.1.2:8080"]);
}

#[test]
fn if_no_slice_has_the_pods_that_a_selector_means_the_old_ones_stay() {
    let mut world = releasing();
    world.set(&service_of("stable", NEWER));
    assert_eq!(world.addresses("shop", 0), ["10.0.0.1:8080", "10.0.0.2:8080"]);
}

#[test]
fn if_the_pods_that_a_selector_means_are_not_ready_yet_the_old_ones_stay() {
    let mut world = releasing();
    world.set(&service_of("stable", NEWER));
    world.set(&slice("stable", &["10.0.0.1 old-1", "10.0.2.1 newer-1 unready"]));
    assert_eq!(world.addresses("shop", 0), ["10.0.0.1:8080"]);
}

#[test]
fn if_the_own_pods_are_not_ready_those_that_another_service_has_are_borrowed() {
    let mut world = releasing();
    world.set(&service_of("stable", NEW));
    world.set(&slice("stable", &["10.0.1.2 new-2 unready"]));
    world.set(&slice("canary", &["10.0.1.1 new-1", "10.0.1.2 new-2 unready"]));
    assert_eq!(world.addresses("shop", 0), ["10.0.1.1:8080"]);
}

#[test]
fn an_empty_slice_borrows_too() {
    let mut world = releasing();
    world.set(&service_of("stable", NEW));
    world.set(&slice("stable", &[]).with("/ports", json!(null)));
    assert_eq!(world.addresses("shop", 0), ["10.0.1.1:8080", "10.0.1.2:8080"]);
}

#[test]
fn nothing_is_borrowed_from_another_namespace() {
    let mut world = releasing();
    world.set(&service_of("stable", NEWER));
    world.set(&slice("stable", &["10.0.3.1 newer-1"]).in_namespace("elsewhere"));
    assert_eq!(world.addresses("shop", 0), ["10.0.0.1:8080", "10.0.0.2:8080"]);
}

#[test]
fn nothing_is_borrowed_at_another_port() {
    let mut world = releasing();
    world.set(&service_of("stable", NEW));
    world.set(&slice("canary", &["10.0.1.1 new-1"]).with("/ports", json!([{"name": "", "port": 9999}])));
    assert_eq!(world.addresses("shop", 0), ["10.0.0.1:8080", "10.0.0.2:8080"]);
}

#[test]
fn selectors_without_a_hash_are_taken_at_their_slices_word() {
    let mut world = releasing();
    world.set(&service("stable", &[("app", "shop")]));
    world.set(&slice("stable", &["10.0.0.1 old-1", "10.0.1.1 new-1"]));
    assert_eq!(world.addresses("shop", 0), ["10.0.0.1:8080", "10.0.1.1:8080"]);
}

#[test]
fn a_promotion_loses_no_request_in_whatever_order_it_arrives() {
    let steps = [
        service_of("stable", NEW),
        canary_split("shop", 100, 0),
        slice("stable", &["10.0.1.1 new-1", "10.0.1.2 new-2"]),
        // The old ReplicaSet is scaled down.
        slice("canary", &["10.0.1.1 new-1", "10.0.1.2 new-2"]),
    ];
    for first in 0..steps.len() {
        for second in 0..steps.len() {
            let mut order: Vec<usize> = (0..steps.len()).collect();
            order.swap(0, first);
            order.swap(1, second);
            let mut world = releasing();
            for step in order {
                world.set(&steps[step]);
                let shares = world.shares("a.example/", 20);
                assert!(!shares.contains_key("503") && !shares.contains_key("500"), "{shares:?}");
            }
            assert_eq!(world.versions("shop")[0], format!("stable {NEW} 100 x2"));
        }
    }
}

#[test]
fn a_promotion_keeps_the_pods_what_they_are() {
    let mut world = releasing();
    let before: Vec<_> =
        world.endpoints("shop").into_iter().filter(|e| e.address.ip().to_string().starts_with("10.0.1.")).collect();
    world.set(&service_of("stable", NEW));
    world.set(&canary_split("shop", 100, 0));
    world.set(&slice("stable", &["10.0.1.1 new-1", "10.0.1.2 new-2"]));
    let after = world.endpoints("shop");
    assert_eq!(before.len(), 2);
    assert!(before.iter().all(|endpoint| after.iter().any(|known| Arc::ptr_eq(known, endpoint))));
}

#[test]
fn a_canary_without_pods_leaves_its_share_to_stable() {
    let mut world = releasing();
    world.set(&slice("canary", &[]));
    assert_eq!(world.shares("a.example/", 100), shared(&[("stable", 100)]));
}

#[test]
fn a_stable_without_pods_leaves_its_share_to_the_canary() {
    let mut world = releasing();
    world.set(&canary_split("shop", 100, 0));
    world.set(&slice("stable", &[]));
    assert_eq!(world.shares("a.example/", 100), shared(&[("canary", 100)]));
}

#[test]
fn at_rest_both_services_have_the_same_pods() {
    let mut world = releasing();
    world.set(&canary_split("shop", 100, 0));
    world.set(&service_of("canary", OLD));
    world.set(&slice("canary", &["10.0.0.1 old-1", "10.0.0.2 old-2"]));
    assert_eq!(world.addresses("shop", 0), world.addresses("shop", 1));
    assert_eq!(world.shares("a.example/", 100), shared(&[("stable", 100)]));
    let endpoints = world.endpoints("shop");
    assert!(Arc::ptr_eq(&endpoints[0], &endpoints[2]), "one pod is one endpoint, in however many versions");
}

#[test]
fn a_third_version_takes_the_place_of_the_second() {
    let mut world = releasing();
    world.set(&service_of("canary", NEWER));
    assert_eq!(world.versions("shop")[1], format!("canary {NEW} 50 x2"), "until there are pods of it");
    world.set(&slice("canary", &["10.0.1.1 new-1", "10.0.1.2 new-2", "10.0.2.1 newer-1"]));
    assert_eq!(world.versions("shop"), [format!("stable {OLD} 50 x2"), format!("canary {NEWER} 50 x1")]);
}

#[test]
fn services_that_swap_their_roles_swap_their_pods() {
    let ping = json!([
        {"name": "stable", "service": "canary", "weight": 100},
        {"name": "canary", "service": "stable", "weight": 0},
    ]);
    let mut world = releasing();
    let before = world.endpoints("shop");
    world.set(&split("shop", json!({"versions": ping})));
    assert_eq!(world.versions("shop"), [format!("stable {NEW} 100 x2"), format!("canary {OLD} 0 x2")]);
    let after = world.endpoints("shop");
    assert!(Arc::ptr_eq(&before[0], &after[2]) && Arc::ptr_eq(&before[2], &after[0]));
}

#[test]
fn an_abort_takes_the_canary_service_back_to_the_old_pods() {
    let mut world = releasing();
    world.set(&canary_split("shop", 100, 0));
    world.set(&service_of("canary", OLD));
    assert_eq!(world.addresses("shop", 1), ["10.0.0.1:8080", "10.0.0.2:8080"], "borrowed before its slices follow");
}

#[test]
fn pods_that_are_known_by_name_only_are_borrowed_too() {
    let mut world = releasing();
    world.set(&service_of("stable", NEWER));
    world.set(&slice("preview", &["10.0.2.1 web-5b8f4c7d9b-x7z2k"]));
    assert_eq!(world.addresses("shop", 0), ["10.0.2.1:8080"]);
}
