//! The decision: from a request head to an endpoint, in one synchronous function.
//!
//! `route::find` -> `split::choose` -> `balance::pick`. Nothing here waits, locks, or (on the common path) allocates;
//! random source and schedules belong to the worker and come as [`Cursors`]. `weir explain` asks the same functions.

mod explain;

pub use explain::{ExplainedMirror, ExplainedVersion, Explanation, explain};

use std::sync::Arc;

use crate::endpoint::{Clock, Endpoint, SplitId, VersionId};
use crate::head::RequestHead;
use crate::model::{Access, Balance, OnEmpty, Split, StickyTo};
use crate::route::{self, Found};
use crate::snapshot::{MirrorEntry, Rule, Snapshot, VersionEntry};
use crate::split::{self, Choice, Home, Schedule, SetCookie, Why};
use crate::upstream::balance::{self, Draw, Tried, Turn};

/// Where a worker stands in every split and version.
pub struct Cursors {
    schedules: Vec<Schedule>,
    turns: Vec<Option<Turn>>,
    /// Random source of the worker.
    pub rng: fastrand::Rng,
    /// What tells the time, where a choice depends on it.
    pub clock: Clock,
}

impl Cursors {
    /// Cursors at the beginning; the same seed gives the same decisions.
    pub fn new(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        Self { schedules: Vec::new(), turns: Vec::new(), rng, clock: Clock::Real }
    }

    fn schedule(&mut self, split: SplitId) -> (&mut Schedule, &mut fastrand::Rng) {
        let index = split.0 as usize;
        if self.schedules.len() <= index {
            self.schedules.resize_with(index + 1, Schedule::new);
        }
        (&mut self.schedules[index], &mut self.rng)
    }

    /// What a request that is hashed to `key` draws an endpoint of a version from.
    fn draw(&mut self, version: VersionId, key: u64) -> Draw<'_> {
        let index = version.index();
        if self.turns.len() <= index {
            self.turns.resize(index + 1, None);
        }
        let turn = self.turns[index].get_or_insert_with(|| Turn::random(&mut self.rng));
        Draw { turn, rng: &mut self.rng, clock: self.clock, key }
    }
}

/// What is to become of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It goes to an endpoint.
    Forward(Decision),
    /// A filter of the rule answers it.
    Respond(Found),
    /// It waits until its version has an endpoint; it is then decided anew.
    Hold {
        /// The rule that took it.
        found: Found,
        /// Index of the version.
        version: usize,
    },
    /// It is refused.
    Reject(Refusal),
}

/// An endpoint for a request, as positions in the snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The rule that took it.
    pub found: Found,
    /// Index of the version.
    pub version: usize,
    /// Index of the endpoint in the version.
    pub endpoint: usize,
    /// Why this version.
    pub why: Why,
    /// A cookie that the client is to be given.
    pub cookie: Option<SetCookie>,
    /// How the client's endpoint is found, if it keeps one.
    pub home: Option<Home>,
    /// What it is hashed to, where endpoints are chosen by a hash.
    pub key: u64,
}

