//! `/metrics`: the sums of all cells as metric families, in Prometheus text or OpenMetrics.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{Encoder, Registry, TextEncoder};

use super::cell::{StreamProtocol, Totals};
use super::histogram::Distribution;
use super::outcome::{Classification, Ending};
use super::recorder::Recorder;
use super::wire::{self, Buckets};
use crate::endpoint::VersionId;
use crate::model::RouteKey;
use crate::snapshot::{Snapshot, VersionKey};
use crate::split::Why;

/// Upper bounds of exported histograms (OpenTelemetry, `http.server.request.duration`).
pub(super) const OPENTELEMETRY: Buckets = Buckets {
    micros: &[
        5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000, 5_000_000,
        7_500_000, 10_000_000,
    ],
    unit: Duration::from_secs(1),
};

/// What there is to export besides the counters.
#[derive(Default)]
pub struct Served {
    /// What is served now.
    pub snapshot: Arc<Snapshot>,
    /// What every version id stands for.
    pub versions: Vec<(VersionId, VersionKey)>,
    /// What every id of a mirror's target stands for.
    pub mirrors: Vec<(VersionId, VersionKey)>,
    /// How far drains are.
    pub drains: Vec<DrainFigures>,
}

/// How far the drains of a version are.
#[derive(Clone, Debug, PartialEq)]
pub struct DrainFigures {
    /// The route.
    pub route: RouteKey,
    /// The version that its endpoints are, or were, of.
    pub version: Arc<str>,
    /// Endpoints that drain.
    pub draining: usize,
    /// Connections that are left.
    pub remaining: u64,
    /// Until what is left is cut.
    pub left: Duration,
    /// For how long the oldest of them has been open.
    pub oldest: Duration,
    /// Connections that have ended since the start, by how.
    pub closed: [(&'static str, u64); 3],
    /// Idle connections to endpoints that were closed since the start, because these drained.
    pub idle_closed: u64,
}

/// Text form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Chooses by a request's `Accept`.
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus::TEXT_FORMAT,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes all families of a registry.
    pub fn write(self, registry: &Registry) -> Result<String, prometheus::Error> {
        let families = registry.gather();
        match self {
            Self::Prometheus => {
                let mut text = Vec::new();
                TextEncoder::new().encode(&families, &mut text)?;
                Ok(String::from_utf8_lossy(&text).into_owned())
            }
            Self::OpenMetrics => openmetrics(&families),
        }
    }
}

/// OpenMetrics differs from the older format in the names of counters and in its last line.
fn openmetrics(families: &[MetricFamily]) -> Result<String, prometheus::Error> {
    let mut text = String::new();
    for family in families {
        let mut body = Vec::new();
        TextEncoder::new().encode(std::slice::from_ref(family), &mut body)?;
        let body = String::from_utf8_lossy(&body);
        let name = family.name();
        let counter = family.get_field_type() == MetricType::COUNTER;
        let bare = if counter { name.strip_suffix("_total").unwrap_or(name) } else { name };
        for line in body.lines() {
            // A counter's samples must end in _total; one whose name is somebody else's is of unknown type.
            if counter && bare == name && line.starts_with("# TYPE ") {
                _ = writeln!(text, "# TYPE {name} unknown");
                continue;
            }
            match line.strip_prefix("# HELP ").or(line.strip_prefix("# TYPE ")).and_then(|l| l.strip_prefix(name)) {
                Some(rest) => _ = writeln!(text, "{}{bare}{rest}", &line[..7]),
                None => _ = writeln!(text, "{line}"),
            }
        }
    }
    text.push_str("# EOF\n");
    Ok(text)
}

type ServedNow = dyn Fn() -> Served + Send + Sync;

/// Collects the recorder's sums for a `prometheus::Registry`.
pub struct Exporter {
    recorder: Arc<Recorder>,
    served: Box<ServedNow>,
    descs: Vec<Desc>,
}

const REQUESTS: &str = "weir_requests_total";
const DURATIONS: &str = "weir_request_duration_seconds";
const IDLE_CLOSED: &str = "weir_drain_idle_closed_total";
const DENIED: &str = "weir_retry_budget_exhausted_total";
const MIRRORED: &str = "weir_mirrored_requests_total";
const MIRRORED_DURATIONS: &str = "weir_mirrored_request_duration_seconds";

const FAMILIES: &[(&str, &str, MetricType)] = &[
    (REQUESTS, "Requests by version and how they ended.", MetricType::COUNTER),
    (DURATIONS, "From the request's head to the end of the answer.", MetricType::HISTOGRAM),
    ("weir_time_to_first_byte_seconds", "From the request's head to the answer's.", MetricType::HISTOGRAM),
    ("weir_decisions_total", "Decisions by version and why it was chosen.", MetricType::COUNTER),
    ("weir_split_weight", "Weights: asked for, and in effect.", MetricType::GAUGE),
    ("weir_active_requests", "Requests in flight.", MetricType::GAUGE),
    ("weir_active_connections", "Long-lived connections by protocol.", MetricType::GAUGE),
    ("weir_upstream_endpoints", "Endpoints by state.", MetricType::GAUGE),
    ("weir_drain_remaining", "Long-lived connections that drain.", MetricType::GAUGE),
    ("weir_drain_deadline_seconds", "Time until those that are left are cut.", MetricType::GAUGE),
    ("weir_drain_closed_total", "Long-lived connections that ended while they drained, by how.", MetricType::COUNTER),
    (IDLE_CLOSED, "Idle connections to endpoints that were closed because these drained.", MetricType::COUNTER),
    (
        "weir_retries_total",
        "Further tries, by cause; on another endpoint, but for stale connections.",
        MetricType::COUNTER,
    ),
    (DENIED, "Failed requests that were not tried again, since the budget was used up.", MetricType::COUNTER),
    ("weir_held_total", "Requests that waited for an endpoint.", MetricType::COUNTER),
    ("weir_held_requests", "Requests that wait for an endpoint.", MetricType::GAUGE),
    ("weir_rescues_total", "Requests repeated on another version, by cause.", MetricType::COUNTER),
    ("weir_stream_duration_seconds", "Lifetimes of long-lived connections.", MetricType::HISTOGRAM),
    (MIRRORED, "Copies of requests by where they went and how they ended.", MetricType::COUNTER),
    (MIRRORED_DURATIONS, "From a copy's head to the end of its answer.", MetricType::HISTOGRAM),
];

impl Exporter {
    /// An exporter of `recorder`'s sums for what `served` says is served at the time.
    pub fn new(
        recorder: Arc<Recorder>,
        served: impl Fn() -> Served + Send + Sync + 'static,
    ) -> Result<Self, prometheus::Error> {
        let desc =
            |(name, help, _): &(&str, &str, _)| Desc::new((*name).into(), (*help).into(), vec![], Default::default());
        let descs = FAMILIES.iter().map(desc).collect::<Result<_, _>>()?;
        Ok(Self { recorder, served: Box::new(served), descs })
    }
}

impl Collector for Exporter {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let served = (self.served)();
        let mut families = Families::default();
        for (id, key) in &served.versions {
            families.version(&Labels::of(key), &self.recorder.totals(*id));
        }
        for (id, key) in &served.mirrors {
            families.mirror(&Labels::of(key), &self.recorder.totals(*id));
        }
        families.version(&Labels::unrouted(""), &self.recorder.totals(VersionId::UNROUTED));
        families.version(&Labels::unrouted("_overflow"), &self.recorder.totals(VersionId::OVERFLOW));
        families.configured(&served.snapshot);
        for drain in &served.drains {
            families.drain(drain);
        }
        families.finish()
    }
}

