use super::*;

fn answer(status: u16, version: &str) -> Result<Answer, String> {
    let version = (!version.is_empty()).then(|| version.to_owned());
    Ok(Answer { status: StatusCode::from_u16(status).unwrap(), version })
}

#[test]
fn a_failure_is_whatever_is_no_success() {
    let mut tally = Tally::default();
    let ms = Duration::from_millis(3);
    tally.count(answer(200, "stable"), ms);
    tally.count(answer(204, "canary"), ms);
    tally.count(answer(404, "canary"), ms);
    tally.count(answer(503, ""), ms);
    tally.count(Err("connection reset".to_owned()), ms);
    assert_eq!((tally.requests, tally.failures), (5, 3));
    assert_eq!((tally.of("stable"), tally.of("canary"), tally.of("other")), (1, 2, 0));
    assert_eq!(tally.first_failure.as_deref(), Some("answered 404 Not Found"));
    assert_eq!(tally.durations.count(), 5);
}

#[test]
fn durations_are_kept_in_the_buckets_of_the_proxy() {
    let mut tally = Tally::default();
    (0..100).for_each(|_| tally.count(answer(200, "stable"), Duration::from_millis(3)));
    tally.count(answer(200, "stable"), Duration::MAX);
    let median = tally.durations.quantile(0.5).unwrap();
    assert!((0.0025..=0.003).contains(&median), "{median}");
}
