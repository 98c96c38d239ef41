use tokio::time::Instant;

use super::super::sights::Sight;
use super::*;

fn at(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

/// A release at 100 ms and a rollback at 200 ms, with these answers: (kind, begun, ended, version).
fn report(strategy: Strategy, all: &[(Kind, u64, u64, &str)]) -> Report {
    let start = Instant::now();
    let sight = |(client, (kind, begun, ended, version)): (usize, &(Kind, u64, u64, &str))| Sight {
        client,
        kind: *kind,
        begun: at(start, *begun),
        ended: at(start, *ended),
        outcome: Ok((*version).into()),
    };
    let story = Story {
        started: start,
        released: at(start, 100),
        rolled_back: at(start, 200),
        connections_before: 0,
        shares: Vec::new(),
    };
    let sights = Sights { all: all.iter().enumerate().map(sight).collect(), ..Sights::default() };
    Report { strategy, sights, story, peak: 6, connections: 4, cut: 0 }
}

const SHORT: Kind = Kind::Short;

#[test]
fn a_release_that_lost_nothing_is_well() {
    let report =
        report(Strategy::BlueGreen, &[(SHORT, 10, 12, "blue"), (SHORT, 110, 112, "green"), (SHORT, 201, 203, "blue")]);
    assert_eq!(report.verdict(), Ok(()));
    let text = report.text();
    for part in ["requests lost", "0 of 3 requests", "time to roll back             3.0ms", "endpoints      6"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn whatever_is_lost_fails() {
    let answers = [(SHORT, 10, 12, "v1"), (SHORT, 110, 112, "v2"), (SHORT, 210, 212, "v1")];
    let mut lost = report(Strategy::Rolling, &answers);
    lost.sights.cut.push("events: reset".to_owned());
    assert_eq!(lost.verdict().unwrap_err(), "1 were lost; the first: events: reset");
    let mut cut = report(Strategy::Rolling, &answers);
    cut.cut = 1;
    assert!(cut.verdict().is_err());
    assert!(report(Strategy::Rolling, &answers[..1]).verdict().unwrap_err().contains("had no request"));
}

#[test]
fn recreate_fails_if_both_versions_served() {
    let apart = [(SHORT, 10, 12, "v1"), (SHORT, 110, 150, "v2"), (SHORT, 201, 202, "v2"), (SHORT, 203, 230, "v1")];
    assert_eq!(report(Strategy::Recreate, &apart).verdict(), Ok(()));
    let at_once = [apart[0], apart[1], apart[3]];
    assert_eq!(report(Strategy::Recreate, &at_once).verdict(), Ok(()));
    let mixed = [apart[0], apart[1], (SHORT, 120, 160, "v1"), apart[2], apart[3]];
    assert!(report(Strategy::Recreate, &mixed).verdict().unwrap_err().contains("at the same time"));
}

#[test]
fn blue_green_fails_if_the_way_back_takes_long() {
    let slow = [(SHORT, 10, 12, "blue"), (SHORT, 310, 312, "green"), (SHORT, 320, 322, "blue")];
    assert!(report(Strategy::BlueGreen, &slow).verdict().unwrap_err().contains("green still got requests"));
}

#[test]
fn an_experiment_fails_if_one_answer_goes_astray() {
    let answers = [(SHORT, 10, 12, "a"), (Kind::Member, 110, 112, "b"), (SHORT, 210, 212, "a")];
    assert_eq!(report(Strategy::Ab, &answers).verdict(), Ok(()));
    let astray = [answers[0], answers[1], answers[2], (SHORT, 110, 112, "b")];
    assert!(report(Strategy::Ab, &astray).verdict().unwrap_err().contains("wrong group"));
}
