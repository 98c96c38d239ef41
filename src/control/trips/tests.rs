use std::sync::Arc;

use super::*;
use crate::model::{Kind, RouteKey};

fn key(revision: &str) -> VersionKey {
    let route = RouteKey { namespace: "".into(), kind: Kind::Split, name: "shop".into() };
    VersionKey { route, version: "canary".into(), revision: Arc::from(revision) }
}

#[test]
fn a_trip_outlives_the_process_and_belongs_to_its_revision() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let mut trips = Trips::open(Some(path.clone())).unwrap();
    assert_eq!(trips.begin(&key("r1")).restarts, 0);
    trips.trip(&key("r1"), "bad".to_owned());
    let trips = Trips::open(Some(path)).unwrap();
    assert_eq!(trips.get(&key("r1")).trip.unwrap().reason, "bad");
    assert_eq!(trips.get(&key("r1")).restarts, 1);
    assert_eq!(trips.get(&key("r2")), Record::default());
}

#[test]
fn every_restart_counts_also_one_after_which_nothing_happens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    Trips::open(Some(path.clone())).unwrap().begin(&key("r1"));
    for restarts in 1..4 {
        let mut trips = Trips::open(Some(path.clone())).unwrap();
        assert_eq!(trips.begin(&key("r1")).restarts, restarts);
    }
}

#[test]
fn a_reset_forgets_the_trip_and_counts_the_restart() {
    let mut trips = Trips::default();
    trips.begin(&key("r1"));
    trips.trip(&key("r1"), "bad".to_owned());
    trips.reset(&key("r1"));
    let record = trips.get(&key("r1"));
    assert_eq!((record.trip, record.restarts, record.resets), (None, 1, 1));
}

#[test]
fn a_broken_state_file_is_an_error_and_not_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    std::fs::write(&path, "{").unwrap();
    assert!(Trips::open(Some(path)).is_err());
}

#[test]
fn what_one_replica_finds_all_know_and_a_reset_takes_it_back_everywhere() {
    let (mut a, mut b) = (Trips::default(), Trips::default());
    a.begin(&key("r1"));
    assert!(a.trip(&key("r1"), "bad".to_owned()));
    assert!(!a.trip(&key("r1"), "bad again".to_owned()));
    let merged = b.merge(&a.take_changed());
    assert_eq!(merged.tripped, [(name(&key("r1")), "bad".to_owned())]);
    assert_eq!(b.merge(a.records()), Merged::default(), "it is told as often as one likes");
    b.take_changed();
    b.reset(&key("r1"));
    assert_eq!(a.merge(&b.take_changed()).reset, [name(&key("r1"))]);
    assert_eq!(a.records(), b.records());
    assert_eq!(a.get(&key("r1")).trip, None);
}

#[test]
fn a_replica_that_begins_to_judge_spends_what_another_has_not() {
    let mut trips = Trips::default();
    trips.begin(&key("r1"));
    trips.trip(&key("r1"), "bad".to_owned());
    trips.begin(&key("r2"));
    trips.begin_anew();
    assert_eq!((trips.get(&key("r1")).restarts, trips.get(&key("r2")).restarts), (0, 1));
}

#[test]
fn of_many_revisions_the_last_ones_and_the_bad_ones_are_remembered() {
    let mut trips = Trips::default();
    trips.begin(&key("bad"));
    trips.trip(&key("bad"), "bad".to_owned());
    for number in 0..20 {
        trips.begin(&key(&format!("r{number}")));
    }
    assert_eq!(trips.records().len(), REVISIONS);
    assert!(trips.get(&key("bad")).trip.is_some());
}
