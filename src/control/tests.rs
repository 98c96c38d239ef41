mod releases;

use std::collections::BTreeMap;

use super::*;
use crate::endpoint::VersionId;
use crate::model::{GuardAction, GuardPolicy, Split};
use crate::record::{Classification, Ending, Reason, Shard};
use crate::snapshot::WeightSource;
use crate::testing::{listener, model, route, split};

/// A control side without workers: everything but sockets.
fn control() -> Control {
    Control::new(Arc::default(), Arc::default(), Fleet::new(Vec::new()), None).unwrap()
}

pub fn serving(split: Split) -> Model {
    model([route("shop", &[], split)])
}

fn weights(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
    pairs.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect()
}

fn current(control: &Control) -> Vec<u32> {
    control.snapshot().rules[0].weights.current.to_vec()
}

fn source(control: &Control) -> WeightSource {
    control.snapshot().rules[0].weights.source
}

#[test]
fn every_change_has_a_generation_of_its_own() {
    let control = control();
    let shop = split(&[("stable", 9), ("canary", 1)]);
    assert_eq!(control.apply(serving(shop.clone())).unwrap(), 1);
    assert_eq!(control.apply(serving(shop)).unwrap(), 2);
    control.set_weights("shop", &weights(&[("canary", 5)])).unwrap();
    assert_eq!(control.snapshot().generation, 3);
}

#[test]
fn versions_that_are_not_named_keep_their_weights() {
    let control = control();
    control.apply(serving(split(&[("stable", 9), ("canary", 1)]))).unwrap();
    control.set_weights("shop", &weights(&[("canary", 5)])).unwrap();
    assert_eq!(current(&control), [9, 5]);
    assert_eq!(source(&control), WeightSource::Hand);
}

#[test]
fn weights_by_hand_lie_over_the_file_until_that_splits_weights_change_there() {
    let control = control();
    let mut shop = split(&[("stable", 9), ("canary", 1)]);
    control.apply(serving(shop.clone())).unwrap();
    control.set_weights("shop", &weights(&[("stable", 1), ("canary", 1)])).unwrap();
    shop.ramp = Duration::ZERO;
    Arc::make_mut(&mut shop.retry).attempts = 3;
    control.apply(serving(shop)).unwrap();
    assert_eq!((current(&control), source(&control)), (vec![1, 1], WeightSource::Hand));
    control.apply(serving(split(&[("stable", 8), ("canary", 2)]))).unwrap();
    assert_eq!((current(&control), source(&control)), (vec![8, 2], WeightSource::Configured));
}

#[test]
fn weights_that_make_no_sense_change_nothing() {
    let control = control();
    control.apply(serving(split(&[("stable", 9), ("canary", 1)]))).unwrap();
    let refused = |split: &str, asked| control.set_weights(split, &weights(asked)).unwrap_err();
    assert!(matches!(refused("shpo", &[("canary", 5)]), WeightsError::NoSplit { known, .. } if known == "shop"));
    assert!(
        matches!(refused("shop", &[("kanary", 5)]), WeightsError::NoVersion { known, .. } if known == "stable, canary")
    );
    assert!(matches!(refused("shop", &[("canary", -1)]), WeightsError::Weight(_)));
    assert!(matches!(refused("shop", &[("canary", 1_000_001)]), WeightsError::Weight(_)));
    assert!(matches!(refused("shop", &[("stable", 0), ("canary", 0)]), WeightsError::AllZero(_)));
    assert_eq!((current(&control), control.snapshot().generation), (vec![9, 1], 1));
}

