use super::*;
use crate::model::CheckKind;

fn check() -> HealthCheck {
    let s = Duration::from_secs(1);
    HealthCheck { kind: CheckKind::Tcp, interval: s, timeout: s, healthy: 2, unhealthy: 3 }
}

fn verdicts(answers: &[bool]) -> Vec<Option<bool>> {
    let mut verdict = Verdict::default();
    answers.iter().map(|well| verdict.see(*well, &check())).collect()
}

#[test]
fn so_many_in_a_row_change_the_verdict() {
    let (yes, no) = (true, false);
    let found = verdicts(&[yes, no, no, yes, no, no, no, no, yes, no, yes, yes]);
    let mut expected = vec![None; 12];
    expected[6] = Some(false);
    expected[11] = Some(true);
    assert_eq!(found, expected);
}

#[test]
fn the_first_check_decides_by_itself() {
    assert_eq!(verdicts(&[false, true, true]), [Some(false), None, Some(true)]);
    assert_eq!(verdicts(&[true]), [None]);
}

#[test]
fn what_a_check_has_found_is_forgotten_with_it() {
    let transport = Arc::new(crate::model::Transport::default());
    let endpoint = Arc::new(Endpoint::new(EndpointId(1), ([10, 0, 0, 1], 80).into(), None, transport));
    let found = || Found { endpoint: Arc::clone(&endpoint), verdict: Verdict::default() };
    let (mut one, mut two) = (found(), found());
    one.see(false, &check());
    two.see(false, &check());
    assert!(endpoint.health.is_unhealthy());
    drop(one);
    assert!(endpoint.health.is_unhealthy(), "the other still finds it so");
    drop(two);
    assert!(endpoint.health.is_usable());
}

#[test]
fn a_check_that_takes_the_place_of_another_begins_with_what_that_found() {
    let transport = Arc::new(crate::model::Transport::default());
    let endpoint = Arc::new(Endpoint::new(EndpointId(1), ([10, 0, 0, 1], 80).into(), None, transport));
    let mut before = Found::begin(&endpoint);
    assert!(endpoint.health.is_usable(), "nobody has found anything");
    before.see(false, &check());
    let mut now = Found::begin(&endpoint);
    drop(before);
    assert!(endpoint.health.is_unhealthy());
    assert_eq!(now.see(true, &check()), Some(true), "its first answer decides");
    assert!(endpoint.health.is_usable());
}
