//! The metrics of ingress-nginx (`internal/ingress/metric/collectors/socket.go`): what a query needs to find the traffic of
//! an Ingress and of its canary.
//!
//! `ingress` and `service` name the primary's even for canary traffic, and `canary` is what tells the two apart, empty for
//! the primary. A client that left before any answer is a 499.

use std::time::Duration;

use super::super::outcome::{Ending, Timed};
use super::super::wire::{Buckets, Labels};
use super::{Content, Family, Subject};
use crate::model::Dialect;

/// Bounds of its histograms, those of the Prometheus client for Go.
const BUCKETS: Buckets = Buckets {
    micros: &[5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000],
    unit: Duration::from_secs(1),
};

/// Not `_total`: it is named so there.
pub const REQUESTS: Family = Family {
    name: "nginx_ingress_controller_requests",
    help: "Requests by Ingress and canary.",
    dialect: Dialect::Nginx,
    content: Content::Requests(|subject, Ending { code, .. }| labels(subject, code)),
};

/// From the request's head to the end of the answer.
pub const REQUEST_DURATIONS: Family = Family {
    name: "nginx_ingress_controller_request_duration_seconds",
    help: "From the request's head to the end of the answer.",
    dialect: Dialect::Nginx,
    content: Content::Durations(|subject, Timed { code, .. }| labels(subject, code), BUCKETS),
};

/// There the time that the upstream took; here the same as the whole, since the proxy forwards as it receives.
pub const RESPONSE_DURATIONS: Family = Family {
    name: "nginx_ingress_controller_response_duration_seconds",
    help: "From the request's head to the end of the answer.",
    dialect: Dialect::Nginx,
    content: Content::Durations(|subject, Timed { code, .. }| labels(subject, code), BUCKETS),
};

fn labels(subject: &Subject, code: u16) -> Vec<Labels> {
    let identity = &subject.identity;
    vec![vec![
        ("namespace", identity.route_namespace.to_string()),
        ("ingress", identity.route.to_string()),
        ("service", identity.primary.to_string()),
        ("canary", identity.canary.to_string()),
        ("status", if code == 0 { "499".to_owned() } else { code.to_string() }),
    ]]
}
