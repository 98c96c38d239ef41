use serde_json::json;

use super::*;
use crate::source::kubernetes::tests::objects::{
    Made, class, gateway, gateway_service, http_listener, http_route, object, refs, service, slice,
};
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
    world.set(&testers(json!([{"name": "outsiders", "headers": {"x-user": "outsider"}}])));
    assert_eq!(world.ask(&insider(HOST)), "web");
    assert_eq!(world.ask(&Asked::get(HOST).header("x-user", "outsider")), "canary");
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

/// A Gateway with these routes, beside the Services and `others`.
fn behind_a_gateway(others: &[Made], routes: &[Made]) -> World {
    let gateway = [class("weir"), gateway("gw", json!([http_listener()])), gateway_service("gw", &[(80, 20_080)])];
    world(&[others.to_vec(), routes.to_vec(), gateway.to_vec()].concat()).at_port(80)
}

/// A rule for `/api`, on one more condition.
fn api_rule(more: Value, backend: &str) -> Value {
    let mut condition = json!({"path": {"type": "PathPrefix", "value": "/api"}});
    condition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"matches": [condition], "backendRefs": refs(&[(backend, 1)])})
}

fn post(target: &str) -> Asked {
    Asked::get(target).method(http::Method::POST)
}

#[test]
fn a_split_for_all_that_is_older_leaves_some_clients_to_another() {
    let group = testers(json!([{"name": "all", "pathRegex": "/api.*"}, {"headers": {"x-user": "insider"}}]));
    let (all, some) = (traffic_split("all", 0), for_testers("z-ab"));
    let names = |world: &mut World| [HOST.to_owned(), format!("{HOST}/api")].map(|target| world.get(&target));
    // As old as one another, or younger.
    for some in [some.clone(), some.made_after(5)] {
        let mut world = world(&[some.clone(), all.clone(), group.clone()]);
        assert_eq!(names(&mut world), ["stable", "canary"]);
        assert_eq!(world.ask(&insider(HOST)), "canary");
        world.remove(&some);
        assert_eq!(names(&mut world), ["stable", "stable"]);
        world.set(&some);
        assert_eq!(names(&mut world), ["stable", "canary"]);
    }
}

#[test]
fn of_two_splits_that_mean_the_same_request_the_older_divides_it_whoever_says_more() {
    let group = testers(json!([{"headers": {"x-user": "insider"}}]));
    let spec = json!({"matches": [{"methods": ["POST"], "headers": {"x-user": "insider", "x-more": "yes"}}]});
    let more = object(ObjectKind::HttpRouteGroup, "more", json!({ "spec": spec }));
    let young = for_testers("a-young").made_after(5).with("/spec/matches/0/name", "more".into());
    let young = young.with("/spec/backends", json!([{"service": "stable", "weight": 1}]));
    let route = http_route("shop", &[], json!([api_rule(json!({}), "web")]));
    let asked = |host: &str| post(&format!("{host}/api")).header("x-user", "insider").header("x-more", "yes");
    let mut world = behind_a_gateway(&[for_testers("z-old"), young, group.clone(), more], &[route]);
    for (port, host) in [(Some(80), "x.example"), (None, HOST)] {
        world.listen(port);
        world.set(&group);
        assert_eq!(world.ask(&asked(host)), "canary");
        assert_eq!(world.get(&format!("{host}/api")), "web");
        world.remove(&group);
        assert_eq!(world.ask(&asked(host)), "stable");
    }
}

#[test]
fn a_split_whose_weights_are_no_numbers_divides_nothing_and_stands_before_nobody() {
    let group = testers(json!([{"headers": {"x-user": "insider"}}]));
    let bad = |made: Made| made.with("/spec/backends/0/weight", "many".into());
    let some = for_testers("ab").made_after(5);
    let broken = [bad(traffic_split("bad-all", 0)), bad(for_testers("bad"))];
    let mut world = world(&[broken.to_vec(), vec![some, group]].concat());
    assert_eq!(world.get(HOST), "web");
    assert_eq!(world.ask(&insider(HOST)), "canary");
    let all = traffic_split("all", 0).made_after(5);
    world.set(&all);
    assert_eq!(world.get(HOST), "stable");
    assert_eq!(told(&mut world, &all), []);
    assert_eq!(told(&mut world, &broken[0])[0].0, "Invalid");
}

#[test]
fn routes_to_the_service_are_divided_in_the_same_way_within_their_own_matches() {
    let group = testers(json!([
        {"name": "writes", "methods": ["POST", "PUT"], "pathRegex": "/api/v2.*"},
        {"name": "insiders", "headers": {"x-user": "insider"}},
    ]));
    let route = http_route("shop", &[], json!([api_rule(json!({}), "web"), {"backendRefs": refs(&[("stable", 1)])}]));
    let mut world = behind_a_gateway(&[for_testers("ab"), group], &[route]);
    assert_eq!(world.get("x.example/api/v2/a"), "web");
    assert_eq!(world.ask(&post("x.example/api/v2/a")), "canary");
    assert_eq!(world.ask(&post("x.example/api/v1")), "web");
    assert_eq!(world.ask(&insider("x.example/api/v1")), "canary");
    assert_eq!(world.ask(&insider("x.example/")), "stable", "what goes elsewhere is not divided");
    assert_eq!(world.ask(&post("x.example/other")), "stable");
}