#[tokio::test(start_paused = true)]
async fn a_ramp_spreads_a_change_of_the_file_and_of_the_hand() {
    let control = control();
    let ramped = |stable, canary| {
        let mut shop = split(&[("stable", stable), ("canary", canary)]);
        shop.ramp = Duration::from_secs(10);
        serving(shop)
    };
    control.apply(ramped(100, 0)).unwrap();
    assert_eq!(current(&control), [100, 0], "the first weights are in force at once");
    control.apply(ramped(0, 100)).unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    control.tick();
    assert_eq!(current(&control), [5000, 5000]);
    assert!(control.status().splits[0].ramping);
    control.set_weights("shop", &weights(&[("stable", 1), ("canary", 0)])).unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    control.tick();
    assert_eq!(current(&control), [7500, 2500], "a change on the way begins where the ramp was");
    tokio::time::advance(Duration::from_secs(5)).await;
    control.tick();
    assert_eq!(current(&control), [1, 0]);
    assert!(control.events().follow().0.iter().any(|event| event.kind == EventKind::RampFinished));
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_keeps_the_weights_keeps_the_ramp() {
    let control = control();
    let ramped = |canary, attempts| {
        let mut shop = split(&[("stable", 100 - canary), ("canary", canary)]);
        shop.ramp = Duration::from_secs(10);
        Arc::make_mut(&mut shop.retry).attempts = attempts;
        serving(shop)
    };
    control.apply(ramped(0, 1)).unwrap();
    control.apply(ramped(100, 1)).unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    control.tick();
    control.apply(ramped(100, 2)).unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    control.tick();
    assert_eq!(current(&control), [5000, 5000]);
}

/// A split whose canary is guarded, at a revision.
pub fn guarded(revision: &str, action: GuardAction) -> Split {
    let mut shop = split(&[("stable", 50), ("canary", 50)]).revisions(&["", revision]);
    shop.guard = Some(Box::new(GuardPolicy { action, ..GuardPolicy::default() }));
    shop
}

/// Counts `count` requests of every version, of which the canary fails all.
fn count(control: &Control, count: u32) {
    count_on(control, count, true);
}

/// Counts `count` requests of every version; a bad canary fails all.
pub fn count_on(control: &Control, count: u32, bad: bool) {
    let snapshot = control.snapshot();
    let ids: Vec<VersionId> = snapshot.rules[0].body.versions.iter().map(|version| version.id).collect();
    let canary = if bad { Classification::Failure } else { Classification::Success };
    let mut shard = Shard::new(Arc::clone(control.recorder()));
    for (id, classification) in ids.into_iter().zip([Classification::Success, canary]) {
        for _ in 0..count {
            let ending = Ending { code: 200, grpc_status: None, classification, reason: Reason::None };
            shard.cell(id).ended(ending, None, None);
        }
    }
    control.tick();
}

/// The canary at its revision.
pub fn canary_key(control: &Control) -> crate::snapshot::VersionKey {
    guards::key_of(&control.snapshot().rules[0].body, 1)
}

pub fn shares(control: &Control) -> (f64, f64, f64) {
    let weights = &control.snapshot().rules[0].weights;
    (weights.desired_share(1), weights.effective_share(0), weights.effective_share(1))
}

#[tokio::test(start_paused = true)]
async fn a_trip_takes_the_effective_weight_and_leaves_the_desired_one() {
    let control = control();
    control.apply(serving(guarded("r1", GuardAction::Divert))).unwrap();
    control.tick();
    count(&control, 500);
    assert_eq!(shares(&control), (0.5, 1.0, 0.0));
    let events = control.events().follow().0;
    let trip = events.iter().find(|event| event.kind == EventKind::GuardTripped).unwrap();
    assert_eq!((trip.split.as_str(), trip.version.as_str()), ("shop", "canary"));
    assert_eq!(control.status().splits[0].versions[1].guard.as_ref().unwrap().state, "tripped");
}

#[tokio::test(start_paused = true)]
async fn a_trip_is_latched_for_its_revision() {
    let control = control();
    control.apply(serving(guarded("r1", GuardAction::Divert))).unwrap();
    control.tick();
    count(&control, 500);
    control.set_weights("shop", &weights(&[("stable", 10), ("canary", 90)])).unwrap();
    assert_eq!(shares(&control), (0.9, 1.0, 0.0), "no new weight clears it");
    control.apply(serving(guarded("r1", GuardAction::Divert))).unwrap();
    assert_eq!(shares(&control).2, 0.0, "no reload clears it");
    control.apply(serving(guarded("r2", GuardAction::Divert))).unwrap();
    assert_eq!(shares(&control).2, 0.9, "a new revision clears it");
    control.apply(serving(guarded("r1", GuardAction::Divert))).unwrap();
    assert_eq!(shares(&control).2, 0.0, "the old one is still known");
}

#[tokio::test(start_paused = true)]
async fn a_reset_gives_the_version_its_weight_again() {
    let control = control();
    control.apply(serving(guarded("r1", GuardAction::Divert))).unwrap();
    control.tick();
    count(&control, 500);
    control.reset_guard("shop").unwrap();
    assert_eq!(shares(&control), (0.5, 0.5, 0.5));
    control.tick();
    assert_eq!(shares(&control), (0.5, 0.5, 0.5), "what was counted before is no evidence any more");
    count(&control, 1000);
    assert_eq!(shares(&control).2, 0.0, "a version that is still bad trips again");
}

#[tokio::test(start_paused = true)]
async fn a_guard_diverts_only_to_a_stable_that_can_take_it() {
    let control = control();
    control.apply(serving(guarded("r1", GuardAction::Divert))).unwrap();
    control.tick();
    count(&control, 500);
    let mut nobody = guarded("r1", GuardAction::Divert);
    nobody.versions[0].endpoints.clear();
    control.apply(serving(nobody)).unwrap();
    assert_eq!(shares(&control).2, 0.5, "stable has no endpoint");
    control.set_weights("shop", &weights(&[("stable", 0)])).unwrap();
    control.apply(serving(guarded("r1", GuardAction::Divert))).unwrap();
    assert_eq!(shares(&control).2, 1.0, "nobody wants anything on stable");
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_reports_changes_nothing() {
    let control = control();
    control.apply(serving(guarded("r1", GuardAction::Report))).unwrap();
    control.tick();
    count(&control, 500);
    assert_eq!(shares(&control), (0.5, 0.5, 0.5));
    assert!(control.events().follow().0.iter().any(|event| event.kind == EventKind::GuardTripped));
}

#[test]
fn an_address_that_is_taken_leaves_everything_as_it_was() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (handle, _parts) = crate::proxy::Worker::prepare(
        Arc::default(),
        Arc::default(),
        tokio::sync::watch::channel(crate::proxy::Phase::Serving).1,
        None,
        (1, 1),
    );
    let control = Control::new(Arc::default(), Arc::default(), Fleet::new(vec![handle]), None).unwrap();
    let mut wanted = serving(split(&[("stable", 1)]));
    wanted.listeners =
        vec![Arc::new(crate::model::Listener { address: taken.local_addr().unwrap(), ..listener("http") })];
    let error = control.apply(wanted).unwrap_err().to_string();
    assert!(error.contains("another process has it"), "{error}");
    assert_eq!(control.snapshot().generation, 0);
}
