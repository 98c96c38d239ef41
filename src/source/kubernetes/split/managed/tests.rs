use serde_json::json;

use super::*;

fn after(steps: Value) -> Managed {
    of(&serde_json::from_value::<Vec<Step>>(steps).unwrap())
}

fn header(name: &str, matches: Value) -> Value {
    json!({"setHeaderRoute": {"name": name, "match": matches}})
}

fn exact(value: &str) -> Value {
    json!({"headerName": "x-canary", "headerValue": {"exact": value}})
}

/// Which of these values of `x-canary` lead to the canary.
fn taken(managed: &Managed, values: &[&str]) -> Vec<bool> {
    let takes = |value: &str| {
        managed.overrides.iter().any(|known| match &known.condition {
            OverrideMatch::Header(name, matched) => name == "x-canary" && matched.matches(value.as_bytes()),
            OverrideMatch::Cookie(..) => false,
        })
    };
    values.iter().map(|value| takes(value)).collect()
}

#[test]
fn any_header_of_a_route_leads_to_the_canary() {
    let managed = after(json!([header("a", json!([exact("one"), exact("two")])), {"setWeight": 5}]));
    assert_eq!(taken(&managed, &["one", "two", "three"]), [true, true, false]);
    assert!(managed.overrides.iter().all(|known| known.to == 1));
}

#[test]
fn a_value_is_matched_exactly_or_by_its_beginning_or_as_a_whole_by_an_expression() {
    let value = |value: Value| after(json!([header("a", json!([{"headerName": "x-canary", "headerValue": value}]))]));
    assert_eq!(taken(&value(json!({"exact": "a.c"})), &["a.c", "abc"]), [true, false]);
    assert_eq!(taken(&value(json!({"prefix": "a.c"})), &["a.c-1", "abc-1", "xa.c"]), [true, false, false]);
    assert_eq!(taken(&value(json!({"regex": "a.c"})), &["abc", "abcd"]), [true, false]);
}

#[test]
fn a_later_route_of_the_same_name_replaces_the_earlier_and_one_without_a_match_removes_it() {
    let steps = json!([header("a", json!([exact("one")])), header("a", json!([exact("two")]))]);
    assert_eq!(taken(&after(steps), &["one", "two"]), [false, true]);
    let steps = json!([header("a", json!([exact("one")])), {"setHeaderRoute": {"name": "a"}}]);
    assert!(after(steps).overrides.is_empty());
}

#[test]
fn a_header_that_is_none_is_told() {
    for bad in [
        json!({"headerName": "x a", "headerValue": {"exact": "1"}}),
        json!({"headerName": "x", "headerValue": {}}),
        json!({"headerName": "x", "headerValue": {"exact": "1", "prefix": "1"}}),
        json!({"headerName": "x", "headerValue": {"regex": "["}}),
    ] {
        let managed = after(json!([header("a", json!([bad]))]));
        assert_eq!((managed.overrides.len(), managed.refused.len()), (0, 1), "{bad}");
    }
}

fn mirror_route(matches: Value, percentage: u32) -> Value {
    json!({"setMirrorRoute": {"name": "m", "match": matches, "percentage": percentage}})
}

#[test]
fn a_mirror_of_all_requests_copies_them_to_the_canary() {
    let managed = after(json!([mirror_route(json!([{"path": {"prefix": "/"}}]), 35)]));
    assert_eq!(managed.mirrors[0].to, MirrorTarget::Version(1));
    assert_eq!(managed.mirrors[0].fraction, Fraction::percent(35).unwrap());
    let removed = json!([mirror_route(json!([{"path": {"prefix": "/"}}]), 35), {"setMirrorRoute": {"name": "m"}}]);
    assert!(after(removed).mirrors.is_empty());
}

#[test]
fn a_mirror_of_some_requests_is_told_not_to_be_carried() {
    for matched in [json!({"path": {"prefix": "/a"}}), json!({"method": {"exact": "GET"}})] {
        let managed = after(json!([mirror_route(json!([matched]), 35)]));
        assert_eq!((managed.mirrors.len(), managed.refused.len()), (0, 1), "{matched}");
    }
}