impl Decision {
    /// The rule.
    pub fn rule<'s>(&self, snapshot: &'s Snapshot) -> &'s Rule {
        &snapshot.rules[self.found.rule]
    }

    /// The version.
    pub fn version<'s>(&self, snapshot: &'s Snapshot) -> &'s VersionEntry {
        &self.rule(snapshot).body.versions[self.version]
    }

    /// Counts the client at its endpoint, if it keeps one that it does not follow from who it is.
    pub fn settle(&self, snapshot: &Snapshot, clock: Clock) {
        if let Some((client, returns)) = self.home.and_then(|home| home.resident()) {
            self.endpoint(snapshot).residents().settle(client, returns, clock.now());
        }
    }

    /// Whether another try has somewhere to go: the version has another endpoint that is well and was not tried, or a sibling
    /// has one, where those take over.
    pub fn has_other(&self, snapshot: &Snapshot, tried: &Tried) -> bool {
        let rule = self.rule(snapshot);
        let siblings = rule.body.split.on_empty == OnEmpty::Sibling;
        self.reaches(snapshot, self.version, tried)
            || siblings && (0..rule.body.versions.len()).any(|version| self.reaches(snapshot, version, tried))
    }

    /// Whether a version has an endpoint other than this one that is well and was not tried.
    pub fn reaches(&self, snapshot: &Snapshot, version: usize, tried: &Tried) -> bool {
        let here = self.endpoint(snapshot).id;
        let mut endpoints = self.rule(snapshot).body.versions[version].endpoints.iter();
        endpoints.any(|other| other.id != here && other.health.is_usable() && !tried.contains(other.id))
    }

    /// The same decision among what is served by now, but for the endpoint, which is to be chosen again. None: its rule or
    /// version has gone.
    pub fn renewed(&self, before: &Snapshot, now: &Snapshot) -> Option<Self> {
        let split = self.rule(before).body.split_id;
        let same = |rule: &Rule| rule.body.split_id == split;
        let rule = match now.rules.get(self.found.rule).is_some_and(same) {
            true => self.found.rule,
            false => now.rules.iter().position(same)?,
        };
        let (versions, version) = (&now.rules[rule].body.versions, self.version(before));
        let version = versions.iter().position(|v| v.id == version.id).or_else(|| {
            // It runs something else by now.
            versions.iter().position(|v| v.name == version.name)
        })?;
        Some(Self { found: Found { rule, ..self.found }, version, endpoint: 0, ..self.clone() })
    }

    /// The endpoint.
    pub fn endpoint<'s>(&self, snapshot: &'s Snapshot) -> &'s Arc<Endpoint> {
        &self.version(snapshot).endpoints[self.endpoint]
    }
}

/// Why a request is refused before any endpoint is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No rule takes it.
    NoRoute,
    /// The version has no endpoint, and no other may take its place; what it would have been, for the metrics.
    NoEndpoint {
        /// The rule that took it.
        found: Found,
        /// Index of the version.
        version: usize,
    },
    /// The version points to what does not exist or may not be used.
    Invalid {
        /// The rule that took it.
        found: Found,
        /// Index of the version.
        version: usize,
    },
    /// The client may not ask.
    Forbidden,
    /// Nobody may ask, because the rule's protection is not one that the proxy has.
    Closed,
}

/// Whether a request takes the same rule with another path.
pub fn is_same_way(snapshot: &Snapshot, head: &RequestHead<'_>, path: &str) -> bool {
    let Some(entry) = snapshot.listeners.get(head.listener) else { return true };
    let rule = |head: &RequestHead<'_>| route::find(&entry.table, head).map(|found| found.rule);
    rule(head) == rule(&RequestHead { path, ..*head })
}

/// Decides where a request goes.
pub fn decide(snapshot: &Snapshot, cursors: &mut Cursors, head: &RequestHead<'_>) -> Outcome {
    let listener = snapshot.listeners.get(head.listener);
    let Some(found) = listener.and_then(|entry| route::find(&entry.table, head)) else {
        return Outcome::Reject(Refusal::NoRoute);
    };
    let rule = &snapshot.rules[found.rule];
    if rule.body.answers(head) {
        return Outcome::Respond(found);
    }
    match rule.body.closed_to(head.client) {
        None => {}
        Some(Access::Addresses { .. }) => return Outcome::Reject(Refusal::Forbidden),
        Some(Access::Closed) => return Outcome::Reject(Refusal::Closed),
    }
    let (schedule, rng) = cursors.schedule(rule.body.split_id);
    match split::choose(rule, head, schedule, rng) {
        Some(choice) => {
            let hashes = rule.body.split.balance == Balance::Hash;
            let key = if hashes { split::hash_key(&rule.body.split, head) } else { 0 };
            place(rule, found, Choice { key, ..choice }, &Tried::default(), cursors)
        }
        None => Outcome::Reject(Refusal::NoEndpoint { found, version: 0 }),
    }
}

