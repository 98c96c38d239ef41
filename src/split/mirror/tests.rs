use super::super::Schedule;
use super::mirrored;
use crate::model::{Fraction, Mirror, MirrorTarget, Split};
use crate::snapshot::Snapshot;
use crate::testing::{serving, split};

fn to(to: MirrorTarget, numerator: u32, denominator: u32) -> Mirror {
    Mirror { to, fraction: Fraction::new(numerator, denominator).unwrap(), body_limit: Mirror::BODY_LIMIT }
}

/// A split whose mirror copies this fraction to its second version.
fn serves(numerator: u32, denominator: u32) -> Snapshot {
    let mirrors = vec![to(MirrorTarget::Version(1), numerator, denominator)];
    serving(Split { mirrors, ..split(&[("stable", 1), ("canary", 0)]) })
}

/// Which of so many requests that went to version `chosen` are copied.
fn copied(snapshot: &Snapshot, chosen: usize, count: usize, seed: u64) -> Vec<bool> {
    let (mut schedule, mut rng) = (Schedule::new(), fastrand::Rng::with_seed(seed));
    let mirror = &snapshot.rules[0].body.mirrors[0];
    (0..count).map(|_| mirrored(mirror, chosen, &mut schedule, &mut rng)).collect()
}

#[test]
fn every_number_of_requests_is_copied_in_its_part_but_for_less_than_one() {
    for (numerator, denominator) in [(1, 10), (37, 100), (1, 3), (99, 100), (5, 1000), (1, 1_000_000)] {
        let copied = copied(&serves(numerator, denominator), 0, 3000, 7);
        let mut so_far = 0;
        for (count, copied) in (1..).zip(copied) {
            so_far += u32::from(copied);
            let expected = f64::from(count) * f64::from(numerator) / f64::from(denominator);
            assert!((f64::from(so_far) - expected).abs() < 1.0, "{numerator}/{denominator} after {count}: {so_far}");
        }
    }
}

#[test]
fn nothing_and_everything_are_exactly_that() {
    assert!(!copied(&serves(0, 100), 0, 1000, 1).contains(&true));
    assert!(!copied(&serves(100, 100), 0, 1000, 1).contains(&false));
}

/// A client that asks at a fixed interval must not be the one whose requests are always copied, or never.
#[test]
fn the_places_of_copies_are_random() {
    let snapshot = serves(1, 10);
    let copied = copied(&snapshot, 0, 10_000, 3);
    for phase in 0..10 {
        let hits = copied.iter().skip(phase).step_by(10).filter(|copied| **copied).count();
        assert!((50..200).contains(&hits), "{phase}: {hits}");
    }
}

#[test]
fn what_the_version_gets_itself_is_not_copied_and_does_not_count() {
    let snapshot = serves(1, 2);
    let mirror = &snapshot.rules[0].body.mirrors[0];
    let (mut schedule, mut rng) = (Schedule::new(), fastrand::Rng::with_seed(1));
    let mut copies = 0;
    for _ in 0..100 {
        assert!(!mirrored(mirror, 1, &mut schedule, &mut rng));
        copies += usize::from(mirrored(mirror, 0, &mut schedule, &mut rng));
    }
    assert_eq!(copies, 50);
}

#[test]
fn another_backend_gets_copies_of_what_any_version_got() {
    let backend = split(&[("audit", 1)]).versions.remove(0);
    let mirrors = vec![to(MirrorTarget::Backend(Box::new(backend)), 1, 1)];
    let snapshot = serving(Split { mirrors, ..split(&[("stable", 1), ("canary", 1)]) });
    for chosen in [0, 1] {
        assert!(!copied(&snapshot, chosen, 10, 1).contains(&false));
    }
}
