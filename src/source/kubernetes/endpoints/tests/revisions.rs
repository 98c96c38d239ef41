//! What pods run, and which of them take requests.

use serde_json::json;

use crate::source::kubernetes::object::ObjectKind;
use crate::source::kubernetes::tests::objects::{Made, deployed_pod, object, pod, service, slice, split};
use crate::source::kubernetes::tests::world::World;

/// A Split that divides between what the pods of the Service `web` run, the oldest first.
fn by_pods() -> Made {
    split("shop", json!({"targetRef": {"group": "", "kind": "Service", "name": "web"}}))
}

fn web(lines: &[&str], pods: &[Made]) -> World {
    let objects = [vec![by_pods(), service("web", &[("app", "web")]), slice("web", lines)], pods.to_vec()].concat();
    World::of(&objects)
}

#[test]
fn pods_of_a_rollout_are_told_apart_by_its_hash() {
    let pods = [pod("a", "6d4cf56db6"), pod("b", "7c9fbd5d4f").made_after(9)];
    let mut world = web(&["10.0.0.1 a", "10.0.0.2 b"], &pods);
    assert_eq!(world.versions("shop"), ["6d4cf56db6 6d4cf56db6 1 x1", "7c9fbd5d4f 7c9fbd5d4f 1 x1"]);
}

#[test]
fn pods_of_a_deployment_are_told_apart_by_its_hash() {
    let pods = [deployed_pod("a", "6d4cf56db6"), deployed_pod("b", "7c9fbd5d4f").made_after(9)];
    let mut world = web(&["10.0.0.1 a", "10.0.0.2 b"], &pods);
    assert_eq!(world.versions("shop"), ["6d4cf56db6 6d4cf56db6 1 x1", "7c9fbd5d4f 7c9fbd5d4f 1 x1"]);
}

#[test]
fn the_hash_of_a_rollout_counts_before_that_of_a_deployment() {
    let mut world = web(&["10.0.0.1 a"], &[pod("a", "6d4cf56db6").label("pod-template-hash", "7c9fbd5d4f")]);
    assert_eq!(world.versions("shop"), ["6d4cf56db6 6d4cf56db6 1 x1"]);
}

#[test]
fn before_a_pod_is_known_its_name_tells_what_it_runs() {
    let mut world = web(&["10.0.0.1 web-6d4cf56db6-x7z2k"], &[]);
    assert_eq!(world.versions("shop"), ["6d4cf56db6 6d4cf56db6 1 x1"]);
}

#[test]
fn a_name_without_a_hash_tells_nothing() {
    for name in ["web-0", "web", "my-database-0", "web-stable-blue1", "a-6d4cf56db6-x7z2"] {
        let mut world = web(&[&format!("10.0.0.1 {name}")], &[]);
        assert_eq!(world.versions("shop"), ["pods  1 x1"], "{name}");
    }
}

#[test]
fn a_pod_that_becomes_known_corrects_what_its_name_told() {
    let mut world = web(&["10.0.0.1 web-6d4cf56db6-x7z2k"], &[]);
    world.model();
    world.set(&pod("web-6d4cf56db6-x7z2k", "longhash99"));
    assert_eq!(world.versions("shop"), ["longhash99 longhash99 1 x1"]);
}

#[test]
fn pods_that_a_label_of_their_own_tells_apart() {
    let label = |name: &str, version: &str| pod(name, "6d4cf56db6").label("version", version);
    let spec = json!({
        "targetRef": {"group": "", "kind": "Service", "name": "web"},
        "revisionLabel": "version",
        "versions": [{"name": "blue", "weight": 3}, {"name": "green", "weight": 1}],
    });
    let mut world = web(&["10.0.0.1 a", "10.0.0.2 b"], &[label("a", "blue"), label("b", "green")]);
    world.set(&split("shop", spec));
    assert_eq!(world.versions("shop"), ["blue blue 3 x1", "green green 1 x1"]);
    assert_eq!(world.addresses("shop", 1), ["10.0.0.2:8080"]);
}