/// Decides where a request goes after endpoints in `tried` have failed it: the same version as long as it has another.
pub fn again(snapshot: &Snapshot, cursors: &mut Cursors, before: &Decision, tried: &Tried) -> Option<Decision> {
    let Decision { version, why, home, key, .. } = *before;
    let choice = Choice { version, why, cookie: before.cookie.clone(), home, key };
    match place(before.rule(snapshot), before.found, choice, tried, cursors) {
        Outcome::Forward(decision) => Some(decision),
        Outcome::Respond(_) | Outcome::Hold { .. } | Outcome::Reject(_) => None,
    }
}

/// Decides where a request goes that failed on a version and is rescued: the first version.
pub fn rescue(snapshot: &Snapshot, cursors: &mut Cursors, before: &Decision, tried: &Tried) -> Option<Decision> {
    let rule = before.rule(snapshot);
    let endpoint = pick(rule, (0, before.key), tried, cursors)?;
    Some(Decision { version: 0, endpoint, why: Why::Sibling, ..before.clone() })
}

/// A copy of a request, as positions in the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// Index of the mirror in the rule.
    pub mirror: usize,
    /// Index of the endpoint in the mirror's target.
    pub endpoint: usize,
}

/// Decides which copies are made of a request; to be asked once, after its first decision. A target without endpoints gets
/// none, and no other takes its place. Without mirrors nothing is allocated.
pub fn mirrors(snapshot: &Snapshot, cursors: &mut Cursors, decision: &Decision) -> Vec<Mirrored> {
    let rule = decision.rule(snapshot);
    let copy = |(index, mirror): (usize, &MirrorEntry)| {
        let (schedule, rng) = cursors.schedule(mirror.draws);
        let target = &mirror.target;
        let copied = split::mirrored(mirror, decision.version, schedule, rng) && !target.invalid;
        let draw = copied.then(|| cursors.draw(target.id, decision.key))?;
        let endpoint = balance::pick(&target.endpoints, &rule.body.split, &Tried::default(), draw)?;
        Some(Mirrored { mirror: index, endpoint })
    };
    rule.body.mirrors.iter().enumerate().filter_map(copy).collect()
}

/// Finds an endpoint for a choice, or for a sibling of it.
fn place(rule: &Rule, found: Found, choice: Choice, tried: &Tried, cursors: &mut Cursors) -> Outcome {
    let Choice { version, why, cookie, home, key } = choice;
    if rule.body.versions.get(version).is_some_and(|version| version.invalid) {
        return Outcome::Reject(Refusal::Invalid { found, version });
    }
    let unchecked = is_doubtful(rule, version).then(|| tried.unchecked());
    let tried = unchecked.as_ref().unwrap_or(tried);
    let anywhere = |cursors: &mut Cursors| match home {
        Some(Home::Kept { .. }) => settle(rule, version, tried, cursors),
        _ => pick(rule, (version, key), tried, cursors),
    };
    if let Some(endpoint) = at_home(rule, version, home, tried).or_else(|| anywhere(cursors)) {
        let cookie = cookie.or_else(|| new_home(rule, (version, endpoint), home.filter(|_| why != Why::Guard)?));
        return Outcome::Forward(Decision { found, version, endpoint, why, cookie, home, key });
    }
    let split: &Split = &rule.body.split;
    if split.on_empty == OnEmpty::Sibling
        && let Some((version, endpoint)) = sibling(rule, (version, key), tried, cursors)
    {
        // A newcomer stays with the sibling; who has a home already returns to it once it has endpoints again.
        let newcomer = home.filter(|home| matches!(home, Home::Kept { token: None, .. }));
        let cookie = cookie.or_else(|| new_home(rule, (version, endpoint), newcomer?));
        return Outcome::Forward(Decision { found, version, endpoint, why: Why::Sibling, cookie, home, key });
    }
    if matches!(split.on_empty, OnEmpty::Hold(_)) {
        return Outcome::Hold { found, version };
    }
    Outcome::Reject(Refusal::NoEndpoint { found, version })
}

/// Whether checks are not to be believed, since they find every endpoint of every version unhealthy: where versions may take
/// each other's place, there is nothing better to do than to ask those that there are.
fn is_doubtful(rule: &Rule, version: usize) -> bool {
    let versions = &rule.body.versions;
    versions.get(version).is_some_and(VersionEntry::is_empty)
        && rule.body.split.on_empty == OnEmpty::Sibling
        && versions.iter().all(VersionEntry::is_empty)
}

