//! What replicas share: trips, resets, evidence and findings of guards, and how far drains are.

use std::collections::HashSet;

use tokio::time::Instant;

use super::events::lock;
use super::guards::{Tripped, key_of};
use super::trips::{self, Merged};
use super::{Control, EventKind, State, WeightsError, elsewhere};
use crate::record::DrainFigures;
use crate::rollout::shared::{Draining, Evidence, Finding, Records};
use crate::snapshot::{RuleBody, Snapshot, VersionKey};

/// What other replicas are told each second.
#[derive(Debug, Default)]
pub struct Share {
    /// What was counted here.
    pub evidence: Vec<Evidence>,
    /// What was found here, where this replica judges.
    pub findings: Vec<Finding>,
}

impl Control {
    /// A version was found bad, here or elsewhere.
    pub fn trip(&self, key: &VersionKey, reason: String) {
        let mut state = lock(&self.state);
        let tripped = state.trips.trip(key, reason.clone()).then(|| Tripped { key: key.clone(), reason });
        self.tripped(&self.snapshot(), &mut state, tripped.into_iter().collect());
    }

    /// Re-arms the guards of a split.
    ///
    /// # Errors
    ///
    /// There is no such split.
    pub fn reset_guard(&self, split: &str) -> Result<(), WeightsError> {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let previous = self.served.load_full();
        let route = self.route(&previous, split)?;
        // Several rules may have the same version, whose test begins once more and not several times.
        let bodies = previous.rules_of(&route).map(|(_, rule)| &*rule.body);
        let keys = bodies.flat_map(|body| (1..body.versions.len()).map(|version| key_of(body, version)));
        keys.collect::<HashSet<_>>().iter().for_each(|key| state.trips.reset(key));
        state.guards.reset(&route);
        self.redirect(&previous, state);
        self.events.tell(EventKind::GuardReset, split, "", "the guard was re-armed".to_owned());
        self.learned.notify_one();
        Ok(())
    }

    /// Whether this replica judges; of several, one does. A process is alone until it is told otherwise.
    pub fn set_judging(&self, judges: bool) {
        let mut state = lock(&self.state);
        let State { guards, trips, .. } = &mut *state;
        guards.judge(judges, trips);
        self.learned.notify_one();
    }

    /// Takes in what other replicas know about guards, and puts it into force.
    pub fn learn(&self, records: &Records) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let Merged { tripped, reset } = state.trips.merge(records);
        // Also what is only passed on: a replica may hear us and not who told us.
        self.learned.notify_one();
        if tripped.is_empty() && reset.is_empty() {
            return;
        }
        reset.iter().for_each(|name| state.guards.reset_version(name));
        let snapshot = self.served.load_full();
        self.redirect(&snapshot, state);
        for (name, reason) in tripped {
            let Some((body, version)) = find(&snapshot, &name) else { continue };
            let key = key_of(body, version);
            self.metrics.guard_tripped(&key);
            self.events.tell(EventKind::GuardTripped, &key.route.to_string(), &key.version, reason);
        }
        for (body, version) in reset.iter().filter_map(|name| find(&snapshot, name)) {
            let message = "the guard was re-armed on another replica".to_owned();
            self.events.tell(EventKind::GuardReset, &body.route.to_string(), &body.versions[version].name, message);
        }
    }

    /// Takes in what another replica counted; of use where this one judges.
    pub fn pool(&self, evidence: &[Evidence]) {
        let mut state = lock(&self.state);
        let now = self.started.elapsed();
        let State { guards, trips, .. } = &mut *state;
        let tripped = guards.pool(now, evidence, trips);
        self.tripped(&self.snapshot(), &mut state, tripped);
    }

    /// Takes in what the replica that judges has found.
    pub fn hear(&self, findings: Vec<Finding>) {
        lock(&self.state).guards.hear(&self.snapshot(), findings);
    }

    /// What others are to be told now; to be called each second. `all`: somebody may have missed what was said.
    pub fn share(&self, all: bool) -> Share {
        let mut state = lock(&self.state);
        if all {
            state.guards.repeat_findings();
        }
        let evidence = state.guards.sample(&self.snapshot(), &self.recorder);
        Share { evidence, findings: state.guards.findings() }
    }

    /// What drains here, for the others.
    pub fn draining(&self) -> Vec<Draining> {
        let figures = lock(&self.state).drains.figures(Instant::now());
        let told = |figures: DrainFigures| Draining {
            route: elsewhere::name(&figures.route),
            version: figures.version.to_string(),
            connections: figures.remaining,
            seconds: figures.left.as_secs_f64(),
            oldest: figures.oldest.as_secs_f64(),
        };
        figures.into_iter().filter(|figures| figures.draining > 0).map(told).collect()
    }

    /// Takes in what drains on another replica.
    pub fn drains_elsewhere(&self, replica: &str, drains: Vec<Draining>) {
        lock(&self.state).elsewhere.hear(Instant::now(), replica, drains);
    }

    /// Returns when there is something about guards that others are to know at once.
    pub async fn learned(&self) {
        self.learned.notified().await;
    }

    /// All that is known about guards, and what of it others do not know; none if they know everything.
    pub fn news(&self) -> Option<(Records, Records)> {
        let mut state = lock(&self.state);
        let changed = state.trips.take_changed();
        (!changed.is_empty()).then(|| (state.trips.records().clone(), changed))
    }

    /// All that is known about guards.
    pub fn records(&self) -> Records {
        lock(&self.state).trips.records().clone()
    }

    /// Puts what was just found into force, and tells.
    pub(super) fn tripped(&self, snapshot: &Snapshot, state: &mut State, tripped: Vec<Tripped>) {
        if tripped.is_empty() {
            return;
        }
        self.redirect(snapshot, state);
        for Tripped { key, reason } in tripped {
            self.metrics.guard_tripped(&key);
            self.events.tell(EventKind::GuardTripped, &key.route.to_string(), &key.version, reason);
        }
        self.learned.notify_one();
    }
}

/// The version that a name means, if it is served.
fn find<'s>(snapshot: &'s Snapshot, name: &str) -> Option<(&'s RuleBody, usize)> {
    let bodies = snapshot.rules.iter().map(|rule| &*rule.body);
    let mut versions = bodies.flat_map(|body| (1..body.versions.len()).map(move |version| (body, version)));
    versions.find(|(body, version)| trips::name(&key_of(body, *version)) == name)
}

#[cfg(test)]
mod tests;
