//! A latency histogram: one writer, any readers, buckets about 20% apart.
//!
//! The bounds contain those of OpenTelemetry's `http.server.request.duration`, so that the exported series are exact sums.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in microseconds; a last bucket takes what is longer.
pub const BOUNDS_MICROS: [u64; BOUNDS] = bounds();
/// Number of upper bounds.
pub const BOUNDS: usize = DECADES * STEPS.len() + 1;

const DECADES: usize = 6;
/// Steps of a decade, in hundredths: from 0.1 ms on, so that the smallest are whole microseconds.
const STEPS: [u64; 13] = [100, 125, 150, 175, 200, 250, 300, 350, 400, 500, 600, 750, 875];

const fn bounds() -> [u64; BOUNDS] {
    let mut bounds = [0; BOUNDS];
    let (mut decade, mut scale) = (0, 1);
    while decade < DECADES {
        let mut step = 0;
        while step < STEPS.len() {
            bounds[decade * STEPS.len() + step] = STEPS[step] * scale;
            step += 1;
        }
        decade += 1;
        scale *= 10;
    }
    bounds[BOUNDS - 1] = 100 * scale;
    bounds
}

/// Counts of durations. Only the worker that owns it calls [`Histogram::record`].
pub struct Histogram {
    counts: [AtomicU64; BOUNDS + 1],
    sum_nanos: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BOUNDS + 1], sum_nanos: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let nanos = duration.as_nanos().min(u128::from(u64::MAX)) as u64;
        let micros = nanos.div_ceil(1000);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        bump(&self.counts[bucket], 1);
        bump(&self.sum_nanos, nanos);
    }

    /// Adds what it has to `total`.
    pub fn add_to(&self, total: &mut Distribution) {
        for (sum, count) in total.counts.iter_mut().zip(&self.counts) {
            *sum += count.load(Relaxed);
        }
        total.sum_nanos += self.sum_nanos.load(Relaxed);
    }
}

/// A plain load and store: there is one writer, so no locked instruction is needed.
pub(super) fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

/// What histograms add up to.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Counts by bucket of [`BOUNDS_MICROS`], the last for what is longer.
    pub counts: [u64; BOUNDS + 1],
    /// Sum of all durations, nanoseconds.
    pub sum_nanos: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { counts: [0; BOUNDS + 1], sum_nanos: 0 }
    }
}

impl Distribution {
    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many of them are at most `micros`, which must be one of [`BOUNDS_MICROS`] to be exact.
    pub fn at_most(&self, micros: u64) -> u64 {
        let end = BOUNDS_MICROS.partition_point(|bound| *bound <= micros);
        self.counts[..end].iter().sum()
    }

    /// What came after `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts;
        for (count, before) in counts.iter_mut().zip(&earlier.counts) {
            *count = count.saturating_sub(*before);
        }
        Self { counts, sum_nanos: self.sum_nanos.saturating_sub(earlier.sum_nanos) }
    }

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum_nanos += other.sum_nanos;
    }

    /// The duration in seconds that a share `q` (0 to 1) does not exceed, interpolated in its bucket; none without any.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.count();
        let mut rank = q * total as f64;
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            if rank <= *count as f64 {
                let upper = BOUNDS_MICROS.get(bucket).copied().unwrap_or(BOUNDS_MICROS[BOUNDS - 1]);
                let lower = if bucket == 0 { 0 } else { BOUNDS_MICROS[bucket - 1] };
                return Some((lower as f64 + (upper - lower.min(upper)) as f64 * rank / *count as f64) / 1e6);
            }
            rank -= *count as f64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_and_contain_those_of_opentelemetry() {
        assert!(BOUNDS_MICROS.is_sorted());
        for ms in [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000] {
            assert!(BOUNDS_MICROS.contains(&(ms * 1000)), "{ms} ms");
        }
    }

    #[test]
    fn a_duration_on_a_bound_counts_below_it() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_millis(5));
        histogram.record(Duration::from_millis(5) + Duration::from_nanos(1));
        histogram.record(Duration::from_secs(1000));
        let mut total = Distribution::default();
        histogram.add_to(&mut total);
        assert_eq!(total.at_most(5000), 1);
        assert_eq!(total.count(), 3);
    }

    #[test]
    fn quantiles_are_within_a_bucket_of_the_truth() {
        let histogram = Histogram::default();
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        let mut total = Distribution::default();
        histogram.add_to(&mut total);
        for q in [0.5, 0.9, 0.99] {
            let got = total.quantile(q).unwrap();
            assert!((got / q - 1.0).abs() < 0.15, "{q}: {got}");
        }
        assert_eq!(Distribution::default().quantile(0.5), None);
    }
}
