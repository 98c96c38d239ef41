//! Versions of which active checks find every endpoint unhealthy.

use std::time::Duration;

use super::*;
use crate::endpoint::Moment;

/// Has checks find the endpoints of a version unhealthy.
fn falls_ill(worker: &Worker, version: usize) {
    let endpoints = &worker.snapshot.rules[0].body.versions[version].endpoints;
    endpoints.iter().for_each(|endpoint| endpoint.health.found_unhealthy());
}

fn gets_well(worker: &Worker, version: usize) {
    let endpoints = &worker.snapshot.rules[0].body.versions[version].endpoints;
    endpoints.iter().for_each(|endpoint| endpoint.health.found_healthy(Moment::now()));
}

/// Two versions with the same weight, of which the second is out.
fn half_ill(on_empty: OnEmpty) -> Worker {
    let mut split = split(&[("stable", 1), ("canary", 1)]);
    split.on_empty = on_empty;
    let worker = Worker::of(split);
    falls_ill(&worker, 1);
    worker
}

/// How many of ten requests go where.
fn shares(worker: &mut Worker) -> (usize, usize, usize, usize) {
    let outcomes: Vec<Outcome> = (0..10).map(|_| worker.outcome(&asked())).collect();
    let goes =
        |version: usize| move |outcome: &&Outcome| matches!(outcome, Outcome::Forward(d) if d.version == version);
    let held = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Hold { version: 1, .. })).count();
    let refused =
        outcomes.iter().filter(|o| matches!(o, Outcome::Reject(Refusal::NoEndpoint { version: 1, .. }))).count();
    (outcomes.iter().filter(goes(0)).count(), outcomes.iter().filter(goes(1)).count(), held, refused)
}

#[test]
fn a_version_without_a_healthy_endpoint_is_empty() {
    for (on_empty, expected) in [
        (OnEmpty::Sibling, (10, 0, 0, 0)),
        (OnEmpty::Hold(Duration::from_secs(30)), (5, 0, 5, 0)),
        (OnEmpty::Reject, (5, 0, 0, 5)),
    ] {
        let mut worker = half_ill(on_empty);
        assert_eq!(shares(&mut worker), expected, "{on_empty:?}");
        gets_well(&worker, 1);
        assert_eq!(shares(&mut worker), (5, 5, 0, 0), "{on_empty:?}");
    }
}

#[test]
fn a_version_whose_endpoints_are_left_out_is_not() {
    let mut worker = half_ill(OnEmpty::Reject);
    gets_well(&worker, 1);
    let endpoints = &worker.snapshot.rules[0].body.versions[1].endpoints;
    endpoints.iter().for_each(|endpoint| assert!(endpoint.health.eject()));
    assert_eq!(shares(&mut worker), (5, 5, 0, 0));
}

#[test]
fn no_unhealthy_sibling_takes_a_share() {
    let mut worker = Worker::of(split(&[("a", 1), ("b", 5), ("c", 5)]).empty(0));
    falls_ill(&worker, 1);
    for _ in 0..30 {
        assert_eq!(worker.decision(&asked()).version, 2);
    }
}

#[test]
fn checks_that_find_every_version_unhealthy_are_not_believed_where_siblings_take_over() {
    let mut worker = half_ill(OnEmpty::Sibling);
    falls_ill(&worker, 0);
    assert_eq!(shares(&mut worker), (5, 5, 0, 0));
    let mut worker = Worker::of(split(&[("stable", 1), ("canary", 1)]).empty(1));
    falls_ill(&worker, 0);
    assert_eq!(shares(&mut worker), (10, 0, 0, 0), "who has no endpoint at all still has a sibling");
    let mut worker = half_ill(OnEmpty::Reject);
    falls_ill(&worker, 0);
    assert_eq!(shares(&mut worker), (0, 0, 0, 5));
}

#[test]
fn a_client_that_keeps_its_version_is_served_by_a_sibling_meanwhile() {
    let mut worker = Worker::of(split(&[("stable", 1), ("canary", 9)]).by_sticky_cookie(StickyMode::Pin));
    let home = std::iter::repeat_with(|| worker.decision(&asked())).find(|decision| decision.version == 1);
    let cookie = home.and_then(|home| home.cookie).and_then(|cookie| cookie.header(false)).expect("a cookie");
    let pair = cookie.to_str().expect("text").split(';').next().expect("a pair").to_owned();
    let returning = asked().header("cookie", &pair);
    assert_eq!(worker.decision(&returning).version, 1);
    falls_ill(&worker, 1);
    let away = worker.decision(&returning);
    assert_eq!((away.version, away.why), (0, Why::Sibling));
    gets_well(&worker, 1);
    assert_eq!(worker.decision(&returning).version, 1);
}

#[test]
fn nobody_is_rescued_to_where_checks_find_nobody_well() {
    let mut worker = half_ill(OnEmpty::Reject);
    gets_well(&worker, 1);
    falls_ill(&worker, 0);
    let canary = std::iter::repeat_with(|| worker.outcome(&asked())).find_map(|outcome| match outcome {
        Outcome::Forward(decision) => Some(decision),
        _ => None,
    });
    let canary = canary.expect("half of them go there");
    assert_eq!(canary.version, 1);
    assert_eq!(rescue(&worker.snapshot, &mut worker.cursors, &canary, &Tried::default()), None);
}

#[test]
fn an_explanation_says_the_same() {
    for (on_empty, versions, answer) in [
        (OnEmpty::Sibling, 1, None),
        (OnEmpty::Reject, 1, Some("503 for 50%")),
        (OnEmpty::Hold(Duration::from_secs(9)), 1, Some("held for 50%")),
    ] {
        let worker = half_ill(on_empty);
        let explained = explain(&worker.snapshot, &asked().head());
        assert_eq!(explained.versions.len(), versions, "{on_empty:?}");
        let said = explained.answer.as_deref();
        assert!(answer.map_or(said.is_none(), |answer| said.is_some_and(|said| said.starts_with(answer))), "{said:?}");
    }
    let worker = half_ill(OnEmpty::Sibling);
    falls_ill(&worker, 0);
    assert_eq!(explain(&worker.snapshot, &asked().head()).versions.len(), 2, "who has nobody else is asked");
}
