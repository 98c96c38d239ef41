//! Splits that add behaviour to routes of others.

use std::time::Duration;

use serde_json::{Value, json};

use crate::model::{MirrorTarget, Split};
use crate::source::kubernetes::object::Id;
use crate::source::kubernetes::tests::objects::{
    Made, class, gateway, gateway_service, http_listener, http_route, refs, service, slice, split, to,
};
use crate::source::kubernetes::tests::world::{World, shared};
use crate::testing::Asked;

fn policy(name: &str, more: &Value) -> Made {
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "shop"});
    let mut spec = json!({"targetRef": target});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    split(name, spec)
}

fn route() -> Made {
    http_route("shop", &[], json!([to(&[("shop-primary", 90), ("shop-canary", 10)])]))
}

fn world(objects: &[Made]) -> World {
    let all = [
        class("weir"),
        gateway("gw", json!([http_listener()])),
        gateway_service("gw", &[(80, 20080)]),
        route(),
        service("shop-primary", &[]),
        service("shop-canary", &[]),
        slice("shop-primary", &["10.0.0.1"]),
        slice("shop-canary", &["10.0.1.1"]),
    ];
    World::of(&[all.to_vec(), objects.to_vec()].concat()).at_port(80)
}

fn names() -> Value {
    json!([{"name": "stable", "service": "shop-primary"}, {"name": "canary", "service": "shop-canary"}])
}

#[test]
fn the_weights_stay_those_of_the_route() {
    let policy = policy("behaviour", &json!({"sticky": {"header": "x-user"}}));
    let mut world = world(std::slice::from_ref(&policy));
    assert_eq!(world.shares("a.example/", 100), shared(&[("shop-primary", 90), ("shop-canary", 10)]));
    assert_eq!(world.condition(&policy, "Accepted"), "True/Accepted");
    assert_eq!(world.condition(&policy, "ResolvedRefs"), "True/ResolvedRefs");
}

#[test]
fn versions_get_the_names_that_are_given_for_their_services() {
    let mut world = world(&[policy("behaviour", &json!({"versions": names()}))]);
    assert_eq!(world.versions("shop"), ["stable  90 x1", "canary  10 x1"]);
}

#[test]
fn overrides_go_by_the_names_that_were_given() {
    let overrides = json!([{"header": "x-canary", "value": "1", "to": "canary"}]);
    let mut world = world(&[policy("behaviour", &json!({"versions": names(), "overrides": overrides}))]);
    assert_eq!(world.ask(&Asked::get("a.example/").header("x-canary", "1")), "canary");
}

#[test]
fn stickiness_keeps_a_client_on_its_version() {
    let mut world = world(&[policy("behaviour", &json!({"sticky": {"header": "x-user"}}))]);
    for user in ["a", "b", "c", "d"] {
        let asked = Asked::get("a.example/").header("x-user", user);
        let first = world.ask(&asked);
        assert!((0..20).all(|_| world.ask(&asked) == first));
    }
}

#[test]
fn a_guard_is_put_on_every_rule() {
    let both = refs(&[("shop-primary", 90), ("shop-canary", 10)]);
    let two = json!([{"backendRefs": both}, {"matches": [{"path": {"value": "/b"}}], "backendRefs": both}]);
    let mut world = world(&[http_route("shop", &[], two), policy("behaviour", &json!({"guard": {"window": "10s"}}))]);
    let route = world.route("shop");
    let windows: Vec<_> = route.rules.iter().map(|rule| rule.split.guard.as_ref().map(|guard| guard.window)).collect();
    assert_eq!(windows, [Some(Duration::from_secs(10)); 2]);
}

/// A route as a header step of Argo Rollouts leaves it: the canary alone for who has the header.
fn with_header_rule() -> Made {
    let insiders = json!({
        "name": "insiders",
        "matches": [{"headers": [{"name": "x-insider", "value": "yes"}]}],
        "backendRefs": refs(&[("shop-canary", 1)]),
    });
    http_route("shop", &[], json!([to(&[("shop-primary", 90), ("shop-canary", 10)]), insiders]))
}

