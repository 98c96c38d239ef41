//! What a rule of a new snapshot gets that no model says: a ramp on its way, what guards divert, versions that have drained, what
//! comes before weights are in force.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::drains::Drains;
use super::ramp::Ramp;
use super::trips::Trips;
use super::{Control, State, guards, prewarm};
use crate::endpoint::SplitId;
use crate::snapshot::{PerVersion, Rule, Snapshot, WeightSource, Weights};

impl State {
    /// The weights of a rule before the gate looks at them.
    pub(super) fn asked(&self, rule: &Rule) -> PerVersion<u32> {
        let id = rule.body.split_id;
        match (self.warming.get(&id), self.ramps.get(&id)) {
            (Some(warming), _) => warming.held.clone(),
            (None, Some(ramp)) => ramp.weights(Instant::now()),
            (None, None) => rule.weights.desired.iter().map(|weight| weight.get()).collect(),
        }
    }

    /// Forgets what was under way in splits that are not served any more.
    pub(super) fn keep_only(&mut self, snapshot: &Snapshot) {
        if self.ramps.is_empty() && self.warming.is_empty() && self.loads.is_empty() {
            return;
        }
        let served: HashSet<SplitId> = snapshot.rules.iter().map(|rule| rule.body.split_id).collect();
        self.ramps.retain(|split, _| served.contains(split));
        self.warming.retain(|split, _| served.contains(split));
        self.loads.retain(|split, _| served.contains(split));
    }
}

/// Gives a rule of a new snapshot what belongs to its weights: a ramp on its way, and what guards divert.
pub fn settle(rule: &mut Rule, before: Option<&Rule>, state: &mut State) {
    let id = rule.body.split_id;
    let source = if state.hand.contains_key(&rule.body.route) { WeightSource::Hand } else { WeightSource::Configured };
    if rule.weights.source != source {
        rule.weights = Arc::new(Weights { source, ..(*rule.weights).clone() });
    }
    let from = before.filter(|_| !rule.body.split.ramp.is_zero()).map(|before| held(rule, before));
    match (before, from) {
        // The same weights: a ramp that is on its way goes on.
        (Some(before), _) if before.weights.epoch == rule.weights.epoch => {}
        // Where nobody is left who had any weight, there is nobody to come from.
        (_, Some(from)) if from.iter().any(|weight| *weight > 0) => {
            let now = Instant::now();
            let ramp = Ramp::new(&from, &rule.weights.desired, now, rule.body.split.ramp);
            rule.weights = Arc::new(Weights { current: ramp.weights(now), ..(*rule.weights).clone() });
            state.ramps.insert(id, ramp);
        }
        _ => _ = state.ramps.remove(&id),
    }
    divert(rule, &state.trips);
    retire(rule, &state.drains);
}

/// Lets the sticky clients of versions that have drained move on.
pub fn retire(rule: &mut Rule, drains: &Drains) {
    let desired = rule.weights.desired.iter();
    // A version that has weight again takes its clients, whatever is still known of its end.
    let retired = drains.retired(&rule.body).iter().zip(desired).map(|(gone, w)| *gone && w.get() == 0).collect();
    if retired != rule.weights.retired {
        rule.weights = Arc::new(Weights { retired, ..(*rule.weights).clone() });
    }
}

/// Takes their share from versions whose guard has tripped.
pub fn divert(rule: &mut Rule, trips: &Trips) {
    let diverted = diverted(rule, trips);
    if diverted != rule.weights.diverted {
        rule.weights = Arc::new(Weights { diverted, ..(*rule.weights).clone() });
    }
}

/// Versions whose share goes to the first, as guards and it are now.
pub fn diverted(rule: &Rule, trips: &Trips) -> PerVersion<bool> {
    let stable = rule.weights.desired.first().map_or(0, |weight| weight.get());
    guards::diverted(&rule.body, stable, trips)
}

/// The weights that were in effect, by the names of the versions as they are now.
pub fn held(rule: &Rule, before: &Rule) -> PerVersion<u32> {
    let was = |name: &Arc<str>| before.body.versions.iter().position(|version| version.name == *name);
    let weight = |name| was(name).and_then(|i| before.weights.current.get(i).copied()).unwrap_or(0);
    rule.body.versions.iter().map(|version| weight(&version.name)).collect()
}

impl Control {
    /// What comes between the weights asked for and their being served: connections that are to be open first, and what
    /// endpoints can carry.
    pub(super) fn enter(&self, rule: &mut Rule, before: Option<&Rule>, state: &mut State) {
        if let Some(before) = before {
            prewarm::warm(rule, before, state);
        }
        self.hold_to_capacity(rule, state);
    }
}