/// Label values that name a version.
struct Labels {
    route: Vec<(&'static str, String)>,
    version: String,
    revision: String,
}

impl Labels {
    fn of(key: &VersionKey) -> Self {
        let route = vec![
            ("namespace", key.route.namespace.to_string()),
            ("kind", key.route.kind.as_str().to_owned()),
            ("route", key.route.name.to_string()),
        ];
        Self { route, version: key.version.to_string(), revision: key.revision.to_string() }
    }

    fn unrouted(route: &str) -> Self {
        let route = vec![("namespace", String::new()), ("kind", String::new()), ("route", route.to_owned())];
        Self { route, version: String::new(), revision: String::new() }
    }

    /// Route and version, and what else.
    fn with(&self, more: &[(&'static str, &str)]) -> Series {
        let mut labels = self.route.clone();
        labels.push(("version", self.version.clone()));
        labels.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Series(labels)
    }

    /// The same with the revision.
    fn revision_with(&self, more: &[(&'static str, &str)]) -> Series {
        let mut labels = self.with(more);
        labels.0.insert(4, ("revision", self.revision.clone()));
        labels
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Series(Vec<(&'static str, String)>);

/// Families while they are filled; two versions that differ only in a label that a family lacks add up.
#[derive(Default)]
struct Families {
    numbers: BTreeMap<&'static str, BTreeMap<Series, f64>>,
    histograms: BTreeMap<&'static str, BTreeMap<Series, Distribution>>,
}

impl Families {
    fn number(&mut self, family: &'static str, series: Series, value: f64) {
        *self.numbers.entry(family).or_default().entry(series).or_default() += value;
    }

    fn histogram(&mut self, family: &'static str, series: Series, distribution: &Distribution) {
        self.histograms.entry(family).or_default().entry(series).or_default().add(distribution);
    }

    /// What a version has counted; nothing that it has not.
    fn version(&mut self, labels: &Labels, totals: &Totals) {
        for (ending, count) in &totals.tally.endings {
            self.requests(REQUESTS, labels, *ending, *count);
        }
        for (reason, count) in &totals.retries {
            self.number("weir_retries_total", labels.with(&[("reason", reason.as_str())]), *count as f64);
        }
        if totals.denied > 0 {
            self.number(DENIED, labels.with(&[]), totals.denied as f64);
        }
        if totals.held > 0 {
            self.number("weir_held_total", labels.with(&[]), totals.held as f64);
            self.number("weir_held_requests", labels.with(&[]), totals.holding as f64);
        }
        for (reason, count) in &totals.rescues {
            self.number("weir_rescues_total", labels.with(&[("reason", reason.as_str())]), *count as f64);
        }
        for (why, count) in Why::ALL.iter().zip(totals.decisions).filter(|(_, count)| *count > 0) {
            self.number("weir_decisions_total", labels.with(&[("why", why.as_str())]), count as f64);
        }
        for (class, i) in Classification::ALL.iter().zip(0..) {
            let series = labels.revision_with(&[("classification", class.as_str())]);
            for (_, durations) in totals.tally.durations.iter().filter(|(timed, _)| timed.classification == *class) {
                self.histogram(DURATIONS, series.clone(), durations);
            }
            if totals.first_bytes[i].count() > 0 {
                self.histogram("weir_time_to_first_byte_seconds", series, &totals.first_bytes[i]);
            }
        }
        for (protocol, i) in StreamProtocol::ALL.iter().zip(0..) {
            let series = labels.with(&[("protocol", protocol.as_str())]);
            if totals.streams[i].count() > 0 || totals.active_streams[i] != 0 {
                self.number("weir_active_connections", series.clone(), totals.active_streams[i] as f64);
                self.histogram("weir_stream_duration_seconds", series, &totals.streams[i]);
            }
        }
        if totals.active_requests != 0 {
            self.number("weir_active_requests", labels.with(&[]), totals.active_requests as f64);
        }
    }

    /// What came of the copies that a target of mirrors got.
    fn mirror(&mut self, labels: &Labels, totals: &Totals) {
        for (ending, count) in &totals.tally.endings {
            self.requests(MIRRORED, labels, *ending, *count);
        }
        for (timed, durations) in &totals.tally.durations {
            let series = labels.revision_with(&[("classification", timed.classification.as_str())]);
            self.histogram(MIRRORED_DURATIONS, series, durations);
        }
    }

    fn drain(&mut self, figures: &DrainFigures) {
        let DrainFigures { route, version, .. } = figures;
        let labels = match &*route.name {
            // Connections of clients that idle are of no route.
            "" => Labels::unrouted(""),
            _ => Labels::of(&VersionKey { route: route.clone(), version: Arc::clone(version), revision: "".into() }),
        };
        self.number("weir_drain_remaining", labels.with(&[]), figures.remaining as f64);
        self.number("weir_drain_deadline_seconds", labels.with(&[]), figures.left.as_secs_f64());
        for (how, count) in figures.closed {
            self.number("weir_drain_closed_total", labels.with(&[("reason", how)]), count as f64);
        }
        self.number(IDLE_CLOSED, labels.with(&[]), figures.idle_closed as f64);
        let draining = figures.draining as f64;
        self.number("weir_upstream_endpoints", labels.with(&[("state", "draining")]), draining);
    }

    fn requests(&mut self, family: &'static str, labels: &Labels, ending: Ending, count: u64) {
        let code = if ending.code == 0 { String::new() } else { ending.code.to_string() };
        let grpc = ending.grpc_status.map_or_else(String::new, |status| status.to_string());
        let series = labels.revision_with(&[
            ("code", &code),
            ("grpc_status", &grpc),
            ("classification", ending.classification.as_str()),
            ("reason", ending.reason.as_str()),
        ]);
        self.number(family, series, count as f64);
    }

    fn finish(mut self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        for (name, help, kind) in FAMILIES.iter().copied() {
            let numbers = self.numbers.remove(name).into_iter().flatten();
            let numbers = numbers.map(|(series, value)| wire::number(kind, &series.0, value));
            let histograms = self.histograms.remove(name).into_iter().flatten();
            let histograms = histograms.map(|(series, d)| wire::histogram(&series.0, &d, &OPENTELEMETRY));
            let metrics: Vec<Metric> = numbers.chain(histograms).collect();
            if !metrics.is_empty() {
                families.push(wire::family(name, help, kind, metrics));
            }
        }
        families
    }
}

mod configured;
#[cfg(test)]
mod tests;
