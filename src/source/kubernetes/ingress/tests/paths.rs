//! Hosts, paths and expressions.

use super::*;
use crate::decide::Refusal;

#[track_caller]
fn no_route(proxy: &mut Proxy, target: &str) {
    assert_eq!(proxy.outcome(&Asked::get(target)), Outcome::Reject(Refusal::NoRoute), "{target}");
}

#[test]
fn a_prefix_takes_whole_elements_and_an_exact_path_only_itself() {
    let paths = json!([path_to("/api/", "Prefix", "api"), path_to("/login", "Exact", "login")]);
    let mut proxy = Proxy::of(&[view("main", json!({"rules": [{"host": HOST, "http": {"paths": paths}}]}))]);
    assert_eq!(proxy.to(&Asked::get("shop.example.com/api/x")), "api");
    assert_eq!(proxy.to(&Asked::get("shop.example.com/api")), "api");
    assert_eq!(proxy.to(&Asked::get("shop.example.com/login")), "login");
    no_route(&mut proxy, "shop.example.com/apix");
    no_route(&mut proxy, "shop.example.com/login/x");
}

#[test]
fn a_wildcard_host_takes_names_below_it_and_no_host_takes_all() {
    let mut proxy = Proxy::of(&[ingress("wild", "*.example.com", "/", "wild"), ingress("any", "", "/", "any")]);
    assert_eq!(proxy.to(&Asked::get("a.example.com")), "wild");
    assert_eq!(proxy.to(&Asked::get("example.org")), "any");
}

#[test]
fn expressions_are_prefixes_without_case_and_the_longer_comes_first() {
    let paths = json!([path_to("/", "Prefix", "root"), path_to("/v[0-9]+/users", "ImplementationSpecific", "users")]);
    let main = view("main", json!({"rules": [{"host": HOST, "http": {"paths": paths}}]})).with("use-regex", "true");
    let mut proxy = Proxy::of(&[main]);
    assert_eq!(proxy.to(&Asked::get("shop.example.com/V12/usersandmore")), "users");
    assert_eq!(proxy.to(&Asked::get("shop.example.com/v/users")), "root");
}

#[test]
fn one_ingress_with_expressions_makes_all_paths_of_its_host_such() {
    let exact =
        view("exact", json!({"rules": [{"host": HOST, "http": {"paths": [path_to("/login", "Exact", "login")]}}]}));
    let regex = ingress("regex", HOST, "/v[0-9]+", "versioned").with("use-regex", "true");
    let other = view(
        "other",
        json!({"rules": [{"host": "other.example.com", "http": {"paths": [path_to("/login", "Exact", "login")]}}]}),
    );
    let mut proxy = Proxy::of(&[exact, regex, other]);
    assert_eq!(proxy.to(&Asked::get("shop.example.com/LOGIN-page")), "login");
    no_route(&mut proxy, "other.example.com/LOGIN-page");
}

#[test]
fn an_expression_that_is_none_here_is_told_and_not_served() {
    let view = ingress("main", HOST, "/(?!admin).*", "main-svc").with("use-regex", "true");
    no_route(&mut Proxy::of(std::slice::from_ref(&view)), "shop.example.com/x");
    assert!(findings(&[view], 0).iter().any(|f| f.annotation == "use-regex" && f.severity == Severity::Error));
}

#[test]
fn an_alias_that_is_a_host_of_its_own_stays_with_that() {
    let views = [main().with("server-alias", "other.example.com"), ingress("other", "other.example.com", "/", "other")];
    assert_eq!(Proxy::of(&views).to(&Asked::get("other.example.com")), "other");
    assert!(findings(&views, 0).iter().any(|f| f.annotation == "server-alias"));
}

#[test]
fn an_alias_leads_to_all_paths_of_its_host() {
    let views = [main().with("server-alias", "alias.example.com"), ingress("api", HOST, "/api", "api").at(5)];
    assert_eq!(Proxy::of(&views).to(&Asked::get("alias.example.com/api")), "api");
}

#[test]
fn a_rule_whose_host_is_none_is_told_and_the_others_are_served() {
    let rules = json!([{"host": "a b", "http": {"paths": [path_to("/", "Prefix", "bad")]}},
                       {"host": HOST, "http": {"paths": [path_to("/", "Prefix", "good")]}}]);
    let view = view("main", json!({"rules": rules}));
    assert_eq!(Proxy::of(std::slice::from_ref(&view)).to(&asked()), "good");
    assert!(findings(&[view], 0).iter().any(|f| f.annotation == "spec.rules[0].host"));
}

#[test]
fn each_host_of_an_ingress_is_a_part_of_its_own() {
    let rule = |host: &str| json!({"host": host, "http": {"paths": [path_to("/", "Prefix", "main-svc")]}});
    let view = view("main", json!({"rules": [rule("b.example.com"), rule("a.example.com"), rule("b.example.com")]}));
    let parts: Vec<(usize, String)> = routes(&[view], &Services::default())
        .iter()
        .map(|route| (route.part, route.hosts().next().unwrap().to_string()))
        .collect();
    assert_eq!(parts, [(0, "b.example.com".to_owned()), (1, "a.example.com".to_owned())]);
}
