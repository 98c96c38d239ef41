//! Drains of a listener that goes, and of the process: of whatever is there, split by split as it says. Each part follows the
//! state machine by itself, since each has a deadline of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Drains, GRACE, how_it_went, what_follows};
use crate::control::Fleet;
use crate::control::events::{EventKind, Events};
use crate::drain::{Cause, Closed, DrainState, Event, Named, Order, Parts, Progress, Subject, Terms};
use crate::model::{Drain, Listener, RouteKey, SocketKey};
use crate::proxy::Command;
use crate::snapshot::Snapshot;

/// At least ten a second are asked, since nobody needs a slower pace.
const BRISK: Duration = Duration::from_millis(100);
/// So long before the process ends, what is left is cut, so that it is counted.
const BEFORE_THE_END: Duration = Duration::from_millis(200);

/// A drain of a listener, or of the process.
pub struct Broad {
    state: DrainState,
    terms: Terms,
    parts: Arc<Parts>,
    order: Order,
    told: bool,
}

impl Broad {
    /// How far it is with each version, and when what is left there is cut.
    pub fn parts(&self) -> impl Iterator<Item = (Instant, (Named, Arc<Progress>))> + use<> {
        let deadline = self.order.deadline;
        self.parts.all().into_iter().map(move |part| (deadline, part))
    }

    fn tell(&mut self, events: &Events, now: Instant) {
        let Order { subject, cause, progress, since, spread, .. } = &self.order;
        let (what, route) = match subject {
            Subject::Listener(listener, route) => (listener.to_string(), route),
            Subject::All(route) => ("the process".to_owned(), route),
            Subject::Place(route, _) => (String::new(), &Some(route.clone())),
        };
        let route = route.as_ref().map(RouteKey::to_string).unwrap_or_default();
        if progress.remaining() > 0 && !self.told {
            self.told = true;
            let follows = what_follows(progress, (*spread, self.terms.timeout), now);
            let message = format!("{what} drains, because {}: {follows}", cause.as_str());
            events.tell(EventKind::DrainBegan, &route, "", message);
        } else if progress.remaining() == 0 && self.told {
            self.told = false;
            events.tell(EventKind::DrainEnded, &route, "", format!("{what} {}", how_it_went(progress, *since, now)));
        }
    }
}

impl Drains {
    /// Lets the connections of listeners go that are not configured any more.
    pub fn listeners(&mut self, gone: Vec<SocketKey>, before: &Snapshot, fleet: &Fleet, now: Instant) {
        for listener in gone {
            let subject = |route| Subject::Listener(listener.clone(), route);
            self.all(subject, (Cause::Listener, Drain::default(), None), before, (fleet, now));
        }
    }

    /// Keeps the connections of listeners that are configured again.
    pub fn listeners_back(&mut self, listeners: &[Arc<Listener>], fleet: &Fleet, now: Instant) {
        for broad in &mut self.broad {
            if let Subject::Listener(key, _) = &broad.order.subject
                && listeners.iter().any(|listener| listener.is(key))
            {
                broad.state = broad.state.step(Event::Wanted, now, &broad.terms);
            }
        }
        self.end_broad(fleet);
    }

    /// Lets all connections go within `timeout`, because the process ends.
    pub fn shutdown(&mut self, timeout: Duration, served: &Snapshot, fleet: &Fleet, now: Instant) {
        let most = timeout - BEFORE_THE_END.min(timeout / 10);
        let otherwise = Drain { timeout: most, spread: most / 2, ..Drain::default() };
        self.all(Subject::All, (Cause::Shutdown, otherwise, Some(most)), served, (fleet, now));
    }

    /// Connections that were cut because the process ends.
    pub fn cut_at_the_end(&self) -> u64 {
        let ends = self.broad.iter().filter(|broad| broad.order.cause == Cause::Shutdown);
        ends.map(|broad| broad.order.progress.closed(Closed::Forced)).sum()
    }

    /// Where nobody wrote how a split drains, its connections drain `otherwise`; none takes longer than `most`.
    fn all(
        &mut self,
        subject: impl Fn(Option<RouteKey>) -> Subject,
        (cause, otherwise, most): (Cause, Drain, Option<Duration>),
        snapshot: &Snapshot,
        (fleet, now): (&Fleet, Instant),
    ) {
        let written = snapshot.rules.iter().filter_map(|rule| {
            let drain = rule.body.split.drain.as_deref()?;
            Some((&rule.body.route, drain))
        });
        let written: BTreeMap<&RouteKey, &Drain> = written.collect();
        // The one for all others comes first: those that follow take from it what is theirs.
        let orders =
            std::iter::once((None, &otherwise)).chain(written.into_iter().map(|(route, drain)| (Some(route), drain)));
        for (route, drain) in orders {
            let timeout = most.map_or(drain.timeout, |most| most.min(drain.timeout));
            let terms = Terms::new(timeout, GRACE);
            let unwanted = Event::Unwanted { cause, settle: Duration::ZERO };
            let state = DrainState::Serving.step(unwanted, now, &terms);
            let DrainState::Draining { since, deadline, .. } = state else { continue };
            let parts = Arc::<Parts>::default();
            let order = Order {
                subject: subject(route.cloned()),
                cause,
                generation: u64::MAX,
                since,
                spread: drain.spread.min(timeout),
                slowest: BRISK,
                close_code: None,
                deadline,
                progress: Arc::default(),
                parts: Some(Arc::clone(&parts)),
                evict: None,
            };
            fleet.tell(|| Command::Drain(order.clone()));
            self.broad.push(Broad { state, terms, parts, order, told: false });
        }
    }

    /// Tells of those that begin and end, and forgets those whose time is over.
    pub(super) fn tick_broad(&mut self, fleet: &Fleet, events: &Events, now: Instant) {
        for broad in &mut self.broad {
            broad.tell(events, now);
            broad.state = broad.state.step(Event::Tick, now, &broad.terms);
        }
        self.end_broad(fleet);
    }

    fn end_broad(&mut self, fleet: &Fleet) {
        for broad in self.broad.extract_if(.., |broad| !broad.state.is_draining()) {
            fleet.tell(|| Command::Recall(broad.order.subject.clone()));
            self.past.extend(broad.parts.all());
        }
    }
}
