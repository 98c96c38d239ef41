//! The 17 cases of `test/e2e/annotations/affinity.go` and `affinitymode.go`, by their number in the contract.

use super::*;
use crate::decide::Refusal;

fn sticky() -> IngressView {
    main().with("affinity", "cookie").with("session-cookie-name", "SERVERID")
}

#[track_caller]
fn cookie_of(view: IngressView) -> String {
    Proxy::of(&[view]).set_cookie(&asked(), false).expect("a cookie")
}

fn attribute<'c>(cookie: &'c str, name: &str) -> Option<&'c str> {
    cookie.split("; ").find_map(|attribute| attribute.strip_prefix(name)?.strip_prefix('='))
}

fn has(cookie: &str, flag: &str) -> bool {
    cookie.split("; ").any(|attribute| attribute == flag)
}

#[test]
fn case_a1_the_cookie_has_the_name_that_is_given() {
    let cookie = cookie_of(sticky());
    assert!(cookie.starts_with("SERVERID=") && has(&cookie, "HttpOnly"), "{cookie}");
    assert!(cookie_of(main().with("affinity", "cookie")).starts_with("INGRESSCOOKIE="));
}

#[test]
fn case_a2_a_renamed_cookie_has_its_new_name() {
    assert!(cookie_of(sticky().with("session-cookie-name", "OTHER")).starts_with("OTHER="));
}

#[test]
fn case_a3_the_path_is_that_of_the_location() {
    let view = ingress("main", HOST, "/something", "main-svc").with("affinity", "cookie");
    let cookie = Proxy::of(&[view]).set_cookie(&Asked::get("shop.example.com/something"), false).unwrap();
    assert_eq!(attribute(&cookie, "Path"), Some("/something"));
}

#[test]
fn case_a4_two_paths_of_one_backend_have_a_cookie_each() {
    let paths = json!([path_to("/something", "Prefix", "main-svc"), path_to("/somewhereelse", "Prefix", "main-svc")]);
    let view = view("main", json!({"rules": [{"host": HOST, "http": {"paths": paths}}]})).with("affinity", "cookie");
    let mut proxy = Proxy::of(&[view]);
    for path in ["/something", "/somewhereelse"] {
        let cookie = proxy.set_cookie(&Asked::get(&format!("{HOST}{path}")), false).unwrap();
        assert_eq!(attribute(&cookie, "Path"), Some(path));
    }
}

#[test]
fn case_a5_expires_and_max_age_are_both_told() {
    let cookie = cookie_of(sticky().with("session-cookie-expires", "172800").with("session-cookie-max-age", "259200"));
    assert_eq!(attribute(&cookie, "Max-Age"), Some("259200"));
    let expires = attribute(&cookie, "Expires").expect("a date");
    assert!(expires.ends_with("GMT"), "{expires}");
}

#[test]
fn case_a6_a_domain_is_told() {
    let cookie = cookie_of(sticky().with("session-cookie-domain", "foo.bar"));
    assert_eq!(attribute(&cookie, "Domain"), Some("foo.bar"));
}

#[test]
fn case_a7_without_a_domain_none_is_told() {
    assert_eq!(attribute(&cookie_of(sticky()), "Domain"), None);
}

fn by_regex() -> IngressView {
    ingress("main", HOST, "/foo/.*", "main-svc").with("affinity", "cookie").with("use-regex", "true")
}

#[test]
fn case_a8_with_expressions_the_cookie_has_the_path_that_is_given() {
    let mut proxy = Proxy::of(&[by_regex().with("session-cookie-path", "/foo/bar")]);
    let cookie = proxy.set_cookie(&Asked::get("shop.example.com/foo/bar"), false).unwrap();
    assert_eq!(attribute(&cookie, "Path"), Some("/foo/bar"));
}

#[test]
fn case_a9_with_expressions_and_no_path_it_works_and_is_told() {
    let view = by_regex();
    let mut proxy = Proxy::of(std::slice::from_ref(&view));
    let cookie = proxy.set_cookie(&Asked::get("shop.example.com/foo/bar"), false).unwrap();
    assert_eq!(attribute(&cookie, "Path"), Some("/"));
    assert!(findings(&[view], 0).iter().any(|f| f.annotation == "session-cookie-path"));
}

#[test]
fn case_a10_of_two_ingresses_only_the_path_of_the_sticky_one_has_a_cookie() {
    let other = ingress("other", HOST, "/other", "main-svc");
    let mut proxy = Proxy::of(&[sticky(), other]);
    assert!(proxy.set_cookie(&asked(), false).is_some());
    assert_eq!(proxy.set_cookie(&Asked::get("shop.example.com/other"), false), None);
}