#[test]
fn a_rule_without_some_of_the_versions_gets_what_concerns_the_others() {
    let policy = policy(
        "behaviour",
        &json!({
            "versions": names(),
            "guard": {},
            "rescue": {"from": "canary"},
            "mirrors": [{"to": "stable"}, {"to": "canary"}],
            "overrides": [
                {"header": "x-version", "value": "stable", "to": "stable"},
                {"header": "x-version", "value": "canary", "to": "canary"},
            ],
            "timeouts": {"request": "7s"},
        }),
    );
    let mut world = world(&[with_header_rule(), policy]);
    let route = world.route("shop");
    let counts = |split: &Split| {
        let both = (split.guard.is_some(), split.rescue.is_some());
        (both, split.overrides.len(), split.mirrors.len(), split.timeouts.request)
    };
    let (all, insiders) = (&route.rules[0].split, &route.rules[1].split);
    assert_eq!(counts(all), ((true, true), 2, 2, Duration::from_secs(7)));
    assert_eq!(counts(insiders), ((false, false), 1, 1, Duration::from_secs(7)));
    assert_eq!((insiders.overrides[0].to, &insiders.mirrors[0].to), (0, &MirrorTarget::Version(0)));
    assert!(world.report(&with_header_rule()).notes.is_empty());
}

#[test]
fn a_version_that_no_rule_has_is_told_of_each() {
    let overrides = json!([{"header": "x-version", "to": "nobody"}]);
    let mut world = world(&[with_header_rule(), policy("behaviour", &json!({"overrides": overrides}))]);
    let notes = world.report(&with_header_rule()).notes;
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes.iter().all(|note| note.message.contains("spec.overrides.0.to")), "{notes:?}");
}

#[test]
fn a_rule_that_is_aimed_at_by_name_is_to_have_all_versions() {
    let policy = policy("behaviour", &json!({"guard": {}})).with("/spec/targetRef/sectionName", json!("insiders"));
    let mut world = world(&[with_header_rule(), policy]);
    let notes = world.report(&with_header_rule()).notes;
    assert!(notes[0].message.contains("spec.guard"), "{notes:?}");
}

#[test]
fn a_rule_that_redirects_needs_nothing_of_a_policy() {
    let redirect = json!({
        "matches": [{"path": {"value": "/old"}}],
        "filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "new.example"}}],
    });
    let route = http_route("shop", &[], json!([to(&[("shop-primary", 90), ("shop-canary", 10)]), redirect]));
    let mut world = world(&[route.clone(), policy("behaviour", &json!({"guard": {}}))]);
    assert!(world.route("shop").rules[0].split.guard.is_some());
    assert!(world.report(&route).notes.is_empty());
}

#[test]
fn a_guard_on_a_route_of_one_version_is_told() {
    let route = http_route("shop", &[], json!([to(&[("shop-canary", 1)])]));
    let mut world = world(&[route.clone(), policy("behaviour", &json!({"guard": {}}))]);
    assert!(world.report(&route).notes[0].message.contains("spec.guard"));
}

#[test]
fn what_a_policy_does_not_speak_of_stays_as_the_route_has_it() {
    let rule = json!({
        "backendRefs": refs(&[("shop-primary", 1)]),
        "timeouts": {"request": "3s"},
        "retry": {"attempts": 4},
    });
    let mut world =
        world(&[http_route("shop", &[], json!([rule])), policy("behaviour", &json!({"sticky": {"header": "x"}}))]);
    let split = world.route("shop").rules[0].split.clone();
    assert_eq!(split.timeouts.request, Duration::from_secs(3));
    assert_eq!(split.retry.attempts, 4);
    world.set(&policy("behaviour", &json!({"timeouts": {"request": "7s"}, "retry": {"attempts": 2}})));
    let split = world.route("shop").rules[0].split.clone();
    assert_eq!(split.timeouts.request, Duration::from_secs(7));
    assert_eq!(split.retry.attempts, 2);
}

#[test]
fn a_policy_that_goes_takes_its_behaviour_with_it() {
    let overrides = json!([{"header": "x-canary", "value": "1", "to": "canary"}]);
    let policy = policy("behaviour", &json!({"versions": names(), "overrides": overrides}));
    let mut world = world(std::slice::from_ref(&policy));
    world.model();
    world.remove(&policy);
    assert_eq!(world.versions("shop"), ["shop-primary  90 x1", "shop-canary  10 x1"]);
    assert!(world.route("shop").rules[0].split.overrides.is_empty());
}

