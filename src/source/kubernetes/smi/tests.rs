use serde_json::json;

use super::*;
use crate::source::kubernetes::tests::objects::{Made, object, service, slice};
use crate::source::kubernetes::tests::world::{World, shared};

const HOST: &str = "web.shop";

fn traffic_split(name: &str, canary: u32) -> Made {
    let backends = json!([{"service": "stable", "weight": 100 - canary}, {"service": "canary", "weight": canary}]);
    object(ObjectKind::TrafficSplit, name, json!({"spec": {"service": "web", "backends": backends}}))
}

fn for_testers(name: &str) -> Made {
    traffic_split(name, 100).with("/spec/matches", json!([{"kind": "HTTPRouteGroup", "name": "testers"}]))
}

fn world(splits: &[Made]) -> World {
    let services = ["web", "stable", "canary"];
    let slices = ["10.0.0.1", "10.0.1.1", "10.0.2.1"];
    let base = services.iter().zip(slices).flat_map(|(name, pod)| [service(name, &[]), slice(name, &[pod])]);
    World::of(&[base.collect(), splits.to_vec()].concat())
}

fn told(world: &mut World, split: &Made) -> Vec<(&'static str, String)> {
    world.report(split).notes.into_iter().map(|note| (note.reason, note.message)).collect()
}

#[test]
fn weights_for_some_clients_reach_nobody() {
    let testers = for_testers("ab");
    let mut world = world(std::slice::from_ref(&testers));
    assert_eq!(world.shares(HOST, 100), shared(&[("web", 100)]));
    let told = told(&mut world, &testers);
    assert_eq!(told.len(), 1);
    assert!(told[0].0 == "Unsupported" && told[0].1.contains("matches is not carried"), "{told:?}");
}

#[test]
fn a_split_for_some_clients_does_not_stand_before_one_for_all() {
    let all = traffic_split("all", 25).made_after(5);
    let mut world = world(&[for_testers("ab"), all.clone()]);
    assert_eq!(world.shares(HOST, 100), shared(&[("stable", 75), ("canary", 25)]));
    assert_eq!(told(&mut world, &all), []);
    world.remove(&all);
    assert_eq!(world.shares(HOST, 100), shared(&[("web", 100)]));
}

#[test]
fn of_two_splits_of_a_service_the_older_divides_and_the_other_is_told() {
    let (old, young) = (traffic_split("z-old", 25), traffic_split("a-young", 75).made_after(5));
    let mut world = world(&[old.clone(), young.clone()]);
    assert_eq!(world.shares(HOST, 100), shared(&[("stable", 75), ("canary", 25)]));
    assert_eq!(told(&mut world, &old), []);
    let shadowed = told(&mut world, &young);
    assert!(shadowed[0].0 == "Shadowed" && shadowed[0].1.contains("z-old"), "{shadowed:?}");
    world.remove(&old);
    assert_eq!(world.shares(HOST, 100), shared(&[("stable", 25), ("canary", 75)]));
    assert_eq!(told(&mut world, &young), []);
}

fn weights(backends: Value) -> Result<Vec<u32>, String> {
    let backends: Vec<Backend> = serde_json::from_value(backends).unwrap();
    weighted(&backends).map(|shares| shares.iter().map(|share| share.weight.get()).collect())
}

#[test]
fn whole_numbers_are_weights_in_every_version() {
    assert_eq!(weights(json!([{"service": "a", "weight": 90}, {"service": "b", "weight": 10}])), Ok(vec![90, 10]));
    assert_eq!(weights(json!([{"service": "a", "weight": "90"}, {"service": "b", "weight": "10"}])), Ok(vec![90, 10]));
}

#[test]
fn quantities_of_v1alpha1_keep_their_thousandths() {
    assert_eq!(
        weights(json!([{"service": "a", "weight": "900m"}, {"service": "b", "weight": "100m"}])),
        Ok(vec![900, 100])
    );
    assert_eq!(
        weights(json!([{"service": "a", "weight": "1"}, {"service": "b", "weight": "500m"}])),
        Ok(vec![1000, 500])
    );
    assert_eq!(weights(json!([{"service": "a", "weight": "0.5"}, {"service": "b", "weight": 0}])), Ok(vec![500, 0]));
}

#[test]
fn no_weight_is_none() {
    assert_eq!(weights(json!([{"service": "a"}, {"service": "b", "weight": 1}])), Ok(vec![0, 1]));
}

#[test]
fn a_weight_that_is_no_number_or_too_large_is_refused() {
    assert!(weights(json!([{"service": "a", "weight": "many"}])).unwrap_err().contains("write a whole number"));
    assert!(weights(json!([{"service": "a", "weight": 1_000_001}])).unwrap_err().contains("outside 0 to 1000000"));
    assert!(weights(json!([{"service": "a", "weight": -1}])).is_err());
}

#[test]
fn the_service_may_be_written_with_its_whole_name() {
    assert_eq!(root("shop.prod.svc.cluster.local"), "shop");
    assert_eq!(root("shop"), "shop");
}
