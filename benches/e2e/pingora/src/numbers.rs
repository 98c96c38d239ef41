//! What is counted of a version: as much as the other proxies count of theirs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Requests by class of status, failures, and a histogram of durations in powers of two of a microsecond.
#[derive(Default)]
pub struct Numbers {
    classes: [AtomicU64; 6],
    failures: AtomicU64,
    durations: [AtomicU64; 32],
}

impl Numbers {
    /// Counts a request; a status of 0 is a request that got no answer.
    pub fn record(&self, status: u16, failed: bool, duration: Duration) {
        let class = usize::from(status / 100).min(5);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        if failed {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        let bucket = (u64::BITS - (duration.as_micros() as u64).leading_zeros()).min(31);
        self.durations[bucket as usize].fetch_add(1, Ordering::Relaxed);
    }
}
