//! When requests are due.

use std::time::{Duration, Instant};

/// Requests at a fixed rate, whatever becomes of those before; or each as soon as a connection is free.
pub struct Schedule {
    start: Instant,
    end: Instant,
    /// Between two requests; none: a request is due whenever a connection is free.
    interval: Option<Duration>,
    given: u64,
    limit: u64,
}

impl Schedule {
    /// A schedule that begins now.
    pub fn new(time: Duration, rate: Option<f64>, limit: u64) -> Self {
        let start = Instant::now();
        let interval = rate.map(|rate| Duration::from_secs_f64(1.0 / rate.max(0.001)));
        Self { start, end: start + time, interval, given: 0, limit }
    }

    /// Gives the next request if it is due: since when.
    pub fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next(now)?;
        (due <= now).then(|| {
            self.given += 1;
            due
        })
    }

    /// When the next request is due; nothing once all have been given.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let due = match self.interval {
            Some(interval) => self.start + interval.mul_f64(self.given as f64),
            None => now,
        };
        (due < self.end && self.given < self.limit).then_some(due)
    }

    /// How many were due by now and not given: the load or the proxy fell behind.
    pub fn missed(&self, now: Instant) -> u64 {
        let Some(interval) = self.interval else { return 0 };
        let due = now.min(self.end).duration_since(self.start).as_secs_f64() / interval.as_secs_f64();
        (due.ceil() as u64).min(self.limit).saturating_sub(self.given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_their_rate_however_late_they_are_asked_for() {
        let mut schedule = Schedule::new(Duration::from_secs(1), Some(10.0), u64::MAX);
        let late = schedule.start + Duration::from_millis(250);
        let due: Vec<_> = std::iter::from_fn(|| schedule.take(late)).collect();
        assert_eq!(due, [0, 100, 200].map(|ms| schedule.start + Duration::from_millis(ms)));
        assert_eq!(schedule.missed(schedule.start + Duration::from_secs(9)), 7);
    }

    #[test]
    fn without_a_rate_the_limit_counts() {
        let mut schedule = Schedule::new(Duration::from_secs(1), None, 2);
        let now = schedule.start;
        assert_eq!(std::iter::from_fn(|| schedule.take(now)).count(), 2);
        assert_eq!(schedule.missed(now), 0);
    }
}
