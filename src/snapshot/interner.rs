//! Ids that stay the same from one snapshot to the next.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::Snapshot;
use crate::endpoint::{Endpoint, EndpointId, Line, SplitId, VersionId};
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

/// Part and rule of a route, and which of the rule's mirrors.
type Drawing = (RouteKey, u32, u32, Option<u32>);

/// Endpoints of one hash: nearly always one.
enum Known {
    One(Arc<Endpoint>),
    Many(Box<[Arc<Endpoint>]>),
}

impl Known {
    fn all(&self) -> &[Arc<Endpoint>] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Many(all) => all,
        }
    }
}

/// Gives the same id for the same thing, for as long as the process runs.
#[derive(Default)]
pub struct Interner {
    versions: HashMap<VersionKey, VersionId>,
    /// What the same versions are as targets of mirrors: copies are never counted as requests.
    mirrors: HashMap<VersionKey, VersionId>,
    /// Versions that were ever given an id.
    made: u32,
    forgotten: Vec<VersionId>,
    /// The splits of rules, and the mirrors of each, which draw by themselves.
    splits: HashMap<Drawing, SplitId>,
    /// By a hash of the address; in each list, those that share it.
    endpoints: HashMap<u64, Known, FixedState>,
    next_endpoint: u32,
    /// Where requests wait, by version.
    lines: HashMap<VersionId, Arc<Line>>,
    epoch: u64,
}

impl Interner {
    /// The id of a version.
    pub fn version(&mut self, key: VersionKey) -> VersionId {
        if let Some(known) = self.versions.get(&key) {
            return *known;
        }
        let Some(id) = self.next_version() else { return VersionId::OVERFLOW };
        self.versions.insert(key, id);
        id
    }

    /// The id of a version, or another backend of a route, as the target of mirrors.
    pub fn mirror(&mut self, key: VersionKey) -> VersionId {
        if let Some(known) = self.mirrors.get(&key) {
            return *known;
        }
        let Some(id) = self.next_version() else { return VersionId::OVERFLOW };
        self.mirrors.insert(key, id);
        id
    }

    fn next_version(&mut self) -> Option<VersionId> {
        // The two ids that stand for no version of their own count, too.
        if self.versions.len() + self.mirrors.len() + 2 >= MAX_VERSIONS {
            return None;
        }
        self.made += 1;
        Some(VersionId(VersionId::OVERFLOW.0 + self.made))
    }

    /// What every id stands for, in the order of the ids; those of mirrors are not among them.
    pub fn known_versions(&self) -> Vec<(VersionId, VersionKey)> {
        known(&self.versions)
    }

    /// What every id of a mirror's target stands for, in the order of the ids.
    pub fn known_mirrors(&self) -> Vec<(VersionId, VersionKey)> {
        known(&self.mirrors)
    }

    /// The id of the split of the `rule` of a route's `part`.
    pub fn split(&mut self, route: &RouteKey, part: usize, rule: usize) -> SplitId {
        self.draws((route.clone(), part as u32, rule as u32, None))
    }

    /// The id by which a mirror of such a rule draws the requests that it copies.
    pub fn mirror_draws(&mut self, route: &RouteKey, (part, rule): (usize, usize), mirror: usize) -> SplitId {
        self.draws((route.clone(), part as u32, rule as u32, Some(mirror as u32)))
    }

    fn draws(&mut self, key: Drawing) -> SplitId {
        let next = SplitId(self.splits.len() as u32);
        *self.splits.entry(key).or_insert(next)
    }

    /// The endpoint at this address that is spoken to in this way.
    pub fn endpoint(&mut self, endpoint: &model::Endpoint, transport: &Arc<Transport>) -> Arc<Endpoint> {
        let hash = FixedState::default().hash_one(endpoint);
        let is_it = |e: &&Arc<Endpoint>| {
            e.address == endpoint.address
                && e.host == endpoint.host
                && e.pod == endpoint.pod
                && e.transport == *transport
        };
        if let Some(found) = self.endpoints.get(&hash).and_then(|known| known.all().iter().find(is_it)) {
            return Arc::clone(found);
        }
        let id = EndpointId(self.next_endpoint);
        self.next_endpoint += 1;
        let made = Endpoint::new(id, endpoint.address, endpoint.host.clone(), Arc::clone(transport));
        let made = Arc::new(made.run_by(endpoint.pod.clone()));
        match self.endpoints.entry(hash) {
            Entry::Vacant(place) => _ = place.insert(Known::One(Arc::clone(&made))),
            Entry::Occupied(mut place) => {
                let all = [place.get().all(), &[Arc::clone(&made)]].concat();
                place.insert(Known::Many(all.into()));
            }
        }
        made
    }

    /// Where requests for a version wait.
    pub fn line(&mut self, version: VersionId) -> Arc<Line> {
        Arc::clone(self.lines.entry(version).or_default())
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

    /// Forgets endpoints that `snapshot` does not name and nothing in flight goes to: one that comes back finds what it has.
    /// Versions are forgotten once half of their number is taken: until then
    /// what a version that has gone has counted can still be read.
    pub fn keep_only(&mut self, snapshot: &Snapshot) {
        let named: std::collections::HashSet<EndpointId> = snapshot
            .rules
            .iter()
            .flat_map(|rule| rule.body.versions.iter().chain(rule.body.mirrors.iter().map(|mirror| &mirror.target)))
            .flat_map(|version| version.endpoints.iter().map(|e| e.id))
            .collect();
        // Who waits there, or is being answered, keeps a line.
        self.lines.retain(|_, line| Arc::strong_count(line) > 1);
        let kept = |endpoint: &Arc<Endpoint>| named.contains(&endpoint.id) || Arc::strong_count(endpoint) > 1;
        self.endpoints.retain(|_, known| match known {
            Known::One(endpoint) => kept(endpoint),
            Known::Many(endpoints) => {
                *endpoints = endpoints.iter().filter(|e| kept(e)).cloned().collect();
                !endpoints.is_empty()
            }
        });
        if self.versions.len() + self.mirrors.len() >= MAX_VERSIONS / 2 {
            let bodies = snapshot.rules.iter().map(|rule| &rule.body);
            let versions = bodies.clone().flat_map(|body| body.versions.iter().map(|version| version.id));
            let mirrors = bodies.flat_map(|body| body.mirrors.iter().map(|mirror| mirror.target.id));
            let served: std::collections::HashSet<VersionId> = versions.chain(mirrors).collect();
            for known in [&mut self.versions, &mut self.mirrors] {
                self.forgotten.extend(known.extract_if(|_, id| !served.contains(id)).map(|(_, id)| id));
            }
        }
    }
}

fn known(ids: &HashMap<VersionKey, VersionId>) -> Vec<(VersionId, VersionKey)> {
    let mut known: Vec<_> = ids.iter().map(|(key, id)| (*id, key.clone())).collect();
    known.sort_by_key(|(id, _)| *id);
    known
}
