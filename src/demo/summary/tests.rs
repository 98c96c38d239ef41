use std::time::Duration;

use http::StatusCode;

use super::super::live::Trip;
use super::super::tally::Answer;
use super::*;

/// `stable` and `canary` requests answered, and `rescued` ones that the canary failed before.
fn summary(bad: bool, stable: u64, canary: u64, rescued: u64) -> Summary {
    let mut tally = Tally::default();
    for (version, count) in [("stable", stable), ("canary", canary)] {
        for _ in 0..count {
            let answer = Answer { status: StatusCode::OK, version: Some(version.to_owned()) };
            tally.count(Ok(answer), Duration::from_millis(3));
        }
    }
    let counted = vec![
        Counted { version: "stable".to_owned(), requests: stable, rescued: 0 },
        Counted { version: "canary".to_owned(), requests: canary + rescued, rescued },
    ];
    let trip = bad.then_some(Trip { after: Duration::from_secs(10), requests: canary + rescued, answered: canary });
    let outcome = Outcome { bad, took: Duration::from_secs(60), trip };
    Summary { outcome, tally, counted, canary_share: if bad { 0.0 } else { 1.0 }, cut: 0 }
}

#[test]
fn a_good_canary_takes_over() {
    let summary = summary(false, 550, 450, 0);
    assert_eq!(summary.verdict(), Ok(()));
    let text = summary.text();
    for part in ["1000 requests", "seen by clients: 0;", "55%", "45%", "counted the same: 1000", "100% of shop"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_bad_canary_is_taken_out() {
    let summary = summary(true, 950, 50, 51);
    assert_eq!(summary.verdict(), Ok(()));
    let text = summary.text();
    for part in ["after 101 requests of the canary, 10.0 s", "counted the same: 1000", "0% of shop"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_failure_that_a_client_saw_is_told() {
    let mut summary = summary(false, 10, 10, 0);
    summary.tally.count(Err("connection reset".to_owned()), Duration::ZERO);
    assert!(summary.verdict().unwrap_err().contains("1 of 21"));
    assert!(summary.text().contains("the first failure: connection reset"));
}

#[test]
fn a_bad_canary_that_stays_is_an_error() {
    let mut stays = summary(true, 10, 10, 0);
    stays.canary_share = 0.05;
    assert!(stays.verdict().unwrap_err().contains("still gets 5%"));
    let mut answers_on = summary(true, 10, 10, 0);
    answers_on.outcome.trip = Some(Trip { after: Duration::ZERO, requests: 1, answered: 1 });
    assert!(answers_on.verdict().is_err());
    let mut unseen = summary(true, 10, 10, 0);
    unseen.outcome.trip = None;
    assert!(unseen.verdict().unwrap_err().contains("did not trip"));
}

#[test]
fn a_false_alarm_is_an_error() {
    let mut summary = summary(false, 10, 10, 0);
    summary.outcome.trip = Some(Trip { after: Duration::ZERO, requests: 1, answered: 10 });
    assert!(summary.verdict().is_err());
}

#[test]
fn what_others_sent_is_no_difference_but_a_request_that_is_missing_is() {
    let mut others = summary(false, 10, 10, 0);
    others.counted[0].requests += 3;
    assert_eq!(others.verdict(), Ok(()));
    assert!(others.text().contains("and 3 more"));
    let mut missing = summary(false, 10, 10, 0);
    missing.counted[0].requests -= 1;
    assert!(missing.verdict().is_err());
}
