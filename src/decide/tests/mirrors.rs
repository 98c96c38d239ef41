//! Copies of requests.

use super::*;
use crate::model::{Fraction, Mirror, MirrorTarget, Version};

fn mirror(to: MirrorTarget, percent: u32) -> Mirror {
    Mirror { to, fraction: Fraction::percent(percent).unwrap(), body_limit: Mirror::BODY_LIMIT }
}

fn backend(change: impl FnOnce(&mut Version)) -> MirrorTarget {
    let mut version = split(&[("audit", 1)]).versions.remove(0);
    change(&mut version);
    MirrorTarget::Backend(Box::new(version))
}

fn mirroring(mirrors: Vec<Mirror>) -> Split {
    Split { mirrors, ..split(&[("stable", 3), ("canary", 1)]) }
}

/// How many copies of 100 requests each mirror got, by endpoint.
fn copied(worker: &mut Worker) -> Vec<[u32; 2]> {
    let mut copies = vec![[0; 2]; worker.snapshot.rules[0].body.mirrors.len()];
    for _ in 0..100 {
        let decision = worker.decision(&asked());
        for Mirrored { mirror, endpoint } in mirrors(&worker.snapshot, &mut worker.cursors, &decision) {
            copies[mirror][endpoint] += 1;
        }
    }
    copies
}

#[test]
fn every_mirror_copies_its_own_part_to_its_endpoints_in_turn() {
    let mirrors = vec![mirror(backend(|_| {}), 50), mirror(MirrorTarget::Version(1), 100), mirror(backend(|_| {}), 10)];
    assert_eq!(copied(&mut Worker::of(mirroring(mirrors)))[1].iter().sum::<u32>(), 75, "all that stable got");
    let mirrors = vec![mirror(backend(|_| {}), 50), mirror(backend(|version| version.name = "other".into()), 10)];
    assert_eq!(copied(&mut Worker::of(mirroring(mirrors))), [[25, 25], [5, 5]]);
}

#[test]
fn a_target_that_leads_nowhere_or_has_no_endpoint_gets_no_copy() {
    let invalid = backend(|version| version.invalid = true);
    let empty = backend(|version| version.endpoints.clear());
    let split = mirroring(vec![mirror(invalid, 100), mirror(empty, 100)]);
    let mut worker = Worker::of(split);
    assert_eq!(copied(&mut worker), [[0, 0], [0, 0]]);
    let explained = explain(&worker.snapshot, &asked().head()).mirrors;
    assert!(explained.iter().all(|mirror| mirror.share == 0.0), "{explained:?}");
}

/// Mirrors come and go without anything about the requests themselves being different.
#[test]
fn where_requests_go_owes_nothing_to_mirrors() {
    let (mut with, mut without) =
        (Worker::of(mirroring(vec![mirror(backend(|_| {}), 37)])), Worker::of(mirroring(vec![])));
    let versions = |worker: &mut Worker, count: usize| {
        let decisions = (0..count).map(|_| {
            let decision = worker.decision(&asked());
            mirrors(&worker.snapshot, &mut worker.cursors, &decision);
            decision.version
        });
        decisions.filter(|version| *version == 1).count()
    };
    for count in [1, 3, 4, 100, 892] {
        let (with, without) = (versions(&mut with, count), versions(&mut without, count));
        assert!(with.abs_diff(without) <= 1, "{with} and {without} of {count}");
    }
}

#[test]
fn an_explanation_tells_where_copies_go_and_how_likely() {
    let split = mirroring(vec![mirror(MirrorTarget::Version(1), 20), mirror(backend(|_| {}), 100)]);
    let snapshot = serving(split.revisions(&["r1", "r2"]).by_header("x-canary", is("1"), 1));
    let told = |asked: Asked| -> Vec<(String, String, f64)> {
        let mirrors = explain(&snapshot, &asked.head()).mirrors;
        mirrors.into_iter().map(|mirror| (mirror.to, mirror.revision, (mirror.share * 1e6).round() / 1e6)).collect()
    };
    let mirror = |to: &str, revision: &str, share| (to.to_owned(), revision.to_owned(), share);
    assert_eq!(told(asked()), [mirror("canary", "r2", 0.15), mirror("audit", "", 1.0)]);
    assert_eq!(told(asked().header("x-canary", "1")), [mirror("canary", "r2", 0.0), mirror("audit", "", 1.0)]);
}
