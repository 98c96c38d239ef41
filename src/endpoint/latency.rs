//! The latency of an endpoint as peak EWMA: it rises with the worst answer at once, and falls over seconds.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::Moment;

/// Time after which a third of what is remembered is left.
const MEMORY: f32 = 10.0;
/// How much slower than it was an endpoint that fails counts as: one that fails fast would attract requests otherwise.
const PENALTY: f32 = 8.0;
/// The latency that an endpoint which fails at its first request counts as, in seconds.
const PENALTY_UNKNOWN: f32 = 0.1;
/// The worst that is remembered, in seconds: it is forgotten within a minute.
const WORST: f32 = 60.0;

/// Seconds, and when they were true, in one word; 0: nothing is known. Two workers that write at once lose one answer of the
/// two.
#[derive(Debug, Default)]
pub struct Latency(AtomicU64);

impl Latency {
    /// The latency at `now`, in seconds; none: it has never answered. What is not confirmed is forgotten, so that an endpoint
    /// which was slow is tried again.
    pub fn at(&self, now: Moment) -> Option<f32> {
        let (seconds, when) = self.load()?;
        Some(seconds * faded(when, now))
    }

    /// An answer took this long.
    pub fn observe(&self, took: Duration, now: Moment) {
        self.remember(took.as_secs_f32(), now);
    }

    /// A request failed after this long.
    pub fn penalize(&self, took: Duration, now: Moment) {
        let known = self.at(now).map_or(PENALTY_UNKNOWN, |known| known * PENALTY);
        self.remember(took.as_secs_f32().max(known), now);
    }

    fn remember(&self, seconds: f32, now: Moment) {
        let value = match self.load() {
            None => seconds,
            Some((known, when)) => {
                let rest = faded(when, now);
                let known = known * rest;
                if seconds > known { seconds } else { known + seconds * (1.0 - rest) }
            }
        };
        // Zero would say that nothing is known.
        let value = value.clamp(1e-6, WORST);
        self.0.store(u64::from(value.to_bits()) << 32 | u64::from(now.0), Relaxed);
    }

    fn load(&self) -> Option<(f32, Moment)> {
        let word = self.0.load(Relaxed);
        (word != 0).then_some((f32::from_bits((word >> 32) as u32), Moment(word as u32)))
    }
}

/// What is left of a memory.
fn faded(when: Moment, now: Moment) -> f32 {
    (-now.since(when).as_secs_f32() / MEMORY).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn close(a: Option<f32>, b: f32) -> bool {
        a.is_some_and(|a| (a - b).abs() < b * 0.02)
    }

    #[test]
    fn a_rise_is_believed_at_once_and_a_fall_over_seconds() {
        let latency = Latency::default();
        assert_eq!(latency.at(Moment(5)), None);
        latency.observe(10 * MS, Moment(0));
        latency.observe(100 * MS, Moment(0));
        assert!(close(latency.at(Moment(0)), 0.1));
        latency.observe(10 * MS, Moment(1000));
        assert!(close(latency.at(Moment(1000)), 0.1 * 0.905 + 0.01 * 0.095), "{:?}", latency.at(Moment(1000)));
        assert!(close(latency.at(Moment(11_000)), 0.0914 * 0.368), "unconfirmed, it is forgotten");
    }

    #[test]
    fn who_fails_fast_counts_as_slow() {
        let latency = Latency::default();
        latency.observe(10 * MS, Moment(0));
        latency.penalize(MS, Moment(0));
        assert!(close(latency.at(Moment(0)), 0.08));
        let unknown = Latency::default();
        unknown.penalize(MS, Moment(0));
        assert!(close(unknown.at(Moment(0)), 0.1));
        (0..100).for_each(|_| unknown.penalize(MS, Moment(0)));
        assert_eq!(unknown.at(Moment(0)), Some(WORST));
    }
}
