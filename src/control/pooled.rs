//! What versions of Splits counted on the other replicas, so that the status of a Split is about all of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::FixedState;
use xxhash_rust::xxh3::xxh3_64;

use super::events::lock;
use super::guards::key_of;
use super::history::{History, NOW, Recent};
use super::status::{SplitStatus, VersionStatus};
use super::{Control, trips};
use crate::model::Kind;
use crate::record::{Distribution, Recorder};
use crate::rollout::shared::{Counts, Figures};
use crate::snapshot::{RuleBody, VersionEntry};

/// Versions that are told at a time: a peer that reads slowly must not fall so far behind that it is cut off.
const AT_ONCE: usize = 8192;

/// What is known of the other replicas, and what they know of this one.
#[derive(Default)]
pub struct Pooled {
    /// By replica and version.
    told: HashMap<String, HashMap<u64, Figures, FixedState>>,
    /// What was last said of each version here, hashed.
    said: HashMap<u64, u64, FixedState>,
}

impl Control {
    /// What was counted here of the versions of Splits and the others do not know. `all`: somebody may have missed what was said.
    pub fn counted(&self, all: bool) -> Vec<Figures> {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let snapshot = self.served.load();
        let rules = snapshot.rules.iter().filter(|rule| rule.body.route.kind == Kind::Split);
        let versions = rules.flat_map(|rule| (0..rule.body.versions.len()).map(|index| (&*rule.body, index)));
        let figures = versions.filter_map(|(body, index)| {
            let figures = own(&body.versions[index], &self.recorder, &state.history)?;
            Some(Figures { version: name(body, index), ..figures })
        });
        state.pooled.news(figures, all)
    }

    /// Takes in what another replica counted.
    pub fn counted_elsewhere(&self, replica: &str, figures: Vec<Figures>) {
        lock(&self.state).pooled.hear(replica, figures);
    }

    /// Replicas that are not among those that are heard count no more.
    pub fn count_only(&self, heard: &[(Arc<str>, bool)]) {
        lock(&self.state).pooled.told.retain(|replica, _| heard.iter().any(|(name, _)| **name == **replica));
    }
}

impl Pooled {
    /// Whether no other replica has said anything.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// What of these figures is to be said: what was not said so of a version, and nothing of one that has gone. More than
    /// [`AT_ONCE`] wait for the next time.
    fn news(&mut self, figures: impl Iterator<Item = Figures>, all: bool) -> Vec<Figures> {
        let mut before = std::mem::take(&mut self.said);
        if all {
            before.clear();
        }
        let mut news = Vec::new();
        for figures in figures {
            let digest = FixedState::default().hash_one(&figures);
            let known = before.get(&figures.version).copied();
            // Several rules of a Split have the same versions, which are counted once.
            let Entry::Vacant(place) = self.said.entry(figures.version) else { continue };
            if known == Some(digest) {
                place.insert(digest);
            } else if news.len() < AT_ONCE {
                place.insert(digest);
                news.push(figures);
            } else if let Some(known) = known {
                place.insert(known);
            }
        }
        let gone = before.keys().filter(|version| !self.said.contains_key(version));
        news.extend(gone.map(|version| Figures { version: *version, ..Figures::default() }));
        news
    }

    fn hear(&mut self, replica: &str, figures: Vec<Figures>) {
        let told = self.told.entry(replica.to_owned()).or_default();
        for figures in figures {
            match figures.is_empty() {
                true => _ = told.remove(&figures.version),
                false => _ = told.insert(figures.version, figures),
            }
        }
    }

    /// Adds to the figures of a split what the other replicas counted of it.
    pub fn add_to(&self, split: &mut SplitStatus, body: &RuleBody, history: &History) {
        let told = |index| {
            let key = name(body, index);
            self.told.values().filter_map(|told| told.get(&key)).collect::<Vec<_>>()
        };
        let elsewhere: Vec<Vec<&Figures>> = (0..body.versions.len()).map(told).collect();
        if elsewhere.iter().all(Vec::is_empty) {
            return;
        }
        let versions = split.versions.iter_mut().zip(&body.versions).zip(&elsewhere);
        let recent: Vec<u64> =
            versions.map(|((version, entry), told)| add(version, told, history.recent(entry.id))).collect();
        let all: u64 = recent.iter().sum();
        for (version, recent) in split.versions.iter_mut().zip(recent) {
            version.share = (all > 0).then(|| recent as f64 / all as f64);
        }
    }
}

/// A version at its revision, as replicas name it to one another here.
fn name(body: &RuleBody, version: usize) -> u64 {
    xxh3_64(trips::name(&key_of(body, version)).as_bytes())
}

/// What was counted of a version here; nothing if nothing was.
fn own(version: &VersionEntry, recorder: &Recorder, history: &History) -> Option<Figures> {
    let glance = recorder.glance(version.id);
    let Recent { requests, failures, durations, .. } = history.recent(version.id);
    let figures = Figures {
        version: 0,
        requests: glance.tally.judged(),
        connections: u64::try_from(glance.connections).unwrap_or_default(),
        recent: Counts { success: requests - failures, failure: failures, latency: buckets(&durations) },
    };
    (!figures.is_empty()).then_some(figures)
}

fn buckets(durations: &Distribution) -> Vec<(u16, u64)> {
    (0u16..).zip(durations.counts).filter(|(_, count)| *count > 0).collect()
}

/// Adds what was counted elsewhere to a version; gives its requests of the last ten seconds.
fn add(version: &mut VersionStatus, elsewhere: &[&Figures], own: Recent) -> u64 {
    let Recent { requests, mut failures, mut durations, .. } = own;
    let mut more = 0u64;
    for Figures { requests: total, connections, recent, .. } in elsewhere {
        let recently = recent.success.saturating_add(recent.failure);
        more = more.saturating_add(recently);
        failures = failures.saturating_add(recent.failure);
        version.requests = version.requests.saturating_add(*total);
        version.connections = version.connections.saturating_add(i64::try_from(*connections).unwrap_or(i64::MAX));
        let buckets = recent.buckets(durations.counts.len());
        durations.counts.iter_mut().zip(buckets).for_each(|(sum, count)| *sum = sum.saturating_add(count));
    }
    let requests = requests.saturating_add(more);
    version.rate = Some(version.rate.unwrap_or_default() + more as f64 / NOW as f64);
    version.success = (requests > 0).then(|| 1.0 - failures as f64 / requests as f64);
    version.p50 = durations.quantile(0.5);
    version.p99 = durations.quantile(0.99);
    requests
}

#[cfg(test)]
mod tests;
