use serde_json::json;

use super::*;
use crate::source::kubernetes::tests::objects::{Made, object, service, slice};
use crate::source::kubernetes::tests::world::{World, shared};
use crate::testing::Asked;

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
fn weights_for_clients_that_nobody_describes_reach_nobody() {
    let testers = for_testers("ab");
    let mut world = world(std::slice::from_ref(&testers));
    assert_eq!(world.shares(HOST, 100), shared(&[("web", 100)]));
    let told = told(&mut world, &testers);
    assert_eq!(told.len(), 1);
    assert!(told[0].0 == "MatchNotResolved" && told[0].1.contains("HTTPRouteGroup shop/testers"), "{told:?}");
}

/// The group `testers` with these matches.
fn testers(matches: Value) -> Made {
    object(ObjectKind::HttpRouteGroup, "testers", json!({"spec": {"matches": matches}}))
}

fn insider(target: &str) -> Asked {
    Asked::get(target).header("x-user", "insider")
}

#[test]
fn requests_that_a_group_means_are_divided_and_no_others() {
    let group = testers(json!([{"name": "insiders", "headers": {"x-user": "insider"}}]));
    let split = for_testers("ab");
    let mut world = world(&[split.clone(), group]);
    assert_eq!(told(&mut world, &split), []);
    assert_eq!(world.shares(HOST, 10), shared(&[("web", 10)]));
    assert_eq!(world.ask(&insider(HOST)), "canary");
    assert_eq!(
        world.ask(&Asked::get(HOST).header("x-user", "insiders")),
        "web",
        "the expression is for the whole value"
    );
}

#[test]
fn a_group_that_is_made_later_or_goes_is_followed() {
    let group = testers(json!([{"name": "insiders", "headers": {"x-user": "insider"}}]));
    let mut world = world(&[for_testers("ab")]);
    assert_eq!(world.ask(&insider(HOST)), "web");
    world.set(&group);
    assert_eq!(world.ask(&insider(HOST)), "canary");
    world.remove(&group);
    assert_eq!(world.ask(&insider(HOST)), "web");
}

#[test]
fn beside_a_split_for_all_one_for_some_clients_comes_first_for_them() {
    let group =
        testers(json!([{"name": "all", "pathRegex": ".*", "methods": ["*"], "headers": {"x-user": "insider"}}]));
    let mut world = world(&[for_testers("ab"), traffic_split("all", 0).made_after(5), group]);
    assert_eq!(world.shares(HOST, 10), shared(&[("stable", 10)]));
    assert_eq!(world.ask(&insider(HOST)), "canary");
}

#[test]
fn routes_to_the_service_are_divided_in_the_same_way_within_their_own_matches() {
    use crate::source::kubernetes::tests::objects::{class, gateway, gateway_service, http_listener, http_route};
    let group = testers(json!([
        {"name": "writes", "methods": ["POST", "PUT"], "pathRegex": "/api/v2.*"},
        {"name": "insiders", "headers": {"x-user": "insider"}},
    ]));
    let backends = json!([{"name": "web", "port": 80}]);
    let api = json!({"matches": [{"path": {"type": "PathPrefix", "value": "/api"}}], "backendRefs": backends});
    let other = json!({"backendRefs": [{"name": "stable", "port": 80}]});
    let gateway = [class("weir"), gateway("gw", json!([http_listener()])), gateway_service("gw", &[(80, 20_080)])];
    let objects = [vec![for_testers("ab"), group, http_route("shop", &[], json!([api, other]))], gateway.to_vec()];
    let mut world = world(&objects.concat()).at_port(80);
    let post = |target: &str| Asked::get(target).method(http::Method::POST);
    assert_eq!(world.get("x.example/api/v2/a"), "web");
    assert_eq!(world.ask(&post("x.example/api/v2/a")), "canary");
    assert_eq!(world.ask(&post("x.example/api/v1")), "web");
    assert_eq!(world.ask(&insider("x.example/api/v1")), "canary");
    assert_eq!(world.ask(&insider("x.example/")), "stable", "what goes elsewhere is not divided");
    assert_eq!(world.ask(&post("x.example/other")), "stable");
}

#[test]
fn an_ingress_to_the_service_is_divided_in_the_same_way() {
    let group = testers(json!([{"name": "insiders", "headers": {"x-user": "insider"}}]));
    let class =
        object(ObjectKind::IngressClass, "weir", json!({"spec": {"controller": "weir.dev/ingress-controller"}}));
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let paths = json!({"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]});
    let spec = json!({"ingressClassName": "weir", "rules": [{"host": "a.example", "http": paths}]});
    let ingress = object(ObjectKind::Ingress, "web", json!({"spec": spec}));
    let mut world = world(&[for_testers("ab"), group, class, ingress]);
    assert_eq!(world.get("a.example/"), "web");
    assert_eq!(world.ask(&insider("a.example/")), "canary");
}

#[test]
fn a_service_that_asks_for_tls_is_not_spoken_to_in_clear_text() {
    let secure = service("canary", &[]).with("/spec/ports/0/appProtocol", "https".into());
    let split = traffic_split("all", 50);
    let mut world = world(&[split.clone(), secure]);
    assert_eq!(world.shares(HOST, 10), shared(&[("stable", 5), ("500", 5)]));
    let told = told(&mut world, &split);
    assert!(told[0].0 == "UnsupportedProtocol" && told[0].1.contains("Service shop/canary asks for https"), "{told:?}");
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
