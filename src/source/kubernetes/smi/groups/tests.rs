use serde_json::{Value, json};

use super::*;
use crate::source::kubernetes::tests::objects::object;

/// The conditions of a group with this content.
fn group(body: Value) -> Result<Vec<Condition>, String> {
    let (_, object) = object(ObjectKind::HttpRouteGroup, "g", body).told().unwrap();
    let spec: Spec = object.spec().unwrap();
    spec.matches.iter().flatten().map(condition).collect()
}

fn one(wire: Value) -> Condition {
    group(json!({"spec": {"matches": [wire]}})).unwrap().remove(0)
}

#[test]
fn every_version_of_the_api_says_the_same() {
    let old =
        json!([{"name": "m", "pathRegex": "/a.*", "methods": ["GET"], "headers": [{"x-user": "tom"}, {"x-b": ".+"}]}]);
    let new =
        json!([{"name": "m", "pathRegex": "/a.*", "methods": ["GET"], "headers": {"x-user": "tom", "x-b": ".+"}}]);
    let found = group(json!({"matches": old})).unwrap();
    assert_eq!(found, group(json!({"spec": {"matches": old}})).unwrap());
    let names =
        |found: &[Condition]| found[0].0.headers.iter().map(|header| header.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&found), ["x-user", "x-b"]);
    let mut headers = names(&group(json!({"spec": {"matches": new}})).unwrap());
    headers.sort();
    assert_eq!(headers, ["x-b", "x-user"]);
}

#[test]
fn a_star_means_every_method_and_a_path_that_takes_all_is_no_condition() {
    let condition = one(json!({"name": "m", "pathRegex": ".*", "methods": ["*"]}));
    assert_eq!(*condition.0, Also::default());
}

#[test]
fn what_the_rule_does_not_take_is_not_meant() {
    let condition = one(json!({"name": "m", "methods": ["GET", "POST"]}));
    let within = |method: Option<Method>| {
        let found = condition.within(&Match { method, ..Match::everything() })?;
        Some((found.method, found.also.unwrap().methods.clone()))
    };
    let both = || vec![Method::GET, Method::POST];
    assert_eq!(within(None), Some((None, both())));
    assert_eq!(within(Some(Method::POST)), Some((Some(Method::POST), both())));
    assert_eq!(within(Some(Method::PUT)), None);
}

#[test]
fn what_cannot_be_compared_is_told() {
    let wrong = |wire: Value| group(json!({"spec": {"matches": [wire]}})).unwrap_err();
    assert!(wrong(json!({"pathRegex": "("})).contains("no regular expression"));
    assert!(wrong(json!({"headers": {"a b": "x"}})).contains("no header name"));
    assert!(wrong(json!({"methods": ["G T"]})).contains("no method"));
}
