//! Annotations that are filters, limits and transports of the routes.

use std::time::Duration;

use super::*;
use crate::decide::Refusal;
use crate::model::{Filter, PathRewrite, RetryOn, Rule, Split, Timeouts, UpstreamProtocol};

fn rule(view: IngressView) -> Rule {
    routes(&[view], &Services::default()).remove(0).rules.remove(0)
}

fn split(view: IngressView) -> Split {
    rule(view).split.as_ref().clone()
}

fn is_https(rule: &Rule) -> bool {
    rule.filters.iter().any(|filter| matches!(filter, Filter::RequireHttps(status) if status.as_u16() == 308))
}

fn with_tls(hosts: Value) -> IngressView {
    let mut view = main();
    view.spec.tls = serde_json::from_value(json!([{"hosts": hosts, "secretName": "shop-tls"}])).unwrap();
    view
}

#[test]
fn clear_text_is_redirected_where_the_host_has_a_certificate() {
    assert!(!is_https(&rule(main())));
    for hosts in [json!([HOST]), json!([]), json!(["*.example.com"])] {
        assert!(is_https(&rule(with_tls(hosts))));
    }
    assert!(!is_https(&rule(with_tls(json!(["other.example.com"])))));
    assert!(!is_https(&rule(with_tls(json!([HOST])).with("ssl-redirect", "false"))));
    assert!(is_https(&rule(main().with("force-ssl-redirect", "true"))));
}

#[test]
fn certificates_are_told_with_their_hosts() {
    let tls = plan(&[with_tls(json!([]))]).translate(0, &Services::default()).tls;
    assert_eq!(tls[0].secret.as_deref(), Some("shop-tls"));
    assert_eq!(tls[0].hosts, [HostPattern::parse(HOST).unwrap()]);
}

#[test]
fn a_rewrite_takes_groups_of_the_path() {
    let view = ingress("main", HOST, "/api(/|$)(.*)", "main-svc");
    let view = view.with("rewrite-target", "/v1/$2").with("x-forwarded-prefix", "/api");
    let filters = rule(view).filters;
    let Filter::RewritePath(PathRewrite::Pattern(pattern, target)) = &filters[0] else { panic!("{filters:?}") };
    assert_eq!(pattern.rewrite("/API/users", target).as_deref(), Some("/v1/users"));
    assert!(matches!(filters[1], Filter::RequestHeader(_)));
}

#[test]
fn app_root_redirects_the_root_only() {
    let mut proxy = Proxy::of(&[main().with("app-root", "/home")]);
    assert!(matches!(proxy.outcome(&asked()), Outcome::Respond(_)));
    assert_eq!(proxy.to(&Asked::get("shop.example.com/home")), "main-svc");
}

#[test]
fn redirects_of_everything_have_their_codes_and_the_temporal_one_wins() {
    let code = |view: IngressView| match &rule(view).filters[0] {
        Filter::RedirectTo(to) => (to.url.to_string(), to.status.as_u16(), to.with_target),
        other => panic!("{other:?}"),
    };
    let permanent = main().with("permanent-redirect", "https://new.example.com");
    assert_eq!(code(permanent.clone()), ("https://new.example.com".to_owned(), 301, false));
    assert_eq!(code(permanent.clone().with("permanent-redirect-code", "308")).1, 308);
    assert_eq!(code(permanent.clone().with("permanent-redirect-code", "200")).1, 301);
    let temporal = permanent.with("temporal-redirect", "https://tmp.example.com$request_uri");
    assert_eq!(code(temporal), ("https://tmp.example.com".to_owned(), 302, true));
}

#[test]
fn the_other_of_www_and_not_is_redirected_unless_it_is_served() {
    let mut proxy = Proxy::of(&[main().with("from-to-www-redirect", "true")]);
    assert!(matches!(proxy.outcome(&Asked::get("www.shop.example.com/x")), Outcome::Respond(_)));
    let other = ingress("www", "www.shop.example.com", "/", "www-svc");
    let mut proxy = Proxy::of(&[main().with("from-to-www-redirect", "true"), other]);
    assert_eq!(proxy.to(&Asked::get("www.shop.example.com/x")), "www-svc");
}

#[test]
fn sizes_times_and_retries_have_nginxs_defaults() {
    let split = split(main());
    let seconds = |n| Duration::from_secs(n);
    assert_eq!(split.limits.request_body, Some(1 << 20));
    assert_eq!(
        (split.timeouts.connect, split.timeouts.request, split.timeouts.idle),
        (seconds(5), seconds(60), seconds(60))
    );
    assert_eq!(split.retry.attempts, 2);
    assert_eq!(split.retry.on, [RetryOn::Connect, RetryOn::Refused, RetryOn::Reset, RetryOn::Timeout]);
    assert_eq!((split.retry.per_try, split.retry.anew, split.retry.within), (Some(seconds(60)), true, None));
    assert!(!split.retry.non_idempotent);
}

