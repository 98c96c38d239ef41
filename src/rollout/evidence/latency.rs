//! The test on latency.
//!
//! Null hypothesis: in every tick the canary's latency is stochastically at most
//! `ratio` times stable's. Four bets follow from it, each on a difference whose
//! mean is then at most 0:
//!
//! - *bulk*: a canary request takes longer than `ratio` times a stable one no more
//!   often than less;
//! - *tails*: for a time `t`, canary requests take longer than `ratio * t` no more
//!   often than stable requests take longer than `t`. The times are stable's
//!   recent quantiles, taken before the tick whose requests they divide.
//!
//! The weighted average of the four capitals is an e-process as each of them is.
//! Tails are compared by quantile rather than by the slowest of a group, since
//! that uses every request at once and needs no group that spans several ticks.

use super::{Wealth, count};

#[cfg(test)]
mod tests;

/// The quantiles of stable's latency at which tails are compared.
const QUANTILES: [f64; 3] = [0.9, 0.98, 0.995];

/// After how many bets fresh capital is released.
const BLOCK: u64 = 16;

/// What a latency test has seen of the difference with the most evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LatencyFigures {
    /// Canary's requests are slower throughout.
    Bulk {
        /// The number of comparisons.
        comparisons: u64,
        /// Canary's mean latency in seconds.
        canary: f64,
        /// Stable's mean latency in seconds.
        stable: f64,
    },
    /// Too many of canary's requests are very slow.
    Tail {
        /// The number of comparisons.
        comparisons: u64,
        /// The share of canary's requests beyond the allowed ratio times the limit.
        canary: f64,
        /// The share of stable's requests beyond the limit.
        stable: f64,
        /// The quantile of stable's latency, between 0 and 1, that is the limit.
        quantile: f64,
        /// The present limit in seconds.
        limit: f64,
    },
}

/// The test whether canary takes longer than a ratio times what stable takes.
#[derive(Debug, Clone)]
pub struct LatencyTest {
    ratio: f64,
    bulk: Bets,
    tails: [Bets; QUANTILES.len()],
    limits: Option<[f64; QUANTILES.len()]>,
    recent: Histogram,
}

/// The bets on one difference, and the sums of what was compared.
#[derive(Debug, Clone)]
struct Bets {
    wealth: Wealth,
    canary: f64,
    stable: f64,
}

impl Bets {
    fn new() -> Self {
        Self { wealth: Wealth::new(0.0, BLOCK), canary: 0.0, stable: 0.0 }
    }

    fn bet(&mut self, difference: f64, canary: f64, stable: f64) {
        self.wealth.bet(difference);
        self.canary += canary;
        self.stable += stable;
    }

    /// The number of comparisons, and the means of both sides.
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more")]
    fn means(&self) -> (u64, f64, f64) {
        let comparisons = self.wealth.bets();
        let divisor = comparisons.max(1) as f64;
        (comparisons, self.canary / divisor, self.stable / divisor)
    }
}

impl LatencyTest {
    /// Starts with capital 1 against a `ratio` of canary's to stable's latency.
    #[must_use]
    pub fn new(ratio: f64) -> Self {
        Self {
            ratio,
            bulk: Bets::new(),
            tails: QUANTILES.map(|_| Bets::new()),
            limits: None,
            recent: Histogram::default(),
        }
    }

    /// Compares group by group what both versions took in one tick, in seconds. A
    /// group is one bet however many requests it holds; one that is empty on
    /// either side is none.
    pub fn compare(&mut self, canary: &[Vec<f64>], stable: &[Vec<f64>]) {
        if let Some(limits) = self.recent.renew() {
            self.limits = Some(limits);
        }
        for (canary, stable) in canary.iter().zip(stable) {
            if !canary.is_empty() && !stable.is_empty() {
                self.compare_group(canary, stable);
            }
        }
        // Only now, so that no limit depends on the requests it divides.
        stable.iter().flatten().for_each(|latency| self.recent.add(*latency));
    }

