//! Sessions (Gateway API, `SessionPersistence`).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::with_routes;
use crate::model::{ClientId, StickyMode, StickyTo};
use crate::source::kubernetes::tests::objects::{Made, grpc_route, http_route, refs};

fn rules(persistence: &Value) -> Value {
    json!([{"backendRefs": refs(&[("a", 1)]), "sessionPersistence": persistence}])
}

/// Name and life of the cookie by which clients are kept.
fn cookie(route: Made) -> (Arc<str>, Option<Duration>) {
    let route = with_routes(&[route]).route("r");
    let sticky = route.rules[0].split.sticky.clone().unwrap();
    assert_eq!((sticky.mode, sticky.to), (StickyMode::Pin, StickyTo::Endpoint { move_on_failure: true }));
    match sticky.client {
        ClientId::Cookie { name, ttl, keys, .. } if keys.is_empty() => (name, ttl),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cookie_keeps_a_client_at_its_endpoint_for_the_session_of_its_browser() {
    for persistence in [
        json!({"sessionName": "s"}),
        json!({"sessionName": "s", "type": "Cookie", "cookieConfig": {"lifetimeType": "Session"}}),
    ] {
        assert_eq!(cookie(http_route("r", &[], rules(&persistence))), ("s".into(), None));
        assert_eq!(cookie(grpc_route("r", &[], rules(&persistence))), ("s".into(), None));
    }
}

#[test]
fn a_permanent_cookie_lives_as_long_as_the_absolute_timeout_says() {
    let permanent = json!({"lifetimeType": "Permanent"});
    let persistence = json!({"sessionName": "s", "absoluteTimeout": "1h", "cookieConfig": permanent});
    let hour = Some(Duration::from_secs(3600));
    assert_eq!(cookie(http_route("r", &[], rules(&persistence))), ("s".into(), hour));
}

#[test]
fn rules_without_a_session_name_have_cookies_of_their_own() {
    let other = json!([{"backendRefs": refs(&[("a", 1)]), "name": "other", "sessionPersistence": {}}]);
    let (first, _) = cookie(http_route("r", &[], rules(&json!({}))));
    let (second, _) = cookie(http_route("r", &[], other));
    assert_ne!(first, second);
    assert_eq!(cookie(http_route("r", &[], rules(&json!({})))).0, first);
}

#[test]
fn a_rule_without_persistence_keeps_nobody() {
    let mut world = with_routes(&[http_route("r", &[], json!([{"backendRefs": refs(&[("a", 1)])}]))]);
    assert!(world.route("r").rules[0].split.sticky.is_none());
}

#[test]
fn persistence_that_is_not_carried_makes_its_rule_answer_500_and_is_said() {
    let permanent = json!({"lifetimeType": "Permanent"});
    for persistence in [
        json!({"type": "Header", "sessionName": "s"}),
        json!({"sessionName": "s", "idleTimeout": "1h"}),
        json!({"sessionName": "s", "absoluteTimeout": "1h"}),
        json!({"sessionName": "s", "cookieConfig": permanent}),
        json!({"sessionName": "s", "absoluteTimeout": "0s", "cookieConfig": permanent}),
        json!({"sessionName": "s", "absoluteTimeout": "1y", "cookieConfig": permanent}),
        json!({"sessionName": "s", "cookieConfig": {"lifetimeType": "Nope"}}),
        json!({"sessionName": "s;x"}),
    ] {
        let mut all = rules(&persistence);
        let refused = http_route("r", &[], all.clone());
        let mut world = with_routes(std::slice::from_ref(&refused));
        assert_eq!(world.get("a.example/"), "500", "{persistence}");
        assert_eq!(world.parent(&refused, "Accepted"), "False/UnsupportedValue", "{persistence}");
        let other = json!({"matches": [{"path": {"value": "/b"}}], "backendRefs": refs(&[("b", 1)])});
        all.as_array_mut().unwrap().push(other);
        let partly = http_route("r", &[], all);
        world.set(&partly);
        assert_eq!(world.get("a.example/b"), "b");
        assert_eq!(world.parent(&partly, "PartiallyInvalid"), "True/UnsupportedValue", "{persistence}");
    }
}
