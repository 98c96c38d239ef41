use std::sync::Arc;

use super::super::{Fleet, TICK};
use super::*;
use crate::model::Split;
use crate::record::{Ending, Reason, Shard};
use crate::testing::{model, route, split};

fn serving(split: Split) -> Control {
    let control = Control::new(Arc::default(), Arc::default(), Fleet::new(Vec::new()), None).unwrap();
    control.apply(model([route("shop", &[], split)])).unwrap();
    control
}

/// A second in which the versions have so many successes and failures.
fn second(control: &Control, shard: &mut Shard, counts: [(u64, u64); 2]) {
    let snapshot = control.snapshot();
    for (version, (good, bad)) in snapshot.rules[0].body.versions.iter().zip(counts) {
        for (count, code, classification) in [(good, 200, Classification::Success), (bad, 500, Classification::Failure)]
        {
            let ending = Ending { code, grpc_status: None, classification, reason: Reason::None };
            (0..count).for_each(|_| shard.cell(version.id).ended(ending, Some(TICK), None));
        }
    }
    (0..10).for_each(|_| control.tick());
}

fn seconds(split: Split, count: usize, counts: [(u64, u64); 2]) -> Control {
    let control = serving(split);
    control.tick();
    let mut shard = Shard::new(Arc::clone(control.recorder()));
    (0..count).for_each(|_| second(&control, &mut shard, counts));
    control
}

fn two() -> Split {
    split(&[("stable", 50), ("canary", 50)])
}

fn guarded() -> Split {
    Split { guard: Some(Box::default()), ..two() }
}

fn analysis(control: &Control) -> Analysis {
    control.analyse("", "shop", Some("canary"), 60).unwrap()
}

#[tokio::test(start_paused = true)]
async fn no_traffic_and_too_little_of_it_are_inconclusive() {
    for split in [two(), guarded()] {
        let none = analysis(&serving(split.clone()));
        assert_eq!((none.verdict, none.samples, none.success_rate), (Outcome::Inconclusive, 0, None));
        assert!(none.reason.contains("canary of shop had no request"), "{}", none.reason);
        let few = analysis(&seconds(split, 3, [(10, 0), (0, 10)]));
        assert_eq!((few.verdict, few.samples, few.success_rate), (Outcome::Inconclusive, 30, Some(0.0)));
        assert!(few.reason.contains("more canary requests needed"), "{}", few.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_as_good_as_the_first_passes() {
    for split in [two(), guarded()] {
        let good = analysis(&seconds(split, 30, [(95, 5), (19, 1)]));
        assert_eq!((good.verdict, good.samples), (Outcome::Pass, 600), "{}", good.reason);
        assert!(good.success_rate.is_some_and(|rate| (rate - 95.0).abs() < 1e-9));
        assert_eq!(good.baseline, good.success_rate);
        assert!(good.p99.is_some_and(|p99| (0.09..0.11).contains(&p99)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_worse_fails_with_a_guard_and_without() {
    for split in [two(), guarded()] {
        let bad = analysis(&seconds(split, 10, [(100, 0), (50, 50)]));
        assert_eq!((bad.verdict, bad.baseline), (Outcome::Fail, Some(100.0)), "{}", bad.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trip_fails_even_when_nothing_reaches_the_version_any_more() {
    let control = seconds(guarded(), 10, [(100, 0), (50, 50)]);
    (0..600).for_each(|_| control.tick());
    let after = analysis(&control);
    assert_eq!((after.verdict, after.samples, after.success_rate), (Outcome::Fail, 0, None));
}

#[tokio::test(start_paused = true)]
async fn only_the_window_counts_without_a_guard() {
    let control = seconds(two(), 10, [(100, 0), (50, 50)]);
    let mut shard = Shard::new(Arc::clone(control.recorder()));
    (0..10).for_each(|_| second(&control, &mut shard, [(100, 0), (100, 0)]));
    assert_eq!(control.analyse("", "shop", None, 10).unwrap().verdict, Outcome::Pass);
    assert_eq!(control.analyse("", "shop", None, 20).unwrap().verdict, Outcome::Fail);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_said_with_what_there_is() {
    let control = serving(split(&[("stable", 1), ("a", 1), ("b", 1)]));
    let error =
        |namespace: &str, name: &str, version| control.analyse(namespace, name, version, 60).unwrap_err().to_string();
    assert_eq!(error("ns", "shop", Some("a")), "there is no split \"ns/shop\"; there are: shop");
    assert!(error("", "shop", Some("c")).ends_with("to be compared with the first: a, b"));
    assert!(error("", "shop", Some("stable")).contains("is what the others are compared with"));
    assert_eq!(error("", "shop", None), "say which version: version=a or version=b");
}
