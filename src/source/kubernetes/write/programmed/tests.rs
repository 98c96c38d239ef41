use serde_json::Value;

use super::*;
use crate::source::kubernetes::report::{ListenerReport, Parent};

fn all() -> Serving {
    Serving { replicas: Some((3, 3)), lagging: vec![] }
}

fn some() -> Serving {
    Serving { replicas: Some((3, 1)), lagging: vec!["weir-b".into(), "weir-c".into()] }
}

fn accepted(holds: bool) -> Vec<Condition> {
    vec![if holds { Condition::holds("Accepted", "Accepted", "") } else { Condition::fails("Accepted", "Invalid", "") }]
}

fn said(conditions: &[Condition]) -> Vec<(bool, &str, &str)> {
    let programmed = conditions.iter().filter(|condition| condition.kind == PROGRAMMED);
    programmed.map(|condition| (condition.holds, condition.reason, &*condition.message)).collect()
}

#[test]
fn a_split_counts_replicas_and_names_those_that_lag() {
    let plain = Report { conditions: accepted(true), ..Report::default() };
    let told = report(ObjectKind::Split, &plain, &all());
    assert_eq!(said(&told.conditions), [(true, "Programmed", "")]);
    assert_eq!(told.replicas, Some(json!({"ready": 3, "programmed": 3})));
    let told = report(ObjectKind::Split, &plain, &some());
    assert_eq!(said(&told.conditions), [(false, "Lagging", "not served yet by weir-b, weir-c")]);
    let refused = Report { conditions: accepted(false), ..Report::default() };
    assert_eq!(said(&report(ObjectKind::Split, &refused, &all()).conditions)[0].1, "Invalid");
    assert_eq!(report(ObjectKind::Split, &plain, &Serving::default()), plain, "nobody can tell");
    let mut nowhere = plain.clone();
    nowhere.conditions.push(Condition::fails(PROGRAMMED, "Invalid", "nothing of it is in force"));
    let told = report(ObjectKind::Split, &nowhere, &all());
    assert_eq!(said(&told.conditions), [(false, "Invalid", "nothing of it is in force")]);
}

#[test]
fn a_route_says_so_to_every_parent_that_takes_it() {
    let parent = |holds| Parent { reference: Value::Null, conditions: accepted(holds), attached: vec![] };
    let plain = Report { parents: vec![parent(true), parent(false)], ..Report::default() };
    let told = report(ObjectKind::HttpRoute, &plain, &all());
    assert_eq!(said(&told.parents[0].conditions), [(true, "Programmed", "")]);
    assert_eq!(told.parents[1], plain.parents[1]);
    let told = report(ObjectKind::GrpcRoute, &plain, &some());
    assert_eq!(said(&told.parents[0].conditions)[0].1, "Lagging");
}

#[test]
fn a_gateway_is_programmed_where_nothing_else_is_in_the_way_and_nobody_lags() {
    let listener = |condition| ListenerReport {
        name: "http".into(),
        port: 80,
        attached_routes: 0,
        supported_kinds: vec![],
        conditions: vec![condition],
    };
    let good = Condition::holds(PROGRAMMED, "Programmed", "");
    let pending = Condition::fails(PROGRAMMED, "Pending", "its port is being set up");
    let plain = Report {
        conditions: vec![good.clone()],
        listeners: vec![listener(good), listener(pending)],
        ..Report::default()
    };
    assert_eq!(report(ObjectKind::Gateway, &plain, &all()), plain);
    let told = report(ObjectKind::Gateway, &plain, &some());
    assert_eq!(said(&told.conditions)[0].1, "Lagging");
    let reasons: Vec<&str> = told.listeners.iter().map(|listener| said(&listener.conditions)[0].1).collect();
    assert_eq!(reasons, ["Lagging", "Pending"]);
}

#[test]
fn of_many_laggards_a_few_are_named() {
    let lagging = (0..20).map(|index| format!("r{index}").into()).collect();
    let message = programmed(&Serving { replicas: Some((20, 0)), lagging }).message;
    assert!(message.ends_with("r7 and 12 more"), "{message}");
}
