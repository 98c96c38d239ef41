//! Evidence that may be looked at after every request: betting martingales
//! (e-processes) for a difference in failure rate and in latency.
//!
//! Each test plays a game that is fair, or unfavourable, while the null
//! hypothesis holds: it starts with capital 1 and bets on the next comparison
//! of canary with stable. The capital is then a non-negative supermartingale,
//! and Ville's inequality (J. Ville, *Étude critique de la notion de collectif*,
//! 1939) bounds the chance that it *ever* reaches `1 / alpha` by `alpha`. That
//! is what allows a look after every tick without any correction for the number
//! of looks. The construction for bounded means is that of Waudby-Smith and
//! Ramdas, *Estimating means of bounded random variables by betting* (2024).
//!
//! What is assumed: within one tick, the requests of one version are independent
//! given the state of the world in that tick. Nothing is assumed about how that
//! state moves from tick to tick, as long as what is compared is of one tick.

use std::f64::consts::PI;

mod latency;
mod sample;
#[cfg(test)]
mod tests;

pub use latency::{LatencyFigures, LatencyTest};
pub use sample::{Latencies, Tally, deal_failures};

/// The probability that the guard ever trips on a canary revision that is
/// within its limits, over both tests and all restarts of them.
pub const ALPHA: f64 = 0.01;

/// The part of [`ALPHA`] that restart number `restart` (0 is the first run) may
/// spend: `ALPHA * 6 / (pi^2 (restart + 1)^2)`.
///
/// The parts of all restarts add up to `ALPHA`, since the inverse squares sum to
/// `pi^2 / 6`; by the union bound so do the false alarms.
#[must_use]
pub fn alpha_for_restart(restart: u32) -> f64 {
    let run = f64::from(restart) + 1.0;
    ALPHA * 6.0 / (PI * PI * run * run)
}

/// Stakes as fractions of the largest stake that cannot lose everything. Small
/// ones find small excesses over many requests, large ones find large excesses
/// within few; their average is an e-process because each of them is.
const FRACTIONS: [f64; 7] = [0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8];

/// The share of the capital that is held back from the first bet.
const RESERVE: f64 = 0.5;

/// Capital above this is thrown away, and below [`FLOOR`] counts as nothing.
/// Both only ever lower the wealth, so the bound stays; they keep it a normal
/// number, far from where any threshold lies.
const CEILING: f64 = 1e280;
const FLOOR: f64 = 1e-280;

/// The capital of a gambler who bets that a difference in `[-1, 1]` exceeds
/// `margin` on average.
///
/// Half of the capital is staked at once, the other half is released bit by bit,
/// once per block of bets, `0.5 / ln(e + j)` being held back after `j` blocks.
/// Without that, the capital melts while the canary is healthy, and a canary that
/// turns bad after an hour would be found only once the hour's losses are won
/// back. The schedule is fixed beforehand, hence the capital, cash included, is
/// still a supermartingale.
#[derive(Debug, Clone)]
pub struct Wealth {
    margin: f64,
    block: u64,
    bets: u64,
    staked: [f64; FRACTIONS.len()],
    reserve: f64,
}

impl Wealth {
    /// Starts with capital 1 against the null hypothesis that the difference is
    /// at most `margin` (0 to 1) on average; fresh capital is released after
    /// every `block` bets.
    #[must_use]
    pub fn new(margin: f64, block: u64) -> Self {
        Self {
            margin: margin.clamp(0.0, 1.0),
            block: block.max(1),
            bets: 0,
            staked: [1.0 - RESERVE; FRACTIONS.len()],
            reserve: RESERVE,
        }
    }

    /// Settles the bet on one `difference`, clamped to `[-1, 1]`. Something that
    /// is not a number is no evidence and is skipped.
    pub fn bet(&mut self, difference: f64) {
        if difference.is_nan() {
            return;
        }
        let released = self.release();
        // The largest loss is 1 + margin, so the largest stake is its inverse.
        let outcome = (difference.clamp(-1.0, 1.0) - self.margin) / (1.0 + self.margin);
        for (staked, fraction) in self.staked.iter_mut().zip(FRACTIONS) {
            let capital = (*staked + released) * (1.0 + fraction * outcome);
            *staked = if capital < FLOOR { 0.0 } else { capital.min(CEILING) };
        }
        self.bets += 1;
    }

    fn release(&mut self) -> f64 {
        if self.bets == 0 || !self.bets.is_multiple_of(self.block) {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a logarithm needs no more")]
        let blocks = (self.bets / self.block) as f64;
        let kept = RESERVE / (std::f64::consts::E + blocks).ln();
        let released = self.reserve - kept;
        self.reserve = kept;
        released
    }

    /// The capital, cash included: 1 at the start, and at most 1 in expectation
    /// under the null hypothesis.
    #[must_use]
    pub fn value(&self) -> f64 {
        let staked: f64 = self.staked.iter().sum();
        staked / count(FRACTIONS.len()) + self.reserve
    }

    /// The number of bets settled.
    #[must_use]
    pub fn bets(&self) -> u64 {
        self.bets
    }
}

#[expect(clippy::cast_precision_loss, reason = "lengths of short lists")]
fn count(length: usize) -> f64 {
    length as f64
}
