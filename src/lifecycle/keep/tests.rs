use super::*;
use crate::rollout::shared::{Record, Trip};

fn record(tripped: bool, begun: i64) -> Record {
    let trip = tripped.then(|| Trip { time: "2026-01-01T00:00:00Z".to_owned(), reason: "bad ".repeat(50) });
    Record { trip, begun, ..Record::default() }
}

#[test]
fn what_is_kept_is_known_again() {
    let records = Records::from([("default/Split/shop/canary@r1".to_owned(), record(true, 7))]);
    assert_eq!(parse(Some(&text(&records))).unwrap(), records);
    assert_eq!(parse(None).unwrap(), Records::new());
    assert!(parse(Some("{")).is_err());
}

#[test]
fn of_too_much_the_trips_and_the_newest_tests_are_kept() {
    let name = |index: i64| format!("default/Split/a-name-of-some-length-{index:06}/canary@r1");
    let records: Records = (0..20_000).map(|index| (name(index), record(index < 100, index))).collect();
    let kept = text(&records);
    assert!(kept.len() <= LONGEST, "{}", kept.len());
    let kept = parse(Some(&kept)).unwrap();
    assert_eq!(kept.values().filter(|record| record.trip.is_some()).count(), 100);
    assert!(kept.contains_key(&name(19_999)) && !kept.contains_key(&name(101)));
}
