use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn steps_are_spread_evenly_over_the_time() {
    let mut ramp = Ramp::new(MINUTE);
    let mut taken = Vec::new();
    for tenth in 0..600 {
        let elapsed = at(f64::from(tenth) / 10.0);
        taken.extend(ramp.advance(elapsed, || true).map(|weight| (tenth, weight)));
    }
    assert_eq!(taken, [(150, 25), (300, 50), (450, 100)]);
    assert_eq!(ramp.until_next(MINUTE), None);
}

#[test]
fn the_time_to_the_next_step_is_known() {
    let ramp = Ramp::new(MINUTE);
    assert_eq!(ramp.until_next(at(4.0)), Some(at(11.0)));
    assert_eq!(ramp.until_next(at(99.0)), Some(Duration::ZERO));
}

#[test]
fn a_stopped_ramp_goes_nowhere() {
    let mut ramp = Ramp::new(MINUTE);
    assert_eq!(ramp.advance(at(15.0), || true), Some(25));
    ramp.stop();
    assert_eq!(ramp.advance(at(60.0), || true), None);
    assert_eq!(ramp.until_next(at(20.0)), None);
    assert_eq!(ramp.step(), 1);
}

#[test]
fn only_the_last_step_waits_for_the_guard() {
    let mut ramp = Ramp::new(at(2.0));
    assert_eq!(ramp.advance(at(2.0), || false), Some(25));
    assert_eq!(ramp.advance(at(2.0), || false), Some(50));
    assert_eq!(ramp.advance(at(9.0), || false), None);
    assert_eq!(ramp.advance(at(9.0), || true), Some(100));
}

#[test]
fn no_time_is_no_trouble() {
    let mut ramp = Ramp::new(Duration::ZERO);
    assert_eq!(ramp.advance(Duration::ZERO, || true), Some(25));
}
