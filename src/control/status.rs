//! What is going on, for people: the JSON of `/api/v1/splits` and `/api/v1/history`.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::events::lock;
use super::{Control, Idle, Point, State};
use crate::model::{Kind, Route, RouteKey};
use crate::record::{Classification, DrainFigures};
use crate::snapshot::{Rule, RuleBody, Snapshot};

/// Everything that is served.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Generation of what is served.
    pub generation: u64,
    /// Version of the program.
    pub version: String,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// All splits, in the order of the configuration.
    pub splits: Vec<SplitStatus>,
    /// Connections of clients that idle between requests, by listener and protocol; as far as it was looked.
    #[serde(default)]
    pub idle: Vec<Idle>,
}

/// A split.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SplitStatus {
    /// Namespace; empty in a file.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Kind of the object.
    pub kind: String,
    /// Hosts; empty: all.
    pub hosts: Vec<String>,
    /// Who set the weights.
    pub weights_from: String,
    /// Whether a ramp is on its way.
    pub ramping: bool,
    /// Versions.
    pub versions: Vec<VersionStatus>,
}

/// A version.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionStatus {
    /// Name.
    pub name: String,
    /// What it runs.
    pub revision: String,
    /// Weight asked for.
    pub desired: u32,
    /// Weight in effect, in the unit of the desired ones.
    pub effective: f64,
    /// Share asked for, 0 to 1.
    pub desired_share: f64,
    /// Share in effect, 0 to 1.
    pub effective_share: f64,
    /// Share of the last ten seconds' requests; none without any.
    pub share: Option<f64>,
    /// Requests since the start, those left by their clients not among them.
    pub requests: u64,
    /// Those that failed.
    pub failures: u64,
    /// Requests that their client left.
    pub client_gone: u64,
    /// Requests a second in the last ten.
    pub rate: Option<f64>,
    /// Share of success in the last ten seconds.
    pub success: Option<f64>,
    /// Median duration of the last ten seconds, seconds.
    pub p50: Option<f64>,
    /// 99th percentile, seconds.
    pub p99: Option<f64>,
    /// Requests in flight.
    pub active_requests: i64,
    /// Long-lived connections.
    pub connections: i64,
    /// Those that drain, on all replicas.
    #[serde(default)]
    pub draining: u64,
    /// Until the last of those is cut, seconds; none: nothing drains.
    #[serde(default)]
    pub drain_seconds: Option<f64>,
    /// For how long the oldest of those has been open, seconds; none: nothing is left.
    #[serde(default)]
    pub drain_oldest_seconds: Option<f64>,
    /// Replicas on which it drains.
    #[serde(default)]
    pub drain_replicas: usize,
    /// Endpoints.
    pub endpoints: usize,
    /// Those of them that are neither unhealthy nor left out.
    #[serde(default)]
    pub ready: usize,
    /// Requests that wait for room at its endpoints.
    #[serde(default)]
    pub queued: usize,
    /// Requests that wait until it has an endpoint.
    #[serde(default)]
    pub held: usize,
    /// Whether it gets less than its weight, because its endpoints could not carry more.
    #[serde(default)]
    pub gated: bool,
    /// What its guard says; none: it has none.
    pub guard: Option<GuardStatus>,
}

/// What a guard says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuardStatus {
    /// `collecting`, `healthy` or `tripped`.
    pub state: String,
    /// Its figures in words.
    pub reason: String,
}

/// The last minutes of a split.
#[derive(Clone, Debug, Serialize)]
pub struct SplitHistory {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Versions.
    pub versions: Vec<VersionHistory>,
}

/// A second as the dashboard reads it: time, requests, failures, median, 99th percentile.
type Second = (i64, u64, u64, Option<f64>, Option<f64>);

/// The last minutes of a version.
#[derive(Clone, Debug, Serialize)]
pub struct VersionHistory {
    /// Name.
    pub name: String,
    /// Second by second.
    pub points: Vec<Second>,
}

impl Control {
    /// What is going on.
    pub fn status(&self) -> Status {
        let state = lock(&self.state);
        let snapshot = self.served.load_full();
        Status {
            generation: snapshot.generation,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.started.elapsed().as_secs(),
            splits: self.splits(&snapshot, &state, |_| true),
            idle: Vec::new(),
        }
    }

    /// What is going on in one split, which has this name, after its namespace if it has one; none: there is none.
    pub fn status_of(&self, split: &str) -> Option<SplitStatus> {
        let state = lock(&self.state);
        self.splits(&self.served.load_full(), &state, |route| route.is_called(split)).into_iter().next()
    }

    /// What is going on in all Splits of the cluster, on all replicas as far as they tell of it.
    pub fn status_of_all(&self) -> Vec<SplitStatus> {
        let state = lock(&self.state);
        let snapshot = self.served.load_full();
        let mut splits = self.splits(&snapshot, &state, |route| route.kind == Kind::Split);
        if !state.pooled.is_empty() {
            let rules = snapshot.rules.iter().filter(|rule| rule.body.route.kind == Kind::Split);
            rules.zip(&mut splits).for_each(|(rule, split)| state.pooled.add_to(split, &rule.body, &state.history));
        }
        splits
    }

