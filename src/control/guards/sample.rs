//! What counts as evidence, and what of it other replicas are told.

use std::collections::HashMap;

use super::{BOUNDS, Place, key_of, place_of};
use crate::control::trips;
use crate::endpoint::VersionId;
use crate::record::{Classification, Distribution, Recorder};
use crate::rollout::evidence::Latencies;
use crate::rollout::guard::Observation;
use crate::rollout::shared::{Counts, Evidence};
use crate::snapshot::{RuleBody, VersionKey};

/// What counts as evidence: requests that their client waited for, and how long their answers' heads took.
#[derive(Clone)]
pub struct Seen {
    /// Of which version at which revision.
    version: VersionId,
    success: u64,
    failure: u64,
    first_bytes: Distribution,
}

impl Seen {
    /// All that a version has counted so far.
    pub fn of(version: VersionId, recorder: &Recorder) -> Self {
        let totals = recorder.totals(version);
        let mut first_bytes = totals.first_bytes[Classification::Success as usize].clone();
        first_bytes.add(&totals.first_bytes[Classification::Failure as usize]);
        Self {
            version,
            success: totals.tally.of(Classification::Success),
            failure: totals.tally.of(Classification::Failure),
            first_bytes,
        }
    }

    /// Goes on to what is counted now, and gives what is new. Where another revision has come, that is nothing: it has counts
    /// of its own, and what they were before is no evidence.
    pub fn advance(&mut self, version: VersionId, recorder: &Recorder) -> Self {
        let now = Self::of(version, recorder);
        let before = if self.version == version { &*self } else { &now };
        let new = Self {
            version,
            success: now.success - before.success,
            failure: now.failure - before.failure,
            first_bytes: now.first_bytes.since(&before.first_bytes),
        };
        *self = now;
        new
    }

    /// As a guard takes it.
    pub fn observation(&self) -> Observation<'_> {
        let latency = Latencies { bounds: &BOUNDS, counts: &self.first_bytes.counts };
        Observation { success: self.success, failure: self.failure, latency }
    }

    fn counts(&self) -> Counts {
        let buckets = (0u16..).zip(self.first_bytes.counts).filter(|(_, count)| *count > 0);
        Counts { success: self.success, failure: self.failure, latency: buckets.collect() }
    }
}

/// What was told of every guarded version.
#[derive(Default)]
pub struct Samples {
    told: HashMap<Place, Told>,
}

struct Told {
    key: VersionKey,
    stable: Seen,
    canary: Seen,
}

impl Samples {
    /// What is new, of versions that had a request; of those that are guarded since just now, nothing.
    pub fn take<'s>(
        &mut self,
        guarded: impl Iterator<Item = (&'s RuleBody, usize)>,
        recorder: &Recorder,
    ) -> Vec<Evidence> {
        let mut before = std::mem::take(&mut self.told);
        let mut new = Vec::new();
        for (body, version) in guarded {
            let (place, key) = (place_of(body, version), key_of(body, version));
            let [stable, canary] = [0, version].map(|version| body.versions[version].id);
            let Some(mut told) = before.remove(&place).filter(|told| told.key == key) else {
                let (stable, canary) = (Seen::of(stable, recorder), Seen::of(canary, recorder));
                self.told.insert(place, Told { key, stable, canary });
                continue;
            };
            let stable = told.stable.advance(stable, recorder).counts();
            let canary = told.canary.advance(canary, recorder).counts();
            if !stable.is_empty() || !canary.is_empty() {
                new.push(Evidence { version: trips::name(&key), stable, canary });
            }
            self.told.insert(place, told);
        }
        new
    }
}