/// The endpoint that the client keeps, unless it has failed this request.
fn at_home(rule: &Rule, version: usize, home: Option<Home>, tried: &Tried) -> Option<usize> {
    let (home, endpoints) = (home?, &rule.body.versions.get(version)?.endpoints);
    let untried = |(_, e): &(usize, &Arc<Endpoint>)| !tried.contains(e.id);
    let places = endpoints.iter().enumerate().filter(untried);
    let found = home.find(places.clone().map(|(i, e)| (i, e.address)))?;
    if endpoints[found].health.is_usable() || balance::panics(endpoints, &rule.body.split, tried) {
        return Some(found);
    }
    home.find(places.filter(|(_, e)| e.health.is_usable()).map(|(i, e)| (i, e.address)))
}

/// The cookie for a client that is not where its cookie says: because it is new, its endpoint has gone, or it failed and
/// the client is not to return.
fn new_home(rule: &Rule, (version, endpoint): (usize, usize), home: Home) -> Option<SetCookie> {
    let endpoints = &rule.body.versions.get(version)?.endpoints;
    let kept = home.find(endpoints.iter().enumerate().map(|(i, e)| (i, e.address)));
    let moves = match rule.body.split.sticky.as_ref()?.to {
        StickyTo::Version => false,
        StickyTo::Endpoint { move_on_failure } => kept.is_none() || (kept != Some(endpoint) && move_on_failure),
    };
    moves.then(|| home.cookie(rule, version, endpoints.get(endpoint)?.address)).flatten()
}

/// Another version by weight, among those that have endpoints which may be used; without any that has a share now, the first
/// of positive desired weight that has one; without any of these, the first that has one.
fn sibling(rule: &Rule, (empty, key): (usize, u64), tried: &Tried, cursors: &mut Cursors) -> Option<(usize, usize)> {
    let versions = &rule.body.versions;
    let able = |i: usize| i != empty && balance::is_able(&versions[i].endpoints, &rule.body.split, tried);
    let weight = |i: usize| own_weight(rule, i);
    let total: u64 = (0..versions.len()).filter(|i| able(*i)).map(weight).sum();
    let version = if total == 0 {
        // A weight of 0 means nothing new, since that version may drain, or was never meant for everybody; it is the last
        // resort all the same: a request that is lost is worse.
        let wanted = |i: usize| rule.weights.desired.get(i).is_some_and(|weight| weight.get() > 0);
        let mut all = (0..versions.len()).filter(|i| able(*i));
        all.clone().find(|i| wanted(*i)).or_else(|| all.next())?
    } else {
        let mut ticket = cursors.rng.u64(..total);
        (0..versions.len()).filter(|i| able(*i)).find(|i| {
            let mine = ticket < weight(*i);
            ticket = ticket.saturating_sub(weight(*i));
            mine
        })?
    };
    Some((version, pick(rule, (version, key), tried, cursors)?))
}

/// What a version has by itself, without what is diverted to it; nothing where its own is.
fn own_weight(rule: &Rule, version: usize) -> u64 {
    let diverted = rule.weights.diverted.get(version).copied().unwrap_or(false);
    if diverted { 0 } else { u64::from(rule.weights.current.get(version).copied().unwrap_or(0)) }
}

fn settle(rule: &Rule, version: usize, tried: &Tried, cursors: &mut Cursors) -> Option<usize> {
    let entry = rule.body.versions.get(version)?;
    balance::settle(&entry.endpoints, &rule.body.split, tried, cursors.draw(entry.id, 0))
}

fn pick(rule: &Rule, (version, key): (usize, u64), tried: &Tried, cursors: &mut Cursors) -> Option<usize> {
    let entry = rule.body.versions.get(version)?;
    balance::pick(&entry.endpoints, &rule.body.split, tried, cursors.draw(entry.id, key))
}

#[cfg(test)]
mod tests;
