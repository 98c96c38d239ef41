//! The guards of all splits: each feeds on what the recorder counted since the last look.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use super::trips::Trips;
use crate::endpoint::VersionId;
use crate::model::{GuardAction, GuardPolicy, RouteKey};
use crate::record::{BOUNDS_MICROS, Classification, Distribution, Recorder, Totals};
use crate::rollout::evidence::Latencies;
use crate::rollout::guard::{Guard, Observation, State};
use crate::snapshot::{RuleBody, Snapshot, VersionKey};

/// Bounds of the recorder's histograms, seconds.
static BOUNDS: LazyLock<Vec<f64>> = LazyLock::new(|| BOUNDS_MICROS.iter().map(|micros| *micros as f64 / 1e6).collect());

/// Running tests, by route and version.
#[derive(Default)]
pub struct Guards {
    running: HashMap<(RouteKey, usize), Running>,
}

struct Running {
    key: VersionKey,
    policy: GuardPolicy,
    guard: Guard,
    stable: Seen,
    canary: Seen,
}

/// A version that was just found bad.
#[derive(Debug)]
pub struct Tripped {
    /// Which.
    pub key: VersionKey,
    /// Why.
    pub reason: String,
}

impl Guards {
    /// Looks at every guarded version once; what it finds bad is remembered in `trips`.
    pub fn look(&mut self, now: Duration, snapshot: &Snapshot, recorder: &Recorder, trips: &mut Trips) -> Vec<Tripped> {
        let mut tripped = Vec::new();
        let mut guarded = Vec::new();
        for rule in &snapshot.rules {
            let Some(policy) = &rule.body.split.guard else { continue };
            for version in 1..rule.body.versions.len() {
                let place = (rule.body.route.clone(), version);
                guarded.push(place.clone());
                let key = key_of(&rule.body, version);
                let running = self
                    .running
                    .entry(place)
                    .or_insert_with(|| Running::new(&key, policy, &rule.body, recorder, trips));
                if running.key != key || running.policy != *policy {
                    *running = Running::new(&key, policy, &rule.body, recorder, trips);
                }
                if let Some(reason) = running.look(now, &rule.body, version, recorder) {
                    trips.trip(&key, reason.clone());
                    tripped.push(Tripped { key, reason });
                }
            }
        }
        self.running.retain(|place, _| guarded.contains(place));
        tripped
    }

    /// Begins the tests of a route's versions once more.
    pub fn reset(&mut self, route: &RouteKey) {
        self.running.retain(|(of, _), _| of != route);
    }

    /// What the guard of a version says: its state in a word, and its figures in words.
    pub fn verdict(&self, route: &RouteKey, version: usize, trips: &Trips) -> Option<(&'static str, String)> {
        let running = self.running.get(&(route.clone(), version))?;
        if let Some(trip) = trips.get(&running.key).trip {
            return Some(("tripped", trip.reason));
        }
        let verdict = running.guard.verdict();
        let state = match verdict.state {
            State::Collecting { .. } => "collecting",
            State::Healthy => "healthy",
            State::Tripped { .. } => "tripped",
        };
        Some((state, verdict.to_string()))
    }
}

/// Which versions of a rule are to get nothing: tripped, and there is somewhere to go (interface: a guard diverts only to
/// a ready stable of positive desired weight).
pub fn diverted(body: &RuleBody, stable_weight: u32, trips: &Trips) -> Box<[bool]> {
    let mut diverted = vec![false; body.versions.len()];
    let able = stable_weight > 0 && body.versions.first().is_some_and(|stable| !stable.endpoints.is_empty());
    let diverts = body.split.guard.as_ref().is_some_and(|policy| policy.action == GuardAction::Divert);
    if able && diverts {
        for (version, diverted) in diverted.iter_mut().enumerate().skip(1) {
            *diverted = trips.get(&key_of(body, version)).trip.is_some();
        }
    }
    diverted.into()
}

/// The identity of a version of a rule.
pub fn key_of(body: &RuleBody, version: usize) -> VersionKey {
    let entry = &body.versions[version];
    VersionKey { route: body.route.clone(), version: entry.name.clone(), revision: entry.revision.clone() }
}

impl Running {
    fn new(key: &VersionKey, policy: &GuardPolicy, body: &RuleBody, recorder: &Recorder, trips: &mut Trips) -> Self {
        let restarts = trips.begin(key).restarts;
        let version = body.versions.iter().position(|v| v.name == key.version).unwrap_or(0);
        Self {
            key: key.clone(),
            policy: *policy,
            guard: Guard::new(policy, restarts, fastrand::u64(..)),
            // Evidence begins now: what was counted before belongs to no test.
            stable: Seen::of(&recorder.totals(body.versions[0].id)),
            canary: Seen::of(&recorder.totals(body.versions[version].id)),
        }
    }

    /// The reason, if the version is found bad at this look.
    fn look(&mut self, now: Duration, body: &RuleBody, version: usize, recorder: &Recorder) -> Option<String> {
        if self.guard.verdict().is_tripped() {
            return None;
        }
        let totals = |id: VersionId| Seen::of(&recorder.totals(id));
        let (stable, canary) = (totals(body.versions[0].id), totals(body.versions[version].id));
        let (stable_new, canary_new) = (stable.since(&self.stable), canary.since(&self.canary));
        (self.stable, self.canary) = (stable, canary);
        let verdict = self.guard.observe(now, &stable_new.observation(), &canary_new.observation());
        verdict.is_tripped().then(|| verdict.to_string())
    }
}

/// What counts as evidence: requests that their client waited for, and how long their answers' heads took.
#[derive(Clone, Default)]
struct Seen {
    success: u64,
    failure: u64,
    first_bytes: Distribution,
}

impl Seen {
    fn of(totals: &Totals) -> Self {
        let mut first_bytes = totals.first_bytes[Classification::Success as usize].clone();
        first_bytes.add(&totals.first_bytes[Classification::Failure as usize]);
        Self {
            success: totals.tally.of(Classification::Success),
            failure: totals.tally.of(Classification::Failure),
            first_bytes,
        }
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            success: self.success - earlier.success,
            failure: self.failure - earlier.failure,
            first_bytes: self.first_bytes.since(&earlier.first_bytes),
        }
    }

    fn observation(&self) -> Observation<'_> {
        let latency = Latencies { bounds: &BOUNDS, counts: &self.first_bytes.counts };
        Observation { success: self.success, failure: self.failure, latency }
    }
}
