//! What a load has seen.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// What is printed.
#[derive(Serialize)]
pub struct Report {
    /// Answers that were right.
    pub requests: u64,
    /// Anything else that happened, by what it was.
    pub errors: BTreeMap<String, u64>,
    /// From the sign to begin to the last answer.
    pub seconds: f64,
    /// Requests per second.
    pub rate: f64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// Microseconds from when a request was sent, or should have been, to the end of its answer.
    pub latency: Option<Latency>,
}

/// Quantiles, each a value that was seen.
#[derive(Serialize)]
pub struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
    mean: f64,
}

/// What is counted while the load runs.
#[derive(Default)]
pub struct Counts {
    latencies: Vec<u32>,
    bytes: u64,
    errors: BTreeMap<String, u64>,
}

impl Counts {
    /// An answer that was right.
    pub fn right(&mut self, latency: Duration, bytes: usize) {
        // Tenths of a microsecond: a quantile is one of them, and 7 minutes fit.
        self.latencies.push(u32::try_from(latency.as_nanos() / 100).unwrap_or(u32::MAX));
        self.bytes += bytes as u64;
    }

    /// Something else.
    pub fn wrong(&mut self, what: impl Into<String>, times: u64) {
        if times > 0 {
            *self.errors.entry(what.into()).or_default() += times;
        }
    }

    /// How many answers were right.
    pub fn answers(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// Takes over what another one counted.
    pub fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.bytes += other.bytes;
        other.errors.into_iter().for_each(|(what, times)| self.wrong(what, times));
    }

    /// All in all.
    pub fn report(mut self, elapsed: Duration) -> Report {
        self.latencies.sort_unstable();
        let (requests, seconds) = (self.answers(), elapsed.as_secs_f64());
        let rate = requests as f64 / seconds;
        Report { requests, errors: self.errors, seconds, rate, bytes: self.bytes, latency: latency(&self.latencies) }
    }
}

fn latency(sorted: &[u32]) -> Option<Latency> {
    let microseconds = |tenths: u32| f64::from(tenths) / 10.0;
    let quantile = |share: f64| {
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().map(microseconds)
    };
    let sum: u64 = sorted.iter().map(|latency| u64::from(*latency)).sum();
    Some(Latency {
        p50: quantile(0.5)?,
        p90: quantile(0.9)?,
        p99: quantile(0.99)?,
        p999: quantile(0.999)?,
        max: sorted.last().copied().map(microseconds)?,
        mean: sum as f64 / sorted.len() as f64 / 10.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let mut counts = Counts::default();
        (1..=1000).for_each(|n| counts.right(Duration::from_micros(n), 1));
        let latency = counts.report(Duration::from_secs(1)).latency.unwrap();
        assert_eq!((latency.p50, latency.p99, latency.p999, latency.max), (500.0, 990.0, 999.0, 1000.0));
        assert!(Counts::default().report(Duration::from_secs(1)).latency.is_none());
    }
}
