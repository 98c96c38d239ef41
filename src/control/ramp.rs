//! A ramp: the way from the weights of yesterday to those asked for, spread over time.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::Weight;
use crate::snapshot::PerVersion;

/// What shares are expressed in while a ramp is on its way.
const SCALE: f64 = 10_000.0;

/// A change of weights on its way.
#[derive(Clone, Debug)]
pub struct Ramp {
    from: Vec<f64>,
    to: Vec<f64>,
    desired: Vec<u32>,
    since: Instant,
    over: Duration,
}

impl Ramp {
    /// A ramp from `current` to `desired` that begins at `since` and takes `over`.
    pub fn new(current: &[u32], desired: &[Weight], since: Instant, over: Duration) -> Self {
        let desired: Vec<u32> = desired.iter().map(|weight| weight.get()).collect();
        Self { from: shares(current), to: shares(&desired), desired, since, over }
    }

    /// The weights at `now`.
    pub fn weights(&self, now: Instant) -> PerVersion<u32> {
        if self.finished(now) {
            return self.desired.clone().into();
        }
        let way = now.saturating_duration_since(self.since).as_secs_f64() / self.over.as_secs_f64();
        let blend = |(from, to): (&f64, &f64)| ((from + (to - from) * way) * SCALE).round() as u32;
        self.from.iter().zip(&self.to).map(blend).collect()
    }

    /// Whether it has arrived.
    pub fn finished(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= self.over
    }
}

fn shares(weights: &[u32]) -> Vec<f64> {
    let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    weights.iter().map(|w| if total == 0.0 { 0.0 } else { f64::from(*w) / total }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_ramp_goes_evenly_from_what_was_to_what_is_asked_for() {
        let desired = [Weight::try_from(0).unwrap(), Weight::try_from(3).unwrap()];
        let begun = Instant::now();
        let ramp = Ramp::new(&[100, 0], &desired, begun, Duration::from_secs(10));
        assert_eq!(*ramp.weights(begun), [10_000, 0]);
        assert_eq!(*ramp.weights(begun + Duration::from_secs(5)), [5000, 5000]);
        assert_eq!(*ramp.weights(begun + Duration::from_millis(9900)), [100, 9900]);
        let end = begun + Duration::from_secs(10);
        assert!(ramp.finished(end));
        assert_eq!(*ramp.weights(end), [0, 3]);
    }
}
