use super::*;

const SPLIT: SplitId = SplitId(3);

/// Retries that are allowed of many.
fn allowed(budgets: &mut Budgets, requests: u64, now: Instant) -> usize {
    (0..1000).filter(|_| budgets.allows(SPLIT, 0.2, requests, now)).count()
}

#[test]
fn a_quiet_split_may_retry_a_few() {
    let begun = Instant::now();
    let mut budgets = Budgets::new(begun);
    assert_eq!(allowed(&mut budgets, 1, begun), 10);
    assert_eq!(allowed(&mut budgets, 1, begun), 0);
    assert_eq!(allowed(&mut budgets, 1, begun + WINDOW / 2), 5);
    assert_eq!(allowed(&mut budgets, 1, begun + WINDOW * 9), 10);
}

#[test]
fn retries_are_a_share_of_the_requests() {
    let begun = Instant::now();
    let mut budgets = Budgets::new(begun);
    let mut retries = 0;
    for second in 1..=100 {
        retries += allowed(&mut budgets, second * 500, begun + Duration::from_secs(second));
    }
    assert!((10_000..=10_000 + 120).contains(&retries), "{retries} of 50,000");
}

#[test]
fn what_was_saved_up_is_that_of_a_window() {
    let begun = Instant::now();
    let mut budgets = Budgets::new(begun);
    let hour = Duration::from_secs(3600);
    // 100 a second for an hour: 200 for the last ten seconds, and 10 in any case.
    let retries = allowed(&mut budgets, 360_000, begun + hour);
    assert!((209..=211).contains(&retries), "{retries}");
}

#[test]
fn a_count_that_falls_allows_nothing_by_itself() {
    let begun = Instant::now();
    let mut budgets = Budgets::new(begun);
    allowed(&mut budgets, 1000, begun);
    assert_eq!(allowed(&mut budgets, 10, begun), 0);
    assert_eq!(allowed(&mut budgets, 110, begun), 20);
}

#[test]
fn splits_do_not_share() {
    let begun = Instant::now();
    let mut budgets = Budgets::new(begun);
    allowed(&mut budgets, 0, begun);
    assert!(budgets.allows(SplitId(0), 0.2, 0, begun));
}
