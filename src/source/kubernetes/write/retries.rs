//! What could not be written, and when it is tried again. Pure.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::super::object::{Id, ObjectKind};

/// The wait after the first failure; it doubles with each one that follows.
const FIRST: Duration = Duration::from_secs(2);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// Objects about which something could not be written.
#[derive(Default)]
pub struct Retries(HashMap<Id, Retry>);

struct Retry {
    failures: u32,
    /// None: it is being tried.
    at: Option<Instant>,
}

impl Retries {
    /// Writing about an object has failed; how often it has in a row.
    pub fn failed(&mut self, id: &Id, now: Instant) -> u32 {
        let retry = self.0.entry(id.clone()).or_insert(Retry { failures: 0, at: None });
        let wait = FIRST.saturating_mul(1 << retry.failures.min(16)).min(LONGEST);
        retry.failures += 1;
        retry.at = Some(now + wait);
        retry.failures
    }

    /// It has succeeded, or nothing is to be written about the object any more.
    pub fn over(&mut self, id: &Id) {
        self.0.remove(id);
    }

    /// The same of all objects of a kind.
    pub fn forget(&mut self, kind: ObjectKind) {
        self.0.retain(|id, _| id.kind != kind);
    }

    /// Nothing is to be written here any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Objects whose wait is over, each once.
    pub fn due(&mut self, now: Instant) -> Vec<Id> {
        let due = self.0.iter_mut().filter(|(_, retry)| retry.at.is_some_and(|at| at <= now));
        due.map(|(id, retry)| {
            retry.at = None;
            id.clone()
        })
        .collect()
    }

    /// When the next wait is over.
    pub fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|retry| retry.at).min()
    }
}

#[cfg(test)]
mod tests;
