//! Ids that stay the same from one snapshot to the next.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_128;

use super::{Rule, Snapshot};
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

/// Part and rule of a route, and which of the rule's mirrors, as a hash that no two of them share.
type Drawing = [u64; 2];

fn drawing(route: &RouteKey, part: usize, rule: usize, mirror: Option<usize>) -> Drawing {
    let RouteKey { namespace, kind, name } = route;
    let hash = xxh3_128(format!("{namespace}/{}/{name}/{part}/{rule}/{mirror:?}", kind.as_str()).as_bytes());
    [(hash >> 64) as u64, hash as u64]
}

fn at(address: SocketAddr, host: Option<&Arc<str>>) -> u64 {
    FixedState::default().hash_one((address, host))
}

/// Gives the same id for the same thing, for as long as the process runs.
#[derive(Default)]
pub struct Interner {
    versions: HashMap<Box<VersionKey>, VersionId, FixedState>,
    /// What the same versions are as targets of mirrors: copies are never counted as requests.
    mirrors: HashMap<Box<VersionKey>, VersionId, FixedState>,
    /// Versions that were ever given an id.
    made: u32,
    forgotten: Vec<VersionId>,
    /// The splits of rules, and the mirrors of each, which draw by themselves.
    splits: HashMap<Drawing, SplitId, FixedState>,
    /// By address.
    endpoints: HashTable<Arc<Endpoint>>,
    next_endpoint: u32,
    /// Endpoints are kept only because something goes to them still.
    busy: bool,
    /// Versions that had been given an id when it was last looked which can be forgotten.
    swept: u32,
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
        self.versions.insert(Box::new(key), id);
        id
    }

    /// The id of a version, or another backend of a route, as the target of mirrors.
    pub fn mirror(&mut self, key: VersionKey) -> VersionId {
        if let Some(known) = self.mirrors.get(&key) {
            return *known;
        }
        let Some(id) = self.next_version() else { return VersionId::OVERFLOW };
        self.mirrors.insert(Box::new(key), id);
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
        self.draws(drawing(route, part, rule, None))
    }

    /// The id by which a mirror of such a rule draws the requests that it copies.
    pub fn mirror_draws(&mut self, route: &RouteKey, (part, rule): (usize, usize), mirror: usize) -> SplitId {
        self.draws(drawing(route, part, rule, Some(mirror)))
    }

    fn draws(&mut self, key: Drawing) -> SplitId {
        let next = SplitId(self.splits.len() as u32);
        *self.splits.entry(key).or_insert(next)
    }

    /// The endpoint at this address that is spoken to in this way.
    pub fn endpoint(&mut self, endpoint: &model::Endpoint, transport: &Arc<Transport>) -> Arc<Endpoint> {
        let hash = at(endpoint.address, endpoint.host.as_ref());
        let is_there =
            |e: &Arc<Endpoint>| e.address == endpoint.address && e.host == endpoint.host && e.pod == endpoint.pod;
        let is_it = |e: &Arc<Endpoint>| is_there(e) && e.transport == *transport;
        if let Some(found) = self.endpoints.find(hash, is_it) {
            return Arc::clone(found);
        }
        let id = EndpointId(self.next_endpoint);
        self.next_endpoint += 1;
        let made = Endpoint::new(id, endpoint.address, endpoint.host.clone(), Arc::clone(transport));
        // New certificates, or another protocol, make it no other place: what drains is the place.
        let site = self.endpoints.find(hash, is_there).map_or(made.site, |known| known.site);
        let made = Arc::new(made.run_by(endpoint.pod.clone()).at(site));
        self.endpoints.insert_unique(hash, Arc::clone(&made), |known| at(known.address, known.host.as_ref()));
        made
    }

    /// Where requests for a version wait.
    pub fn line(&mut self, version: VersionId) -> Arc<Line> {
        Arc::clone(self.lines.entry(version).or_default())
    }

    /// Endpoints that are served, or that something goes to still.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.endpoints.iter()
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
        let named = endpoints_of(&snapshot.rules);
        let mut busy = false;
        self.endpoints.retain(|endpoint| {
            let is_named = named.contains(&endpoint.id);
            let is_used = Arc::strong_count(endpoint) > 1;
            busy |= is_used && !is_named;
            is_named || is_used
        });
        self.busy = busy;
        self.forget_versions(snapshot);
    }

    /// The same after a change of some rules, which were `before` and are `now`: what no rule lost need not be looked for,
    /// unless something that was lost before is still in use.
    pub(super) fn keep(&mut self, snapshot: &Snapshot, before: &[Rule], now: &[Rule]) {
        if self.busy || !endpoints_of(before).is_subset(&endpoints_of(now)) {
            return self.keep_only(snapshot);
        }
        self.forget_versions(snapshot);
    }

    fn forget_versions(&mut self, snapshot: &Snapshot) {
        // Who waits there, or is being answered, keeps a line.
        self.lines.retain(|_, line| Arc::strong_count(line) > 1);
        if self.made > self.swept && self.versions.len() + self.mirrors.len() >= MAX_VERSIONS / 2 {
            self.swept = self.made;
            let bodies = snapshot.rules.iter().map(|rule| &rule.body);
            let versions = bodies.clone().flat_map(|body| body.versions.iter().map(|version| version.id));
            let mirrors = bodies.flat_map(|body| body.mirrors.iter().map(|mirror| mirror.target.id));
            let served: HashSet<VersionId> = versions.chain(mirrors).collect();
            for known in [&mut self.versions, &mut self.mirrors] {
                self.forgotten.extend(known.extract_if(|_, id| !served.contains(id)).map(|(_, id)| id));
            }
        }
    }
}

fn endpoints_of(rules: &[Rule]) -> HashSet<EndpointId, FixedState> {
    let versions = rules
        .iter()
        .flat_map(|rule| rule.body.versions.iter().chain(rule.body.mirrors.iter().map(|mirror| &mirror.target)));
    versions.flat_map(|version| version.endpoints.iter().map(|endpoint| endpoint.id)).collect()
}

fn known(ids: &HashMap<Box<VersionKey>, VersionId, FixedState>) -> Vec<(VersionId, VersionKey)> {
    let mut known: Vec<_> = ids.iter().map(|(key, id)| (*id, (**key).clone())).collect();
    known.sort_by_key(|(id, _)| *id);
    known
}
