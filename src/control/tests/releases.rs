//! Releases on which more than one thing happens at a time.

use super::*;
use crate::model::{Limits, Rule as ModelRule, Shared as _, TlsServer};
use crate::testing::model;

/// The guard of a version: its state in a word, and its figures in words.
fn guard_of(control: &Control, rule: usize, version: usize) -> (String, String) {
    let status = control.status().splits[rule].versions[version].guard.clone().unwrap();
    (status.state, status.reason)
}

/// A split with a guard, both of whose versions have half of the traffic.
fn halves(stable: &str, canary: &str) -> Split {
    let mut split = split(&[(stable, 50), (canary, 50)]);
    split.guard = Some(Box::default());
    split
}

// Guards.

#[tokio::test(start_paused = true)]
async fn what_another_revision_of_stable_has_counted_is_no_evidence() {
    let control = control();
    let at = |stable: &str| serving(guarded("r2", GuardAction::Divert).revisions(&[stable, "r2"]));
    control.apply(at("r0")).unwrap();
    control.tick();
    count_on(&control, 300, false);
    control.apply(at("r1")).unwrap();
    count_on(&control, 200, false);
    count_on(&control, 100, false);
    let (state, reason) = guard_of(&control, 0, 1);
    assert_eq!(state, "healthy");
    // What came with the new revision's first look belongs to nobody's seconds.
    assert!(reason.contains("of 600 requests, stable 0% of 400"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn every_rule_of_a_route_may_have_a_canary_of_its_own() {
    let control = control();
    let mut shop = route("shop", &[], halves("web", "web-next"));
    shop.rules.push(ModelRule { split: Arc::new(halves("api", "api-next")), ..shop.rules[0].clone() });
    control.apply(model([shop])).unwrap();
    control.tick();
    let snapshot = control.snapshot();
    let mut shard = Shard::new(Arc::clone(control.recorder()));
    for (rule, version, classification) in [
        (0, 0, Classification::Success),
        (0, 1, Classification::Success),
        (1, 0, Classification::Success),
        (1, 1, Classification::Failure),
    ] {
        let cell = Arc::clone(shard.cell(snapshot.rules[rule].body.versions[version].id));
        let ending = Ending { code: 200, grpc_status: None, classification, reason: Reason::None };
        (0..500).for_each(|_| cell.ended(ending, None, None));
    }
    control.tick();
    assert_eq!((guard_of(&control, 0, 1).0, guard_of(&control, 1, 1).0), ("healthy".to_owned(), "tripped".to_owned()));
    let rules = &control.snapshot().rules;
    assert_eq!((rules[0].weights.effective_share(1), rules[1].weights.effective_share(1)), (0.5, 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_trip_waits_for_a_stable_that_checks_find_well_again() {
    let control = control();
    control.apply(serving(guarded("r1", GuardAction::Divert))).unwrap();
    control.tick();
    let snapshot = control.snapshot();
    let stable = &snapshot.rules[0].body.versions[0].endpoints;
    let ticks = || (0..TICKS_PER_SECOND).for_each(|_| control.tick());
    stable.iter().for_each(|endpoint| endpoint.health.found_unhealthy());
    count(&control, 500);
    assert_eq!(shares(&control), (0.5, 0.5, 0.5), "there is nowhere to go");
    stable.iter().for_each(|endpoint| endpoint.health.found_healthy(Moment::now()));
    ticks();
    assert_eq!(shares(&control), (0.5, 1.0, 0.0));
    stable.iter().for_each(|endpoint| endpoint.health.found_unhealthy());
    ticks();
    assert_eq!(shares(&control), (0.5, 0.5, 0.5), "stable cannot take it any more");
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_each_test_once_more_however_many_rules_have_its_version() {
    let control = control();
    let mut shop = route("shop", &[], guarded("r1", GuardAction::Divert));
    shop.rules.push(shop.rules[0].clone());
    control.apply(model([shop])).unwrap();
    control.tick();
    control.reset_guard("shop").unwrap();
    let record = control.records()[&trips::name(&canary_key(&control))].clone();
    assert_eq!((record.restarts, record.resets), (1, 1));
}

// Ramps.

fn ramped(versions: &[(&str, i64)]) -> Model {
    let mut shop = split(versions);
    shop.ramp = Duration::from_secs(10);
    serving(shop)
}

#[tokio::test(start_paused = true)]
async fn a_ramp_begins_at_the_weights_that_versions_of_these_names_had() {
    let control = control();
    control.apply(ramped(&[("v1", 0), ("v2", 100)])).unwrap();
    control.apply(ramped(&[("v2", 0), ("v3", 100)])).unwrap();
    assert_eq!(current(&control), [10_000, 0], "v3 has had nothing yet");
    tokio::time::advance(Duration::from_secs(5)).await;
    control.tick();
    assert_eq!(current(&control), [5000, 5000]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_new_gets_its_weight_by_a_ramp() {
    let control = control();
    control.apply(ramped(&[("stable", 1)])).unwrap();
    control.apply(ramped(&[("stable", 80), ("canary", 20)])).unwrap();
    assert_eq!(current(&control), [10_000, 0]);
    tokio::time::advance(Duration::from_secs(10)).await;
    control.tick();
    assert_eq!(current(&control), [80, 20]);
    control.apply(ramped(&[("canary", 1)])).unwrap();
    control.apply(ramped(&[("next", 1)])).unwrap();
    assert_eq!(current(&control), [1], "nobody is left who could have the rest meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_split_that_goes_takes_its_ramp_with_it() {
    let control = control();
    control.apply(ramped(&[("stable", 1), ("canary", 0)])).unwrap();
    control.apply(ramped(&[("stable", 0), ("canary", 1)])).unwrap();
    control.apply(model([])).unwrap();
    let generation = control.snapshot().generation;
    tokio::time::advance(Duration::from_secs(20)).await;
    control.tick();
    assert_eq!(control.snapshot().generation, generation, "nothing changes what is served");
    assert!(lock(&control.state).ramps.is_empty());
}

// The gate.

#[tokio::test(start_paused = true)]
async fn a_gate_that_is_switched_off_gives_every_version_its_weight() {
    let control = control();
    let gated = |gate| {
        let mut shop = split(&[("stable", 50), ("canary", 50)]);
        shop.versions[1].endpoints.truncate(1);
        let per_endpoint = std::num::NonZeroU32::new(10);
        shop.limits = Limits { per_endpoint, gate, ..Limits::default() }.shared();
        serving(shop)
    };
    control.apply(gated(true)).unwrap();
    let split = control.snapshot().rules[0].body.split_id;
    lock(&control.state).loads.insert(split, 28.0);
    control.apply(gated(true)).unwrap();
    assert!(current(&control)[1] < current(&control)[0] && control.status().splits[0].versions[1].gated);
    assert!(!control.status().splits[0].ramping, "what is gated is on no way");
    control.apply(gated(false)).unwrap();
    assert_eq!(current(&control), [50, 50]);
    assert!(!control.status().splits[0].versions[1].gated);
}

// Weights by hand.

#[test]
fn a_configuration_that_cannot_be_served_takes_no_weights_that_were_set_by_hand() {
    let control = control();
    let shop = split(&[("stable", 9), ("canary", 1)]);
    control.apply(serving(shop.clone())).unwrap();
    control.set_weights("shop", &weights(&[("stable", 1), ("canary", 1)])).unwrap();
    let mut refused = serving(split(&[("stable", 8), ("canary", 2)]));
    let tls = TlsServer {
        certificates: Vec::new(),
        client_ca: Some(Arc::new(rustls::RootCertStore::empty())),
        client_optional: false,
        only_tls13: false,
        hosts: Vec::new(),
    };
    refused.listeners = vec![Arc::new(crate::model::Listener { tls: Some(Arc::new(tls)), ..listener("http") })];
    assert!(matches!(control.apply(refused), Err(ApplyError::Compile(_))));
    control.apply(serving(shop)).unwrap();
    assert_eq!((current(&control), source(&control)), (vec![1, 1], WeightSource::Hand));
}

#[test]
fn of_thousands_of_splits_a_few_are_named() {
    let control = control();
    control.apply(model((0..100).map(|n| route(&format!("shop-{n:03}"), &[], split(&[("v", 1)]))))).unwrap();
    let error = control.reset_guard("shpo").unwrap_err().to_string();
    assert!(error.starts_with("there is no split \"shpo\"; there are: shop-000, "), "{error}");
    assert!(error.ends_with(", shop-019, and 80 more"), "{error}");
}
