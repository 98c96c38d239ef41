use std::collections::BTreeSet;

use super::*;

fn split(number: usize) -> Id {
    Id::new(ObjectKind::Split, "shop", format!("{number:03}"))
}

/// All of so many Splits, whose numbers changed.
fn counted(splits: usize) -> Vec<(Id, Difference, ())> {
    (0..splits).map(|number| (split(number), Difference::Numbers, ())).collect()
}

fn chosen(turns: &mut Turns, changed: Vec<(Id, Difference, ())>) -> Vec<Id> {
    turns.choose(changed).into_iter().map(|(id, ())| id).collect()
}

#[test]
fn some_are_told_at_a_time() {
    assert_eq!(chosen(&mut Turns::default(), counted(AT_ONCE * 2)).len(), AT_ONCE);
}

#[test]
fn each_has_its_turn_although_all_of_them_change_all_the_time() {
    let mut turns = Turns::default();
    let all = AT_ONCE * 2 + 20;
    let told: BTreeSet<Id> = (0..3).flat_map(|_| chosen(&mut turns, counted(all))).collect();
    assert_eq!(told.len(), all);
    let next = chosen(&mut turns, counted(all));
    assert!(next.contains(&split(40)), "from where it stopped: {next:?}");
}

#[test]
fn a_condition_that_turns_waits_for_nobody() {
    let mut turns = Turns::default();
    let mut changed = counted(AT_ONCE * 2);
    let last = changed.len() - 1;
    changed[last].1 = Difference::Conditions;
    let told = chosen(&mut turns, changed);
    assert_eq!(told[0], split(last));
    let next = chosen(&mut turns, counted(AT_ONCE * 2));
    assert_eq!(next[0], split(AT_ONCE - 1), "the others go on from where they stopped");
}

#[test]
fn what_a_guard_found_is_told_and_figures_that_change_with_every_request_are_not() {
    let with = |state: &str| {
        let version = json!({
            "name": "canary", "revision": "", "desired": 5, "effective": 5.0, "desiredShare": 0.05, "effectiveShare": 0.05,
            "requests": 1, "failures": 0, "clientGone": 0, "activeRequests": 0, "connections": 0, "endpoints": 1,
            "guard": {"state": state, "reason": "fails 30% more"},
        });
        let split = json!({
            "namespace": "shop", "name": "shop", "kind": "Split", "hosts": [], "weightsFrom": "", "ramping": false,
            "versions": [version],
        });
        figures_of(&serde_json::from_value(split).unwrap()).as_array().unwrap()[0].clone()
    };
    assert_eq!((&with("healthy")["guard"], with("healthy").get("guardReason")), (&json!("healthy"), None));
    assert_eq!(
        (&with("tripped")["guard"], &with("tripped")["guardReason"]),
        (&json!("tripped"), &json!("fails 30% more"))
    );
}

#[test]
fn what_guards_say_of_other_routes_is_told_by_route_and_no_more_once_there_is_no_guard() {
    let told = |name: &str, state: &str| {
        let route = RouteKey { namespace: "shop".into(), kind: crate::model::Kind::HttpRoute, name: "web".into() };
        (route, Arc::from(name), GuardStatus { state: state.to_owned(), reason: "fails 30% more".to_owned() })
    };
    let mut turns = Turns::default();
    let web = Id::new(ObjectKind::HttpRoute, "shop", "web");
    let all = turns.guards(vec![told("canary", "healthy"), told("other", "tripped")]);
    let versions = json!([
        {"name": "canary", "guard": "healthy"},
        {"name": "other", "guard": "tripped", "guardReason": "fails 30% more"},
    ]);
    assert_eq!(all, BTreeMap::from([(web.clone(), versions)]));
    assert_eq!(turns.guards(Vec::new()), BTreeMap::from([(web, json!([]))]));
    assert_eq!(turns.guards(Vec::new()), BTreeMap::new());
}
