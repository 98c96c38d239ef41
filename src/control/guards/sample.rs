//! What counts as evidence, and what of it other replicas are told.

use std::collections::HashMap;

use super::{BOUNDS, key_of};
use crate::control::trips;
use crate::model::RouteKey;
use crate::record::{Classification, Distribution, Recorder, Totals};
use crate::rollout::evidence::Latencies;
use crate::rollout::guard::Observation;
use crate::rollout::shared::{Counts, Evidence};
use crate::snapshot::{RuleBody, VersionKey};

/// What counts as evidence: requests that their client waited for, and how long their answers' heads took.
#[derive(Clone, Default)]
pub struct Seen {
    success: u64,
    failure: u64,
    first_bytes: Distribution,
}

impl Seen {
    /// All that was counted so far.
    pub fn of(totals: &Totals) -> Self {
        let mut first_bytes = totals.first_bytes[Classification::Success as usize].clone();
        first_bytes.add(&totals.first_bytes[Classification::Failure as usize]);
        Self {
            success: totals.tally.of(Classification::Success),
            failure: totals.tally.of(Classification::Failure),
            first_bytes,
        }
    }

    /// Goes on to what is counted now, and gives what is new.
    pub fn advance(&mut self, totals: &Totals) -> Self {
        let now = Self::of(totals);
        let new = Self {
            success: now.success - self.success,
            failure: now.failure - self.failure,
            first_bytes: now.first_bytes.since(&self.first_bytes),
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
    told: HashMap<(RouteKey, usize), Told>,
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
            let place = (body.route.clone(), version);
            // Several rules of a route have the same versions, which are counted once.
            if self.told.contains_key(&place) {
                continue;
            }
            let key = key_of(body, version);
            let [stable, canary] = [0, version].map(|version| recorder.totals(body.versions[version].id));
            let Some(mut told) = before.remove(&place).filter(|told| told.key == key) else {
                self.told.insert(place, Told { key, stable: Seen::of(&stable), canary: Seen::of(&canary) });
                continue;
            };
            let (stable, canary) = (told.stable.advance(&stable).counts(), told.canary.advance(&canary).counts());
            if !stable.is_empty() || !canary.is_empty() {
                new.push(Evidence { version: trips::name(&key), stable, canary });
            }
            self.told.insert(place, told);
        }
        new
    }
}
