//! Whether an endpoint is used: what checks and requests have found out.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use super::Moment;

/// The part of the state that is not a count of checks.
const EJECTED: u32 = 1 << 31;

/// The health of an endpoint: written by checks and by whoever sees a request fail, read with every decision.
#[derive(Debug)]
pub struct Health {
    /// How many checks find it unhealthy, and whether it is ejected; 0: it is used.
    state: AtomicU32,
    /// Failures in a row.
    failures: AtomicU32,
    /// Since when it has been used without a break.
    since: AtomicU32,
}

impl Health {
    /// Well, and used since `now`.
    pub(super) fn new(now: Moment) -> Self {
        Self { state: AtomicU32::new(0), failures: AtomicU32::new(0), since: AtomicU32::new(now.0) }
    }

    /// Whether nothing speaks against using it.
    pub fn is_usable(&self) -> bool {
        self.state.load(Relaxed) == 0
    }

    /// Whether it is left out because requests failed there.
    pub fn is_ejected(&self) -> bool {
        self.state.load(Relaxed) & EJECTED != 0
    }

    /// Whether a check finds it unhealthy.
    pub fn is_unhealthy(&self) -> bool {
        self.state.load(Relaxed) & !EJECTED != 0
    }

    /// A request failed there; returns how many have in a row.
    pub fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// A request was answered there.
    pub fn succeeded(&self) {
        // Nearly always there is nothing to write.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// Leaves it out; false if it is out already.
    pub fn eject(&self) -> bool {
        self.state.fetch_or(EJECTED, Relaxed) & EJECTED == 0
    }

    /// Ends the ejection. The endpoint is on probation: it goes again with the first failure if `failures` in a row are too
    /// many.
    pub fn restore(&self, failures: u32, now: Moment) {
        self.failures.store(failures.saturating_sub(1), Relaxed);
        if self.state.fetch_and(!EJECTED, Relaxed) == EJECTED {
            self.since.store(now.0, Relaxed);
        }
    }

    /// A check finds it unhealthy, which it did not before.
    pub fn found_unhealthy(&self) {
        self.state.fetch_add(1, Relaxed);
    }

    /// A check that found it unhealthy does not any more.
    pub fn found_healthy(&self, now: Moment) {
        if self.state.fetch_sub(1, Relaxed) == 1 {
            self.since.store(now.0, Relaxed);
        }
    }

    /// The share of its load that it is to get at `now`, a tenth to 1: it grows evenly for as long as the slow start.
    pub fn warmth(&self, now: Moment, slow_start: Duration) -> f32 {
        let used = now.since(Moment(self.since.load(Relaxed)));
        if used >= slow_start {
            return 1.0;
        }
        (used.as_secs_f32() / slow_start.as_secs_f32()).max(0.1)
    }
}