#[test]
fn sizes_times_and_retries_are_as_given() {
    let view = main().with("proxy-body-size", "8m").with("proxy-read-timeout", "5").with("proxy-send-timeout", "7");
    let split = split(view.with("proxy-next-upstream", "timeout http_500").with("proxy-next-upstream-tries", "2"));
    assert_eq!(split.limits.request_body, Some(8 << 20));
    assert_eq!((split.timeouts.request, split.timeouts.idle), (Duration::from_secs(5), Duration::from_secs(7)));
    assert_eq!(
        (split.retry.attempts, split.retry.on.clone()),
        (1, vec![RetryOn::Connect, RetryOn::Timeout, status(500)])
    );
    assert_eq!(split.retry.per_try, Some(Duration::from_secs(5)), "each try has the time to itself");
    let unlimited = self::split(main().with("proxy-body-size", "0").with("proxy-next-upstream", "off"));
    assert_eq!((unlimited.limits.request_body, unlimited.retry.attempts), (None, 0));
}

#[test]
fn times_beyond_all_bounds_are_ones_that_a_clock_can_be_set_to() {
    let most = u64::MAX.to_string();
    let names = ["proxy-connect-timeout", "proxy-read-timeout", "proxy-send-timeout", "proxy-next-upstream-timeout"];
    let split = split(names.into_iter().fold(main(), |view, name| view.with(name, &most)));
    let Timeouts { connect, request, idle } = *split.timeouts;
    for limit in [connect, request, idle, split.retry.within.unwrap(), split.retry.per_try.unwrap()] {
        assert!(std::time::Instant::now().checked_add(limit).is_some(), "{limit:?}");
    }
}

fn status(number: u16) -> RetryOn {
    RetryOn::Status(http::StatusCode::from_u16(number).unwrap())
}

#[test]
fn tries_end_after_the_given_time_and_what_is_not_idempotent_is_sent_again_where_asked() {
    let view = main().with("proxy-next-upstream", "error non_idempotent").with("proxy-next-upstream-timeout", "7");
    let told = findings(std::slice::from_ref(&view), 0);
    assert!(told.iter().all(|f| f.severity == Severity::Info), "{told:?}");
    let retry = split(view).retry;
    assert_eq!((retry.within, retry.non_idempotent), (Some(Duration::from_secs(7)), true));
    assert_eq!((retry.per_try, retry.anew), (None, true), "a try that takes too long is no cause");
    let retry = split(main().with("proxy-next-upstream-timeout", "0")).retry;
    assert_eq!(retry.within, None, "0: no limit");
}

#[test]
fn every_status_of_nginx_is_a_cause_for_another_try() {
    let all = "http_403 http_404 http_429 http_500 http_502 http_503 http_504";
    let on = split(main().with("proxy-next-upstream", all)).retry.on.clone();
    assert_eq!(on, [403, 404, 429, 500, 502, 503, 504].map(status));
    assert!(findings(&[main().with("proxy-next-upstream", all)], 0).iter().all(|f| f.severity == Severity::Info));
}

#[test]
fn causes_that_cannot_be_carried_are_told_and_the_others_hold() {
    for cause in ["invalid_header", "http_418", "sometimes"] {
        let view = main().with("proxy-next-upstream", &format!("error {cause} http_503"));
        let told = findings(std::slice::from_ref(&view), 0);
        assert!(told.iter().any(|f| f.severity == Severity::Warning && f.message.contains(cause)), "{told:?}");
        let connections = [RetryOn::Connect, RetryOn::Refused, RetryOn::Reset];
        assert_eq!(split(view).retry.on, [&connections[..], &[status(503)]].concat());
    }
}

#[test]
fn backends_are_spoken_to_as_asked_or_as_the_service_says() {
    let spoken = |protocol: &str| {
        let transport = Arc::clone(&split(main().with("backend-protocol", protocol)).versions[0].transport);
        (transport.protocol, transport.tls.is_some())
    };
    assert_eq!(spoken("HTTP"), (UpstreamProtocol::Http1, false));
    assert_eq!(spoken("HTTPS"), (UpstreamProtocol::Auto, true));
    assert_eq!(spoken("grpc"), (UpstreamProtocol::Http2, false));
    assert_eq!(spoken("GRPCS"), (UpstreamProtocol::Http2, true));
    let mut services = Services::default().of("main-svc", 1, "");
    services.0.get_mut("main-svc").unwrap().app_protocol = Some("kubernetes.io/h2c".into());
    let said = routes(&[main()], &services)[0].rules[0].split.versions[0].transport.protocol;
    assert_eq!(said, UpstreamProtocol::Http2);
}

