//! The release guard: is the canary worse than stable by more than allowed?
//!
//! After every tick the guard compares what both versions did *in that tick*,
//! and adds the comparison to the evidence of two anytime-valid tests (see
//! [`evidence`](super::evidence)): one on the rate of failures, one on latency.
//! Because only requests of the same time meet, an outage that hits both versions
//! alike is no evidence against the canary.
//!
//! Requests of a tick in which the other version had none wait, at most for the
//! window, for the other version's next ones. Such a late comparison counts as
//! one single bet however many requests waited, so that a change of the weather
//! in between cannot be mistaken for a difference many times over. For such bets,
//! and only for them, the bound on false alarms rests on the weather changing for
//! the better as often as for the worse while requests wait.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;

use crate::model::GuardPolicy;

use super::evidence::{Latencies, LatencyTest, Tally, Wealth, alpha_for_restart, deal_failures};

#[cfg(test)]
mod tests;
mod verdict;

pub use verdict::{Cause, State, Verdict};

/// The most comparisons one tick is divided into.
const MOST_GROUPS: u64 = 512;

/// The most latencies of a version that one comparison uses; more would hardly
/// steady it.
const MOST_REPLICATES: u64 = 8;

/// After how many comparisons of failures fresh capital is released.
const FAILURE_BLOCK: u64 = 32;

/// What one version did since the last tick.
#[derive(Debug, Clone, Copy, Default)]
pub struct Observation<'a> {
    /// Requests that succeeded.
    pub success: u64,
    /// Requests that failed.
    pub failure: u64,
    /// How long requests took; which ones are counted is up to the caller, as long
    /// as it is the same for both versions. May be empty.
    pub latency: Latencies<'a>,
}

impl Observation<'_> {
    fn tally(&self) -> Tally {
        Tally { requests: self.success.saturating_add(self.failure), failures: self.failure }
    }
}

/// Requests of one version, divided into groups to be compared one by one.
#[derive(Debug, Default)]
struct Groups {
    failures: Vec<Tally>,
    latencies: Vec<Vec<f64>>,
}

impl Groups {
    fn deal(rng: &mut Rng, seen: &Observation<'_>, failures: u64, latencies: u64) -> Self {
        Self {
            failures: deal_failures(rng, seen.tally(), failures),
            latencies: seen.latency.deal(rng, latencies, MOST_REPLICATES),
        }
    }

    /// Adds to the first group what `waiting` has gathered.
    fn join(&mut self, waiting: &mut Waiting) {
        for (_, tally, latencies) in waiting.0.drain(..) {
            match self.failures.first_mut() {
                Some(first) => first.add(tally),
                None => self.failures.push(tally),
            }
            match self.latencies.first_mut() {
                Some(first) => first.extend(latencies),
                None => self.latencies.push(latencies),
            }
        }
    }
}

/// Requests of ticks in which the other version had none, oldest first.
#[derive(Debug, Default)]
struct Waiting(VecDeque<(Duration, Tally, Vec<f64>)>);

impl Waiting {
    fn push(&mut self, now: Duration, rng: &mut Rng, seen: &Observation<'_>) {
        let latencies = seen.latency.deal(rng, 1, MOST_REPLICATES).pop().unwrap_or_default();
        self.0.push_back((now, seen.tally(), latencies));
    }

    fn expire(&mut self, now: Duration, window: Duration) {
        while self.0.front().is_some_and(|(at, ..)| now.saturating_sub(*at) > window) {
            self.0.pop_front();
        }
    }
}

/// The nearest limit from `strict` to `lax`; the strict one for NaN, since a guard
/// that never trips would go unnoticed.
fn testable(limit: f64, strict: f64, lax: f64) -> f64 {
    if limit.is_nan() { strict } else { limit.clamp(strict, lax) }
}

/// Compares a canary revision with stable, tick by tick.
///
/// A canary within its limits is tripped with a probability of at most
/// [`ALPHA`](super::evidence::ALPHA) over its lifetime, both tests and all
/// restarts together, however often the verdict is looked at: each test trips
/// when its wealth reaches the inverse of its part of `ALPHA` (Ville's
/// inequality).
#[derive(Debug)]
pub struct Guard {
    window: Duration,
    min_requests: u64,
    rng: Rng,
    failures: Wealth,
    latency: Option<LatencyTest>,
    stable_waiting: Waiting,
    canary_waiting: Waiting,
    excess_sum: f64,
    verdict: Verdict,
}