#[test]
fn what_another_rule_takes_is_not_divided() {
    let group = testers(json!([{"name": "writes", "methods": ["POST"], "pathRegex": "/api.*"}]));
    let of_insiders = json!({"headers": [{"name": "x-user", "value": "insider"}]});
    let rules = json!([api_rule(json!({}), "web"), api_rule(of_insiders, "stable")]);
    let mut world = behind_a_gateway(&[for_testers("ab"), group], &[http_route("shop", &[], rules)]);
    assert_eq!(world.ask(&post("x.example/api")), "canary");
    assert_eq!(world.ask(&post("x.example/api").header("x-user", "insider")), "stable");
}

#[test]
fn a_younger_route_to_the_service_takes_nothing_from_an_older_one() {
    let group = testers(json!([{"name": "writes", "methods": ["POST"], "headers": {"x-user": "insider"}}]));
    let old = http_route("old", &[], json!([api_rule(json!({}), "stable")]));
    let young = http_route("young", &[], json!([api_rule(json!({}), "web")])).made_after(5);
    let mut world = behind_a_gateway(&[for_testers("ab"), group], &[old.clone(), young.clone()]);
    let written = post("x.example/api").header("x-user", "insider");
    assert_eq!(world.ask(&written), "stable");
    world.remove(&old);
    assert_eq!(world.ask(&written), "canary");
    assert_eq!(world.get("x.example/api"), "web");
    // A change of the older one alone, of which the table is made in part.
    world.set(&old);
    assert_eq!(world.ask(&written), "stable");
}

#[test]
fn of_two_routes_that_are_divided_alike_the_younger_is_told() {
    let group = testers(json!([{"name": "insiders", "headers": {"x-user": "insider"}}]));
    let old = http_route("old", &[], json!([api_rule(json!({}), "web")]));
    let young = http_route("young", &[], json!([api_rule(json!({}), "web")])).made_after(5);
    let mut world = behind_a_gateway(&[for_testers("ab"), group], &[old, young.clone()]);
    world.model();
    let said = world.index.take_statements().into_iter().filter_map(|(id, said)| Some((id, said?)));
    let told: Vec<_> =
        said.filter(|(_, said)| said.report.notes.iter().any(|note| note.reason == "Shadowed")).collect();
    assert_eq!(told.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [young.id()]);
    assert!(told[0].1.report.notes[0].message.ends_with("path prefix /api; change or remove one of the two"));
}

#[test]
fn what_some_clients_get_does_not_depend_on_the_others() {
    let group = testers(json!([{"name": "insiders", "headers": {"x-user": "insider"}}]));
    let route = http_route("shop", &[], json!([api_rule(json!({}), "web")]));
    let nowhere = json!([{"service": "nowhere", "weight": 1}]);
    let all = traffic_split("all", 0).made_after(5).with("/spec/backends", nowhere);
    let mut world = behind_a_gateway(&[for_testers("ab"), all, group], std::slice::from_ref(&route));
    assert_eq!(world.get("x.example/api"), "500");
    assert_eq!(world.ask(&insider("x.example/api")), "canary");
    assert_eq!(world.parent(&route, "ResolvedRefs"), "False/BackendNotFound");
}

#[test]
fn what_some_clients_get_does_not_depend_on_the_service_that_is_divided() {
    let group = testers(json!([{"name": "insiders", "headers": {"x-user": "insider"}}]));
    let route = http_route("shop", &[], json!([api_rule(json!({}), "web")]));
    let mut world = behind_a_gateway(&[for_testers("ab"), group], &[route]);
    world.remove(&service("web", &[]));
    assert_eq!(world.get("x.example/api"), "500");
    assert_eq!(world.ask(&insider("x.example/api")), "canary");
}

#[test]
fn what_a_route_does_for_its_backend_is_done_for_all_that_it_is_divided_between() {
    let group = testers(json!([{"name": "insiders", "headers": {"x-user": "insider"}}]));
    let mut rule = api_rule(json!({}), "web");
    let header = json!({"set": [{"name": "x-from", "value": "route"}]});
    rule["backendRefs"][0]["filters"] = json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": header}]);
    let splits = [for_testers("ab"), traffic_split("all", 50).made_after(5), group];
    let mut world = behind_a_gateway(&splits, &[http_route("shop", &[], json!([rule]))]);
    let route = world.route("shop");
    let filters = |rule: &Rule| rule.split.versions.iter().map(|version| version.filters.len()).collect();
    assert_eq!(route.rules.iter().map(filters).collect::<Vec<Vec<usize>>>(), [[1, 1], [1, 1]]);
}

