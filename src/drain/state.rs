//! The state machine of everything that drains: an endpoint of a route, a version, a listener, the process.
//!
//! | what | is not wanted once | `settle` | is empty once | `grace` |
//! |---|---|---|---|---|
//! | endpoint of a route | no version of positive weight of the route selects it | of its split | nothing goes to it any more | until those that were cut are gone |
//! | version | it has lost its weight | of its split | never: its sticky clients keep it to the end | none |
//! | listener | it is not configured any more | none | never: who is accepted late has the same time | until those that were cut are gone |
//! | process | it is told to end | `shutdown.delay` | nothing is in flight | none |

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
    /// Whoever runs the endpoint has said when it ends.
    Ending,
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
            Self::Ending => "it is about to be scaled down",
            Self::Listener => "its listener is not configured any more",
            Self::Shutdown => "the process ends",
        }
    }
}

/// How long a drain may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What is left after this long is cut.
    pub timeout: Duration,
    /// How long what was cut may take to be gone.
    pub grace: Duration,
    /// When what drains ends by itself, whatever is left there; none: nobody has said so.
    pub end: Option<Instant>,
    /// How long asking all takes.
    pub spread: Duration,
}

/// A drain is over this long before what drains ends by itself, or a tenth of the time that there is if that is less: clocks
/// differ, and those that are cut take a moment to be gone.
const MARGIN: Duration = Duration::from_secs(1);
/// Where what drains is as good as gone, those that are there have this long all the same.
const LEAST: Duration = Duration::from_secs(1);

impl Terms {
    /// Nobody says when it ends by itself.
    pub fn new(timeout: Duration, grace: Duration) -> Self {
        Self { timeout, grace, end: None, spread: timeout }
    }

    /// When a drain that began at `since` cuts what is left: never later than its timeout says.
    fn deadline(&self, since: Instant) -> Instant {
        let Some(end) = self.end else { return since + self.timeout };
        let time = end.saturating_duration_since(since);
        since + self.timeout.min((time - MARGIN.min(time / 10)).max(LEAST))
    }

    /// When what settles begins to drain: in time to ask all before it ends by itself, if that is earlier, but not in the first
    /// half of the time that there is, since a promotion closes nothing, and one that is taken back has closed nothing.
    fn begins(&self, settling: Settling) -> Instant {
        let Some(end) = self.end else { return settling.until };
        let asking = (MARGIN + self.spread).min(end.saturating_duration_since(settling.since) / 2);
        end.checked_sub(asking).map_or(settling.until, |latest| latest.min(settling.until))
    }
}

/// The time in which something that is not wanted serves all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settling {
    /// Since when it is not wanted.
    pub since: Instant,
    /// When it is over, if what settles does not end by itself before.
    pub until: Instant,
}

/// Where something stands that can drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainState {
    /// It takes what comes.
    Serving,
    /// It is not wanted; whether it drains is seen at the end of that time, since a change may have a second half under way.
    Settling {
        /// The time.
        settling: Settling,
        /// Why it will.
        cause: Cause,
    },
    /// Its connections are asked to end.
    Draining {
        /// Since when.
        since: Instant,
        /// When those that are left are cut.
        deadline: Instant,
        /// The time in which it settled.
        settling: Settling,
        /// Why.
        cause: Cause,
    },
    /// Nothing is left, or nobody waits for what is.
    Closed,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is wanted.
    Wanted,
    /// It is not.
    Unwanted {
        /// Why.
        cause: Cause,
        /// How long that must be so before it drains; nothing that terminates waits.
        settle: Duration,
    },
    /// Time passes; its [`Terms`] may be others than before.
    Tick,
    /// Nothing is left.
    Empty,
    /// Nobody waits for what is left: a second signal to end.
    Hurry,
}

impl DrainState {
    /// The state after `event` at `now`.
    pub fn step(self, event: Event, now: Instant, terms: &Terms) -> Self {
        match (self, event) {
            (_, Event::Wanted) => Self::Serving,
            (Self::Serving, Event::Unwanted { cause, settle }) => match settle.is_zero() || cause.is_urgent() {
                true => drain(cause, now, Settling { since: now, until: now }, terms),
                false => Self::Settling { settling: Settling { since: now, until: now + settle }, cause },
            },
            (Self::Settling { settling, .. }, Event::Unwanted { cause, .. }) if cause.is_urgent() => {
                drain(cause, now, Settling { until: now, ..settling }, terms)
            }
            // It has been unwanted since before; why may have changed.
            (Self::Settling { settling, .. }, Event::Unwanted { cause, .. }) => Self::Settling { settling, cause },
            // What terminates does not settle any more, whatever is said of its end.
            (Self::Draining { since, deadline, settling, cause: was }, Event::Unwanted { cause, .. }) => {
                let until = if cause.is_urgent() { settling.until.min(now) } else { settling.until };
                Self::Draining { since, deadline, settling: Settling { until, ..settling }, cause: was }
            }
            (Self::Settling { settling, cause }, Event::Tick) if now >= terms.begins(settling) => {
                drain(cause, now, settling, terms)
            }
            // It ends later than was said, or not at all.
            (Self::Draining { settling, cause, .. }, Event::Tick) if now < terms.begins(settling) => {
                Self::Settling { settling, cause }
            }
            (Self::Draining { since, settling, cause, .. }, Event::Tick) => {
                let deadline = terms.deadline(since);
                match now >= deadline + terms.grace {
                    true => Self::Closed,
                    false => Self::Draining { since, deadline, settling, cause },
                }
            }
            (Self::Draining { .. }, Event::Empty) | (Self::Settling { .. } | Self::Draining { .. }, Event::Hurry) => {
                Self::Closed
            }
            (state, Event::Unwanted { .. } | Event::Tick | Event::Empty | Event::Hurry) => state,
        }
    }

    /// Whether its connections are asked to end.
    pub fn is_draining(self) -> bool {
        matches!(self, Self::Draining { .. })
    }
}

impl Cause {
    fn is_urgent(self) -> bool {
        self == Self::Terminating
    }
}

fn drain(cause: Cause, now: Instant, settling: Settling, terms: &Terms) -> DrainState {
    DrainState::Draining { since: now, deadline: terms.deadline(now), settling, cause }
}

#[cfg(test)]
mod tests;