#[test]
fn of_two_policies_on_one_route_the_older_counts() {
    let older = policy("z-older", &json!({"versions": names()})).made_after(1);
    let younger =
        policy("a-younger", &json!({"versions": [{"name": "other", "service": "shop-primary"}]})).made_after(2);
    let mut world = world(&[younger.clone(), older.clone()]);
    assert_eq!(world.versions("shop")[0], "stable  90 x1");
    assert_eq!(world.condition(&older, "Accepted"), "True/Accepted");
    assert_eq!(world.condition(&younger, "Accepted"), "False/Conflicted");
    assert!(world.message(&younger, "Accepted").contains("Split shop/z-older"));
    world.remove(&older);
    assert_eq!(world.versions("shop")[0], "other  90 x1");
    assert_eq!(world.condition(&younger, "Accepted"), "True/Accepted");
}

#[test]
fn a_policy_that_cannot_be_had_leaves_the_route_as_it_is_and_says_why() {
    let overrides = json!([{"header": "x-canary", "value": "1", "to": "nobody"}]);
    let mut world = world(&[policy("behaviour", &json!({"overrides": overrides}))]);
    assert_eq!(world.shares("a.example/", 100), shared(&[("shop-primary", 90), ("shop-canary", 10)]));
    let notes = world.report(&route()).notes;
    assert_eq!(notes[0].reason, "PolicyInvalid");
    assert!(notes[0].message.contains("spec.overrides.0.to"), "{}", notes[0].message);
}

#[test]
fn a_policy_says_itself_which_rules_it_has_no_effect_on_until_it_has() {
    let overrides = |to: &str| json!({"overrides": [{"header": "x-canary", "value": "1", "to": to}]});
    let bad = policy("behaviour", &overrides("canary"));
    let mut world = world(std::slice::from_ref(&bad));
    let said = |world: &mut World| {
        world.model();
        let told = world.index.take_statements().into_iter().find(|(id, _)| *id == bad.id());
        let conditions = told.and_then(|(_, statement)| statement).unwrap().report.conditions.clone();
        conditions.into_iter().find(|condition| condition.kind == "PartiallyInvalid").map(|partly| partly.message)
    };
    let message = said(&mut world).unwrap();
    assert!(message.starts_with("HTTPRoute shop/shop: spec.overrides.0.to"), "{message}");
    // The route gets the version that was missing.
    world.set(&http_route("shop", &[], json!([to(&[("shop-primary", 90), ("canary", 10)])])));
    assert_eq!(said(&mut world), None);
}

#[test]
fn a_target_that_is_not_there_is_named_until_it_comes() {
    let policy = policy("behaviour", &json!({"versions": names()}));
    let mut world = world(std::slice::from_ref(&policy));
    world.remove(&route());
    assert_eq!(world.condition(&policy, "ResolvedRefs"), "False/TargetNotFound");
    assert_eq!(world.condition(&policy, "Programmed"), "False/Invalid");
    world.set(&route());
    assert_eq!(world.condition(&policy, "ResolvedRefs"), "True/ResolvedRefs");
    assert_eq!(world.versions("shop")[0], "stable  90 x1");
}

#[test]
fn a_policy_reaches_no_route_of_another_namespace() {
    let mut world = world(&[policy("behaviour", &json!({"versions": names()})).in_namespace("elsewhere")]);
    assert_eq!(world.versions("shop")[0], "shop-primary  90 x1");
}

#[test]
fn a_policy_for_a_named_rule_leaves_the_others_alone() {
    let rules = json!([
        {"name": "web", "backendRefs": refs(&[("shop-primary", 1)])},
        {"name": "api", "matches": [{"path": {"value": "/api"}}], "backendRefs": refs(&[("shop-canary", 1)])},
    ]);
    let one = policy("one", &json!({"sticky": {"header": "x-user"}})).with("/spec/targetRef/sectionName", json!("api"));
    let two =
        policy("two", &json!({"onEmpty": "reject"})).with("/spec/targetRef/sectionName", json!("web")).made_after(5);
    let mut world = world(&[http_route("shop", &[], rules), one, two.clone()]);
    let route = world.route("shop");
    let sticky: Vec<bool> = route.rules.iter().map(|rule| rule.split.sticky.is_some()).collect();
    assert_eq!(sticky, [false, true]);
    assert_eq!(route.rules[0].split.on_empty, crate::model::OnEmpty::Reject);
    assert_eq!(world.condition(&two, "Accepted"), "True/Accepted");
}

