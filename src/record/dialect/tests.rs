use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use prometheus::proto::MetricType;

use super::*;
use crate::model::{Origin, Split};
use crate::record::gathered::{self, Gathered};
use crate::record::{Export, Format, Recorder, Served, Shard, Tally};
use crate::snapshot::{Interner, Snapshot, compile};
use crate::testing::{model, route, split};

fn origin(service: &str, workload: Option<&str>) -> Option<Arc<Origin>> {
    Some(Arc::new(Origin {
        namespace: "prod".into(),
        service: service.into(),
        port: 80,
        app: Some("spark-app".into()),
        workload: workload.map(Into::into),
    }))
}

/// A route `shop` of stable and canary, each with so many successes and failures.
fn counted(split: Split, counts: [(u32, u32); 2]) -> Vec<Subject> {
    let (recorder, served) = recorded(split, counts);
    subjects(&served, |id| recorder.tally(id))
}

fn recorded(split: Split, counts: [(u32, u32); 2]) -> (Arc<Recorder>, Served) {
    let recorder = Arc::new(Recorder::default());
    let mut interner = Interner::default();
    let snapshot = compile(&model([route("shop", &[], split)]), &Snapshot::default(), &mut interner).unwrap();
    let mut shard = Shard::new(Arc::clone(&recorder));
    for (version, (good, bad)) in snapshot.rules[0].body.versions.iter().zip(counts) {
        for (count, code, classification, ms) in
            [(good, 200, Classification::Success, 20), (bad, 503, Classification::Failure, 800)]
        {
            let ending = Ending { code, grpc_status: None, classification, reason: Reason::None };
            let duration = Some(Duration::from_millis(ms));
            (0..count).for_each(|_| shard.cell(version.id).ended(ending, duration, None));
        }
    }
    let served = Served {
        snapshot: Arc::new(snapshot),
        versions: interner.known_versions(),
        mirrors: Vec::new(),
        drains: Vec::new(),
    };
    (recorder, served)
}

fn two() -> Split {
    let mut split = split(&[("stable", 9), ("canary", 1)]).revisions(&["", "r-7"]);
    split.versions[0].origin = origin("shop-primary", Some("shop-primary"));
    split.versions[1].origin = origin("shop-canary", Some("shop"));
    split
}

/// The sum of the samples that have all these labels.
fn sum(subjects: &[Subject], metric: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |sample: &&Sample| {
        labels.iter().all(|wanted| sample.labels.iter().any(|(name, value)| (*name, value.as_str()) == *wanted))
    };
    samples(metric, subjects).unwrap().iter().filter(has).map(|sample| sample.value).sum()
}

#[test]
fn http_counts_by_app_and_by_a_pod_that_stands_for_all() {
    let subjects = counted(two(), [(7, 0), (3, 1)]);
    let app = ("app", "spark-app");
    assert_eq!(sum(&subjects, "http_requests_total", &[app]), 11.0);
    assert_eq!(sum(&subjects, "http_requests_total", &[app, ("version", "canary"), ("status", "503")]), 1.0);
    let pod = [("kubernetes_namespace", "prod"), ("kubernetes_pod_name", "shop-r7-x")];
    assert_eq!(sum(&subjects, "http_request_duration_seconds_count", &pod), 4.0);
    assert_eq!(sum(&subjects, "http_request_duration_seconds_bucket", &[pod[1], ("le", "0.025")]), 3.0);
    assert_eq!(sum(&subjects, "http_request_duration_seconds_bucket", &[pod[1], ("le", "+Inf")]), 4.0);
    let stable = ("kubernetes_pod_name", "shop-primary-0-x");
    assert!((sum(&subjects, "http_request_duration_seconds_sum", &[stable]) - 0.14).abs() < 1e-9);
}

#[test]
fn nginx_names_the_primary_and_tells_the_canary() {
    let subjects = counted(two(), [(7, 0), (3, 1)]);
    let of = |canary| [("ingress", "shop"), ("service", "shop-primary"), ("canary", canary)];
    let family = "nginx_ingress_controller_requests";
    assert_eq!(sum(&subjects, family, &of("")), 7.0);
    assert_eq!(sum(&subjects, family, &of("prod-shop-canary-80")), 4.0);
    for family in ["request", "response"] {
        let family = format!("nginx_ingress_controller_{family}_duration_seconds_bucket");
        assert_eq!(sum(&subjects, &family, &[("canary", "prod-shop-canary-80"), ("le", "0.025")]), 3.0);
        assert_eq!(sum(&subjects, &family, &[("le", "0.075")]), 0.0, "no bucket of other proxies");
    }
}

#[test]
fn istio_has_both_reporters_and_counts_in_milliseconds() {
    let subjects = counted(two(), [(7, 0), (3, 1)]);
    for reporter in ["source", "destination"] {
        let labels = [
            ("reporter", reporter),
            ("destination_workload", "shop"),
            ("destination_workload_namespace", "prod"),
            ("destination_service", "shop-canary.prod.svc.cluster.local"),
            ("destination_service_name", "shop-canary"),
            ("destination_version", "r-7"),
        ];
        assert_eq!(sum(&subjects, "istio_requests_total", &labels), 4.0);
        assert_eq!(sum(&subjects, "istio_request_duration_milliseconds_bucket", &[labels[0], ("le", "25")]), 10.0);
        let seconds = sum(&subjects, "istio_request_duration_milliseconds_sum", &labels);
        assert!((seconds - 860.0).abs() < 1e-6, "{seconds}");
    }
}