#[test]
fn a_pod_of_the_same_name_with_another_label_is_told_apart_by_the_new_one() {
    let spec = json!({
        "targetRef": {"group": "", "kind": "Service", "name": "web"},
        "revisionLabel": "controller-revision-hash",
    });
    let label =
        |revision: &str| object(ObjectKind::Pod, "web-0", json!({})).label("controller-revision-hash", revision);
    let mut world = web(&["10.0.0.1 web-0"], &[label("web-1")]);
    world.set(&split("shop", spec));
    assert_eq!(world.versions("shop"), ["web-1 web-1 1 x1"]);
    world.set(&label("web-2"));
    assert_eq!(world.versions("shop"), ["web-2 web-2 1 x1"]);
}

#[test]
fn annotations_of_pods_are_not_kept() {
    let mut world = web(&["10.0.0.1 a"], &[pod("a", "6d4cf56db6").annotation("note", "a long text")]);
    world.model();
    let object = world.index.objects().get(&pod("a", "").id()).unwrap();
    assert_eq!(object.annotations().next(), None);
}

#[test]
fn pods_that_are_not_ready_take_nothing() {
    let mut world = web(&["10.0.0.1 a", "10.0.0.2 b unready", "10.0.0.3 c leaving", "10.0.0.4 d left"], &[]);
    assert_eq!(world.addresses("shop", 0), ["10.0.0.1:8080"]);
}

#[test]
fn without_ready_pods_those_that_still_answer_on_their_way_out_take_all() {
    let mut world = web(&["10.0.0.2 b unready", "10.0.0.3 c leaving", "10.0.0.4 d left"], &[]);
    assert_eq!(world.addresses("shop", 0), ["10.0.0.3:8080"]);
}

#[test]
fn a_condition_that_is_not_told_means_ready() {
    let mut world = web(&["10.0.0.1 a", "10.0.0.2 b"], &[]);
    let bare = json!([{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"], "conditions": {}}]);
    world.set(&slice("web", &[]).with("/endpoints", bare));
    assert_eq!(world.addresses("shop", 0), ["10.0.0.1:8080", "10.0.0.2:8080"]);
}

/// As a Service with `publishNotReadyAddresses` has them: always ready.
#[test]
fn a_pod_on_its_way_out_takes_nothing_although_it_is_published_as_ready() {
    let conditions = json!({"ready": true, "serving": true, "terminating": true});
    let leaving = json!([{"addresses": ["10.0.0.1"], "conditions": conditions}, {"addresses": ["10.0.0.2"]}]);
    let mut world = web(&[], &[]);
    world.set(&slice("web", &[]).with("/endpoints", leaving.clone()));
    assert_eq!(world.addresses("shop", 0), ["10.0.0.2:8080"]);
    world.set(&slice("web", &[]).with("/endpoints", json!([leaving[0]])));
    assert_eq!(world.addresses("shop", 0), ["10.0.0.1:8080"], "unless there is no other");
}

#[test]
fn a_rolling_update_changes_the_revision_of_a_service_once() {
    let spec = json!({"versions": [{"name": "web", "service": "web"}]});
    let (old, new) = (deployed_pod("a", "6d4cf56db6"), deployed_pod("b", "7c9fbd5d4f").made_after(9));
    let mut world = web(&["10.0.0.1 a"], &[old, new]);
    world.set(&split("shop", spec));
    let mut revisions = Vec::new();
    for lines in [&["10.0.0.1 a"][..], &["10.0.0.1 a", "10.0.0.2 b"], &["10.0.0.2 b"]] {
        world.set(&slice("web", lines));
        revisions.push(world.route("shop").rules[0].split.versions[0].revision.to_string());
    }
    assert_eq!(revisions, ["6d4cf56db6", "7c9fbd5d4f", "7c9fbd5d4f"]);
}

#[test]
fn the_workload_is_the_owner_of_the_pods_without_its_hash() {
    let mut world = web(&["10.0.0.1 a"], &[pod("a", "6d4cf56db6")]);
    let route = world.route("shop");
    let origin = route.rules[0].split.versions[0].origin.clone().unwrap();
    assert_eq!(origin.workload.as_deref(), Some("web"));
    assert_eq!(
        (&*origin.namespace, &*origin.service, origin.port, origin.app.as_deref()),
        ("shop", "web", 80, Some("web"))
    );
}
