//! Which canary belongs to which main Ingress, and the four bugs of ingress-nginx that are not copied.

use super::*;
use crate::model::Access;

const OTHER: &str = "other.example.com";

#[test]
fn bug_a_a_canary_of_one_host_does_not_split_another_with_the_same_service() {
    let other = ingress("other", OTHER, "/", "main-svc");
    let mut proxy = Proxy::of(&[main(), other, canary().with("canary-weight", "100")]);
    assert_eq!(proxy.count(&Asked::get(OTHER), "main-svc", 20), 20);
    assert_eq!(proxy.count(&asked(), "canary-svc", 20), 20);
}

#[test]
fn bug_b_a_service_of_a_canary_can_be_main_elsewhere() {
    let other = ingress("other", OTHER, "/", "canary-svc");
    let mut proxy = Proxy::of(&[main(), canary().with("canary-weight", "0"), other]);
    assert_eq!(proxy.to(&Asked::get(OTHER)), "canary-svc");
    assert_eq!(proxy.count(&asked(), "main-svc", 20), 20);
}

#[test]
fn bug_c_of_two_canaries_that_share_a_service_each_has_its_own_weight() {
    let mains = [main(), ingress("other", OTHER, "/", "other-svc")];
    let half = canary().with("canary-weight", "50");
    let all = ingress("all", OTHER, "/", "canary-svc").with("canary", "true").with("canary-weight", "100");
    let [first, second] = mains;
    let mut proxy = Proxy::of(&[first, second, half, all]);
    assert_eq!(proxy.count(&asked(), "canary-svc", 20), 10);
    assert_eq!(proxy.count(&Asked::get(OTHER), "canary-svc", 20), 20);
}

#[test]
fn bug_d_access_of_a_canary_does_not_leak_to_its_host() {
    let canary = canary().with("auth-tls-secret", "default/ca").with("backend-protocol", "HTTPS");
    let routes = routes(&[main(), canary], &Services::default());
    let rule = &routes[0].rules[0];
    assert!(rule.filters.iter().all(|f| !matches!(f, crate::model::Filter::Access(Access::Closed))));
    assert!(rule.split.versions.iter().all(|version| version.transport.tls.is_none()));
}

#[test]
fn a_canary_of_another_namespace_is_merged_and_named_with_it() {
    let canary = ingress("blue/canary", HOST, "/", "main-svc").with("canary", "true").with("canary-weight", "100");
    let mut proxy = Proxy::of(&[main(), canary]);
    assert_eq!(proxy.to(&asked()), "blue/main-svc");
}

#[test]
fn host_path_and_path_type_must_all_be_the_same() {
    let exact = json!({"rules": [{"host": HOST, "http": {"paths": [path_to("/", "Exact", "canary-svc")]}}]});
    for other in [
        ingress("canary", OTHER, "/", "canary-svc"),
        ingress("canary", HOST, "/other", "canary-svc"),
        view("canary", exact),
    ] {
        let canary = other.with("canary", "true").with("canary-weight", "100");
        let mut proxy = Proxy::of(&[main(), canary]);
        assert_eq!(proxy.to(&Asked::get("shop.example.com/x")), "main-svc");
    }
}

#[test]
fn implementation_specific_is_prefix() {
    let spec =
        json!({"rules": [{"host": HOST, "http": {"paths": [path_to("/", "ImplementationSpecific", "canary-svc")]}}]});
    let canary = view("canary", spec).with("canary", "true").with("canary-weight", "100");
    assert_eq!(Proxy::of(&[main(), canary]).to(&asked()), "canary-svc");
}

#[test]
fn a_path_that_a_canary_shares_with_its_main_is_not_split() {
    let rule = |service: &str| {
        let paths = [path_to("/", "Prefix", service), path_to("/static", "Prefix", "static-svc")];
        json!({"rules": [{"host": HOST, "http": {"paths": paths}}]})
    };
    let canary = view("canary", rule("canary-svc")).with("canary", "true").with("canary-weight", "50");
    let routes = routes(&[view("main", rule("main-svc")), canary], &Services::default());
    let versions: Vec<usize> = routes[0].rules.iter().map(|rule| rule.split.versions.len()).collect();
    assert_eq!((routes.len(), versions), (1, vec![2, 1]));
}

