//! The weights of one split as they are now: asked for, on their way, and taken back.

use smallvec::{SmallVec, smallvec};

use crate::model::Weight;

/// One of `T` for each version of a split, in the order of the split; in place where there is one version: nearly every split of
/// thousands has no more.
pub type PerVersion<T> = SmallVec<[T; 1]>;

/// Who set the desired weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightSource {
    /// The configuration: a file, or objects of a cluster.
    Configured,
    /// An operator, over the configuration.
    Hand,
}

/// Weights of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Differs from the epoch of any other weights of this split, so that cursors know when to begin anew.
    pub epoch: u64,
    /// What was asked for.
    pub desired: PerVersion<Weight>,
    /// What new requests are divided by: the desired weights, or a step of a ramp on its way there.
    pub current: PerVersion<u32>,
    /// Versions whose share goes to the first, because a guard tripped.
    pub diverted: PerVersion<bool>,
    /// Versions that get less than was asked for, because their endpoints could not carry it.
    pub gated: PerVersion<bool>,
    /// Versions whose sticky clients have moved on, because they have drained.
    pub retired: PerVersion<bool>,
    /// Who asked.
    pub source: WeightSource,
}

impl Weights {
    /// Weights in force at once.
    pub fn new(epoch: u64, desired: PerVersion<Weight>, source: WeightSource) -> Self {
        let current = desired.iter().map(|w| w.get()).collect();
        let none: PerVersion<bool> = smallvec![false; desired.len()];
        let (diverted, gated, retired) = (none.clone(), none.clone(), none);
        Self { epoch, desired, current, diverted, gated, retired, source }
    }

    /// The share of new requests that a version was asked to have, 0 to 1.
    pub fn desired_share(&self, version: usize) -> f64 {
        let total: u64 = self.desired.iter().map(|w| u64::from(w.get())).sum();
        ratio(self.desired.get(version).map_or(0, |w| u64::from(w.get())), total)
    }

    /// The share of new requests that a version has, 0 to 1.
    pub fn effective_share(&self, version: usize) -> f64 {
        let total: u64 = self.current.iter().map(|w| u64::from(*w)).sum();
        let weight = |i: usize| self.current.get(i).map_or(0, |w| u64::from(*w));
        let diverted = |i: usize| self.diverted.get(i).copied().unwrap_or(false);
        let own = if diverted(version) { 0 } else { weight(version) };
        let taken: u64 =
            if version == 0 { (1..self.current.len()).filter(|i| diverted(*i)).map(weight).sum() } else { 0 };
        ratio(own + taken, total)
    }

    /// The effective share in the unit of the desired weights.
    pub fn effective(&self, version: usize) -> f64 {
        let total: u64 = self.desired.iter().map(|w| u64::from(w.get())).sum();
        self.effective_share(version) * total as f64
    }
}

fn ratio(part: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { part as f64 / total as f64 }
}
