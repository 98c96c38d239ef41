//! When the connections of a drain are asked: evenly over a time, each at a random moment of its own slot, so that clients
//! which come back at once do not come together.

use std::time::Duration;

use tokio::time::Instant;

/// The clock of one drain on one worker.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Time between two.
    slot: Duration,
    /// When the current slot began.
    begun: Instant,
    /// When the next is asked.
    next: Instant,
}

impl Pace {
    /// A pace that asks `count` connections within `spread` from `now` on, and leaves at most `slowest` between two.
    pub fn new(count: usize, (spread, slowest): (Duration, Duration), now: Instant, rng: &mut fastrand::Rng) -> Self {
        let slot = (spread / u32::try_from(count.max(1)).unwrap_or(u32::MAX)).min(slowest);
        Self { slot, begun: now, next: now + slot.mul_f64(rng.f64()) }
    }

    /// Whether one is to be asked at `now`; the answer yes takes its turn.
    pub fn take(&mut self, now: Instant, rng: &mut fastrand::Rng) -> bool {
        if now < self.next {
            return false;
        }
        self.begun += self.slot;
        self.next = self.begun + self.slot.mul_f64(rng.f64());
        true
    }

    /// How long it takes for so many.
    pub fn takes(&self, count: usize) -> Duration {
        self.slot.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Asks `count` connections within `time` from `now` on, unless it is fast enough for that.
    pub fn hasten(&mut self, count: usize, time: Duration, now: Instant, rng: &mut fastrand::Rng) {
        let slot = time / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        if slot >= self.slot {
            return;
        }
        self.slot = slot;
        if self.next > now + slot {
            self.begun = now;
            self.next = now + slot.mul_f64(rng.f64());
        }
    }

    /// Nobody waits at `now`: whoever comes next has a slot of its own from there.
    pub fn rest(&mut self, now: Instant, rng: &mut fastrand::Rng) {
        if self.next < now {
            self.begun = now;
            self.next = now + self.slot.mul_f64(rng.f64());
        }
    }

    /// Asks nobody until `now`, and goes on at the same rate from there.
    pub fn hold(&mut self, now: Instant) {
        if self.next < now {
            self.begun = now;
            self.next = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// Milliseconds at which each of `count` is asked.
    fn asked(pace: &mut Pace, start: Instant, count: usize, rng: &mut fastrand::Rng) -> Vec<u64> {
        let mut times = Vec::new();
        for milli in 0..200_000 {
            while times.len() < count && pace.take(start + MILLI * milli, rng) {
                times.push(u64::from(milli));
            }
        }
        times
    }

    #[test]
    fn connections_are_asked_evenly_over_the_spread() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let start = Instant::now();
        let spread = Duration::from_secs(20);
        let mut pace = Pace::new(5_000, (spread, spread), start, &mut rng);
        let times = asked(&mut pace, start, 5_000, &mut rng);
        assert_eq!(times.len(), 5_000);
        assert!(*times.last().unwrap() <= 20_000);
        for second in 0..20 {
            let count = times.iter().filter(|time| **time / 1000 == second).count();
            assert!((248..=252).contains(&count), "second {second}: {count}");
        }
    }

    #[test]
    fn few_connections_do_not_take_the_whole_time_where_that_is_not_wanted() {
        let mut rng = fastrand::Rng::with_seed(1);
        let start = Instant::now();
        let mut pace = Pace::new(3, (Duration::from_secs(30), MILLI * 100), start, &mut rng);
        assert!(*asked(&mut pace, start, 3, &mut rng).last().unwrap() <= 300);
    }

    #[test]
    fn no_spread_asks_all_at_once() {
        let mut rng = fastrand::Rng::with_seed(1);
        let start = Instant::now();
        let mut pace = Pace::new(100, (Duration::ZERO, Duration::ZERO), start, &mut rng);
        assert_eq!(asked(&mut pace, start, 100, &mut rng), [0; 100]);
    }

    #[test]
    fn more_connections_are_asked_faster_and_never_slower() {
        let mut rng = fastrand::Rng::with_seed(1);
        let start = Instant::now();
        let mut pace = Pace::new(10, (MILLI * 10_000, MILLI * 10_000), start, &mut rng);
        pace.hasten(100, MILLI * 1000, start, &mut rng);
        pace.hasten(1, MILLI * 1000, start, &mut rng);
        let times = asked(&mut pace, start, 100, &mut rng);
        assert!(times[49] >= 490 && times[99] <= 1000, "{times:?}");
    }

    #[test]
    fn who_was_held_up_is_not_made_up_for_in_a_burst() {
        let mut rng = fastrand::Rng::with_seed(1);
        let start = Instant::now();
        let mut pace = Pace::new(10, (MILLI * 1000, MILLI * 1000), start, &mut rng);
        let later = start + Duration::from_secs(5);
        pace.hold(later);
        let times = asked(&mut pace, start, 10, &mut rng);
        assert!(times[0] >= 5_000);
        assert!(times.iter().filter(|time| **time < 5_500).count() <= 6, "{times:?}");
    }
}
