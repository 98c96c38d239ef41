use super::*;

fn peers(of: &[(&str, bool)]) -> Vec<(Arc<str>, bool)> {
    of.iter().map(|(name, judges)| ((*name).into(), *judges)).collect()
}

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn the_holder_of_the_lease_judges_and_others_do_not() {
    let start = Instant::now();
    let mut judge = Judge::new(start);
    assert!(judge.decide(start, true, "b", &peers(&[("a", false)])));
    assert!(!Judge::new(start).decide(start, false, "a", &peers(&[("b", true)])));
}

#[test]
fn who_judged_goes_on_until_another_one_is_heard_to() {
    let start = Instant::now();
    let mut judge = Judge::new(start);
    judge.decide(start, true, "b", &[]);
    assert!(judge.decide(after(start, 60), false, "b", &peers(&[("a", false)])), "the API server is away");
    assert!(!judge.decide(after(start, 61), false, "b", &peers(&[("a", true)])), "the Lease has gone to another");
    assert!(!judge.decide(after(start, 62), false, "b", &peers(&[("a", false)])), "which pauses for a moment only");
}

#[test]
fn where_nobody_judges_the_first_by_name_begins() {
    let start = Instant::now();
    let (mut a, mut b) = (Judge::new(start), Judge::new(start));
    assert!(!a.decide(after(start, 9), false, "a", &peers(&[("b", false)])));
    assert!(a.decide(after(start, 10), false, "a", &peers(&[("b", false)])));
    assert!(!b.decide(after(start, 60), false, "b", &peers(&[("a", false)])));
    assert!(!b.decide(after(start, 61), false, "b", &peers(&[("a", true)])));
    assert!(!b.decide(after(start, 65), false, "b", &[]), "the other one has just gone");
    assert!(b.decide(after(start, 71), false, "b", &[]));
}
