//! What services call their requests when they count themselves, and what Flagger's checks for `kubernetes` and
//! `gatewayapi` read (`pkg/metrics/observers/http.go`).
//!
//! A client that left before any answer is not counted: a service that counts its answers would not, either, and it would
//! lower the rate of success of a version that did nothing wrong.

use super::super::export::OPENTELEMETRY;
use super::super::outcome::{Classification, Ending, Timed};
use super::super::wire::Labels;
use super::{Content, Family, Subject};
use crate::model::Dialect;

/// Requests by app and status.
pub const REQUESTS: Family = Family {
    name: "http_requests_total",
    help: "Requests by app, version and status.",
    dialect: Dialect::Http,
    content: Content::Requests(|subject, Ending { code, classification, .. }| {
        let identity = &subject.identity;
        labels(code, classification, || {
            vec![
                ("app", identity.app.to_string()),
                ("namespace", identity.namespace.to_string()),
                ("version", identity.version.to_string()),
                ("revision", subject.revision.to_string()),
            ]
        })
    }),
};

/// Durations by pod: one name stands for all pods of a revision, so that there are no more series than versions.
pub const DURATIONS: Family = Family {
    name: "http_request_duration_seconds",
    help: "From the request's head to the end of the answer, by workload and revision.",
    dialect: Dialect::Http,
    content: Content::Durations(
        |subject, Timed { code, classification }| {
            labels(code, classification, || {
                vec![
                    ("kubernetes_namespace", subject.identity.namespace.to_string()),
                    ("kubernetes_pod_name", pod(subject)),
                ]
            })
        },
        OPENTELEMETRY,
    ),
};

fn labels(code: u16, classification: Classification, of: impl Fn() -> Labels) -> Vec<Labels> {
    if code == 0 && classification == Classification::ClientGone {
        return Vec::new();
    }
    let mut labels = of();
    labels.push(("status", code.to_string()));
    vec![labels]
}

/// Flagger looks for `TARGET-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)`, so a revision loses its other characters here.
fn pod(subject: &Subject) -> String {
    let revision: String = subject.revision.chars().filter(char::is_ascii_alphanumeric).collect();
    let revision = if revision.is_empty() { "0" } else { &revision };
    format!("{}-{revision}-x", subject.identity.workload)
}
