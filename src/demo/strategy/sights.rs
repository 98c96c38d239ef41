//! What the clients saw, and what it comes to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One request after the other.
    Short,
    /// The same with the cookies that it was given.
    Sticky,
    /// A member of the group that an experiment is about.
    Member,
    /// A WebSocket that sends and gets messages.
    WebSocket,
    /// A stream of events.
    Events,
}

impl Kind {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 5] = [Self::Short, Self::Sticky, Self::Member, Self::WebSocket, Self::Events];

    /// What one exchange of such a client is called.
    pub fn name(self) -> &'static str {
        ["requests", "requests of sticky clients", "requests of members", "WebSocket messages", "events"][self as usize]
    }
}

/// An answer, a message or an event, or that there was none.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Who saw it.
    pub client: usize,
    /// What kind of client that is.
    pub kind: Kind,
    /// When it was asked for.
    pub begun: Instant,
    /// When it was there.
    pub ended: Instant,
    /// The version that it came from, or what went wrong.
    pub outcome: Result<Arc<str>, String>,
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub struct Sights {
    /// In the order of their end.
    pub all: Vec<Sight>,
    /// Streams that began.
    pub streams: u64,
    /// Streams that ended as their protocol says: a Close frame, the end of the events.
    pub asked: u64,
    /// Streams that ended in any other way, in words.
    pub cut: Vec<String>,
}

/// What clients and script share.
#[derive(Clone, Default)]
pub struct Book(Arc<Mutex<Sights>>);

impl Book {
    /// Writes into it.
    pub fn open(&self) -> MutexGuard<'_, Sights> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sights {
    /// What was lost, in words.
    pub fn lost(&self) -> Vec<&str> {
        let failed = self.all.iter().filter_map(|sight| sight.outcome.as_ref().err());
        failed.chain(&self.cut).map(String::as_str).collect()
    }

    /// How many of a kind there were.
    pub fn count(&self, kind: Kind) -> usize {
        self.all.iter().filter(|sight| sight.kind == kind).count()
    }

    /// What was answered before `until`: what was under way then may have been decided before it or after.
    fn before(&self, until: Instant) -> impl Iterator<Item = (&Sight, &str)> {
        let answered = |sight| Some((sight, version(sight)?));
        self.all.iter().filter(move |sight| sight.ended < until).filter_map(answered)
    }

    /// Clients that keep cookies; those of them that saw both versions before `until`; those that went from the new one
    /// back to the old one.
    pub fn two_versions(&self, (old, new): (&str, &str), until: Instant) -> (usize, usize, usize) {
        let kinds = [Kind::Sticky, Kind::Member];
        let mut seen: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (sight, version) in self.before(until).filter(|(sight, _)| kinds.contains(&sight.kind)) {
            seen.entry(sight.client).or_default().push(version);
        }
        let both = seen.values().filter(|versions| versions.contains(&old) && versions.contains(&new)).count();
        let back = |versions: &&Vec<&str>| {
            let moved = versions.iter().position(|version| *version == new);
            moved.is_some_and(|moved| versions[moved..].contains(&old))
        };
        (seen.len(), both, seen.values().filter(back).count())
    }

    /// From `decided` until the old version alone answers what is asked for: the later of its first answer and the last
    /// request that the new one answered.
    pub fn rolled_back(&self, (old, new): (&str, &str), decided: Instant) -> Option<Duration> {
        let after = || self.all.iter().filter(|sight| sight.begun >= decided && is_request(sight.kind));
        let first = after().find(|sight| version(sight) == Some(old))?.ended;
        let last = after().filter(|sight| version(sight) == Some(new)).map(|sight| sight.begun).max();
        Some(last.map_or(first, |last| last.max(first)) - decided)
    }

    /// How long after `decided` a request was still asked for that a version answered.
    pub fn lingered(&self, of: &str, decided: Instant) -> Duration {
        let requests = self.all.iter().filter(|sight| is_request(sight.kind) && version(sight) == Some(of));
        requests.map(|sight| sight.begun.saturating_duration_since(decided)).max().unwrap_or_default()
    }

    /// The time between the last answer of `before` and the first of `after` from `from` on, of what was answered before `to`;
    /// none: they overlap, or one of them has no answer. The last answer of `before` may be older: it may have ended at once.
    pub fn gap(&self, (before, after): (&str, &str), (from, to): (Instant, Instant)) -> Option<Duration> {
        let of = |name| self.all.iter().filter(move |sight| sight.ended < to && version(sight) == Some(name));
        let last = of(before).map(|sight| sight.ended).max()?;
        let first = of(after).map(|sight| sight.ended).filter(|ended| *ended >= from).min()?;
        (first > last).then(|| first - last)
    }

    /// Answers that went astray before `until`: members of the group get `new`, all others `old`.
    pub fn astray(&self, (old, new): (&str, &str), until: Instant) -> usize {
        let expected = |kind| if kind == Kind::Member { new } else { old };
        self.before(until).filter(|(sight, version)| *version != expected(sight.kind)).count()
    }

    /// The share of a version among short requests that were asked for from `from` to `to`.
    pub fn share(&self, of: &str, (from, to): (Instant, Instant)) -> f64 {
        let short = self.before(to).filter(|(sight, _)| sight.kind == Kind::Short && sight.begun >= from);
        let (mut all, mut hits) = (0u32, 0u32);
        for (_, version) in short {
            all += 1;
            hits += u32::from(version == of);
        }
        f64::from(hits) / f64::from(all.max(1))
    }

    /// Who answered at all.
    pub fn versions(&self) -> BTreeSet<&str> {
        self.all.iter().filter_map(version).collect()
    }
}

fn version(sight: &Sight) -> Option<&str> {
    sight.outcome.as_deref().ok()
}

/// Whether such a client's exchanges are requests: what a stream gets comes from where it began.
fn is_request(kind: Kind) -> bool {
    matches!(kind, Kind::Short | Kind::Sticky | Kind::Member)
}

#[cfg(test)]
mod tests;
