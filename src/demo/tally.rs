//! What the clients saw: every request, and how it ended.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;

use crate::record::{BOUNDS_MICROS, Distribution};

/// An answer that came to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// The version that gave it, by its own word.
    pub version: Option<String>,
}

/// Counts of all clients together.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests that ended.
    pub requests: u64,
    /// Those without an answer, or with one that is no success.
    pub failures: u64,
    /// Requests by the version that answered.
    pub versions: BTreeMap<String, u64>,
    /// How long they took, to the end of the answer.
    pub durations: Distribution,
    /// The first failure, in words.
    pub first_failure: Option<String>,
}

impl Tally {
    /// Counts a request.
    pub fn count(&mut self, outcome: Result<Answer, String>, took: Duration) {
        self.requests += 1;
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < nanos.div_ceil(1000));
        self.durations.counts[bucket] += 1;
        self.durations.sum_nanos = self.durations.sum_nanos.saturating_add(nanos);
        let failure = match outcome {
            Ok(Answer { status, version }) => {
                if let Some(version) = version {
                    *self.versions.entry(version).or_default() += 1;
                }
                (!status.is_success()).then(|| format!("answered {status}"))
            }
            Err(error) => Some(error),
        };
        if let Some(failure) = failure {
            self.failures += 1;
            self.first_failure.get_or_insert(failure);
        }
    }

    /// Requests that a version answered.
    pub fn of(&self, version: &str) -> u64 {
        self.versions.get(version).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