#[test]
fn what_is_no_service_is_not_divided_by_its_name() {
    let mut rule = api_rule(json!({}), "web");
    rule["backendRefs"][0]["kind"] = "Bucket".into();
    let route = http_route("shop", &[], json!([rule]));
    let mut world = behind_a_gateway(&[traffic_split("all", 50)], std::slice::from_ref(&route));
    assert_eq!(world.get("x.example/api"), "500");
    assert_eq!(world.parent(&route, "ResolvedRefs"), "False/InvalidKind");
}

#[test]
fn a_rule_that_is_refused_is_refused_to_all() {
    let group = testers(json!([{"name": "insiders", "headers": {"x-user": "insider"}}]));
    let mut rule = api_rule(json!({}), "web");
    rule["filters"] = json!([{"type": "Unheard"}]);
    let mut world = behind_a_gateway(&[for_testers("ab"), group.clone()], &[http_route("shop", &[], json!([rule]))]);
    assert_eq!(world.ask(&insider("x.example/api")), "500");
    let mut rule = api_rule(json!({}), "web");
    rule["sessionPersistence"] = json!({"absoluteTimeout": "soon"});
    let mut world = behind_a_gateway(&[for_testers("ab"), group], &[http_route("shop", &[], json!([rule]))]);
    assert_eq!(world.ask(&insider("x.example/api")), "500");
}

/// An Ingress for paths of `a.example`, all of which lead to `web`.
fn ingress(paths: &[&str]) -> Made {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let path = |path: &&str| json!({"path": path, "pathType": "Prefix", "backend": backend});
    let paths = json!({"paths": paths.iter().map(path).collect::<Vec<_>>()});
    let spec = json!({"ingressClassName": "weir", "rules": [{"host": "a.example", "http": paths}]});
    object(ObjectKind::Ingress, "web", json!({"spec": spec}))
}

fn ingress_class() -> Made {
    object(ObjectKind::IngressClass, "weir", json!({"spec": {"controller": "weir.dev/ingress-controller"}}))
}

#[test]
fn an_ingress_to_the_service_is_divided_in_the_same_way() {
    let group = testers(json!([{"name": "insiders", "headers": {"x-user": "insider"}}]));
    let mut world = world(&[for_testers("ab"), group, ingress_class(), ingress(&["/"])]);
    assert_eq!(world.get("a.example/"), "web");
    assert_eq!(world.ask(&insider("a.example/")), "canary");
}

#[test]
fn an_ingress_whose_protocol_is_left_to_services_speaks_no_clear_text_to_one_that_asks_for_tls() {
    let secure = service("canary", &[]).with("/spec/ports/0/appProtocol", "https".into());
    let ingress = ingress(&["/"]).annotation("nginx.ingress.kubernetes.io/backend-protocol", "AUTO_HTTP");
    let mut world = world(&[traffic_split("all", 50), secure, ingress_class(), ingress.clone()]);
    assert_eq!(world.shares("a.example/", 10), shared(&[("stable", 5), ("500", 5)]));
    let clear = ingress.annotation("nginx.ingress.kubernetes.io/backend-protocol", "HTTP");
    world.set(&clear);
    assert_eq!(world.shares("a.example/", 10), shared(&[("stable", 5), ("canary", 5)]), "it says so itself");
}

#[test]
fn an_ingress_is_told_of_all_services_at_once() {
    let asks = |name: &str| service(name, &[]).with("/spec/ports/0/appProtocol", "https".into());
    let group = testers(json!([{"name": "insiders", "headers": {"x-user": "insider"}}]));
    let ingress = ingress(&["/", "/a", "/b"]);
    let splits = [for_testers("ab"), traffic_split("all", 50).made_after(5)];
    let others = [group, asks("stable"), asks("canary"), ingress_class(), ingress.clone()];
    let told = told(&mut world(&[splits.to_vec(), others.to_vec()].concat()), &ingress);
    let of = |name: &str| crate::source::kubernetes::split::unspoken(&format!("Service shop/{name}"), "https");
    let expected = [of("stable"), of("canary")];
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "UnsupportedProtocol");
    assert!(expected.iter().all(|of| told[0].1.matches(&**of).count() == 1), "{told:?}");
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
    for none in ["many", "nan", "inf", "-infinity"] {
        assert!(weights(json!([{"service": "a", "weight": none}])).unwrap_err().contains("write a whole number"));
    }
    assert!(weights(json!([{"service": "a", "weight": 1_000_001}])).unwrap_err().contains("outside 0 to 1000000"));
    assert!(weights(json!([{"service": "a", "weight": -1}])).is_err());
}

#[test]
fn the_service_may_be_written_with_its_whole_name() {
    assert_eq!(root("shop.prod.svc.cluster.local"), "shop");
    assert_eq!(root("shop"), "shop");
}