impl Guard {
    /// Starts run number `restart` (0 is the first) of the tests for one canary
    /// revision; later runs are stricter about what is enough evidence. `seed`
    /// decides how requests are divided into groups.
    #[must_use]
    pub fn new(policy: &GuardPolicy, restart: u32, seed: u64) -> Self {
        let margin = testable(policy.max_error_rate_increase, 0.0, 1.0);
        let ratio = policy.max_latency_ratio.map(|ratio| testable(ratio, 1.0, f64::MAX));
        let tests = if ratio.is_some() { 2.0 } else { 1.0 };
        let min_requests = u64::from(policy.min_requests);
        Self {
            window: policy.window,
            min_requests,
            rng: Rng::with_seed(seed),
            failures: Wealth::new(margin, FAILURE_BLOCK),
            latency: ratio.map(LatencyTest::new),
            stable_waiting: Waiting::default(),
            canary_waiting: Waiting::default(),
            excess_sum: 0.0,
            verdict: Verdict {
                state: State::Collecting { needed: min_requests.max(1) },
                stable: Tally::default(),
                canary: Tally::default(),
                mean_excess: 0.0,
                failure_log_wealth: 0.0,
                latency_log_wealth: ratio.map(|_| 0.0),
                log_threshold: -(alpha_for_restart(restart) / tests).ln(),
                latency: None,
                max_error_rate_increase: margin,
                max_latency_ratio: ratio,
            },
        }
    }

    /// The finding of the last tick.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Takes in what both versions did since the last tick, `now` being the time
    /// since any fixed start. Once tripped, nothing changes any more.
    pub fn observe(&mut self, now: Duration, stable: &Observation<'_>, canary: &Observation<'_>) -> &Verdict {
        if self.verdict.is_tripped() {
            return &self.verdict;
        }
        self.stable_waiting.expire(now, self.window);
        self.canary_waiting.expire(now, self.window);
        match (stable.tally().requests, canary.tally().requests) {
            (0, 0) => {}
            (0, _) if self.stable_waiting.0.is_empty() => {
                self.canary_waiting.push(now, &mut self.rng, canary);
            }
            (_, 0) if self.canary_waiting.0.is_empty() => {
                self.stable_waiting.push(now, &mut self.rng, stable);
            }
            _ => self.compare(stable, canary),
        }
        self.conclude(now);
        &self.verdict
    }

    fn compare(&mut self, stable: &Observation<'_>, canary: &Observation<'_>) {
        let most = |a: u64, b: u64| a.min(b).clamp(1, MOST_GROUPS);
        let failures = most(stable.tally().requests, canary.tally().requests);
        let latencies = match self.latency {
            Some(_) => most(stable.latency.total(), canary.latency.total()),
            None => 0,
        };
        let mut stables = Groups::deal(&mut self.rng, stable, failures, latencies);
        let mut canaries = Groups::deal(&mut self.rng, canary, failures, latencies);
        // Stable has requests enough, so old ones only stand in where there are no
        // fresh ones. Of the few canary requests none is to be lost.
        if stables.failures.is_empty() {
            stables.join(&mut self.stable_waiting);
        }
        self.stable_waiting.0.clear();
        canaries.join(&mut self.canary_waiting);
        for (stable, canary) in stables.failures.iter().zip(&canaries.failures) {
            let excess = canary.rate() - stable.rate();
            self.failures.bet(excess);
            self.excess_sum += excess;
            self.verdict.stable.add(*stable);
            self.verdict.canary.add(*canary);
        }
        if let Some(test) = &mut self.latency {
            test.compare(&canaries.latencies, &stables.latencies);
        }
    }

    fn conclude(&mut self, now: Duration) {
        let verdict = &mut self.verdict;
        #[expect(clippy::cast_precision_loss, reason = "a mean needs no more")]
        let bets = self.failures.bets().max(1) as f64;
        verdict.mean_excess = self.excess_sum / bets;
        verdict.failure_log_wealth = self.failures.value().ln();
        verdict.latency_log_wealth = self.latency.as_ref().map(|test| test.value().ln());
        verdict.latency = self.latency.as_ref().and_then(LatencyTest::figures);
        // Nothing compared is nothing known, even if no minimum is asked for.
        let needed = self.min_requests.max(1).saturating_sub(verdict.canary.requests);
        let trips = |wealth: f64| wealth >= verdict.log_threshold;
        verdict.state = if needed > 0 {
            State::Collecting { needed }
        } else if trips(verdict.failure_log_wealth) {
            State::Tripped { cause: Cause::ErrorRate, at: now }
        } else if verdict.latency_log_wealth.is_some_and(trips) {
            State::Tripped { cause: Cause::Latency, at: now }
        } else {
            State::Healthy
        };
    }
}
