//! What replicas tell one another about guards: records that outlive processes, evidence to be pooled, findings to be shown; and
//! how far drains are, and what versions counted, to be added up.
//!
//! Records merge in any order, and any number of times, to the same: so nobody has to be told exactly once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Records by the name of the version and revision that they are about.
pub type Records = BTreeMap<String, Record>;

/// What is known about the guard of one version at one revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Why it tripped, and when; none: it has not.
    pub trip: Option<Trip>,
    /// How often its test was begun before; each beginning may spend less of the false alarms allowed per revision.
    pub restarts: u32,
    /// How often an operator re-armed it: a trip from before the last time no longer counts.
    #[serde(default)]
    pub resets: u32,
    /// Seconds since 1970 when the test was first begun: of too many records the oldest go.
    #[serde(default)]
    pub begun: i64,
}

/// A trip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trip {
    /// RFC 3339.
    pub time: String,
    /// In words.
    pub reason: String,
}

impl Record {
    /// Takes in what another replica knows; whether this changed anything. A trip is lost by a reset only, never by a test
    /// that somebody else began once more.
    pub fn merge(&mut self, other: &Self) -> bool {
        let before = self.clone();
        self.restarts = self.restarts.max(other.restarts);
        self.begun = self.begun.max(other.begun);
        if other.resets > self.resets {
            self.resets = other.resets;
            self.trip.clone_from(&other.trip);
        } else if other.resets == self.resets {
            self.trip = match (self.trip.take(), &other.trip) {
                // Of two replicas that found it out, all name the same.
                (Some(own), Some(other)) if (&other.time, &other.reason) < (&own.time, &own.reason) => {
                    Some(other.clone())
                }
                (own, other) => own.or_else(|| other.clone()),
            };
        }
        *self != before
    }
}

/// What one replica counted of a guarded version, and of the first version in the same time.
///
/// A replica's counts are compared with one another only, never with those of another replica: see
/// `docs/architecture.md`, "Replicas".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The version at its revision.
    pub version: String,
    /// What the first version did.
    pub stable: Counts,
    /// What the version did.
    pub canary: Counts,
}

/// What a version did within a short time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Counts {
    /// Requests that succeeded.
    pub success: u64,
    /// Requests that failed.
    pub failure: u64,
    /// Latencies by the index of their bucket; empty buckets are left out.
    pub latency: Vec<(u16, u64)>,
}

impl Counts {
    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.success == 0 && self.failure == 0
    }

    /// Latencies of all `buckets`; what lies beyond is left out.
    #[must_use]
    pub fn buckets(&self, buckets: usize) -> Vec<u64> {
        let mut all = vec![0u64; buckets];
        for (index, count) in &self.latency {
            if let Some(bucket) = all.get_mut(usize::from(*index)) {
                *bucket = bucket.saturating_add(*count);
            }
        }
        all
    }
}

/// What one replica counted of a version, to be added to what the others did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Figures {
    /// The version at its revision, hashed.
    pub version: u64,
    /// Requests since it began, those left by their clients not among them.
    pub requests: u64,
    /// Long-lived connections.
    pub connections: u64,
    /// What it did in the last ten seconds.
    pub recent: Counts,
}

impl Figures {
    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests == 0 && self.connections == 0 && self.recent.is_empty()
    }
}

/// What the replica that judges has to say about a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The version at its revision.
    pub version: String,
    /// Whether nothing speaks against it, rather than too little being known.
    pub healthy: bool,
    /// In words.
    pub figures: String,
}

/// How far the drains of a version are on one replica.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draining {
    /// The route: kind, namespace and name.
    pub route: String,
    /// The version.
    pub version: String,
    /// Connections that are left.
    pub connections: u64,
    /// Until those are cut, seconds.
    pub seconds: f64,
    /// For how long the oldest of them has been open, seconds; 0 where a replica does not say.
    #[serde(default)]
    pub oldest: f64,
}

#[cfg(test)]
mod tests;
