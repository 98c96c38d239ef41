//! What a rule of a new snapshot gets that no model says: a ramp on its way, what guards divert, versions that have drained, what
//! comes before weights are in force.

use std::sync::Arc;

use tokio::time::Instant;

use super::drains::Drains;
use super::ramp::Ramp;
use super::trips::Trips;
use super::{Control, State, guards, prewarm};
use crate::snapshot::{PerVersion, Rule, WeightSource, Weights};

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
}

/// Gives a rule of a new snapshot what belongs to its weights: a ramp on its way, and what guards divert.
pub fn settle(rule: &mut Rule, before: Option<&Rule>, state: &mut State) {
    let id = rule.body.split_id;
    let source = if state.hand.contains_key(&rule.body.route) { WeightSource::Hand } else { WeightSource::Configured };
    if rule.weights.source != source {
        rule.weights = Arc::new(Weights { source, ..(*rule.weights).clone() });
    }
    match before {
        // The same weights: a ramp that is on its way goes on.
        Some(before) if before.weights.epoch == rule.weights.epoch => {}
        Some(before)
            if !rule.body.split.ramp.is_zero() && before.weights.current.len() == rule.weights.current.len() =>
        {
            let now = Instant::now();
            let ramp = Ramp::new(&before.weights.current, &rule.weights.desired, now, rule.body.split.ramp);
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
    let stable = rule.weights.desired.first().map_or(0, |weight| weight.get());
    let diverted = guards::diverted(&rule.body, stable, trips);
    if diverted != rule.weights.diverted {
        rule.weights = Arc::new(Weights { diverted, ..(*rule.weights).clone() });
    }
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
