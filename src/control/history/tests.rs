use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::record::{Reason, Shard};

fn ending(code: u16) -> Ending {
    let failed = code >= 500;
    let classification = if failed { Classification::Failure } else { Classification::Success };
    Ending { code, grpc_status: None, classification, reason: if failed { Reason::Status } else { Reason::None } }
}

/// A recorder with a hand that writes into it.
fn recorder() -> (Arc<Recorder>, Shard) {
    let recorder = Arc::new(Recorder::default());
    (Arc::clone(&recorder), Shard::new(recorder))
}

fn count(shard: &mut Shard, version: VersionId, code: u16, times: u64) {
    (0..times).for_each(|_| shard.cell(version).ended(ending(code), Some(Duration::from_millis(4)), None));
}

#[test]
fn versions_without_requests_cost_nothing() {
    let (recorder, mut shard) = recorder();
    let mut history = History::default();
    // Of 10,000 versions one has requests.
    let versions: Vec<VersionId> = (2..10_002).map(VersionId).collect();
    count(&mut shard, versions[17], 200, 3);
    for time in 0..600 {
        history.sample(time, &recorder);
    }
    assert_eq!((history.last.len(), history.entries, history.seconds.len()), (1, 0, KEPT));
    assert!(history.seconds.iter().all(|second| second.versions.is_empty()));
    assert!(versions.iter().all(|id| history.points(*id).is_empty()));
}

#[test]
fn a_second_keeps_what_was_counted_in_it() {
    let (recorder, mut shard) = recorder();
    let mut history = History::default();
    let version = VersionId(5);
    history.sample(99, &recorder);
    count(&mut shard, version, 200, 3);
    history.sample(100, &recorder);
    history.sample(101, &recorder);
    count(&mut shard, version, 200, 1);
    count(&mut shard, version, 503, 2);
    history.sample(102, &recorder);
    let points: Vec<_> = history.points(version).iter().map(|p| (p.time, p.requests, p.failures)).collect();
    assert_eq!(points, [(99, 0, 0), (100, 3, 0), (101, 0, 0), (102, 3, 2)]);
    assert!(history.points(version)[3].p99.is_some_and(|p99| (0.003..0.005).contains(&p99)));
    let (last, covered) = history.increases(2);
    assert_eq!((last[&version].judged(), covered), (3, 2));
    assert_eq!(last[&version].endings, [(ending(200), 1), (ending(503), 2)]);
    assert_eq!(last[&version].judged_durations().count(), 3);
    let (all, covered) = history.increases(60);
    assert_eq!((all[&version].judged(), covered), (6, 4));
    let recent = history.recent(version);
    assert_eq!((recent.seconds, recent.requests, recent.failures), (4, 6, 2));
    let seconds: Vec<u64> = history.of([version], 3).map(|[tally]| tally.judged()).collect();
    assert_eq!(seconds, [3, 0, 3]);
}

#[test]
fn more_versions_than_there_is_room_for_shorten_the_past_of_all() {
    let (recorder, mut shard) = recorder();
    let mut history = History::default();
    let versions: Vec<VersionId> = (2..2002).map(VersionId).collect();
    for time in 0..60 {
        versions.iter().for_each(|id| count(&mut shard, *id, 200, 1));
        history.sample(time, &recorder);
        assert!(history.entries <= MOST);
    }
    assert_eq!(history.seconds.len(), MOST / 2000);
    let (sums, covered) = history.increases(60);
    assert_eq!((sums.len(), covered), (2000, MOST / 2000), "it says how far it reaches back");
}

#[test]
fn a_version_that_the_recorder_forgot_is_forgotten() {
    let (recorder, mut shard) = recorder();
    let mut history = History::default();
    count(&mut shard, VersionId(5), 200, 3);
    history.sample(1, &recorder);
    recorder.forget(VersionId(5));
    history.sample(2, &recorder);
    assert!(history.last.is_empty());
}

#[test]
fn requests_that_no_version_took_have_no_history() {
    let (recorder, mut shard) = recorder();
    let mut history = History::default();
    count(&mut shard, VersionId::UNROUTED, 404, 3);
    count(&mut shard, VersionId::OVERFLOW, 200, 3);
    history.sample(1, &recorder);
    assert_eq!((history.last.len(), history.entries), (0, 0));
}
