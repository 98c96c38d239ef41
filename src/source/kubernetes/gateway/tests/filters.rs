//! Filters of rules and backends (Gateway API, `HTTPRouteFilter`).

use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::with_routes;
use crate::model::{Filter, HeaderEdit, PathRewrite, Redirect};
use crate::source::kubernetes::tests::objects::{Made, http_route, refs};
use crate::testing::Asked;

fn route(filters: Value) -> Made {
    http_route("r", &[], json!([{"filters": filters, "backendRefs": refs(&[("a", 1)])}]))
}

fn filters(filters: Value) -> Vec<Filter> {
    with_routes(&[route(filters)]).route("r").rules[0].filters.clone()
}

fn pair(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), HeaderValue::from_static(value))
}

#[test]
fn headers_are_set_added_and_removed_in_requests_and_responses() {
    let modifier = json!({
        "set": [{"name": "X-Set", "value": "1"}],
        "add": [{"name": "X-Add", "value": "2"}],
        "remove": ["X-Remove"],
    });
    let edits = || {
        let ((a, b), (c, d)) = (pair("x-set", "1"), pair("x-add", "2"));
        [HeaderEdit::Set(a, b), HeaderEdit::Add(c, d), HeaderEdit::Remove(HeaderName::from_static("x-remove"))]
    };
    let request = json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}]);
    assert_eq!(filters(request), edits().map(Filter::RequestHeader));
    let response = json!([{"type": "ResponseHeaderModifier", "responseHeaderModifier": modifier}]);
    assert_eq!(filters(response), edits().map(Filter::ResponseHeader));
}

fn redirect(wire: Value) -> Redirect {
    match filters(json!([{"type": "RequestRedirect", "requestRedirect": wire}])).remove(0) {
        Filter::Redirect(redirect) => redirect,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_redirect_leaves_what_it_does_not_name_to_the_request() {
    let none = Redirect { scheme: None, host: None, port: None, path: None, status: StatusCode::FOUND };
    assert_eq!(redirect(json!({})), none);
    let all = json!({
        "scheme": "https", "hostname": "b.example", "port": 8443, "statusCode": 308,
        "path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"},
    });
    let expected = Redirect {
        scheme: Some(Scheme::HTTPS),
        host: Some("b.example".into()),
        port: Some(8443),
        path: Some(PathRewrite::Full("/x".into())),
        status: StatusCode::PERMANENT_REDIRECT,
    };
    assert_eq!(redirect(all), expected);
    let prefix = redirect(json!({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/y"}}));
    assert_eq!(prefix.path, Some(PathRewrite::Prefix("/y".into())));
}

#[test]
fn a_rule_that_redirects_needs_no_backends_and_answers_itself() {
    let rule = json!({"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]});
    let route = http_route("r", &[], json!([rule]));
    let mut world = with_routes(std::slice::from_ref(&route));
    assert_eq!(world.get("a.example/"), "answered");
    assert_eq!(world.parent(&route, "ResolvedRefs"), "True/ResolvedRefs");
}

/// Without a port a redirect goes to the one that clients know, not to the one that is bound.
#[test]
fn the_listener_of_a_redirect_knows_its_advertised_port() {
    let mut world = with_routes(&[route(json!([]))]);
    let listener = &world.model().listeners[1];
    assert_eq!((listener.address.port(), listener.advertised_port), (20080, Some(80)));
}

#[test]
fn hosts_and_paths_are_rewritten() {
    let rewrite = json!({"hostname": "b.example", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}});
    let expected = [
        Filter::RewriteHost(HeaderValue::from_static("b.example")),
        Filter::RewritePath(PathRewrite::Prefix("/".into())),
    ];
    assert_eq!(filters(json!([{"type": "URLRewrite", "urlRewrite": rewrite}])), expected);
}

#[test]
fn cross_origin_rules_allow_what_is_asked_for_where_they_have_a_star() {
    let cors = json!({"allowOrigins": ["https://*.example"], "allowMethods": ["*"], "allowHeaders": ["X-A"]});
    let Filter::Cors(cors) = filters(json!([{"type": "CORS", "cors": cors}])).remove(0) else { panic!("no Cors") };
    assert!(cors.allow_methods.is_empty());
    assert_eq!(cors.allow_headers, [HeaderName::from_static("x-a")]);
    assert_eq!(cors.max_age, Some(Duration::from_secs(5)));
    assert!(!cors.allow_credentials);
}

#[test]
fn filters_of_a_backend_are_of_its_version_only() {
    let modifier = |value: &str| json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"add": [{"name": "x-v", "value": value}]}}]);
    let backends = json!([
        {"name": "a", "port": 80, "filters": modifier("a")},
        {"name": "b", "port": 80},
    ]);
    let mut world = with_routes(&[http_route("r", &[], json!([{"backendRefs": backends}]))]);
    let split = world.route("r").rules[0].split.clone();
    let (name, value) = pair("x-v", "a");
    assert_eq!(split.versions[0].filters, [Filter::RequestHeader(HeaderEdit::Add(name, value))]);
    assert!(split.versions[1].filters.is_empty());
}

/// No filter is ever left out in silence: it might be the one that keeps strangers out.
#[test]
fn a_filter_that_cannot_be_carried_makes_its_rule_answer_500_and_is_said() {
    for filter in [
        json!({"type": "ExtensionRef", "extensionRef": {"group": "example.com", "kind": "Auth", "name": "x"}}),
        json!({"type": "ExternalAuth"}),
        json!({"type": "RequestHeaderModifier"}),
        json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x a"]}}),
        json!({"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x", "value": "a\nb"}]}}),
        json!({"type": "RequestRedirect", "requestRedirect": {"scheme": "ftp"}}),
        json!({"type": "RequestRedirect", "requestRedirect": {"statusCode": 200}}),
    ] {
        let route = route(json!([filter]));
        let mut world = with_routes(std::slice::from_ref(&route));
        assert_eq!(world.get("a.example/"), "500", "{filter}");
        assert_eq!(world.parent(&route, "Accepted"), "False/UnsupportedValue", "{filter}");
    }
}

