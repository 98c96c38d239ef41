//! When ReplicaSets are scaled down, as Argo Rollouts announces it on the old one at a promotion: its pods end then.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::object::{Id, Object, ObjectKind, SCALE_DOWN_DEADLINE};
use super::Objects;

/// As much of its owner's name as a pod has at most (`k8s.io/apiserver/pkg/storage/names`).
const LONGEST_PREFIX: usize = 58;

/// The ReplicaSets that are scaled down at a time that is known.
#[derive(Default)]
pub struct Ends {
    sets: BTreeMap<Id, Timestamp>,
    moved: bool,
}

impl Ends {
    /// What an object is now; none: it has gone.
    pub fn look(&mut self, id: &Id, object: Option<&Object>) {
        if id.kind != ObjectKind::ReplicaSet {
            return;
        }
        let moved = match object.and_then(|object| end_of(id, object)) {
            Some(end) => self.sets.insert(id.clone(), end).is_none_or(|before| before != end),
            None => self.sets.remove(id).is_some(),
        };
        self.moved |= moved;
    }

    /// Whether anything has changed since [`Ends::pods`] was last asked.
    pub fn is_moved(&self) -> bool {
        self.moved
    }

    /// The pods of those ReplicaSets, by name, with their end. One that was scaled down long ago has none.
    pub fn pods(&mut self, objects: &Objects) -> Vec<(Arc<str>, Timestamp)> {
        self.moved = false;
        let mut pods = Vec::new();
        for (set, end) in &self.sets {
            let whole = format!("{}-", set.name);
            let prefix = whole.get(..LONGEST_PREFIX).unwrap_or(&whole);
            let named = objects.beginning_with(ObjectKind::Pod, &set.namespace, prefix);
            let own = named.filter(|(_, pod)| pod.owner() == Some(&set.name));
            pods.extend(own.map(|(id, _)| (Arc::clone(&id.name), *end)));
        }
        pods
    }
}

fn end_of(id: &Id, object: &Object) -> Option<Timestamp> {
    let (_, text) = object.annotations().find(|(key, _)| *key == SCALE_DOWN_DEADLINE)?;
    match text.parse() {
        Ok(end) => Some(end),
        Err(error) => {
            tracing::warn!(object = %id, "its {SCALE_DOWN_DEADLINE} {text:?} is not followed, since it is no time (RFC 3339): {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests;
