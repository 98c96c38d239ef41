//! The 24 cases of `test/e2e/annotations/canary.go`, by their number in the contract. `M` is main-svc, `C` canary-svc.

use super::*;
use crate::decide::Refusal;

const M: &str = "main-svc";
const C: &str = "canary-svc";

fn header_canary() -> IngressView {
    canary().with("canary-by-header", "X-Canary")
}

#[track_caller]
fn expect(canary: IngressView, cases: &[(Asked, &str)]) {
    let mut proxy = Proxy::of(&[main(), canary]);
    for (asked, version) in cases {
        for _ in 0..20 {
            assert_eq!(proxy.to(asked), *version, "{:?}", asked.headers);
        }
    }
}

#[test]
fn case_1_a_plain_request_goes_to_main() {
    expect(header_canary(), &[(asked(), M)]);
}

/// Departure: ingress-nginx answers 404. A canary whose main Ingress is gone was serving a moment ago.
#[test]
fn case_2_a_canary_alone_serves_all_of_its_place() {
    let alone = [header_canary()];
    let mut proxy = Proxy::of(&alone);
    assert_eq!(proxy.to(&asked()), C);
    assert_eq!(proxy.to(&by_header("never")), C);
    assert_eq!(proxy.outcome(&Asked::get("other.example.com")), Outcome::Reject(Refusal::NoRoute));
    assert!(findings(&alone, 0).iter().any(|f| f.annotation == "canary" && f.severity == Severity::Warning));
}

#[test]
fn cases_3_and_4_main_created_before_or_after_its_canary() {
    for created in [1, 3] {
        let mut proxy = Proxy::of(&[main().at(created), header_canary()]);
        assert_eq!(proxy.to(&by_header("never")), M);
        assert_eq!(proxy.to(&by_header("always")), C);
        let mut other_order = Proxy::of(&[header_canary(), main().at(created)]);
        assert_eq!(other_order.to(&by_header("always")), C);
    }
}

#[test]
fn case_5_a_main_that_is_modified_keeps_its_canary() {
    let mut proxy = Proxy::of(&[ingress("main", HOST, "/", "newer-svc"), header_canary()]);
    assert_eq!(proxy.to(&by_header("never")), "newer-svc");
    assert_eq!(proxy.to(&by_header("always")), C);
}

#[test]
fn case_6_a_header_that_is_renamed_counts_under_its_new_name() {
    let renamed = canary().with("canary-by-header", "X-New");
    expect(renamed, &[(asked().header("x-new", "always"), C), (by_header("always"), M)]);
}

#[test]
fn case_7_a_header_without_value_knows_always_and_never() {
    expect(header_canary(), &[(by_header("always"), C), (by_header("never"), M), (by_header("bad"), M)]);
}

#[test]
fn case_8_a_header_value_replaces_always_and_never() {
    let cases = [("DoCanary", C), ("docanary", M), ("always", M), ("never", M), ("other", M)];
    let canary = header_canary().with("canary-by-header-value", "DoCanary");
    expect(canary, &cases.map(|(value, version)| (by_header(value), version)));
}

#[test]
fn case_9_a_header_pattern_is_matched_with_case() {
    let canary = header_canary().with("canary-by-header-pattern", "^Do[A-Z][a-z]+y$");
    expect(canary, &[(by_header("DoCanary"), C), (by_header("Docanary"), M)]);
}

#[test]
fn case_10_a_pattern_beside_a_value_is_ignored() {
    let canary =
        header_canary().with("canary-by-header-value", "DoCanary").with("canary-by-header-pattern", "^Do[A-Z][a-z]+y$");
    expect(canary, &[(by_header("DoCananry"), M), (by_header("DoCanary"), C)]);
}

#[test]
fn case_11_a_bad_pattern_keeps_who_has_the_header_on_main_whatever_the_cookie() {
    let canary = header_canary().with("canary-by-header-pattern", "[][**da?$&*").with("canary-by-cookie", "beta");
    expect(canary.clone(), &[(by_header("DoCanary").header("cookie", "beta=always"), M), (by_cookie("always"), C)]);
    let told = findings(&[main(), canary], 1);
    assert!(told.iter().any(|f| f.annotation == "canary-by-header-pattern" && f.severity == Severity::Error));
}

#[test]
fn case_12_a_header_that_does_not_match_leaves_it_to_the_cookie() {
    let canary = header_canary().with("canary-by-header-value", "DoCanary").with("canary-by-cookie", "beta");
    expect(canary, &[(by_header("other").header("cookie", "beta=always"), C)]);
}

#[test]
fn case_13_a_cookie_knows_always_and_never() {
    let canary = canary().with("canary-by-cookie", "beta");
    let mut proxy = Proxy::of(&[main(), canary]);
    assert_eq!(proxy.count(&by_cookie("always"), C, 50), 50);
    assert_eq!(proxy.count(&by_cookie("never"), M, 50), 50);
    assert_eq!(proxy.count(&by_cookie("bad"), M, 50), 50);
}

fn canaries_of_200(weight: &str, total: Option<&str>) -> usize {
    let mut canary = canary().with("canary-weight", weight);
    if let Some(total) = total {
        canary = canary.with("canary-weight-total", total);
    }
    Proxy::of(&[main(), canary]).count(&asked(), C, 200)
}

#[test]
fn case_14_weight_0_gets_nothing() {
    assert_eq!(canaries_of_200("0", None), 0);
}