#[test]
fn two_canaries_by_weight_are_a_split_of_three() {
    let second = ingress("second", HOST, "/", "second-svc").with("canary", "true").at(3);
    let views = [
        main(),
        canary().with("canary-weight", "20"),
        second.with("canary-weight", "300").with("canary-weight-total", "1000"),
    ];
    let mut proxy = Proxy::of(&views);
    let counts = ["main-svc", "canary-svc", "second-svc"].map(|version| {
        let mut fresh = Proxy::of(&views);
        fresh.count(&asked(), version, 1000)
    });
    assert_eq!(counts, [500, 200, 300]);
    assert_eq!(proxy.model.routes.len(), 1);
    assert!(!proxy.to(&asked()).is_empty());
}

#[test]
fn two_canaries_that_ask_for_too_much_are_served_by_age() {
    let second = ingress("second", HOST, "/", "second-svc").with("canary", "true").with("canary-weight", "60").at(3);
    let views = [main(), canary().with("canary-weight", "60"), second];
    let mut proxy = Proxy::of(&views);
    assert_eq!(proxy.count(&asked(), "canary-svc", 100), 60);
    assert!(findings(&views, 2).iter().any(|f| f.annotation == "canary-weight"));
    assert!(findings(&views, 1).iter().all(|f| f.annotation != "canary-weight"));
}

#[test]
fn two_canaries_with_the_same_header_leave_it_to_the_older() {
    let second = ingress("second", HOST, "/", "second-svc").with("canary", "true").at(3);
    let views = [main(), canary().with("canary-by-header", "X-Canary"), second.with("canary-by-header", "X-Canary")];
    assert_eq!(Proxy::of(&views).to(&by_header("always")), "canary-svc");
    assert!(findings(&views, 2).iter().any(|f| f.annotation == "canary"));
}

#[test]
fn of_two_mains_the_older_serves_and_the_other_is_told() {
    let younger = ingress("a-younger", HOST, "/", "younger-svc").at(9);
    let views = [younger, main()];
    assert_eq!(Proxy::of(&views).to(&asked()), "main-svc");
    assert!(findings(&views, 0).iter().any(|f| f.message.contains("default/main")));
}

#[test]
fn canary_annotations_without_canary_are_an_ordinary_ingress() {
    let stray = ingress("stray", OTHER, "/", "canary-svc").with("canary-weight", "50");
    let mut proxy = Proxy::of(&[main(), stray.clone()]);
    assert_eq!(proxy.to(&Asked::get(OTHER)), "canary-svc");
    assert!(findings(&[stray], 0).iter().any(|f| f.annotation == "canary-weight" && f.severity == Severity::Error));
}

#[test]
fn a_default_backend_takes_what_no_rule_does() {
    let mut with_default = main();
    with_default.spec.default_backend =
        serde_json::from_value(json!({"service": {"name": "default-svc", "port": {"name": "web"}}})).unwrap();
    let mut proxy = Proxy::of(&[with_default]);
    assert_eq!(proxy.to(&asked()), "main-svc");
    assert_eq!(proxy.to(&Asked::get("unknown.example.com/x")), "default-svc");
}

#[test]
fn a_catch_all_canary_joins_every_path_of_all_hosts() {
    let spec = json!({"defaultBackend": {"service": {"name": "canary-svc", "port": {"number": 80}}}});
    let canary = view("canary", spec).with("canary", "true").with("canary-weight", "100");
    let mut proxy = Proxy::of(&[ingress("main", "", "/shop", "main-svc"), canary]);
    assert_eq!(proxy.to(&Asked::get("any.example.com/shop")), "canary-svc");
}

#[test]
fn the_same_service_at_two_ports_makes_two_names() {
    let paths = json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "main-svc", "port": {"number": 81}}}});
    let canary = view("canary", json!({"rules": [{"host": HOST, "http": {"paths": [paths]}}]}));
    let views = [main(), canary.with("canary", "true").with("canary-weight", "100")];
    assert_eq!(Proxy::of(&views).to(&asked()), "main-svc:81");
    assert_eq!(plan(&views).backends(0).count(), 2);
}
