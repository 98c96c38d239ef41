use std::sync::Arc;

use super::*;
use crate::control::Fleet;
use crate::control::tests::{canary_key, count_on, guarded, serving, shares};
use crate::model::GuardAction;

fn replica() -> Control {
    let control = Control::new(Arc::default(), Arc::default(), Fleet::new(Vec::new()), None).unwrap();
    control.apply(serving(guarded("r1", GuardAction::Divert))).unwrap();
    control.tick();
    control.share(false);
    control
}

/// A replica that judges and one that does not.
fn two() -> (Control, Control) {
    let (judge, other) = (replica(), replica());
    other.set_judging(false);
    (judge, other)
}

fn state(control: &Control) -> (String, String) {
    let guard = control.status().splits[0].versions[1].guard.clone().unwrap();
    (guard.state, guard.reason)
}

/// Everything that one has to say about guards, told to the other.
fn tell(from: &Control, to: &Control) {
    let Share { evidence, findings } = from.share(false);
    to.pool(&evidence);
    to.hear(findings);
    if let Some((_, changed)) = from.news() {
        to.learn(&changed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_does_not_judge_finds_nothing_and_tells_what_it_counted() {
    let (_, other) = two();
    count_on(&other, 500, true);
    assert_eq!(shares(&other).2, 0.5, "it does not judge");
    let evidence = other.share(false).evidence;
    assert_eq!((evidence[0].stable.success, evidence[0].canary.failure), (500, 500));
    assert_eq!(other.share(false).evidence, vec![], "no count is told twice");
}

#[tokio::test(start_paused = true)]
async fn evidence_of_others_trips_the_guard_for_all() {
    let (judge, other) = two();
    count_on(&other, 500, true);
    tell(&other, &judge);
    assert_eq!(shares(&judge).2, 0.0);
    tell(&judge, &other);
    assert_eq!(shares(&other), (0.5, 1.0, 0.0));
    assert_eq!(state(&other).0, "tripped");
    assert_eq!(state(&other), state(&judge));
    judge.reset_guard("shop").unwrap();
    tell(&judge, &other);
    assert_eq!(shares(&other).2, 0.5, "a reset is for all, too");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_little_on_each_replica_is_enough_on_all_of_them() {
    let (judge, other) = two();
    // By default 100 requests of the canary are needed.
    for control in [&judge, &other] {
        count_on(control, 70, true);
    }
    assert_eq!(state(&judge).0, "collecting");
    tell(&other, &judge);
    assert_eq!(state(&judge).0, "tripped");
}

#[tokio::test(start_paused = true)]
async fn a_replica_with_bad_luck_of_its_own_is_no_evidence_against_the_canary() {
    let (judge, _other) = two();
    // Both versions fail on the other replica, which has sent nearly all that the canary got.
    let stable = crate::rollout::shared::Counts { success: 0, failure: 1000, ..Default::default() };
    let evidence = Evidence { version: trips::name(&canary_key(&judge)), canary: stable.clone(), stable };
    count_on(&judge, 1000, false);
    judge.pool(&[evidence]);
    assert_eq!(state(&judge).0, "healthy");
}

#[tokio::test(start_paused = true)]
async fn everybody_shows_what_the_one_that_judges_has_found() {
    let (judge, other) = two();
    assert!(state(&other).1.contains("has said nothing yet"));
    count_on(&judge, 200, false);
    tell(&judge, &other);
    assert_eq!(state(&other), state(&judge));
    assert_eq!(state(&other).0, "healthy");
    assert_eq!(judge.share(false).findings, vec![], "what has not changed is not said again");
    assert_eq!(judge.share(true).findings.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_takes_over_begins_anew_with_less_to_spend() {
    let (judge, other) = two();
    tell(&judge, &other);
    let key = canary_key(&judge);
    let restarts = |control: &Control| control.records()[&trips::name(&key)].restarts;
    assert_eq!((restarts(&judge), restarts(&other)), (0, 0));
    other.set_judging(true);
    judge.set_judging(false);
    tell(&other, &judge);
    assert_eq!((restarts(&judge), restarts(&other)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_trip_from_outside_is_one_and_is_told_once() {
    let control = replica();
    let key = canary_key(&control);
    control.trip(&key, "bad".to_owned());
    control.trip(&key, "bad".to_owned());
    assert_eq!(shares(&control).2, 0.0);
    let events = control.events().follow().0;
    assert_eq!(events.iter().filter(|event| event.kind == EventKind::GuardTripped).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn evidence_about_something_else_is_passed_over() {
    let (judge, _) = two();
    let counts = crate::rollout::shared::Counts { success: 0, failure: u64::MAX, latency: vec![(u16::MAX, u64::MAX)] };
    let none = crate::rollout::shared::Counts::default();
    judge.pool(&[Evidence { version: "x/Split/y/canary@z".to_owned(), stable: none.clone(), canary: counts.clone() }]);
    judge.pool(&[Evidence { version: trips::name(&canary_key(&judge)), stable: none, canary: counts }]);
    assert_eq!(state(&judge).0, "collecting", "with nothing to compare it with");
}

#[tokio::test(start_paused = true)]
async fn what_drains_on_other_replicas_is_in_the_status_for_as_long_as_they_say_so() {
    let control = replica();
    let status = |control: &Control| control.status().splits[0].versions[0].clone();
    assert_eq!((status(&control).draining, status(&control).drain_replicas), (0, 0));
    assert_eq!(control.draining(), vec![], "nothing drains here");
    let route = elsewhere::name(&canary_key(&control).route);
    let version = status(&control).name;
    for (replica, connections, seconds) in [("b", 3, 20.0), ("c", 4, 30.0)] {
        let told =
            Draining { route: route.clone(), version: version.clone(), connections, seconds, oldest: 2.0 * seconds };
        control.drains_elsewhere(replica, vec![told]);
    }
    let sum = status(&control);
    assert_eq!((sum.draining, sum.drain_replicas, sum.drain_seconds), (7, 2, Some(30.0)));
    assert_eq!(sum.drain_oldest_seconds, Some(60.0));
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    let later = status(&control);
    assert_eq!((later.draining, later.drain_replicas, later.drain_seconds), (0, 0, None));
    assert_eq!(later.drain_oldest_seconds, None);
}
