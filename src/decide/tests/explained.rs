//! What is explained is what would be decided, whatever state versions are in.

use super::*;

/// Versions with their shares, of what is explained.
fn explained(snapshot: &Snapshot) -> Vec<(String, f64)> {
    let explanation = explain(snapshot, &asked().head());
    explanation.versions.into_iter().map(|version| (version.version, version.share)).collect()
}

#[test]
fn the_sibling_is_the_one_that_is_decided_for() {
    // The second is meant for nobody, the third was taken back.
    let mut worker = Worker::of(split(&[("stable", 50), ("preview", 0), ("canary", 50)]).empty(0));
    divert(&mut worker.snapshot, 0, 2);
    assert_eq!(worker.decision(&asked()).version, 2);
    assert_eq!(explained(&worker.snapshot), [("canary".to_owned(), 1.0)]);
}

#[test]
fn siblings_share_by_what_is_their_own() {
    let mut worker = Worker::of(split(&[("stable", 40), ("canary", 30), ("c", 10), ("d", 20)]).empty(3));
    divert(&mut worker.snapshot, 0, 1);
    let count = 100_000;
    let stable = (0..count).filter(|_| worker.decision(&asked()).version == 0).count() as f64 / f64::from(count);
    // 40 and 30 that was the canary's, and four fifths of 20.
    assert_eq!(explained(&worker.snapshot)[0], ("stable".to_owned(), 0.86));
    assert!((stable - 0.86).abs() < 0.01, "{stable}");
}

#[test]
fn a_split_without_any_weight_is_explained() {
    let worker = Worker::of(split(&[("a", 0), ("b", 0)]));
    let answer = explain(&worker.snapshot, &asked().head()).answer.unwrap();
    assert!(answer.starts_with("503: every weight is 0"), "{answer}");
}

#[test]
fn shares_that_are_refused_have_no_more_digits_than_say_something() {
    for (weights, says) in [((93, 7), "503 for 7%: "), ((2, 1), "503 for 33.333%: ")] {
        let mut split = split(&[("stable", weights.0), ("canary", weights.1)]).empty(1);
        split.on_empty = OnEmpty::Reject;
        let answer = explain(&serving(split), &asked().head()).answer.unwrap();
        assert!(answer.starts_with(says), "{answer}");
    }
}

#[test]
fn endpoints_that_are_not_used_are_not_named() {
    let worker = Worker::of(split(&[("stable", 1)]));
    let endpoints = &worker.snapshot.rules[0].body.versions[0].endpoints;
    let named = || explain(&worker.snapshot, &asked().head()).versions.remove(0).endpoints;
    assert_eq!(named(), ["10.0.0.1:80", "10.0.0.2:80"]);
    endpoints[0].health.found_unhealthy();
    assert_eq!(named(), ["10.0.0.2:80"]);
    endpoints[1].health.eject();
    assert_eq!(named(), ["10.0.0.1:80", "10.0.0.2:80"], "so many are out that all are used");
}