#[test]
fn case_15_weight_100_gets_everything() {
    assert_eq!(canaries_of_200("100", None), 200);
}

#[test]
fn case_16_weight_1000_of_1000_gets_everything() {
    assert_eq!(canaries_of_200("1000", Some("1000")), 200);
}

/// Departure: exactly half, not half on average.
#[test]
fn case_17_weight_50_gets_half() {
    assert_eq!(canaries_of_200("50", None), 100);
}

#[test]
fn case_18_weight_100_of_200_gets_half() {
    assert_eq!(canaries_of_200("100", Some("200")), 100);
}

#[test]
fn case_19_a_catch_all_canary_joins_a_catch_all_main() {
    let default = |name: &str, service: &str| {
        view(name, json!({"defaultBackend": {"service": {"name": service, "port": {"number": 80}}}}))
    };
    let canary = default("canary", C).with("canary", "true").with("canary-by-header", "X-Canary");
    let mut proxy = Proxy::of(&[default("main", M), canary]);
    assert_eq!(proxy.to(&asked()), M);
    assert_eq!(proxy.to(&by_header("always")), C);
}

/// Departure: ingress-nginx makes no server for it.
#[test]
fn case_20_a_canary_on_a_host_without_main_serves_it() {
    let other = ingress("canary", "other.example.com", "/", C).with("canary", "true");
    let mut proxy = Proxy::of(&[main(), other]);
    assert_eq!(proxy.to(&Asked::get("other.example.com")), C);
    assert_eq!(proxy.to(&asked()), M);
}

#[test]
fn case_21_a_canary_with_two_unmatched_paths_of_one_backend() {
    let paths = json!({"http": {"paths": [path_to("/a", "Prefix", C), path_to("/b", "Prefix", C)]}, "host": HOST});
    let canary = view("canary", json!({"rules": [paths]})).with("canary", "true");
    let mut proxy = Proxy::of(&[main(), canary]);
    assert_eq!(proxy.to(&Asked::get("shop.example.com/a")), C);
    assert_eq!(proxy.to(&asked()), M);
}

#[track_caller]
fn keeps_whom_a_header_forced(canary: IngressView) {
    let mut proxy = Proxy::of(&[main().with("affinity", "cookie"), canary.with("canary-weight", "1")]);
    let cookie = proxy.set_cookie(&by_header("always"), false).expect("a cookie");
    assert_eq!(proxy.count(&returning(&cookie), C, 50), 50);
}

#[test]
fn case_22_affinity_keeps_whom_a_header_forced() {
    keeps_whom_a_header_forced(header_canary());
}

#[test]
fn case_23_affinity_sticky_keeps_whom_a_header_forced() {
    keeps_whom_a_header_forced(header_canary().with("affinity-canary-behavior", "sticky"));
}

#[test]
fn case_24_legacy_affinity_sets_no_cookie_on_the_canary() {
    let canary = canary().with("canary-weight", "50").with("affinity-canary-behavior", "legacy");
    let mut proxy = Proxy::of(&[main().with("affinity", "cookie"), canary]);
    let mut canaries = 0;
    for _ in 0..200 {
        let decision = proxy.decision(&asked());
        canaries += decision.version;
        assert_eq!(decision.cookie.is_some(), decision.version == 0);
    }
    assert_eq!(canaries, 100);
}

/// Departure: ingress-nginx answers 503 although the canary could.
#[test]
fn disabled_case_a_main_without_endpoints_leaves_it_to_the_canary() {
    let services = Services::default().of(M, 0, "");
    let mut proxy = Proxy::with(&[main(), header_canary()], &services);
    assert_eq!(proxy.to(&by_header("always")), C);
    assert_eq!(proxy.to(&asked()), C);
}

#[test]
fn disabled_case_a_canary_without_endpoints_leaves_it_to_main() {
    let services = Services::default().of(C, 0, "");
    let mut proxy = Proxy::with(&[main(), header_canary()], &services);
    assert_eq!(proxy.to(&by_header("never")), M);
    assert_eq!(proxy.to(&by_header("always")), M);
}

#[test]
fn without_any_endpoint_the_answer_is_503() {
    let services = Services::default().of(C, 0, "").of(M, 0, "");
    let mut proxy = Proxy::with(&[main(), header_canary()], &services);
    assert!(matches!(proxy.outcome(&asked()), Outcome::Reject(Refusal::NoEndpoint { .. })));
}

#[test]
fn affinity_to_main_beats_header_cookie_and_weight() {
    let canary = header_canary().with("canary-by-cookie", "beta").with("canary-weight", "100");
    let main = main().with("affinity", "cookie");
    let cookie = Proxy::of(std::slice::from_ref(&main)).set_cookie(&asked(), false).expect("a cookie");
    let mut proxy = Proxy::of(&[main, canary]);
    let pair = cookie.split(';').next().unwrap();
    let asked = by_header("always").header("cookie", &format!("{pair}; beta=always"));
    assert_eq!(proxy.count(&asked, M, 20), 20);
}

#[test]
fn weights_that_make_no_sense_are_the_default_and_are_told() {
    for (weight, total, expected) in [("ten", "100", 0), ("-5", "100", 0), ("300", "100", 200), ("10", "50", 20)] {
        assert_eq!(canaries_of_200(weight, Some(total)), expected, "{weight} of {total}");
    }
    let told = findings(&[main(), canary().with("canary-weight", "ten")], 1);
    assert!(told.iter().any(|f| f.message.contains("\"ten\"")), "{told:?}");
}