    /// What guards say of the versions of all routes that are no Splits.
    pub fn guarded(&self) -> Vec<(RouteKey, Arc<str>, GuardStatus)> {
        let state = lock(&self.state);
        let snapshot = self.served.load_full();
        let bodies = snapshot.rules.iter().map(|rule| &rule.body);
        let mut told = Vec::new();
        for body in bodies.filter(|body| body.split.guard.is_some() && body.route.kind != Kind::Split) {
            for (index, version) in body.versions.iter().enumerate() {
                let guard = state.guard(body, index);
                told.extend(guard.map(|guard| (body.route.clone(), Arc::clone(&version.name), guard)));
            }
        }
        told
    }

    fn splits(&self, snapshot: &Snapshot, state: &State, wanted: impl Fn(&RouteKey) -> bool) -> Vec<SplitStatus> {
        let rules = snapshot.rules.iter().filter(|rule| wanted(&rule.body.route));
        let mut configured: HashMap<&RouteKey, &Route> = HashMap::new();
        for route in state.model.routes.iter().filter(|route| wanted(&route.key)) {
            configured.entry(&route.key).or_insert(route);
        }
        let drains = state.drains.figures(Instant::now());
        rules.map(|rule| self.split_status(rule, configured.get(&rule.body.route).copied(), state, &drains)).collect()
    }

    /// The last minutes.
    pub fn history(&self) -> Vec<SplitHistory> {
        let state = lock(&self.state);
        let points = |Point { time, requests, failures, p50, p99 }| (time, requests, failures, p50, p99);
        let versions = |rule: &Rule| {
            let history = |version: &crate::snapshot::VersionEntry| VersionHistory {
                name: version.name.to_string(),
                points: state.history.points(version.id).into_iter().map(points).collect(),
            };
            rule.body.versions.iter().map(history).collect()
        };
        let split = |rule: &Rule| {
            let RouteKey { namespace, name, .. } = &rule.body.route;
            SplitHistory { namespace: namespace.to_string(), name: name.to_string(), versions: versions(rule) }
        };
        self.served.load().rules.iter().map(split).collect()
    }

    fn split_status(
        &self,
        rule: &Rule,
        configured: Option<&Route>,
        state: &State,
        drains: &[DrainFigures],
    ) -> SplitStatus {
        let route = &rule.body.route;
        let mut versions: Vec<VersionStatus> =
            (0..rule.body.versions.len()).map(|i| self.version_status(rule, i, state, drains)).collect();
        let rate: f64 = versions.iter().filter_map(|version| version.rate).sum();
        for version in &mut versions {
            version.share = version.rate.filter(|_| rate > 0.0).map(|own| own / rate);
        }
        SplitStatus {
            namespace: route.namespace.to_string(),
            name: route.name.to_string(),
            kind: route.kind.as_str().to_owned(),
            hosts: configured.into_iter().flat_map(|route| route.hosts()).map(ToString::to_string).collect(),
            weights_from: rule.weights_from().to_owned(),
            ramping: state.ramps.contains_key(&rule.body.split_id),
            versions,
        }
    }

    fn version_status(&self, rule: &Rule, index: usize, state: &State, drains: &[DrainFigures]) -> VersionStatus {
        let version = &rule.body.versions[index];
        let glance = self.recorder.glance(version.id);
        let recent = state.history.recent(version.id);
        let drain = drains.iter().find(|drain| drain.route == rule.body.route && drain.version == version.name);
        let elsewhere = state.elsewhere.sum(Instant::now(), &rule.body.route, &version.name);
        let drains_here = drain.filter(|drain| drain.draining > 0 || drain.remaining > 0);
        let drain_replicas = elsewhere.replicas + usize::from(drains_here.is_some());
        let draining = drain.map_or(0, |drain| drain.remaining) + elsewhere.connections;
        let oldest = drain.map_or(elsewhere.oldest, |drain| drain.oldest.max(elsewhere.oldest));
        let some = |value: f64| (recent.requests > 0).then_some(value);
        VersionStatus {
            name: version.name.to_string(),
            revision: version.revision.to_string(),
            desired: rule.weights.desired.get(index).map_or(0, |weight| weight.get()),
            effective: rule.weights.effective(index),
            desired_share: rule.weights.desired_share(index),
            effective_share: rule.weights.effective_share(index),
            share: None,
            requests: glance.tally.judged(),
            failures: glance.tally.of(Classification::Failure),
            client_gone: glance.tally.of(Classification::ClientGone),
            rate: (recent.seconds > 0).then(|| recent.requests as f64 / recent.seconds as f64),
            success: some(1.0 - recent.failures as f64 / recent.requests.max(1) as f64),
            p50: recent.durations.quantile(0.5),
            p99: recent.durations.quantile(0.99),
            active_requests: glance.active_requests,
            connections: glance.connections,
            draining,
            drain_seconds: (drain_replicas > 0)
                .then(|| drains_here.map_or(elsewhere.left, |here| here.left.max(elsewhere.left)).as_secs_f64()),
            drain_oldest_seconds: (draining > 0).then_some(oldest.as_secs_f64()),
            drain_replicas,
            endpoints: version.endpoints.len(),
            ready: version.ready(),
            queued: version.line.as_ref().map_or(0, |line| line.waiting()),
            held: self.recorder.holding_for(version.id),
            gated: rule.weights.gated.get(index).copied().unwrap_or(false),
            guard: state.guard(&rule.body, index),
        }
    }
}

impl State {
    /// What the guard of a version says; none: it has none.
    fn guard(&self, body: &RuleBody, version: usize) -> Option<GuardStatus> {
        let (verdict, reason) = self.guards.verdict(body, version, &self.trips)?;
        Some(GuardStatus { state: verdict.to_owned(), reason })
    }
}
