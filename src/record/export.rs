//! The sums of all cells as metric families.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::proto::MetricType;

use super::cell::{StreamProtocol, Totals};
use super::histogram::Distribution;
use super::outcome::{Classification, Ending};
use super::page::{Export, Head, Page};
use super::recorder::Recorder;
use super::wire::{self, Buckets};
use crate::endpoint::VersionId;
use crate::model::RouteKey;
use crate::snapshot::{Rule, Snapshot, VersionKey};
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

type ServedNow = dyn Fn() -> Served + Send + Sync;

/// Shows the recorder's sums.
pub struct Exporter {
    recorder: Arc<Recorder>,
    served: Box<ServedNow>,
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
    pub fn new(recorder: Arc<Recorder>, served: impl Fn() -> Served + Send + Sync + 'static) -> Self {
        Self { recorder, served: Box::new(served) }
    }
}

impl Export for Exporter {
    /// Version by version: what has the same first labels lies together in every family, so that the series of one version are
    /// all that there is at a time.
    fn write(&self, page: &mut Page) {
        let served = (self.served)();
        let mut sources = sources(&served);
        sources.sort_by_key(|(labels, _)| labels.first());
        for version in sources.chunk_by(|(one, _), (other, _)| one.first() == other.first()) {
            let mut families = Families::default();
            version.iter().for_each(|(labels, source)| families.add(labels, source, &self.recorder));
            families.write(page);
        }
    }
}

/// Where series come from.
enum Source<'s> {
    /// What a version has counted.
    Counted(VersionId),
    /// What a target of mirrors has.
    Mirrored(VersionId),
    /// A version of a rule, by its place.
    Configured(&'s Rule, usize),
    /// A target of a rule's mirrors.
    ConfiguredMirror,
    /// Drains of a version.
    Drains(&'s DrainFigures),
}

/// All sources with what they are of.
fn sources(served: &Served) -> Vec<(Labels<'_>, Source<'_>)> {
    let versions = served.versions.iter().map(|(id, key)| (Labels::of(key), Source::Counted(*id)));
    let mirrors = served.mirrors.iter().map(|(id, key)| (Labels::of(key), Source::Mirrored(*id)));
    let others = [
        (Labels::unrouted(""), Source::Counted(VersionId::UNROUTED)),
        (Labels::unrouted("_overflow"), Source::Counted(VersionId::OVERFLOW)),
    ];
    let drains = served.drains.iter().map(|drain| (Labels::of_drain(drain), Source::Drains(drain)));
    versions.chain(mirrors).chain(others).chain(configured::sources(&served.snapshot)).chain(drains).collect()
}

/// Label values that name a version.
#[derive(Clone, Copy)]
struct Labels<'s> {
    namespace: &'s str,
    kind: &'static str,
    route: &'s str,
    version: &'s str,
    revision: &'s str,
}

impl<'s> Labels<'s> {
    fn new(route: &'s RouteKey, version: &'s str, revision: &'s str) -> Self {
        Self { namespace: &route.namespace, kind: route.kind.as_str(), route: &route.name, version, revision }
    }

    fn of(key: &'s VersionKey) -> Self {
        Self::new(&key.route, &key.version, &key.revision)
    }

    fn of_drain(figures: &'s DrainFigures) -> Self {
        match &*figures.route.name {
            // Connections of clients that idle are of no route, and those beyond the bound on series of none of their own.
            name @ ("" | "_overflow") => Self::unrouted(name),
            _ => Self::new(&figures.route, &figures.version, ""),
        }
    }

    fn unrouted(route: &'s str) -> Self {
        Self { namespace: "", kind: "", route, version: "", revision: "" }
    }

    /// The values that all series begin with, and are in the order of.
    fn first(&self) -> [&'s str; 4] {
        [self.namespace, self.kind, self.route, self.version]
    }

    /// Route and version, and what else.
    fn with(&self, more: &[(&'static str, &str)]) -> Series {
        let first = ["namespace", "kind", "route", "version"].into_iter().zip(self.first());
        Series(first.chain(more.iter().copied()).map(|(name, value)| (name, value.to_owned())).collect())
    }

    /// The same with the revision.
    fn revision_with(&self, more: &[(&'static str, &str)]) -> Series {
        let mut labels = self.with(more);
        labels.0.insert(4, ("revision", self.revision.to_owned()));
        labels
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Series(wire::Labels);

/// Families while they are filled; two versions that differ only in a label that a family lacks add up.
#[derive(Default)]
struct Families {
    numbers: BTreeMap<&'static str, BTreeMap<Series, f64>>,
    histograms: BTreeMap<&'static str, BTreeMap<Series, Distribution>>,
}

impl Families {
    fn add(&mut self, labels: &Labels, source: &Source, recorder: &Recorder) {
        match *source {
            Source::Counted(id) => self.version(labels, &recorder.totals(id)),
            Source::Mirrored(id) => self.mirror(labels, &recorder.totals(id)),
            Source::Configured(rule, version) => self.configured(labels, rule, version),
            Source::ConfiguredMirror => self.both_outcomes(MIRRORED, labels),
            Source::Drains(figures) => self.drain(labels, figures),
        }
    }

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

    fn drain(&mut self, labels: &Labels, figures: &DrainFigures) {
        self.number("weir_drain_remaining", labels.with(&[]), figures.remaining as f64);
        self.number("weir_drain_deadline_seconds", labels.with(&[]), figures.left.as_secs_f64());
        for (how, count) in figures.closed {
            self.number("weir_drain_closed_total", labels.with(&[("reason", how)]), count as f64);
        }
        // Clients that idle, which are of no route, are at no endpoint.
        if labels.route.is_empty() {
            return;
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

    fn write(mut self, page: &mut Page) {
        for (name, help, kind) in FAMILIES.iter().copied() {
            let head = Head { name, help, kind };
            let numbers = self.numbers.remove(name).into_iter().flatten();
            page.numbers(head, numbers.map(|(series, value)| (series.0, value)));
            let histograms = self.histograms.remove(name).into_iter().flatten();
            page.histograms(head, histograms.map(|(series, durations)| (series.0, durations)), &OPENTELEMETRY);
        }
    }
}

mod configured;
#[cfg(test)]
mod tests;
