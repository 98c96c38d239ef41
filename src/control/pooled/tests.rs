use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::control::Fleet;
use crate::control::tests::serving;
use crate::record::{Classification, Ending, Reason, Shard};
use crate::testing::split as split_of;

/// A replica with the versions `stable` and `canary`, and a hand that counts requests there.
struct Replica {
    control: Control,
    shard: Shard,
}

impl Replica {
    fn new() -> Self {
        let control = Control::new(Arc::default(), Arc::default(), Fleet::new(Vec::new()), None).unwrap();
        control.apply(serving(split_of(&[("stable", 90), ("canary", 10)]))).unwrap();
        let shard = Shard::new(Arc::clone(control.recorder()));
        let mut replica = Self { control, shard };
        replica.second();
        replica
    }

    fn count(&mut self, version: usize, code: u16, millis: u64, times: u64) {
        let id = self.control.snapshot().rules[0].body.versions[version].id;
        let classification = if code >= 500 { Classification::Failure } else { Classification::Success };
        let ending = Ending { code, grpc_status: None, classification, reason: Reason::None };
        (0..times).for_each(|_| self.shard.cell(id).ended(ending, Some(Duration::from_millis(millis)), None));
    }

    /// The history takes a sample each second.
    fn second(&mut self) {
        (0..10).for_each(|_| self.control.tick());
    }

    fn versions(&self) -> Vec<VersionStatus> {
        self.control.status_of_all().remove(0).versions
    }
}

#[tokio::test(start_paused = true)]
async fn figures_are_those_of_all_replicas_together() {
    let (mut own, mut other) = (Replica::new(), Replica::new());
    own.count(0, 200, 4, 60);
    other.count(0, 200, 4, 20);
    other.count(1, 200, 400, 15);
    other.count(1, 503, 400, 5);
    own.second();
    other.second();
    own.control.counted_elsewhere("b", other.control.counted(false));
    let [stable, canary] = &own.versions()[..] else { panic!("two versions") };
    assert_eq!((stable.requests, canary.requests), (80, 20));
    assert_eq!((stable.share, canary.share), (Some(0.8), Some(0.2)));
    assert_eq!((stable.success, canary.success), (Some(1.0), Some(0.75)));
    assert!(canary.p99.is_some_and(|p99| (0.35..0.5).contains(&p99)), "{:?}", canary.p99);
    assert!(stable.p99.is_some_and(|p99| p99 < 0.01), "{:?}", stable.p99);
}

#[tokio::test(start_paused = true)]
async fn latencies_are_added_up_before_the_quantile_is_taken() {
    let (mut own, mut other) = (Replica::new(), Replica::new());
    own.count(0, 200, 4, 500);
    other.count(0, 200, 400, 500);
    own.second();
    other.second();
    own.control.counted_elsewhere("b", other.control.counted(false));
    let stable = own.versions().remove(0);
    assert!(stable.p50.is_some_and(|p50| p50 < 0.01), "half of all were quick: {:?}", stable.p50);
    assert!(stable.p99.is_some_and(|p99| p99 > 0.35), "and half were slow: {:?}", stable.p99);
}

#[tokio::test(start_paused = true)]
async fn what_was_said_is_said_again_only_to_who_may_have_missed_it() {
    let mut replica = Replica::new();
    assert_eq!(replica.control.counted(true), [], "nothing was counted");
    replica.count(0, 200, 4, 3);
    replica.second();
    assert_eq!(replica.control.counted(false).len(), 1, "of the version that had requests");
    assert_eq!(replica.control.counted(false), []);
    assert_eq!(replica.control.counted(true).len(), 1);
    (0..11).for_each(|_| replica.second());
    let later = replica.control.counted(false);
    assert_eq!((later[0].requests, later[0].recent.is_empty()), (3, true), "what was recent is told to be over");
}

#[tokio::test(start_paused = true)]
async fn the_last_word_of_a_replica_counts_and_one_that_is_gone_does_not() {
    let (own, mut other) = (Replica::new(), Replica::new());
    other.count(0, 200, 4, 3);
    own.control.counted_elsewhere("b", other.control.counted(false));
    other.count(0, 200, 4, 4);
    own.control.counted_elsewhere("b", other.control.counted(false));
    assert_eq!(own.versions()[0].requests, 7);
    own.control.count_only(&[("b".into(), false)]);
    assert_eq!(own.versions()[0].requests, 7);
    own.control.count_only(&[("c".into(), true)]);
    assert_eq!(own.versions()[0].requests, 0);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_goes_is_told_to_count_nothing() {
    let (own, mut other) = (Replica::new(), Replica::new());
    other.count(1, 200, 4, 3);
    own.control.counted_elsewhere("b", other.control.counted(false));
    assert_eq!(own.versions()[1].requests, 3);
    other.control.apply(serving(split_of(&[("stable", 90), ("next", 10)]))).unwrap();
    own.control.counted_elsewhere("b", other.control.counted(false));
    assert_eq!(own.versions()[1].requests, 0);
}

#[test]
fn more_than_can_be_told_at_a_time_waits_for_the_next_time() {
    let mut pooled = Pooled::default();
    let all = || (0..AT_ONCE as u64 + 3).map(|version| Figures { version, requests: 1, ..Figures::default() });
    assert_eq!(pooled.news(all(), true).len(), AT_ONCE);
    let rest: Vec<u64> = pooled.news(all(), false).iter().map(|figures| figures.version).collect();
    assert_eq!(rest, [AT_ONCE as u64, AT_ONCE as u64 + 1, AT_ONCE as u64 + 2]);
    assert_eq!(pooled.news(all(), false), []);
}