    fn compare_group(&mut self, canary: &[f64], stable: &[f64]) {
        let ratio = self.ratio;
        let signs = canary.iter().flat_map(|slow| stable.iter().map(move |other| sign(slow - ratio * other)));
        let difference = signs.sum::<f64>() / count(canary.len() * stable.len());
        self.bulk.bet(difference, mean(canary, |latency| latency), mean(stable, |latency| latency));
        let Some(limits) = self.limits else { return };
        for (tail, limit) in self.tails.iter_mut().zip(limits) {
            let canary = mean(canary, |latency| beyond(latency, ratio * limit));
            let stable = mean(stable, |latency| beyond(latency, limit));
            tail.bet(canary - stable, canary, stable);
        }
    }

    /// The capital: 1 at the start. One half of it bets on the bulk, the other on
    /// the tails.
    #[must_use]
    pub fn value(&self) -> f64 {
        let tails: f64 = self.tails.iter().map(|tail| tail.wealth.value()).sum();
        f64::midpoint(self.bulk.wealth.value(), tails / count(QUANTILES.len()))
    }

    /// The figures of the difference with the most capital, `None` before the first
    /// comparison.
    #[must_use]
    pub fn figures(&self) -> Option<LatencyFigures> {
        let (comparisons, canary, stable) = self.bulk.means();
        let bulk = (comparisons > 0).then_some(LatencyFigures::Bulk { comparisons, canary, stable });
        let mut most = self.bulk.wealth.value();
        let mut figures = bulk;
        let limits = self.limits.into_iter().flatten();
        for ((tail, quantile), limit) in self.tails.iter().zip(QUANTILES).zip(limits) {
            let (comparisons, canary, stable) = tail.means();
            if comparisons > 0 && tail.wealth.value() > most {
                most = tail.wealth.value();
                figures = Some(LatencyFigures::Tail { comparisons, canary, stable, quantile, limit });
            }
        }
        figures
    }
}

fn mean(latencies: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    latencies.iter().map(|latency| of(*latency)).sum::<f64>() / count(latencies.len())
}

fn beyond(latency: f64, limit: f64) -> f64 {
    if latency > limit { 1.0 } else { 0.0 }
}

fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// Bins per doubling of latency, and their number, from a microsecond up.
const BINS_PER_OCTAVE: f64 = 4.0;
const BINS: usize = 128;
const SMALLEST: f64 = 1e-6;

/// So many latencies make the first limits, and so many new ones renew them.
const FIRST: u32 = 200;
const RENEWED: u32 = 64;

/// Once so many latencies are counted, all count half: old ones are to fade.
const MANY: u32 = 8192;

/// Stable's recent latencies, coarsely.
#[derive(Debug, Clone)]
struct Histogram {
    bins: [u32; BINS],
    total: u32,
    fresh: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: [0; BINS], total: 0, fresh: 0 }
    }
}

impl Histogram {
    fn add(&mut self, latency: f64) {
        let octaves = (latency / SMALLEST).log2().max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and far beyond the last bin before it saturates"
        )]
        let bin = ((octaves * BINS_PER_OCTAVE) as usize).min(BINS - 1);
        if let Some(bin) = self.bins.get_mut(bin) {
            *bin += 1;
        }
        self.total += 1;
        self.fresh += 1;
        if self.total >= MANY {
            self.bins.iter_mut().for_each(|bin| *bin /= 2);
            self.total = self.bins.iter().sum();
        }
    }

    /// The quantiles, `None` while there is too little new to tell.
    fn renew(&mut self) -> Option<[f64; QUANTILES.len()]> {
        if self.total < FIRST || self.fresh < RENEWED {
            return None;
        }
        self.fresh = 0;
        Some(QUANTILES.map(|quantile| self.quantile(quantile)))
    }

    /// The upper edge of the bin that the quantile falls into.
    fn quantile(&self, quantile: f64) -> f64 {
        let below = f64::from(self.total) * quantile;
        let mut sum = 0.0;
        let full = self.bins.iter().take_while(|bin| {
            sum += f64::from(**bin);
            sum < below
        });
        SMALLEST * ((count(full.count()) + 1.0) / BINS_PER_OCTAVE).exp2()
    }
}
