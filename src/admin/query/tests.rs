use std::sync::Arc;

use super::eval::Value::{Scalar, Vector};
use super::*;
use crate::model::{Origin, Split};
use crate::record::dialect::{Subject, subjects};
use crate::record::{Classification, Ending, Reason, Recorder, Served, Shard, Tally};
use crate::snapshot::{Interner, Snapshot, compile};
use crate::testing::{model, route, split};

/// What grew within the window, whatever is asked for.
struct Grown(Vec<Subject>);

impl Source for Grown {
    fn increases(&self, selector: &Selector, range: Duration) -> Result<(Vec<Series>, f64), String> {
        Ok((series_of(selector, &self.0)?, range.as_secs_f64()))
    }
}

/// The split of the Canary `podinfo` in `test`.
fn podinfo() -> Split {
    let mut split = split(&[("podinfo-primary", 90), ("podinfo-canary", 10)]).revisions(&["5d8", "7c9"]);
    for (version, workload) in split.versions.iter_mut().zip(["podinfo-primary", "podinfo"]) {
        version.origin = Some(Arc::new(Origin {
            namespace: "test".into(),
            service: Arc::clone(&version.name),
            port: 9898,
            app: Some("spark-app".into()),
            workload: Some(workload.into()),
        }));
    }
    split
}

/// 900 requests of the primary, of 10 ms, and of the canary 95 good ones of 40 ms and 5 bad ones of 300 ms.
fn grown(idle: bool) -> Grown {
    let recorder = Arc::new(Recorder::default());
    let mut interner = Interner::default();
    let mut route = route("podinfo", &[], podinfo());
    route.key.namespace = "test".into();
    let snapshot = compile(&model([route]), &Snapshot::default(), &mut interner).unwrap();
    let ids: Vec<_> = snapshot.rules[0].body.versions.iter().map(|version| version.id).collect();
    let mut shard = Shard::new(Arc::clone(&recorder));
    for (id, count, code, ms) in [(ids[0], 900, 200, 10), (ids[1], 95, 200, 40), (ids[1], 5, 503, 300)] {
        let classification = if code == 200 { Classification::Success } else { Classification::Failure };
        let ending = Ending { code, grpc_status: None, classification, reason: Reason::None };
        (0..count).for_each(|_| shard.cell(id).ended(ending, Some(Duration::from_millis(ms)), None));
    }
    let served = Served {
        snapshot: Arc::new(snapshot),
        versions: interner.known_versions(),
        mirrors: Vec::new(),
        drains: Vec::new(),
    };
    Grown(subjects(&served, |id| if idle { Tally::default() } else { recorder.tally(id) }))
}

fn asked(query: &str, source: &Grown) -> Result<Value, String> {
    evaluate(&parse(query)?, source)
}

/// The only series of a result.
fn one(query: &str, source: &Grown) -> f64 {
    match asked(query, source) {
        Ok(Vector(series)) if series.len() == 1 && series[0].0.is_empty() => series[0].1,
        other => panic!("{query}: {other:?}"),
    }
}

fn close(query: &str, expected: f64) {
    let found = one(query, &grown(false));
    assert!((found - expected).abs() < 1e-9, "{query}: {found}, not {expected}");
}

/// `pkg/metrics/observers/nginx.go`, as its client sends it, with the selector `canary!=""` of those that tell the two apart.
const NGINX: [&str; 2] = [
    r#" sum( rate( nginx_ingress_controller_requests{ namespace="test", ingress="podinfo", canary!="", status!~"5.*" }[1m] ) ) / sum( rate( nginx_ingress_controller_requests{ namespace="test", ingress="podinfo", canary!="" }[1m] ) ) * 100"#,
    r#" sum( rate( nginx_ingress_controller_response_duration_seconds_sum{ namespace="test", ingress="podinfo", canary!="" }[1m] ) ) / sum( rate( nginx_ingress_controller_response_duration_seconds_count{ namespace="test", ingress="podinfo", canary!="" }[1m] ) ) * 1000"#,
];
/// `pkg/metrics/observers/http.go`.
const HTTP: [&str; 2] = [
    r#" sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", status!~"5.*" }[1m] ) ) / sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) * 100"#,
    r#" histogram_quantile( 0.99, sum( rate( http_request_duration_seconds_bucket{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) by (le) )"#,
];
/// `pkg/metrics/observers/istio.go`.
const ISTIO: [&str; 2] = [
    r#" sum( rate( istio_requests_total{ reporter="destination", destination_workload_namespace="test", destination_workload=~"podinfo", response_code!~"5.*" }[1m] ) ) / sum( rate( istio_requests_total{ reporter="destination", destination_workload_namespace="test", destination_workload=~"podinfo" }[1m] ) ) * 100"#,
    r#" histogram_quantile( 0.99, sum( rate( istio_request_duration_milliseconds_bucket{ reporter="destination", destination_workload_namespace="test", destination_workload=~"podinfo" }[1m] ) ) by (le) )"#,
];
const ARTICLE: &str = r#"sum(rate(http_requests_total{app="spark-app",status=~"2.."}[1m])) / sum(rate(http_requests_total{app="spark-app"}[1m])) * 100"#;