#[test]
fn source_ranges_let_only_some_in() {
    let view =
        main().with("whitelist-source-range", "10.0.0.0/8, 192.0.2.1").with("denylist-source-range", "10.9.0.0/16");
    let mut proxy = Proxy::of(&[view]);
    for (client, allowed) in
        [([10, 1, 2, 3], true), ([192, 0, 2, 1], true), ([10, 9, 0, 1], false), ([8, 8, 8, 8], false)]
    {
        let outcome = proxy.outcome(&asked().from(client));
        assert_eq!(outcome == Outcome::Reject(Refusal::Forbidden), !allowed, "{client:?}");
    }
}

#[test]
fn protection_that_is_refused_closes_its_paths_and_nothing_else() {
    for (name, value) in [
        ("auth-url", "https://sso.example.com"),
        ("auth-type", "basic"),
        ("auth-tls-secret", "default/ca"),
        ("enable-modsecurity", "true"),
        ("proxy-ssl-verify", "on"),
        ("whitelist-source-range", "10.0.0.0/33"),
        ("configuration-snippet", "deny all;"),
        ("server-snippet", "location /x { return 403; }"),
        ("backend-protocol", "FCGI"),
    ] {
        let view = main().with(name, value).with("proxy-body-size", "8m");
        let mut proxy = Proxy::of(&[view.clone(), ingress("open", HOST, "/open", "open-svc")]);
        assert_eq!(proxy.outcome(&asked()), Outcome::Reject(Refusal::Closed), "{name}");
        assert_eq!(proxy.to(&Asked::get("shop.example.com/open")), "open-svc");
        assert_eq!(split(view.clone()).limits.request_body, Some(8 << 20));
        assert!(findings(&[view], 0).iter().any(|f| f.annotation == name && f.severity == Severity::Error), "{name}");
    }
}

#[test]
fn protection_that_is_switched_off_closes_nothing() {
    for (name, value) in [
        ("enable-modsecurity", "false"),
        ("proxy-ssl-verify", "off"),
        ("configuration-snippet", "more_set_headers \"X-A: b\"; # deny all"),
        ("auth-secret", "default/users"),
        ("limit-rps", "5"),
    ] {
        assert_eq!(Proxy::of(&[main().with(name, value)]).to(&asked()), "main-svc", "{name}");
    }
}

#[test]
fn cors_has_nginxs_defaults() {
    let rule =
        rule(main().with("enable-cors", "true").with("cors-allow-origin", "https://*.example.com, https://a.org"));
    let Filter::Cors(cors) = &rule.filters[0] else { panic!("{rule:?}") };
    assert_eq!((cors.allow_origins.len(), cors.allow_methods.len(), cors.allow_headers.len()), (2, 6, 9));
    assert_eq!((cors.allow_credentials, cors.max_age), (true, Some(Duration::from_secs(1_728_000))));
}

#[test]
fn headers_of_a_config_map_are_added_to_answers() {
    let added = |view| rule(view).filters.iter().filter(|f| matches!(f, Filter::ResponseHeader(_))).count();
    assert_eq!(added(main().with("custom-headers", "default/headers")), 1);
    let missing = main().with("custom-headers", "default/none");
    assert_eq!(added(missing.clone()), 0);
    let told = plan(&[missing]).translate(0, &Services::default()).findings;
    assert!(told.iter().any(|finding| finding.message.contains("default/none")), "{told:?}");
}

struct Gone;

impl Cluster for Gone {
    fn resolve(&self, backend: &BackendRef) -> Result<Resolved, String> {
        assert!(backend.cluster_ip);
        Err(format!("there is no Service {backend}"))
    }

    fn config_map(&self, _: &str, _: &str) -> Result<BTreeMap<String, String>, String> {
        Err("there is none".to_owned())
    }
}

#[test]
fn a_service_that_is_missing_is_told_and_answered_with_503() {
    let translation = plan(&[main().with("service-upstream", "true")]).translate(0, &Gone);
    assert!(translation.findings[0].message.contains("default/main-svc:80"), "{:?}", translation.findings);
    let snapshot = compiled(&model(translation.routes));
    let outcome = decide(&snapshot, &mut Cursors::new(1), &asked().head());
    assert!(matches!(outcome, Outcome::Reject(Refusal::NoEndpoint { .. })));
}
