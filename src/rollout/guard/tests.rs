//! The guard's rules one by one; what it promises in numbers is simulated in
//! [`simulation`].

use std::time::Duration;

use proptest::prelude::*;

use super::*;

mod simulation;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn policy() -> GuardPolicy {
    GuardPolicy { max_latency_ratio: Some(2.0), ..GuardPolicy::default() }
}

fn counts(success: u64, failure: u64) -> Observation<'static> {
    Observation { success, failure, latency: Latencies::default() }
}

#[test]
fn nothing_trips_before_the_minimum_and_what_is_plain_trips_right_at_it() {
    let mut guard = Guard::new(&policy(), 0, 1);
    for second in 1..100 {
        let verdict = guard.observe(secs(second), &counts(19, 0), &counts(0, 1));
        assert_eq!(verdict.state, State::Collecting { needed: 100 - second });
    }
    let verdict = guard.observe(secs(100), &counts(19, 0), &counts(0, 1));
    assert_eq!(verdict.state, State::Tripped { cause: Cause::ErrorRate, at: secs(100) });
}

#[test]
fn a_restart_needs_more_evidence() {
    let until = |restart| {
        let mut guard = Guard::new(&GuardPolicy { min_requests: 1, ..policy() }, restart, 1);
        (1..).find(|second| guard.observe(secs(*second), &counts(19, 0), &counts(0, 1)).is_tripped())
    };
    assert!(until(0) < until(9), "{:?} {:?}", until(0), until(9));
}

#[test]
fn two_tests_share_alpha_and_one_has_it_to_itself() {
    let both = Guard::new(&policy(), 0, 1).verdict().log_threshold;
    let one = Guard::new(&GuardPolicy::default(), 0, 1).verdict().log_threshold;
    assert!((both - one - 2.0_f64.ln()).abs() < 1e-12);
}

#[test]
fn without_stable_requests_it_keeps_collecting() {
    let mut guard = Guard::new(&policy(), 0, 1);
    for second in 1..1000 {
        let verdict = guard.observe(secs(second), &counts(0, 0), &counts(0, 50));
        assert_eq!(verdict.state, State::Collecting { needed: 100 });
    }
}

#[test]
fn requests_older_than_the_window_are_not_compared() {
    let mut guard = Guard::new(&policy(), 0, 1);
    guard.observe(secs(0), &counts(0, 0), &counts(0, 5));
    let verdict = guard.observe(secs(31), &counts(9, 0), &counts(0, 0));
    assert_eq!((verdict.canary.requests, verdict.stable.requests), (0, 0));
}

#[test]
fn requests_wait_for_the_other_version_within_the_window() {
    let mut guard = Guard::new(&policy(), 0, 1);
    guard.observe(secs(0), &counts(0, 0), &counts(2, 3));
    let verdict = guard.observe(secs(30), &counts(9, 0), &counts(0, 0));
    assert_eq!(verdict.canary, Tally { requests: 5, failures: 3 });
    assert_eq!(verdict.stable, Tally { requests: 9, failures: 0 });
}

#[test]
fn requests_that_waited_are_compared_once() {
    let mut guard = Guard::new(&policy(), 0, 1);
    guard.observe(secs(0), &counts(0, 0), &counts(2, 3));
    guard.observe(secs(1), &counts(9, 0), &counts(0, 0));
    let verdict = guard.observe(secs(2), &counts(9, 0), &counts(0, 0));
    assert_eq!((verdict.canary.requests, verdict.stable.requests), (5, 9));
}

#[test]
fn however_many_requests_waited_they_make_one_bet() {
    let mut guard = Guard::new(&policy(), 0, 1);
    for second in 0..20 {
        guard.observe(secs(second), &counts(0, 0), &counts(0, 50));
    }
    let verdict = guard.observe(secs(20), &counts(1000, 0), &counts(0, 0));
    assert_eq!(verdict.state, State::Healthy);
    assert_eq!(verdict.canary.requests, 1000);
    assert!(verdict.failure_log_wealth < 2.0_f64.ln());
}

#[test]
fn fresh_stable_requests_take_the_place_of_those_that_waited() {
    let mut guard = Guard::new(&policy(), 0, 1);
    guard.observe(secs(0), &counts(0, 50), &counts(0, 0));
    let verdict = guard.observe(secs(1), &counts(10, 0), &counts(1, 0));
    assert_eq!(verdict.stable, Tally { requests: 10, failures: 0 });
}

#[test]
fn canary_requests_that_waited_join_those_of_the_tick() {
    let mut guard = Guard::new(&policy(), 0, 1);
    guard.observe(secs(0), &counts(0, 0), &counts(0, 4));
    let verdict = guard.observe(secs(1), &counts(10, 0), &counts(2, 0));
    assert_eq!(verdict.canary, Tally { requests: 6, failures: 4 });
}

#[test]
fn the_mean_excess_is_free_of_drift() {
    let mut guard = Guard::new(&policy(), 0, 1);
    guard.observe(secs(1), &counts(90, 10), &counts(9, 1));
    let verdict = guard.observe(secs(2), &counts(0, 10), &counts(0, 10));
    assert!(verdict.canary.rate() - verdict.stable.rate() > 0.3);
    assert!(verdict.mean_excess.abs() < 1e-12, "{}", verdict.mean_excess);
}

#[test]
fn once_tripped_it_stays_tripped() {
    let mut guard = Guard::new(&policy(), 0, 1);
    let tripped = guard.observe(secs(1), &counts(200, 0), &counts(0, 200)).clone();
    assert!(tripped.is_tripped());
    for second in 2..100 {
        assert_eq!(guard.observe(secs(second), &counts(0, 500), &counts(500, 0)), &tripped);
    }
    assert_eq!(guard.verdict(), &tripped);
}

#[test]
fn a_limit_that_is_not_a_number_becomes_the_strictest() {
    let policy = GuardPolicy { max_error_rate_increase: f64::NAN, max_latency_ratio: Some(f64::NAN), ..policy() };
    let guard = Guard::new(&policy, 0, 1);
    assert_eq!(guard.verdict().max_error_rate_increase.to_bits(), 0.0_f64.to_bits());
    assert_eq!(guard.verdict().max_latency_ratio, Some(1.0));
}

proptest! {
    #[test]
    fn any_observation_leaves_a_finding_in_numbers(
        ticks in prop::collection::vec(
            (0u64..400, 0u64..4, 0u64..900, 0u64..900, 0u64..900, 0u64..900,
             prop::collection::vec(0u64..50, 0..18)),
            1..12,
        ),
        bounds in prop::collection::vec(prop::num::f64::ANY, 0..16),
        increase in prop::num::f64::ANY,
        ratio in prop::option::of(prop::num::f64::ANY),
    ) {
        let policy = GuardPolicy {
            max_error_rate_increase: increase, max_latency_ratio: ratio, ..policy()
        };
        let mut guard = Guard::new(&policy, u32::MAX, 1);
        for (second, scale, a, b, c, d, latency) in ticks {
            let latency = Latencies { bounds: &bounds, counts: &latency };
            let stable = Observation { success: a * scale, failure: b, latency };
            let canary = Observation { success: c, failure: d * scale, latency };
            let verdict = guard.observe(secs(second), &stable, &canary);
            prop_assert!(verdict.failure_log_wealth.is_finite());
            prop_assert!(verdict.latency_log_wealth.is_none_or(f64::is_finite));
            prop_assert!(verdict.log_threshold.is_finite());
            prop_assert!(!verdict.to_string().is_empty());
        }
    }
}
