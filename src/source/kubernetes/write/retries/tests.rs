use super::*;

fn shop() -> Id {
    Id::new(ObjectKind::Ingress, "default", "shop")
}

#[test]
fn what_failed_waits_and_is_due_once() {
    let (mut retries, now) = (Retries::default(), Instant::now());
    assert_eq!(retries.failed(&shop(), now), 1);
    assert_eq!(retries.next(), Some(now + FIRST));
    assert_eq!(retries.due(now + FIRST / 2), []);
    assert_eq!(retries.due(now + FIRST), [shop()]);
    assert_eq!(retries.due(now + FIRST), [], "it is being tried");
    assert_eq!(retries.next(), None);
}

#[test]
fn the_wait_doubles_up_to_the_longest() {
    let (mut retries, now) = (Retries::default(), Instant::now());
    let mut wait = |failures| {
        assert_eq!(retries.failed(&shop(), now), failures);
        retries.next().unwrap() - now
    };
    assert_eq!((wait(1), wait(2), wait(3)), (FIRST, FIRST * 2, FIRST * 4));
    let last = (4..100).map(wait).last();
    assert_eq!(last, Some(LONGEST));
}

#[test]
fn what_succeeded_is_forgotten_and_begins_anew() {
    let (mut retries, now) = (Retries::default(), Instant::now());
    retries.failed(&shop(), now);
    retries.failed(&shop(), now);
    retries.over(&shop());
    assert_eq!(retries.next(), None);
    assert_eq!(retries.failed(&shop(), now), 1);
}
