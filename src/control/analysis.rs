//! What can be said of a version now, for a rollout controller that asks: `/api/v1/analysis`.

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use super::events::lock;
use super::history::History;
use super::{Control, State, join};
use crate::model::{GuardPolicy, RouteKey};
use crate::record::{Classification, Tally};
use crate::rollout::evidence::Latencies;
use crate::rollout::guard::{Guard, Observation, State as Finding};
use crate::snapshot::{RuleBody, Snapshot};

/// Decides how requests are divided for the test; fixed, so that the same seconds always give the same answer.
const SEED: u64 = 0;

/// What is to be done about a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing speaks against it.
    Pass,
    /// It is worse than the first version by more than allowed.
    Fail,
    /// It had no traffic, or too little to tell.
    Inconclusive,
}

/// What can be said of a version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// What is to be done.
    pub verdict: Outcome,
    /// Requests of the version within the window that were not left by their client.
    pub samples: u64,
    /// Percentage of them that succeeded; none without any.
    pub success_rate: Option<f64>,
    /// The same of the first version.
    pub baseline: Option<f64>,
    /// 99th percentile of their durations, seconds.
    pub p99: Option<f64>,
    /// In words.
    pub reason: String,
}

/// Something that is asked for and is not there.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct NotFound(pub(super) String);

impl Control {
    /// Judges a version of the route `namespace/name` by its last `seconds`; the only one besides the first if none is named.
    ///
    /// A split's guard knows better than any window: what it found bad fails, even if nothing reaches it any more. Without a
    /// guard, its test with the limits of an unconfigured one goes over the window once. No traffic is inconclusive, and so
    /// is less than the test needs: a version that nobody has tried is neither good nor bad.
    ///
    /// # Errors
    ///
    /// There is no such route, or no such version to be compared with the first.
    pub fn analyse(
        &self,
        namespace: &str,
        name: &str,
        version: Option<&str>,
        seconds: usize,
    ) -> Result<Analysis, NotFound> {
        let state = lock(&self.state);
        let snapshot = self.snapshot();
        let (body, index) = find(&snapshot, namespace, name, version)?;
        let ids = [body.versions[0].id, body.versions[index].id];
        let (mut sums, covered) = state.history.increases(seconds);
        let [stable, canary] = ids.map(|id| sums.remove(&id).unwrap_or_default());
        let (verdict, reason) = match state.guards.verdict(body, index, &state.trips) {
            Some(("tripped", reason)) => (Outcome::Fail, reason),
            _ if canary.judged() == 0 => (
                Outcome::Inconclusive,
                format!("{} had no request in the last {covered} seconds", name_of(body, index)),
            ),
            Some(("healthy", reason)) => (Outcome::Pass, reason),
            Some((_, reason)) => (Outcome::Inconclusive, reason),
            None => test(&state.history, ids, seconds),
        };
        Ok(Analysis {
            verdict,
            samples: canary.judged(),
            success_rate: success_rate(&canary),
            baseline: success_rate(&stable),
            p99: canary.judged_durations().quantile(0.99),
            reason,
        })
    }
}

/// The rule and the index of the version that is asked for.
fn find<'s>(
    snapshot: &'s Snapshot,
    namespace: &str,
    name: &str,
    version: Option<&str>,
) -> Result<(&'s RuleBody, usize), NotFound> {
    let of_route = |route: &RouteKey| *route.namespace == *namespace && *route.name == *name;
    let bodies: Vec<&RuleBody> = snapshot.rules.iter().map(|rule| &*rule.body).filter(|b| of_route(&b.route)).collect();
    let others = |body: &RuleBody| body.versions.iter().skip(1).map(|v| v.name.to_string()).collect::<Vec<_>>();
    let mut all: Vec<String> = bodies.iter().flat_map(|body| others(body)).collect();
    all.sort_unstable();
    all.dedup();
    if bodies.is_empty() {
        return Err(no_route(snapshot, namespace, name));
    }
    let wanted = match (version, &all[..]) {
        (Some(version), _) => version,
        (None, [only]) => only,
        (None, _) => return Err(NotFound(format!("say which version: version={}", all.join(" or version=")))),
    };
    let place = |body: &&'s RuleBody| {
        let place = body.versions.iter().skip(1).position(|version| *version.name == *wanted)?;
        Some((*body, place + 1))
    };
    bodies.iter().find_map(place).ok_or_else(|| {
        let first = bodies.iter().any(|body| body.versions.first().is_some_and(|first| *first.name == *wanted));
        let why = if first { "is what the others are compared with" } else { "is none of its versions" };
        NotFound(format!("{wanted:?} {why}; {name} has, to be compared with the first: {}", all.join(", ")))
    })
}

pub fn no_route(snapshot: &Snapshot, namespace: &str, name: &str) -> NotFound {
    let known = known_routes(snapshot, namespace);
    let asked = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
    NotFound(format!("there is no split {asked:?}; there are: {known}"))
}

/// Says which routes there are: the first few, those of a namespace before all others, since they are what was meant most
/// likely.
pub fn known_routes(snapshot: &Snapshot, namespace: &str) -> String {
    const SHOWN: usize = 20;
    let mut known: Vec<&RouteKey> = snapshot.rules.iter().map(|rule| &rule.body.route).collect();
    known.sort_unstable();
    known.dedup();
    known.sort_by_key(|route| *route.namespace != *namespace);
    let more = match known.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    join(known.into_iter().take(SHOWN).map(RouteKey::to_string)) + &more
}

fn name_of(body: &RuleBody, index: usize) -> String {
    format!("{} of {}", body.versions[index].name, body.route)
}

/// The guard's test over the seconds that are kept, as if it had looked once a second.
fn test(history: &History, versions: [crate::endpoint::VersionId; 2], seconds: usize) -> (Outcome, String) {
    let mut guard = Guard::new(&GuardPolicy::default(), 0, SEED);
    for (second, [stable, canary]) in history.of(versions, seconds).enumerate() {
        guard.observe(Duration::from_secs(second as u64), &observation(&stable), &observation(&canary));
    }
    let verdict = guard.verdict();
    let outcome = match verdict.state {
        Finding::Collecting { .. } => Outcome::Inconclusive,
        Finding::Healthy => Outcome::Pass,
        Finding::Tripped { .. } => Outcome::Fail,
    };
    (outcome, verdict.to_string())
}

/// Without latencies: the limits of an unconfigured guard are about failures only.
fn observation(tally: &Tally) -> Observation<'static> {
    Observation {
        success: tally.of(Classification::Success),
        failure: tally.of(Classification::Failure),
        latency: Latencies::default(),
    }
}

fn success_rate(tally: &Tally) -> Option<f64> {
    let judged = tally.judged();
    (judged > 0).then(|| tally.of(Classification::Success) as f64 / judged as f64 * 100.0)
}

impl State {
    /// Why the guard of a version tripped, if it has.
    pub(super) fn tripped(&self, body: &RuleBody, version: usize) -> Option<String> {
        let (state, reason) = self.guards.verdict(body, version, &self.trips)?;
        (state == "tripped").then_some(reason)
    }
}

#[cfg(test)]
mod tests;
