use std::time::Duration;

use serde_json::json;

use super::*;

fn of(wire: serde_json::Value) -> Result<Retry, String> {
    let wire: wire::Retry = serde_json::from_value(wire).expect("a retry");
    retry(Some(&wire))
}

const CONNECTIONS: [RetryOn; 3] = [RetryOn::Connect, RetryOn::Refused, RetryOn::Reset];

#[test]
fn statuses_are_causes_beside_failed_connections() {
    let retry = of(json!({"codes": [500, 503], "attempts": 3, "backoff": "100ms"})).expect("valid");
    let status = |code| RetryOn::Status(StatusCode::from_u16(code).expect("a status"));
    assert_eq!(retry.on, [&CONNECTIONS[..], &[status(500), status(503)]].concat());
    assert_eq!((retry.attempts, retry.backoff), (3, Duration::from_millis(100)));
}

#[test]
fn what_is_not_said_is_as_without() {
    let retry = of(json!({})).expect("valid");
    assert_eq!((retry.attempts, retry.on, retry.backoff), (2, CONNECTIONS.to_vec(), Duration::ZERO));
    assert_eq!(super::retry(None), Ok(Retry::default()));
}

#[test]
fn more_tries_than_can_be_counted_are_as_many_as_can_be() {
    assert_eq!(of(json!({"attempts": 1000})).map(|retry| retry.attempts), Ok(u8::MAX));
}

#[test]
fn what_cannot_be_understood_is_said() {
    assert!(of(json!({"backoff": "soon"})).is_err_and(|error| error.contains("soon")));
    assert!(of(json!({"codes": [42]})).is_err_and(|error| error.contains("42")));
}
