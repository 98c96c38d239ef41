//! What the guard has come to, and how it says so.

use std::fmt;
use std::time::Duration;

use crate::rollout::evidence::{LatencyFigures, Tally};

#[cfg(test)]
mod tests;

/// What made the guard trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Canary fails more often than stable by more than allowed.
    ErrorRate,
    /// Canary takes longer than the allowed multiple of stable's latency.
    Latency,
}

/// What the guard has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Too early to trip: `needed` more canary requests must be compared.
    Collecting {
        /// Canary requests still to be compared.
        needed: u64,
    },
    /// No sufficient evidence against the canary so far.
    Healthy,
    /// The canary exceeds a limit; final.
    Tripped {
        /// The limit it exceeds.
        cause: Cause,
        /// When that was found, on the caller's clock.
        at: Duration,
    },
}

/// The guard's finding, with the numbers behind it. Its `Display` is a sentence
/// for an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What the guard has come to.
    pub state: State,
    /// Stable's requests that were compared.
    pub stable: Tally,
    /// Canary's requests that were compared.
    pub canary: Tally,
    /// Mean excess of canary's failure rate over stable's within the comparisons.
    /// Unlike the difference of the two overall rates it is free of drift.
    pub mean_excess: f64,
    /// Natural logarithm of the evidence on failures, 0 at the start.
    pub failure_log_wealth: f64,
    /// Natural logarithm of the evidence on latency, `None` if it is not tested.
    pub latency_log_wealth: Option<f64>,
    /// The logarithm at which either evidence trips the guard.
    pub log_threshold: f64,
    /// What the latencies looked like where the evidence is strongest.
    pub latency: Option<LatencyFigures>,
    /// The allowed excess of the failure rate.
    pub max_error_rate_increase: f64,
    /// The allowed ratio of latencies.
    pub max_latency_ratio: Option<f64>,
}

impl Verdict {
    /// Whether the canary was found to exceed a limit.
    #[must_use]
    pub fn is_tripped(&self) -> bool {
        matches!(self.state, State::Tripped { .. })
    }

    fn write_failures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "canary failed {} of {} requests, stable {} of {}; allowed increase {}",
            percent(self.canary.rate()),
            thousands(self.canary.requests),
            percent(self.stable.rate()),
            thousands(self.stable.requests),
            percent(self.max_error_rate_increase),
        )
    }

    fn write_latency(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(seen), Some(ratio)) = (self.latency, self.max_latency_ratio) else {
            return f.write_str("latencies were not compared");
        };
        match seen {
            LatencyFigures::Bulk { comparisons, canary, stable } => write!(
                f,
                "canary took {canary:.3} s on average, stable {stable:.3} s, in {} comparisons; \
                 allowed ratio {ratio}",
                thousands(comparisons),
            ),
            LatencyFigures::Tail { comparisons, canary, stable, quantile, limit } => write!(
                f,
                "{} of canary requests took longer than {:.3} s, that is {ratio} times stable's \
                 {} quantile, which {} of stable requests exceeded, in {} comparisons; \
                 allowed ratio {ratio}",
                percent(canary),
                ratio * limit,
                percent(quantile),
                percent(stable),
                thousands(comparisons),
            ),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            State::Collecting { needed } => {
                write!(f, "{} more canary requests needed: ", thousands(needed))?;
                self.write_failures(f)
            }
            State::Healthy | State::Tripped { cause: Cause::ErrorRate, .. } => self.write_failures(f),
            State::Tripped { cause: Cause::Latency, .. } => self.write_latency(f),
        }
    }
}

/// `0.213` as `21.3%`, without a needless `.0`.
fn percent(rate: f64) -> String {
    let text = format!("{:.1}", rate * 100.0);
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// `3740` as `3,740`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
