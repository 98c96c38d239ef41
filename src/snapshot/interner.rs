//! Ids that stay the same from one snapshot to the next.

use std::collections::HashMap;
use std::sync::Arc;

use super::Snapshot;
use crate::endpoint::{Endpoint, EndpointId, SplitId, VersionId};
use crate::model::{self, RouteKey, Transport};

/// How many versions have series of their own; more are counted together (`route="_overflow"`).
pub const MAX_VERSIONS: usize = 20_000;

/// What a [`VersionId`] stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionKey {
    /// The route.
    pub route: RouteKey,
    /// The version's name.
    pub version: Arc<str>,
    /// What it runs.
    pub revision: Arc<str>,
}

/// Gives the same id for the same thing, for as long as the process runs.
#[derive(Default)]
pub struct Interner {
    versions: HashMap<VersionKey, VersionId>,
    /// Versions that were ever given an id.
    made: u32,
    forgotten: Vec<VersionId>,
    splits: HashMap<(RouteKey, usize, usize), SplitId>,
    endpoints: HashMap<model::Endpoint, Vec<Arc<Endpoint>>>,
    next_endpoint: u32,
    epoch: u64,
}

impl Interner {
    /// The id of a version.
    pub fn version(&mut self, key: VersionKey) -> VersionId {
        if let Some(known) = self.versions.get(&key) {
            return *known;
        }
        // The two ids that stand for no version of their own count, too.
        if self.versions.len() + 2 >= MAX_VERSIONS {
            return VersionId::OVERFLOW;
        }
        self.made += 1;
        let id = VersionId(VersionId::OVERFLOW.0 + self.made);
        self.versions.insert(key, id);
        id
    }

    /// What every id stands for, in the order of the ids.
    pub fn known_versions(&self) -> Vec<(VersionId, VersionKey)> {
        let mut known: Vec<_> = self.versions.iter().map(|(key, id)| (*id, key.clone())).collect();
        known.sort_by_key(|(id, _)| *id);
        known
    }

    /// The id of the split of the `rule` of a route's `part`.
    pub fn split(&mut self, route: &RouteKey, part: usize, rule: usize) -> SplitId {
        let next = SplitId(self.splits.len() as u32);
        *self.splits.entry((route.clone(), part, rule)).or_insert(next)
    }

    /// The endpoint at this address that is spoken to in this way.
    pub fn endpoint(&mut self, endpoint: &model::Endpoint, transport: &Arc<Transport>) -> Arc<Endpoint> {
        let known = self.endpoints.entry(endpoint.clone()).or_default();
        if let Some(found) = known.iter().find(|e| e.transport == *transport) {
            return Arc::clone(found);
        }
        let id = EndpointId(self.next_endpoint);
        self.next_endpoint += 1;
        let made = Arc::new(Endpoint::new(id, endpoint.address, endpoint.host.clone(), Arc::clone(transport)));
        known.push(Arc::clone(&made));
        made
    }

    /// A number for a set of weights, never given before.
    pub fn epoch(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }

    /// The versions that were forgotten since the last call; nobody will be given their ids again.
    pub fn take_forgotten(&mut self) -> Vec<VersionId> {
        std::mem::take(&mut self.forgotten)
    }

    /// Forgets endpoints that `snapshot` does not name, and versions, too, once half of their number is taken: until then
    /// what a version that has gone has counted can still be read.
    pub fn keep_only(&mut self, snapshot: &Snapshot) {
        let named: std::collections::HashSet<EndpointId> = snapshot
            .rules
            .iter()
            .flat_map(|rule| rule.body.versions.iter())
            .flat_map(|version| version.endpoints.iter().map(|e| e.id))
            .collect();
        self.endpoints.retain(|_, endpoints| {
            endpoints.retain(|e| named.contains(&e.id));
            !endpoints.is_empty()
        });
        if self.versions.len() >= MAX_VERSIONS / 2 {
            let served = snapshot.rules.iter().flat_map(|rule| rule.body.versions.iter().map(|version| version.id));
            let served: std::collections::HashSet<VersionId> = served.collect();
            let gone = self.versions.extract_if(|_, id| !served.contains(id));
            self.forgotten.extend(gone.map(|(_, id)| id));
        }
    }
}