#[test]
fn a_file_names_versions_by_their_own_names() {
    let subjects = counted(split(&[("stable", 9), ("canary", 1)]), [(7, 0), (4, 0)]);
    assert_eq!(
        sum(&subjects, "http_requests_total", &[("app", "shop"), ("version", "canary"), ("namespace", "")]),
        4.0
    );
    let pod = ("kubernetes_pod_name", "shop-canary-0-x");
    assert_eq!(sum(&subjects, "http_request_duration_seconds_count", &[pod]), 4.0);
    let nginx = [("ingress", "shop"), ("service", "stable"), ("canary", "canary")];
    assert_eq!(sum(&subjects, "nginx_ingress_controller_requests", &nginx), 4.0);
    let istio = [("destination_service", "canary"), ("destination_workload", "shop-canary"), ("reporter", "source")];
    assert_eq!(sum(&subjects, "istio_requests_total", &istio), 4.0);
}

#[test]
fn what_no_workload_is_known_of_is_named_after_its_app_and_then_its_service() {
    let workload = |app: Option<&str>| {
        let mut split = two();
        let known = Origin { app: app.map(Into::into), workload: None, ..(*origin("web", None).unwrap()).clone() };
        split.versions[1].origin = Some(Arc::new(known));
        counted(split, [(0, 0), (0, 0)])[1].identity.workload.to_string()
    };
    assert_eq!(workload(Some("checkout")), "checkout");
    assert_eq!(workload(None), "web");
}

#[test]
fn series_of_configured_versions_exist_from_the_start() {
    let subjects = counted(two(), [(0, 0), (0, 0)]);
    for name in names() {
        let samples = samples(&name, &subjects).unwrap();
        assert!(samples.len() >= 2, "{name}: {samples:?}");
        assert!(samples.iter().all(|sample| sample.value == 0.0), "{name}");
    }
    assert_eq!(samples("weir_nothing", &subjects), None);
    assert_eq!(samples("http_requests_total_count", &subjects), None);
    assert_eq!(samples("http_request_duration_seconds", &subjects), None);
}

#[test]
fn a_client_that_left_without_an_answer_is_nobodys_failure() {
    let mut subjects = counted(two(), [(0, 0), (0, 0)]);
    let gone =
        Ending { code: 0, grpc_status: None, classification: Classification::ClientGone, reason: Reason::ClientGone };
    subjects[1].tally = Tally { endings: vec![(gone, 5)], durations: Vec::new() };
    assert_eq!(sum(&subjects, "http_requests_total", &[]), 0.0);
    assert_eq!(sum(&subjects, "nginx_ingress_controller_requests", &[("status", "499")]), 5.0);
    assert_eq!(sum(&subjects, "istio_requests_total", &[("response_code", "0"), ("reporter", "source")]), 5.0);
}

#[test]
fn an_earlier_revision_goes_on_counting_where_labels_do_not_name_it() {
    let mut interner = Interner::default();
    let before = compile(&model([route("shop", &[], two())]), &Snapshot::default(), &mut interner).unwrap();
    let newer = two().revisions(&["", "r8"]);
    let after = compile(&model([route("shop", &[], newer)]), &before, &mut interner).unwrap();
    let ending = Ending { code: 200, grpc_status: None, classification: Classification::Success, reason: Reason::None };
    let served = Served {
        snapshot: Arc::new(after),
        versions: interner.known_versions(),
        mirrors: Vec::new(),
        drains: Vec::new(),
    };
    let subjects = subjects(&served, |_| Tally { endings: vec![(ending, 10)], durations: Vec::new() });
    assert_eq!(sum(&subjects, "nginx_ingress_controller_requests", &[("canary", "prod-shop-canary-80")]), 20.0);
    assert_eq!(sum(&subjects, "http_requests_total", &[("revision", "r8")]), 10.0);
}

#[test]
fn the_text_is_what_a_registry_would_show() {
    let (recorder, served) = recorded(two(), [(3, 0), (2, 1)]);
    let subjects = subjects(&served, |id| recorder.tally(id));
    let mut objects = Gathered(Vec::new());
    for family in FAMILIES {
        let (kind, metrics): (_, Vec<_>) = match &family.content {
            Content::Requests(labels) => {
                let kind = MetricType::COUNTER;
                let metric = |(labels, count)| gathered::number(kind, &labels, count as f64);
                (kind, requests(*labels, &subjects).into_iter().map(metric).collect())
            }
            Content::Durations(labels, buckets) => {
                let metric = |(labels, durations)| gathered::histogram(&labels, &durations, buckets);
                (MetricType::HISTOGRAM, durations(*labels, &subjects).into_iter().map(metric).collect())
            }
        };
        objects.family(family.name, family.help, kind, metrics);
    }
    let served = move || Served {
        snapshot: Arc::clone(&served.snapshot),
        versions: served.versions.clone(),
        mirrors: Vec::new(),
        drains: Vec::new(),
    };
    let dialects = [Dialect::Http, Dialect::Nginx, Dialect::Istio];
    let export: Arc<dyn Export> = Arc::new(DialectExporter::new(recorder, served, &dialects));
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let pieces: Vec<_> = format.write(std::slice::from_ref(&export), &Registry::new()).unwrap().collect();
        let text = String::from_utf8(pieces.concat()).unwrap();
        assert!(text == objects.text(format), "{text}");
    }
}
