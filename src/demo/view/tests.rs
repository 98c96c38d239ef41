use super::*;

#[test]
fn a_bar_is_as_long_as_its_share() {
    assert_eq!(bar(0.25, 8), "██······");
    assert_eq!(bar(0.5, 8), "████····");
}

#[test]
fn only_nothing_is_empty_and_only_all_is_full() {
    assert_eq!(bar(0.0, 4), "····");
    assert_eq!(bar(0.001, 4), "█···");
    assert_eq!(bar(0.999, 4), "███·");
    assert_eq!(bar(1.0, 4), "████");
    assert_eq!(bar(1.7, 4), "████");
    assert_eq!(bar(f64::NAN, 4).chars().count(), 4);
}

#[test]
fn only_all_is_a_hundred_percent() {
    let shown = [0.0, 0.05, 0.2563, 0.9999, 1.0].map(percent);
    assert_eq!(shown, ["0%", "5%", "25.6%", "99.9%", "100%"]);
}

#[test]
fn durations_are_in_milliseconds() {
    assert_eq!(millis(Some(0.00312)), "3.1 ms");
    assert_eq!(millis(None), "-");
}
