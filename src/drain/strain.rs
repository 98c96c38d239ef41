//! Whether those who were asked to go find a place elsewhere: while they do not, nobody else is asked.

use std::time::Duration;

use tokio::time::Instant;

/// Time that is looked back on.
const WINDOW: Duration = Duration::from_secs(2);
/// Openings without which nothing is said.
const LEAST: u32 = 5;
/// Share of failed openings that is too much: one in ten.
const TOO_MANY: u32 = 10;
/// An opening that takes longer counts as failed: whoever is asked next would only wait, too.
const TOO_LONG: Duration = Duration::from_secs(1);

/// How openings of long-lived connections went lately.
#[derive(Debug, Default)]
pub struct Strain {
    since: Option<Instant>,
    now: Tally,
    before: Tally,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    openings: u32,
    failed: u32,
}

impl Strain {
    /// A long-lived connection was opened, or refused.
    pub fn opened(&mut self, ok: bool, took: Duration, now: Instant) {
        self.turn(now);
        self.now.openings += 1;
        self.now.failed += u32::from(!ok || took > TOO_LONG);
    }

    /// Whether too many openings fail.
    pub fn is_high(&mut self, now: Instant) -> bool {
        self.turn(now);
        let openings = self.now.openings + self.before.openings;
        let failed = self.now.failed + self.before.failed;
        openings >= LEAST && failed * TOO_MANY > openings
    }

    fn turn(&mut self, now: Instant) {
        let age = self.since.map(|since| now.saturating_duration_since(since));
        match age {
            Some(age) if age < WINDOW => return,
            Some(age) if age < WINDOW * 2 => self.before = std::mem::take(&mut self.now),
            _ => (self.before, self.now) = Default::default(),
        }
        self.since = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(3);

    #[test]
    fn a_tenth_of_failures_is_borne_and_more_is_not() {
        let now = Instant::now();
        let mut strain = Strain::default();
        (0..9).for_each(|_| strain.opened(true, FAST, now));
        strain.opened(false, FAST, now);
        assert!(!strain.is_high(now));
        strain.opened(false, FAST, now);
        assert!(strain.is_high(now));
    }

    #[test]
    fn slow_openings_count_as_failed() {
        let now = Instant::now();
        let mut strain = Strain::default();
        (0..5).for_each(|_| strain.opened(true, Duration::from_secs(2), now));
        assert!(strain.is_high(now));
    }

    #[test]
    fn few_openings_say_nothing() {
        let now = Instant::now();
        let mut strain = Strain::default();
        (0..4).for_each(|_| strain.opened(false, FAST, now));
        assert!(!strain.is_high(now));
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let now = Instant::now();
        let mut strain = Strain::default();
        (0..5).for_each(|_| strain.opened(false, FAST, now));
        assert!(strain.is_high(now + Duration::from_secs(3)));
        assert!(!strain.is_high(now + Duration::from_secs(5)));
    }
}