#[test]
fn requests_may_wait_for_pods() {
    let on_empty = |more: Value| world(&[policy("behaviour", &more)]).route("shop").rules[0].split.on_empty;
    let seconds = |seconds| crate::model::OnEmpty::Hold(Duration::from_secs(seconds));
    assert_eq!(on_empty(json!({"onEmpty": "hold"})), seconds(30));
    assert_eq!(on_empty(json!({"onEmpty": "hold", "holdTimeout": "10s"})), seconds(10));
    assert_eq!(on_empty(json!({"versions": names()})), crate::model::OnEmpty::Sibling);
}

#[test]
fn mirrors_go_beside_those_of_the_route_to_versions_by_their_names() {
    let filter = json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "shop-canary", "port": 80}}});
    let mut rule = to(&[("shop-primary", 90), ("shop-canary", 10)]);
    rule["filters"] = json!([filter]);
    let policy = policy("behaviour", &json!({"versions": names(), "mirror": {"to": "canary", "percent": 5}}));
    let mut world = world(&[http_route("shop", &[], json!([rule])), policy]);
    let mirrors = world.route("shop").rules[0].split.mirrors.clone();
    assert_eq!(mirrors.len(), 2);
    assert_eq!((&mirrors[0].to, mirrors[0].fraction.share()), (&crate::model::MirrorTarget::Version(1), 0.05));
    assert!(matches!(&mirrors[1].to, crate::model::MirrorTarget::Backend(backend) if &*backend.name == "shop-canary"));
}

#[test]
fn a_mirror_to_a_version_that_is_not_there_is_said_on_the_route() {
    let policy = policy("behaviour", &json!({"versions": names(), "mirror": {"to": "canray"}}));
    let mut world = world(&[policy]);
    let notes = world.report(&route()).notes;
    assert!(notes[0].message.contains("mirror.to: no version \"canray\" here: did you mean \"canary\"?"), "{notes:?}");
    assert!(world.route("shop").rules[0].split.mirrors.is_empty());
}

#[test]
fn a_rule_that_the_target_does_not_have_is_named_with_those_that_it_has() {
    let rule = |name: &str| json!([{"name": name, "backendRefs": refs(&[("shop-primary", 1)])}]);
    let policy = policy("one", &json!({"onEmpty": "reject"})).with("/spec/targetRef/sectionName", json!("api"));
    let mut world = world(&[http_route("shop", &[], rule("web")), policy.clone()]);
    assert_eq!(world.condition(&policy, "ResolvedRefs"), "False/SectionNotFound");
    assert_eq!(world.condition(&policy, "Programmed"), "False/Invalid");
    assert_eq!(world.message(&policy, "ResolvedRefs"), "HTTPRoute shop/shop has no rule api; it has: web");
    world.set(&http_route("shop", &[], rule("api")));
    assert_eq!(world.condition(&policy, "ResolvedRefs"), "True/ResolvedRefs");
}

#[test]
fn what_a_guard_finds_on_the_route_is_said_of_the_policy_and_of_the_route() {
    let policy = policy("behaviour", &json!({"versions": names(), "guard": {"window": "10s"}}));
    let mut world = world(std::slice::from_ref(&policy));
    let told = |world: &mut World, id: &Id| {
        world.model();
        let statements = world.index.take_statements();
        let (_, statement) = statements.into_iter().find(|(known, _)| known == id).unwrap();
        let report = statement.unwrap().report;
        let tripped = report.conditions.iter().find(|condition| condition.kind == "GuardTripped");
        let notes: Vec<&str> = report.notes.iter().map(|note| note.reason).collect();
        (tripped.map(|condition| (condition.holds, condition.message.clone())), notes)
    };
    assert_eq!(told(&mut world, &policy.id()), (None, vec![]));
    let bad = json!([{"name": "canary", "guard": "tripped", "guardReason": "fails 30% more"}]);
    world.index.set_figures(&route().id(), bad.clone());
    let (tripped, notes) = told(&mut world, &policy.id());
    assert!(notes.is_empty() && tripped.as_ref().unwrap().0 && tripped.unwrap().1.contains("canary: fails 30% more"));
    world.index.set_figures(&route().id(), bad);
    assert_eq!(told(&mut world, &route().id()).1, ["GuardTripped"]);
}