#[test]
fn flaggers_checks_see_the_canary_alone() {
    for query in [NGINX[0], HTTP[0], ISTIO[0]] {
        close(query, 95.0);
    }
    // The mean in milliseconds.
    close(NGINX[1], (95.0 * 40.0 + 5.0 * 300.0) / 100.0);
    // The 99th of 100 is the fourth of five within a bucket: from 250 to 500 ms.
    close(HTTP[1], 0.25 + 0.25 * 4.0 / 5.0);
    close(ISTIO[1], 250.0 + 250.0 * 4.0 / 5.0);
}

#[test]
fn the_articles_query_works_as_it_stands() {
    close(ARTICLE, 995.0 / 1000.0 * 100.0);
}

#[test]
fn without_traffic_a_share_is_no_number_and_without_series_there_is_none() {
    for query in NGINX.into_iter().chain(HTTP).chain(ISTIO).chain([ARTICLE]) {
        assert!(one(query, &grown(true)).is_nan(), "{query}");
        let other = query.replace("podinfo", "other").replace("spark-app", "other");
        assert_eq!(asked(&other, &grown(false)), Ok(Vector(Vec::new())), "{other}");
    }
}

#[test]
fn a_rate_is_divided_by_seconds_and_an_increase_is_not() {
    close(r#"sum(rate(http_requests_total{version="podinfo-primary"}[90s]))"#, 10.0);
    close(r#"sum(increase(http_requests_total{version="podinfo-primary"}[1m30s]))"#, 900.0);
    close("sum(increase(http_requests_total[5m]))", 1000.0);
}

#[test]
fn sums_keep_the_labels_that_are_named() {
    let expected = |version: &str, count: f64| (Labels::from([("version".to_owned(), version.to_owned())]), count);
    let expected = Ok(Vector(vec![expected("podinfo-canary", 100.0), expected("podinfo-primary", 900.0)]));
    for query in [
        "sum(increase(http_requests_total[1m])) by (version)",
        "sum by (version) (increase(http_requests_total[1m]))",
        "sum by (version,) (increase(http_requests_total{}[1m]))",
    ] {
        assert_eq!(asked(query, &grown(false)), expected, "{query}");
    }
    let share = "sum(increase(http_requests_total{status=\"200\"}[1m])) by (version) / sum(increase(http_requests_total[1m])) by (version)";
    assert!(matches!(asked(share, &grown(false)), Ok(Vector(series)) if series[0].1 == 0.95 && series[1].1 == 1.0));
}

#[test]
fn selectors_are_about_whole_values_and_absent_labels_are_empty() {
    let count = |selector: &str| one(&format!("sum(increase(http_requests_total{{{selector}}}[1m]))"), &grown(false));
    assert_eq!(count(r#"version=~"podinfo-.*""#), 1000.0);
    assert_eq!(count(r#"version=~"podinfo-can|podinfo-primary""#), 900.0);
    assert_eq!(count(r#"version!~'podinfo-can.*',status!="503""#), 900.0);
    assert_eq!(count(r#"version!="podinfo-primary""#), 100.0);
    assert_eq!(count(r#"nothing="""#), 1000.0);
    assert_eq!(count("app=`spark-app`,"), 1000.0);
    let none = asked(r#"rate(http_requests_total{version=~"podinfo"}[1m])"#, &grown(false));
    assert_eq!(none, Ok(Vector(Vec::new())));
}

#[test]
fn arithmetic_is_that_of_prometheus() {
    for (query, value) in
        [("1 + 2 * 3", 7.0), ("(1 + 2) * 3", 9.0), ("-2 * 3 - -1", -5.0), ("8 / 2 / 2", 2.0), ("1e3", 1000.0)]
    {
        assert_eq!(asked(query, &grown(true)), Ok(Scalar(value)), "{query}");
    }
    assert_eq!(asked("vector(1)", &grown(true)), Ok(Vector(vec![(Labels::new(), 1.0)])));
    assert_eq!(asked("vector(1) * 3 - 1", &grown(true)), Ok(Vector(vec![(Labels::new(), 2.0)])));
    assert!(matches!(asked("0 / 0", &grown(true)), Ok(Scalar(value)) if value.is_nan()));
}

/// The rules of `bucketQuantile` in Prometheus.
#[test]
fn quantiles_are_linear_within_a_bucket_and_end_at_the_last_finite_bound() {
    let quantile = |q: &str| one(&format!("histogram_quantile({q}, sum(rate({BUCKETS}[1m])) by (le))"), &grown(false));
    const BUCKETS: &str = r#"http_request_duration_seconds_bucket{kubernetes_pod_name="podinfo-primary-5d8-x"}"#;
    // All 900 are in the bucket from 5 to 10 ms.
    assert!((quantile("0.5") - 0.0075).abs() < 1e-9);
    assert!((quantile("1") - 0.01).abs() < 1e-9);
    assert_eq!((quantile("-1"), quantile("2")), (f64::NEG_INFINITY, f64::INFINITY));
    assert!(quantile("0/0").is_nan());
    let beyond = r#"histogram_quantile(0.99, sum(rate(nginx_ingress_controller_requests[1m])) by (le))"#;
    assert_eq!(asked(beyond, &grown(false)), Ok(Vector(Vec::new())), "series without le are no buckets");
}

#[test]
fn what_is_not_understood_is_said() {
    let error = |query: &str| asked(query, &grown(true)).unwrap_err();
    for (query, says) in [
        ("", "expected a number, a function or (, found the end"),
        ("up", "\"up\" is no function"),
        ("avg(rate(http_requests_total[1m]))", "\"avg\" is no function"),
        ("rate(http_requests_total)", "expected a range like [1m], found )"),
        ("rate(http_requests_total[1x])", "[1x] is no range"),
        ("rate(http_requests_total[0s])", "[0s] is no range"),
        ("rate(http_requests_total[1m)", "does not end"),
        ("rate(up[1m])", "there is no metric \"up\"; there are: http_requests_total, "),
        ("rate(http_requests_total{app=spark}[1m])", "expected a quoted text, found spark"),
        ("rate(http_requests_total{app=~\"(\"}[1m])", "cannot be searched for"),
        ("rate(http_requests_total{app=\"a}[1m])", "does not end"),
        ("sum(1)", "sum takes series there"),
        ("vector(vector(1))", "vector takes a number there"),
        ("1 +", "found the end"),
        ("1 2", "expected the end, found 2"),
        ("1 == 2", "found ="),
        ("1 % 2", "\"%\" belongs to nothing"),
        ("\u{e4}", "belongs to nothing"),
    ] {
        assert!(error(query).contains(says), "{query}: {}", error(query));
    }
    assert!(error(&"(".repeat(2000)).contains("nested"));
    assert!(error(&"1+".repeat(9000)).contains("longer"));
    assert_eq!(asked(&format!("{}1", "-".repeat(4000)), &grown(true)), Ok(Scalar(1.0)));
    assert_eq!(asked(&vec!["(1)"; 100].join("+"), &grown(true)), Ok(Scalar(100.0)), "one after the other is not deep");
}

#[test]
fn parameters_come_as_a_query_string_or_a_form() {
    let now: jiff::Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
    let ask = |parameters: &str| result(&grown(true), parameters, now);
    let one = serde_json::json!({ "resultType": "vector", "result": [{ "metric": {}, "value": [1767323045.5, "1"] }] });
    for parameters in
        ["query=vector(1)", "query=vector%281%29&time=1767323044.9", "time=2026-01-02T03:04:00Z&query=+vector(+1+)"]
    {
        assert_eq!(ask(parameters).ok(), Some(one.clone()), "{parameters}");
    }
    assert_eq!(ask("query=1%2F0").ok().unwrap()["result"][1], "+Inf");
    assert_eq!(ask("query=0%2F0").ok().unwrap()["result"][1], "NaN");
    assert_eq!(ask("query=-1/0").ok().unwrap()["result"][1], "-Inf");
    for (parameters, status) in
        [("", 400), ("query=", 400), ("query=up", 400), ("query=vector(1)&time=1", 400), ("query=rate(up[1m])", 422)]
    {
        let refused = ask(parameters).err().unwrap();
        assert_eq!(refused.status.as_u16(), status, "{parameters}");
        assert!(refused.message.contains("understood are vector(1)"), "{}", refused.message);
    }
}
