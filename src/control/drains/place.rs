//! An endpoint of a route on its way out.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::standing::Standing;
use super::{GRACE, LATE, how_it_went, what_follows};
use crate::control::Fleet;
use crate::control::events::{EventKind, Events};
use crate::drain::{Cause, DrainState, Event, Order, Progress, Subject, Terms};
use crate::endpoint::Endpoint;
use crate::model::{Drain, RouteKey};
use crate::proxy::Command;

/// An endpoint of a route on its way out.
pub struct Place {
    pub state: DrainState,
    pub terms: Terms,
    /// The version that it was of.
    pub version: Arc<str>,
    pub endpoint: Arc<Endpoint>,
    pub progress: Arc<Progress>,
    /// Nothing is left that lives long; what is in flight still may turn out to, and is then asked.
    pub quiet: bool,
    drain: Drain,
    /// Connections that were decided before belong to it.
    generation: u64,
    /// The deadline that the workers were told; none: they were not told to drain it.
    ordered: Option<Instant>,
    /// Whether anybody else was told that it drains.
    told: bool,
}

impl Place {
    /// One that serves. `end`: when it ends by itself.
    pub fn new(was: &Standing, generation: u64, end: Option<Instant>) -> Self {
        Self {
            state: DrainState::Serving,
            terms: Terms { end, spread: was.drain.spread, ..Terms::new(was.drain.timeout, GRACE) },
            version: Arc::clone(&was.version),
            endpoint: Arc::clone(&was.endpoint),
            progress: Arc::default(),
            quiet: false,
            drain: was.drain,
            generation,
            ordered: None,
            told: false,
        }
    }

    /// Something happens to it.
    pub fn step(&mut self, event: Event, now: Instant) {
        self.state = self.state.step(event, now, &self.terms);
    }

    /// Why it drains, or is about to.
    pub fn cause(&self) -> Option<Cause> {
        match self.state {
            DrainState::Settling { cause, .. } | DrainState::Draining { cause, .. } => Some(cause),
            DrainState::Serving | DrainState::Closed => None,
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, route: &RouteKey, workers: usize, (events, now): (&Events, Instant)) {
        let before = self.state;
        self.step(Event::Tick, now);
        let DrainState::Draining { since, deadline, cause, .. } = before else { return };
        if self.progress.remaining() > 0 && !std::mem::replace(&mut self.told, true) {
            let time = deadline - since;
            let follows = what_follows(&self.progress, (self.drain.spread.min(time), time), now);
            let message = format!("{} drains, because {}: {follows}", self.endpoint.address, cause.as_str());
            events.tell(EventKind::DrainBegan, &route.to_string(), &self.version, message);
        }
        let in_flight = self.endpoint.in_flight() > 0;
        let late = now < since + LATE && in_flight;
        self.quiet = self.progress.is_over(workers) && !late;
        if self.quiet && !in_flight {
            self.step(Event::Empty, now);
        }
        if (self.quiet || self.state == DrainState::Closed) && std::mem::take(&mut self.told) {
            let message = format!("{} {}", self.endpoint.address, how_it_went(&self.progress, since, now));
            events.tell(EventKind::DrainEnded, &route.to_string(), &self.version, message);
        }
    }

    /// Tells the workers what its state asks of them, unless they know. Gives how far a drain was that is taken back, so that
    /// those who were asked are counted when they go.
    pub fn order(&mut self, subject: &Subject, fleet: &Fleet) -> Option<Arc<Progress>> {
        match (self.state, self.ordered) {
            (DrainState::Draining { since, deadline, cause, .. }, None) => {
                self.ordered = Some(deadline);
                let order = Order {
                    subject: subject.clone(),
                    cause,
                    generation: self.generation,
                    since,
                    spread: self.drain.spread,
                    slowest: self.drain.spread,
                    close_code: Some(self.drain.close_code),
                    deadline,
                    progress: Arc::clone(&self.progress),
                    parts: None,
                    evict: Some(self.endpoint.id),
                };
                fleet.tell(|| Command::Drain(order.clone()));
                None
            }
            (DrainState::Draining { deadline, .. }, Some(known)) if deadline != known => {
                self.ordered = Some(deadline);
                fleet.tell(|| Command::Retime(subject.clone(), deadline));
                None
            }
            (DrainState::Settling { .. }, Some(_)) => {
                (self.ordered, self.told, self.quiet) = (None, false, false);
                fleet.tell(|| Command::Recall(subject.clone()));
                Some(std::mem::take(&mut self.progress))
            }
            _ => None,
        }
    }

    /// Until what is left is cut; none: it does not drain.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        match self.state {
            DrainState::Draining { deadline, .. } => Some(deadline.saturating_duration_since(now)),
            _ => None,
        }
    }
}
