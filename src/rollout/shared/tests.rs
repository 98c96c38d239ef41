use proptest::prelude::*;

use super::*;

fn trip(time: &str) -> Option<Trip> {
    Some(Trip { time: time.to_owned(), reason: "bad".to_owned() })
}

fn merged(mut record: Record, other: &Record) -> Record {
    record.merge(other);
    record
}

#[test]
fn a_trip_is_lost_by_a_reset_only() {
    let tripped = Record { trip: trip("1"), ..Record::default() };
    let restarted = Record { restarts: 3, ..Record::default() };
    assert_eq!(merged(restarted.clone(), &tripped).trip, trip("1"));
    assert_eq!(merged(tripped.clone(), &restarted), Record { trip: trip("1"), restarts: 3, ..Record::default() });
    let reset = Record { resets: 1, restarts: 1, ..Record::default() };
    assert_eq!(merged(tripped.clone(), &reset).trip, None);
    assert_eq!(merged(reset, &tripped).trip, None, "the old trip does not come back");
}

#[test]
fn what_is_known_already_changes_nothing() {
    let mut record = Record { trip: trip("1"), restarts: 2, resets: 1, begun: 5 };
    let same = record.clone();
    assert!(!record.merge(&same));
    assert!(!record.merge(&Record::default()));
    assert!(record.merge(&Record { begun: 6, ..Record::default() }));
}

#[test]
fn buckets_that_do_not_exist_are_left_out() {
    let counts = Counts { success: 3, failure: 0, latency: vec![(1, 2), (9, 7), (1, 1)] };
    assert_eq!(counts.buckets(3), [0, 3, 0]);
}

fn record() -> impl Strategy<Value = Record> {
    let trip = proptest::option::of("[0-3]".prop_map(|time| Trip { time, reason: "bad".to_owned() }));
    (trip, 0..4u32, 0..3u32, 0..4i64).prop_map(|(trip, restarts, resets, begun)| Record {
        trip,
        restarts,
        resets,
        begun,
    })
}

proptest! {
    #![proptest_config(crate::testing::fixed(256))]

    #[test]
    fn replicas_agree_in_whatever_order_they_are_told((a, b, c) in (record(), record(), record())) {
        let one = merged(merged(a.clone(), &b), &c);
        prop_assert_eq!(&one, &merged(merged(c.clone(), &a), &b));
        prop_assert_eq!(&one, &merged(a.clone(), &merged(b.clone(), &c)));
        prop_assert_eq!(&one, &merged(one.clone(), &a));
    }
}
