//! Requests that wait, and those that are decided once more by what is served by then.

use std::time::Duration;

use super::*;
use crate::model::Model;
use crate::snapshot::{Interner, compile};

#[test]
fn a_split_that_holds_waits_for_the_version_that_was_chosen() {
    let mut split = split(&[("stable", 1), ("canary", 1)]).empty(1);
    split.on_empty = OnEmpty::Hold(Duration::from_secs(30));
    let mut worker = Worker::of(split);
    let mut held = 0;
    for _ in 0..10 {
        match worker.outcome(&asked()) {
            Outcome::Forward(decision) => assert_eq!(decision.version, 0),
            Outcome::Hold { version, .. } => {
                assert_eq!(version, 1);
                held += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(held, 5);
}

/// What is served first, and what is served after a change.
fn served(before: Split, after: Split) -> (Snapshot, Snapshot) {
    let mut interner = Interner::default();
    let with = |split: Split, others: &[&str]| -> Model {
        let other = |name: &&str| route(name, &["other.example.com"], split_of_one());
        model(others.iter().map(other).chain([route("shop", &[], split)]))
    };
    let before = compile(&with(before, &[]), &Snapshot::default(), &mut interner).expect("valid");
    // Another route comes before it, so that its rule has another index.
    let after = compile(&with(after, &["first"]), &before, &mut interner).expect("valid");
    (before, after)
}

fn split_of_one() -> Split {
    split(&[("stable", 1)])
}

fn decision(snapshot: &Snapshot) -> Decision {
    forwarded(decide(snapshot, &mut Cursors::new(7), &asked().head()))
}

#[test]
fn a_decision_is_renewed_by_names_and_not_by_places() {
    let mut swapped = split(&[("canary", 0), ("stable", 1)]);
    swapped.versions[1].endpoints = vec![endpoint([10, 9, 9, 9])];
    let (before, after) = served(split(&[("stable", 1), ("canary", 0)]), swapped);
    let old = decision(&before);
    assert_eq!(old.version, 0);
    let new = old.renewed(&before, &after).expect("it is still there");
    assert_eq!((new.found.rule, new.version), (1, 1));
    let again = again(&after, &mut Cursors::new(7), &new, &Tried::default()).expect("an endpoint");
    assert_eq!(again.endpoint(&after).address.to_string(), "10.9.9.9:80");
}

#[test]
fn a_version_that_runs_something_else_is_still_that_version() {
    let revision = |text| split_of_one().revisions(&[text]);
    let (before, after) = served(revision("r1"), revision("r2"));
    let new = decision(&before).renewed(&before, &after).expect("by its name");
    assert_ne!(new.version(&after).id, decision(&before).version(&before).id);
}

#[test]
fn what_has_gone_is_not_renewed() {
    let (before, after) = served(split_of_one(), split(&[("other", 1)]));
    assert_eq!(decision(&before).renewed(&before, &after), None);
}
