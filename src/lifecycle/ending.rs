//! The end of the process, by the state machine of whatever drains: it settles for `shutdown.delay`, in which all is served,
//! then drains until nothing is left, the deadline has come, or a second signal says that nobody waits.

use std::time::Duration;

use tokio::time::Instant;

use crate::drain::{Cause, DrainState, Event, Terms};

/// How often it is looked whether something is still in flight at the end.
const LOOK: Duration = Duration::from_millis(10);

/// The end of the process.
pub struct Ending {
    state: DrainState,
    terms: Terms,
}

/// Why the process ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing is left.
    Empty,
    /// Its time is over.
    Deadline,
    /// A second signal said so.
    Hurry,
}

impl Ending {
    /// The process is told to end: it serves for `delay` more, then what is in flight has `timeout`.
    pub fn begin(delay: Duration, timeout: Duration) -> Self {
        let terms = Terms::new(timeout, Duration::ZERO);
        let state = DrainState::Serving.step(told(delay), Instant::now(), &terms);
        Self { state, terms }
    }

    fn takes(&mut self, event: Event) {
        self.state = self.state.step(event, Instant::now(), &self.terms);
    }

    /// Waits for the delay to be over; false where `hurry` came first.
    pub async fn settled(&mut self, hurry: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        while let DrainState::Settling { settling, .. } = self.state {
            tokio::select! {
                biased;
                () = &mut *hurry => self.takes(Event::Hurry),
                () = tokio::time::sleep_until(settling.until) => self.takes(Event::Tick),
            }
        }
        self.state.is_draining()
    }

    /// Waits until nothing is left, the deadline has come, or `hurry` does.
    pub async fn drained(
        &mut self,
        is_empty: impl Fn() -> bool,
        hurry: &mut (impl Future<Output = ()> + Unpin),
    ) -> Why {
        let mut look = tokio::time::interval(LOOK);
        let mut why = Why::Deadline;
        while self.state.is_draining() {
            let event = tokio::select! {
                biased;
                () = &mut *hurry => Event::Hurry,
                _ = look.tick() => if is_empty() { Event::Empty } else { Event::Tick },
            };
            self.takes(event);
            why = match event {
                Event::Hurry => Why::Hurry,
                Event::Empty => Why::Empty,
                _ => Why::Deadline,
            };
        }
        why
    }
}

fn told(settle: Duration) -> Event {
    Event::Unwanted { cause: Cause::Shutdown, settle }
}

#[cfg(test)]
mod tests;
