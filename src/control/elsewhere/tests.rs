use super::*;
use crate::model::Kind;

fn shop() -> RouteKey {
    RouteKey { namespace: "shop".into(), kind: Kind::Split, name: "shop".into() }
}

fn drains(version: &str, connections: u64, seconds: f64) -> Vec<Draining> {
    vec![Draining { route: name(&shop()), version: version.to_owned(), connections, seconds, oldest: seconds * 2.0 }]
}

#[test]
fn what_replicas_tell_adds_up_and_the_last_end_counts() {
    let (mut elsewhere, now) = (Elsewhere::default(), Instant::now());
    elsewhere.hear(now, "b", drains("stable", 3, 20.0));
    elsewhere.hear(now, "c", drains("stable", 4, 30.0));
    elsewhere.hear(now, "c", drains("canary", 9, 90.0));
    let expected = Sum { replicas: 2, connections: 7, left: Duration::from_secs(30), oldest: Duration::from_secs(60) };
    assert_eq!(elsewhere.sum(now, &shop(), "stable"), expected);
    let other = RouteKey { name: "other".into(), ..shop() };
    assert_eq!(elsewhere.sum(now, &other, "stable"), Sum::default());
}

#[test]
fn what_a_replica_says_takes_the_place_of_what_it_said_before_and_time_passes() {
    let (mut elsewhere, now) = (Elsewhere::default(), Instant::now());
    elsewhere.hear(now, "b", drains("stable", 3, 20.0));
    elsewhere.hear(now + Duration::from_secs(1), "b", drains("stable", 2, 19.0));
    let expected = Sum { replicas: 1, connections: 2, left: Duration::from_secs(17), oldest: Duration::from_secs(40) };
    assert_eq!(elsewhere.sum(now + Duration::from_secs(3), &shop(), "stable"), expected);
}

#[test]
fn a_replica_that_says_nothing_more_is_believed_for_a_few_seconds() {
    let (mut elsewhere, now) = (Elsewhere::default(), Instant::now());
    elsewhere.hear(now, "b", drains("stable", 3, 20.0));
    assert_eq!(elsewhere.sum(now + BELIEVED - Duration::from_millis(1), &shop(), "stable").replicas, 1);
    assert_eq!(elsewhere.sum(now + BELIEVED, &shop(), "stable"), Sum::default());
    elsewhere.hear(now + BELIEVED, "c", Vec::new());
    assert!(elsewhere.told.is_empty(), "and then forgotten");
}

#[test]
fn a_time_that_makes_no_sense_is_none() {
    let (mut elsewhere, now) = (Elsewhere::default(), Instant::now());
    elsewhere.hear(now, "b", drains("stable", 1, f64::NAN));
    elsewhere.hear(now, "c", drains("stable", 1, -1.0));
    assert_eq!(
        elsewhere.sum(now, &shop(), "stable"),
        Sum { replicas: 2, connections: 2, left: Duration::ZERO, oldest: Duration::ZERO }
    );
}
