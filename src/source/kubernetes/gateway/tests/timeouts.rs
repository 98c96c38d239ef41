//! Durations (GEP-2257) and retries of rules.

use std::time::Duration;

use serde_json::{Value, json};

use super::with_routes;
use crate::source::kubernetes::tests::objects::{Made, http_route, refs};

fn route(key: &str, value: Value) -> Made {
    let mut rule = json!({"backendRefs": refs(&[("a", 1)])});
    rule[key] = value;
    http_route("r", &[], json!([rule]))
}

fn request(timeouts: Value) -> Duration {
    with_routes(&[route("timeouts", timeouts)]).route("r").rules[0].split.timeouts.request
}

#[test]
fn durations_have_hours_minutes_seconds_and_milliseconds() {
    let of = |text: &str| request(json!({"request": text}));
    assert_eq!(of("10s"), Duration::from_secs(10));
    assert_eq!(of("500ms"), Duration::from_millis(500));
    assert_eq!(of("1m30s"), Duration::from_secs(90));
    assert_eq!(of("1h1m1s1ms"), Duration::from_millis(3_661_001));
    assert_eq!(of("10s10s"), Duration::from_secs(20));
    assert_eq!(of("99999h"), Duration::from_secs(99_999 * 3600));
}

#[test]
fn without_a_word_the_default_holds() {
    assert_eq!(request(json!({})), Duration::from_secs(60));
}

#[test]
fn zero_is_no_limit() {
    for zero in ["0s", "0h", "0ms"] {
        assert!(request(json!({"request": zero})) > Duration::from_secs(24 * 3600));
    }
}

#[test]
fn of_both_limits_the_shorter_counts() {
    assert_eq!(request(json!({"request": "5s", "backendRequest": "2s"})), Duration::from_secs(2));
    assert_eq!(request(json!({"backendRequest": "2s"})), Duration::from_secs(2));
    assert_eq!(request(json!({"request": "0s", "backendRequest": "2s"})), Duration::from_secs(2));
    assert_eq!(request(json!({"request": "5s", "backendRequest": "0s"})), Duration::from_secs(5));
}

#[test]
fn a_duration_that_is_none_makes_its_rule_answer_500_and_is_said() {
    for text in ["", "10", "s", "1d", "1.5s", "-1s", "10 s", "1µs", "99999999999999999999s"] {
        let route = route("timeouts", json!({"request": text}));
        let mut world = with_routes(std::slice::from_ref(&route));
        assert_eq!(world.get("a.example/"), "500", "{text:?}");
        assert_eq!(world.parent(&route, "Accepted"), "False/UnsupportedValue");
    }
}

#[test]
fn attempts_are_retries() {
    let attempts = |retry: Value| with_routes(&[route("retry", retry)]).route("r").rules[0].split.retry.attempts;
    assert_eq!(attempts(json!({"attempts": 3})), 3);
    assert_eq!(attempts(json!({})), 2);
}