#[test]
fn case_a11_without_a_host_there_is_a_cookie() {
    let mut proxy = Proxy::of(&[ingress("main", "", "/", "main-svc").with("affinity", "cookie")]);
    assert!(proxy.set_cookie(&asked(), false).is_some());
}

#[test]
fn case_a12_every_alias_has_a_cookie() {
    let mut proxy = Proxy::of(&[sticky().with("server-alias", "one.example.com, *.two.example.com")]);
    for host in [HOST, "one.example.com", "a.two.example.com"] {
        assert!(proxy.set_cookie(&Asked::get(host), false).is_some(), "{host}");
    }
}

#[test]
fn case_a13_secure_is_told_in_clear_text_where_it_is_asked_for() {
    assert!(has(&cookie_of(sticky().with("session-cookie-secure", "true")), "Secure"));
}

#[test]
fn case_a14_secure_is_not_told_in_clear_text_otherwise() {
    assert!(!has(&cookie_of(sticky().with("session-cookie-secure", "false")), "Secure"));
}

#[test]
fn case_a15_secure_is_told_on_tls_even_if_switched_off() {
    let mut proxy = Proxy::of(&[sticky().with("session-cookie-secure", "false")]);
    assert!(has(&proxy.set_cookie(&asked(), true).unwrap(), "Secure"));
}

/// Departure: as persistent, sessions stay when endpoints come.
#[test]
fn case_a16_mode_balanced_is_accepted() {
    let view = sticky().with("affinity-mode", "balanced");
    let cookie = cookie_of(view.clone());
    let mut proxy = Proxy::of(&[view]);
    let first = proxy.address(&returning(&cookie));
    assert_eq!(proxy.address(&returning(&cookie)), first);
}

#[test]
fn case_a17_mode_persistent_keeps_a_pod_until_it_has_gone() {
    let view = sticky().with("affinity-mode", "persistent");
    let with = |count, revision| {
        Proxy::with(std::slice::from_ref(&view), &Services::default().of("main-svc", count, revision))
    };
    let mut proxy = with(5, "");
    let first = proxy.decision(&asked());
    let (pod, cookie) = (first.endpoint(&proxy.snapshot).address, first.cookie.unwrap().header(false).unwrap());
    let back = returning(cookie.to_str().unwrap());
    let mut grown = with(15, "");
    assert_eq!(grown.address(&back), pod);
    assert_eq!(grown.set_cookie(&back, false), None);
    assert!(matches!(with(0, "").outcome(&back), Outcome::Reject(Refusal::NoEndpoint { .. })));
    let mut fresh = with(2, "r2");
    assert_ne!(fresh.address(&back), pod);
    let renewed = fresh.set_cookie(&back, false).expect("a new cookie");
    let next = fresh.address(&returning(&renewed));
    assert_eq!(fresh.address(&returning(&renewed)), next);
}

/// Departure: ingress-nginx ties the cookie to the Service, so that whoever bore the last canary gets the next one.
#[test]
fn the_cohort_of_the_last_canary_is_not_sent_to_the_next() {
    let canary = |weight| canary().with("canary-weight", weight);
    let release = |revision| Services::default().of("main-svc", 2, "r1").of("canary-svc", 2, revision);
    let mut last = Proxy::with(&[sticky(), canary("100")], &release("r2"));
    let cookie = last.set_cookie(&asked(), false).unwrap();
    assert_eq!(last.count(&returning(&cookie), "canary-svc", 20), 20);
    let mut next = Proxy::with(&[sticky(), canary("0")], &release("r3"));
    assert_eq!(next.count(&returning(&cookie), "main-svc", 20), 20);
}

#[test]
fn affinity_to_the_canary_holds_at_weight_0() {
    let canary = |weight| canary().with("canary-weight", weight);
    let cookie = Proxy::of(&[sticky(), canary("100")]).set_cookie(&asked(), false).unwrap();
    let mut proxy = Proxy::of(&[sticky(), canary("0")]);
    assert_eq!(proxy.count(&returning(&cookie), "canary-svc", 20), 20);
}

#[test]
fn a_canarys_own_affinity_is_ignored() {
    let canary = canary().with("canary-weight", "100").with("affinity", "cookie");
    assert_eq!(Proxy::of(&[main(), canary]).set_cookie(&asked(), false), None);
}

#[test]
fn same_site_is_as_given_and_absent_by_default() {
    assert_eq!(attribute(&cookie_of(sticky()), "SameSite"), None);
    assert_eq!(attribute(&cookie_of(sticky().with("session-cookie-samesite", "Strict")), "SameSite"), Some("Strict"));
}
