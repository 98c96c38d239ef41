//! When pods end, as far as whoever runs them has said so: Argo Rollouts announces when it scales an old ReplicaSet down.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::endpoint::Endpoint;

/// The end of each pod that has one, by its name: names of pods that a ReplicaSet makes are as good as unique, also over
/// namespaces.
#[derive(Default)]
pub struct Ends(HashMap<Arc<str>, (Timestamp, Instant)>);

impl Ends {
    /// Takes in what is known now, at `wall` by the clock on the wall; gives the pods of which something else is.
    pub fn learn(&mut self, known: &[(Arc<str>, Timestamp)], (wall, now): (Timestamp, Instant)) -> HashSet<Arc<str>> {
        if self.0.is_empty() && known.is_empty() {
            return HashSet::new();
        }
        let mut before = std::mem::take(&mut self.0);
        let mut moved = HashSet::new();
        for (pod, at) in known {
            let same = before.remove(pod).filter(|(known, _)| known == at);
            if same.is_none() {
                moved.insert(Arc::clone(pod));
            }
            let left = || Duration::try_from(at.duration_since(wall)).unwrap_or_default();
            self.0.insert(Arc::clone(pod), same.unwrap_or_else(|| (*at, now + left())));
        }
        moved.extend(before.into_keys());
        moved
    }

    /// When an endpoint ends.
    pub fn of(&self, endpoint: &Endpoint) -> Option<Instant> {
        self.0.get(endpoint.pod.as_ref()?).map(|(_, end)| *end)
    }

    /// When the last of some endpoints ends, if all of them do.
    pub fn of_all(&self, endpoints: &[Arc<Endpoint>]) -> Option<Instant> {
        if self.0.is_empty() {
            return None;
        }
        endpoints.iter().map(|endpoint| self.of(endpoint)).collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

/// Whether an endpoint is one of some pods.
pub fn is_of(endpoint: &Endpoint, pods: &HashSet<Arc<str>>) -> bool {
    endpoint.pod.as_ref().is_some_and(|pod| pods.contains(pod))
}