#[test]
fn a_redirect_that_cannot_be_done_answers_500_without_backends_too() {
    let rule = json!({"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "ftp"}}]});
    assert_eq!(with_routes(&[http_route("r", &[], json!([rule]))]).get("a.example/"), "500");
}

#[test]
fn a_filter_of_a_backend_that_cannot_be_carried_makes_that_backend_answer_500() {
    for filter in [
        json!({"type": "RequestMirror"}),
        json!({"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}),
        json!({"type": "CORS", "cors": {"allowOrigins": ["*"]}}),
        json!({"type": "URLRewrite", "urlRewrite": {"hostname": "x.example"}}),
    ] {
        let backends = json!([{"name": "a", "port": 80, "filters": [filter]}, {"name": "b", "port": 80}]);
        let route = http_route("r", &[], json!([{"backendRefs": backends}]));
        let mut world = with_routes(std::slice::from_ref(&route));
        let shares = world.shares("a.example/", 100);
        assert_eq!((shares.get("500"), shares.get("b")), (Some(&50), Some(&50)), "{filter}");
        assert_eq!(world.parent(&route, "Accepted"), "True/Accepted");
        assert_eq!(world.parent(&route, "ResolvedRefs"), "True/ResolvedRefs");
        assert_eq!(world.parent(&route, "PartiallyInvalid"), "True/UnsupportedValue");
    }
}

#[test]
fn a_rule_that_cannot_be_carried_leaves_the_others_alone() {
    let rules = json!([
        {"filters": [{"type": "ExternalAuth"}], "backendRefs": refs(&[("a", 1)])},
        {"matches": [{"path": {"value": "/b"}}], "backendRefs": refs(&[("b", 1)])},
    ]);
    let mut world = with_routes(&[http_route("r", &[], rules)]);
    assert_eq!(world.ask(&Asked::get("a.example/")), "500");
    assert_eq!(world.ask(&Asked::get("a.example/b")), "b");
}
