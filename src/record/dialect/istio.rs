//! Istio's standard metrics (istio.io, reference, "Istio Standard Metrics"), as both sides of a call would report them.
//!
//! What is known of the source of a request is nothing, so there are no `source_*` labels.

use std::time::Duration;

use super::super::outcome::{Ending, Timed};
use super::super::wire::{Buckets, Labels};
use super::{Content, Family, Subject};
use crate::model::Dialect;

/// Envoy's bounds, up to where the proxy's own end.
const BUCKETS: Buckets = Buckets {
    micros: &[
        500, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
        10_000_000, 30_000_000, 60_000_000,
    ],
    unit: Duration::from_millis(1),
};

/// Requests by workload, Service and status.
pub const REQUESTS: Family = Family {
    name: "istio_requests_total",
    help: "Requests by workload, Service and status.",
    dialect: Dialect::Istio,
    content: Content::Requests(|subject, Ending { code, grpc_status, .. }| {
        let grpc = grpc_status.map_or_else(String::new, |status| status.to_string());
        reported(subject, code, Some(grpc))
    }),
};

/// Durations by the same.
pub const DURATIONS: Family = Family {
    name: "istio_request_duration_milliseconds",
    help: "From the request's head to the end of the answer.",
    dialect: Dialect::Istio,
    content: Content::Durations(|subject, Timed { code, .. }| reported(subject, code, None), BUCKETS),
};

fn reported(subject: &Subject, code: u16, grpc: Option<String>) -> Vec<Labels> {
    let report = |reporter: &str| {
        let mut labels = labels(subject, code, reporter);
        labels.extend(grpc.clone().map(|status| ("grpc_response_status", status)));
        labels
    };
    ["destination", "source"].map(report).into()
}

fn labels(subject: &Subject, code: u16, reporter: &str) -> Labels {
    let identity = &subject.identity;
    // The name in DNS of a Service; without a cluster there is none.
    let host = match &*identity.namespace {
        "" => identity.service.to_string(),
        namespace => format!("{}.{namespace}.svc.cluster.local", identity.service),
    };
    vec![
        ("reporter", reporter.to_owned()),
        ("destination_workload", identity.workload.to_string()),
        ("destination_workload_namespace", identity.namespace.to_string()),
        ("destination_app", identity.app.to_string()),
        ("destination_version", subject.revision.to_string()),
        ("destination_service", host),
        ("destination_service_name", identity.service.to_string()),
        ("destination_service_namespace", identity.namespace.to_string()),
        ("response_code", code.to_string()),
    ]
}
