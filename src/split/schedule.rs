//! Weighted selection of versions with low discrepancy: no prefix of the selections strays by a whole
//! request from the weights, and within that bound the order is random.
//!
//! The rule is the "chairman assignment" of Tijdeman (1980), in the form that Baruah, Cohen, Plaxton and
//! Varvel (1996) gave it as proportionate fairness: the `j`-th selection of a version (from 0) has a
//! window of slots, and the counts stay within 1 of the weights exactly when every selection falls
//! inside its window. With `W` slots in a block (the sum of the weights, divided by their common divisor)
//! and a weight `w`, the window of selection `j` is every slot `s` (from 0) that overlaps the stretch of
//! time from `j*W/w` to `(j+1)*W/w`. Windows never reach over the end of a block, so every block is exact.

mod chunk;
mod pair;
#[cfg(test)]
mod tests;

use chunk::Chunk;
use pair::Pair;

/// The largest weight that counts; it keeps every product of the arithmetic within 64 bits.
const MAX_WEIGHT: u32 = 1_000_000;
/// The order in which one split hands requests to its versions, as seen by one worker.
///
/// Let `W` be the sum of the weights divided by their greatest common divisor. Since the last change of
/// `epoch`:
///
/// * after any number `n` of selections, a version of weight `w` (divided likewise) was selected `x`
///   times with `|x - n*w/W| < 1`;
/// * every block of `W` selections is exact: `x == w`;
/// * a weight of 0 is never selected;
/// * the order is random within these bounds, so that a client which asks at a fixed interval sees every
///   version. With two versions this holds for all weights. With three or more, a selection whose window
///   is longer than 1024 slots is only moved within about that distance of the place that its deadline
///   gives it.
///
/// A selection allocates nothing, except that three or more versions need a buffer which is allocated
/// once and reused.
#[derive(Debug, Default)]
pub struct Schedule {
    epoch: Option<u64>,
    plan: Plan,
    chunk: Chunk,
}

/// How the current weights are served.
#[derive(Debug, Default)]
enum Plan {
    /// No weight is positive.
    #[default]
    Nobody,
    /// One version takes everything: its index.
    Single(usize),
    /// Two versions: computed slot by slot.
    Pair(Pair),
    /// Three versions or more: planned in chunks.
    Many,
}

impl Schedule {
    /// A schedule that has selected nothing yet. Allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The index in `weights` of the version that takes the next request; `None` if no weight is positive.
    ///
    /// Weights are relative integers from 0 to 1 000 000; a larger one counts as 1 000 000. `epoch` names
    /// this set of weights: the schedule reads `weights` only when `epoch` differs from that of the
    /// previous call, and then starts a new block. The same seed of `rng` gives the same selections.
    pub fn next(&mut self, epoch: u64, weights: &[u32], rng: &mut fastrand::Rng) -> Option<usize> {
        if self.epoch != Some(epoch) {
            self.restart(weights);
            self.epoch = Some(epoch);
        }
        match &mut self.plan {
            Plan::Nobody => None,
            Plan::Single(index) => Some(*index),
            Plan::Pair(pair) => Some(pair.next(rng)),
            Plan::Many => self.chunk.next(rng),
        }
    }

    /// Takes over a new set of weights.
    fn restart(&mut self, weights: &[u32]) {
        let positive = || {
            let capped = weights.iter().map(|weight| u64::from(*weight.min(&MAX_WEIGHT)));
            capped.enumerate().filter(|(_, weight)| *weight > 0)
        };
        let divisor = positive().fold(0, |divisor, (_, weight)| gcd(divisor, weight)).max(1);
        let mut versions = positive().map(|(index, weight)| (index, weight / divisor));
        self.plan = match (versions.next(), versions.next(), versions.next()) {
            (None, ..) => Plan::Nobody,
            (Some((index, _)), None, _) => Plan::Single(index),
            (Some(first), Some(second), None) => Plan::Pair(Pair::new(first, second)),
            _ => {
                self.chunk.restart(positive().map(|(index, weight)| (index, weight / divisor)));
                Plan::Many
            }
        };
    }
}

/// The greatest common divisor; that of 0 and `b` is `b`.
fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
