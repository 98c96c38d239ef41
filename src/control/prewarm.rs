//! Connections that are opened before a version gets its first requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::rules::{held, settle};
use super::{Control, EventKind, State};
use crate::endpoint::{Endpoint, SplitId};
use crate::proxy::{Command, Warming as Order};
use crate::snapshot::{PerVersion, Rule, Weights};

/// How long a change of weights waits for connections.
const PATIENCE: Duration = Duration::from_secs(2);

/// Changes of weights that wait for connections.
pub type Waiting = HashMap<SplitId, Warming>;

/// A change of weights that waits.
pub struct Warming {
    /// What the weights were, in the order of the versions as they are now.
    pub held: PerVersion<u32>,
    until: Instant,
    /// Workers that are not ready.
    left: Arc<AtomicUsize>,
}

impl Warming {
    fn is_over(&self, now: Instant) -> bool {
        self.left.load(Relaxed) == 0 || now >= self.until
    }
}

/// Begins to open connections to versions of `rule` that had no traffic before and are to get some. Until they are open the
/// weights stay what they were.
pub fn warm(rule: &mut Rule, before: &Rule, state: &mut State) {
    if before.weights.epoch == rule.weights.epoch {
        return;
    }
    let id = rule.body.split_id;
    state.warming.remove(&id);
    let count = rule.body.split.endpoints.prewarm;
    if count == 0 {
        return;
    }
    let held = held(rule, before);
    let cold = |i: &usize| held[*i] == 0 && rule.weights.desired[*i].get() > 0;
    let versions = (0..held.len()).filter(cold).map(|i| &rule.body.versions[i]);
    let endpoints: Arc<[Arc<Endpoint>]> = versions.flat_map(|version| version.endpoints.iter().cloned()).collect();
    if endpoints.is_empty() || held.iter().all(|weight| *weight == 0) {
        return;
    }
    let left = Arc::new(AtomicUsize::new(0));
    let connect = rule.body.split.timeouts.connect.min(PATIENCE);
    state.fleet.tell(|| Command::Warm(Order::new(Arc::clone(&endpoints), count, connect, &left)));
    rule.weights = Arc::new(Weights { current: held.clone(), ..(*rule.weights).clone() });
    // It begins once the connections are open.
    state.ramps.remove(&id);
    state.warming.insert(id, Warming { held, until: Instant::now() + PATIENCE, left });
}

impl Control {
    /// Lets changes of weights go on whose connections are open, or that have waited for long enough.
    pub(super) fn end_warming(&self, state: &mut State) {
        let now = Instant::now();
        if !state.warming.values().any(|warming| warming.is_over(now)) {
            return;
        }
        let mut snapshot = (*self.served.load_full()).clone();
        for rule in &mut snapshot.rules {
            let id = rule.body.split_id;
            if !state.warming.get(&id).is_some_and(|warming| warming.is_over(now)) {
                continue;
            }
            let Some(warming) = state.warming.remove(&id) else { continue };
            let late = warming.left.load(Relaxed) > 0;
            let message = match late {
                true => {
                    format!("not every connection was open after {PATIENCE:?}: the weights asked for go on without")
                }
                false => "connections are open: the weights asked for go on".to_owned(),
            };
            self.events.tell(EventKind::Prewarmed, &rule.body.route.to_string(), "", message);
            let before = rule.clone();
            let current = rule.weights.desired.iter().map(|weight| weight.get()).collect();
            rule.weights = Arc::new(Weights { epoch: state.interner.epoch(), current, ..(*rule.weights).clone() });
            settle(rule, Some(&before), state);
            self.hold_to_capacity(rule, state);
        }
        state.warming.retain(|_, warming| !warming.is_over(now));
        self.publish(snapshot, &state.fleet);
    }
}
