//! The state machine of what drains: an endpoint of a route.

use std::time::Duration;

use tokio::time::Instant;

/// Why something drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No version of positive weight selects the endpoint any more.
    Weight,
    /// The endpoint is not configured any more.
    Removed,
    /// The endpoint is on its way out, and says so.
    Terminating,
    /// The listener that clients came on is not configured any more.
    Listener,
    /// The process ends.
    Shutdown,
}

impl Cause {
    /// In words, for events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Weight => "its weight is 0",
            Self::Removed => "it is not configured any more",
            Self::Terminating => "it is terminating",
            Self::Listener => "its listener is not configured any more",
            Self::Shutdown => "the process ends",
        }
    }
}

/// Where an endpoint of a route stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainState {
    /// It takes what comes.
    Serving,
    /// It takes nothing new; whether it drains is seen at `until`, since a change may have a second half under way.
    Settling {
        /// When it begins to drain.
        until: Instant,
        /// Why it will.
        cause: Cause,
    },
    /// Its connections are asked to end.
    Draining {
        /// Since when.
        since: Instant,
        /// When those that are left are cut.
        deadline: Instant,
        /// Why.
        cause: Cause,
    },
    /// Nothing is left.
    Closed,
}

/// What happens to an endpoint of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A version of positive weight selects it.
    Wanted,
    /// None does.
    Unwanted {
        /// Why.
        cause: Cause,
        /// How long that must be so before it drains; nothing that terminates waits.
        settle: Duration,
    },
    /// Time passes.
    Tick,
    /// It has no connection left.
    Empty,
}

impl DrainState {
    /// The state after `event` at `now`. `timeout`: how long a drain may take.
    pub fn step(self, event: Event, now: Instant, timeout: Duration) -> Self {
        let drain = |cause| Self::Draining { since: now, deadline: now + timeout, cause };
        match (self, event) {
            (_, Event::Wanted) => Self::Serving,
            (Self::Serving | Self::Settling { .. }, Event::Unwanted { cause: cause @ Cause::Terminating, .. }) => {
                drain(cause)
            }
            (Self::Serving, Event::Unwanted { cause, settle }) if settle.is_zero() => drain(cause),
            (Self::Serving, Event::Unwanted { cause, settle }) => Self::Settling { until: now + settle, cause },
            // It has been unwanted since before; why may have changed.
            (Self::Settling { until, .. }, Event::Unwanted { cause, .. }) => Self::Settling { until, cause },
            (Self::Settling { until, cause }, Event::Tick) if now >= until => drain(cause),
            (Self::Draining { .. }, Event::Empty) => Self::Closed,
            (state, Event::Unwanted { .. } | Event::Tick | Event::Empty) => state,
        }
    }

    /// Whether its connections are asked to end.
    pub fn is_draining(self) -> bool {
        matches!(self, Self::Draining { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);
    const SETTLE: Duration = Duration::from_secs(10);

    fn second(now: Instant, count: u64) -> Instant {
        now + Duration::from_secs(count)
    }

    #[test]
    fn weight_zero_drains_once_it_has_settled() {
        let now = Instant::now();
        let unwanted = Event::Unwanted { cause: Cause::Weight, settle: SETTLE };
        let settling = DrainState::Serving.step(unwanted, now, TIMEOUT);
        assert_eq!(settling, DrainState::Settling { until: second(now, 10), cause: Cause::Weight });
        assert_eq!(settling.step(Event::Tick, second(now, 9), TIMEOUT), settling);
        let draining = settling.step(Event::Tick, second(now, 10), TIMEOUT);
        let (since, deadline) = (second(now, 10), second(now, 70));
        assert_eq!(draining, DrainState::Draining { since, deadline, cause: Cause::Weight });
        assert_eq!(draining.step(Event::Empty, second(now, 11), TIMEOUT), DrainState::Closed);
    }

    #[test]
    fn without_settling_it_drains_at_once() {
        let now = Instant::now();
        let unwanted = Event::Unwanted { cause: Cause::Removed, settle: Duration::ZERO };
        assert!(DrainState::Serving.step(unwanted, now, TIMEOUT).is_draining());
    }

    #[test]
    fn an_endpoint_that_only_moves_never_drains() {
        let now = Instant::now();
        let unwanted = Event::Unwanted { cause: Cause::Removed, settle: SETTLE };
        let settling = DrainState::Serving.step(unwanted, now, TIMEOUT);
        let moved = settling.step(Event::Wanted, second(now, 3), TIMEOUT);
        assert_eq!(moved.step(Event::Tick, second(now, 30), TIMEOUT), DrainState::Serving);
    }

    #[test]
    fn what_terminates_does_not_wait() {
        let now = Instant::now();
        let terminating = Event::Unwanted { cause: Cause::Terminating, settle: SETTLE };
        assert!(DrainState::Serving.step(terminating, now, TIMEOUT).is_draining());
        let unwanted = Event::Unwanted { cause: Cause::Weight, settle: SETTLE };
        let settling = DrainState::Serving.step(unwanted, now, TIMEOUT);
        assert!(settling.step(terminating, second(now, 1), TIMEOUT).is_draining());
    }

    #[test]
    fn being_unwanted_twice_begins_nothing_anew() {
        let now = Instant::now();
        let weight = Event::Unwanted { cause: Cause::Weight, settle: SETTLE };
        let removed = Event::Unwanted { cause: Cause::Removed, settle: SETTLE };
        let settling = DrainState::Serving.step(weight, now, TIMEOUT).step(removed, second(now, 5), TIMEOUT);
        assert_eq!(settling, DrainState::Settling { until: second(now, 10), cause: Cause::Removed });
        let draining = settling.step(Event::Tick, second(now, 10), TIMEOUT);
        assert_eq!(draining.step(weight, second(now, 20), TIMEOUT), draining);
        assert_eq!(draining.step(Event::Wanted, second(now, 20), TIMEOUT), DrainState::Serving);
    }

    #[test]
    fn what_is_closed_stays_so_until_it_is_wanted() {
        let now = Instant::now();
        let weight = Event::Unwanted { cause: Cause::Weight, settle: SETTLE };
        for event in [weight, Event::Tick, Event::Empty] {
            assert_eq!(DrainState::Closed.step(event, now, TIMEOUT), DrainState::Closed);
        }
        assert_eq!(DrainState::Closed.step(Event::Wanted, now, TIMEOUT), DrainState::Serving);
    }
}
