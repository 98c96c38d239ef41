//! What drains: which endpoints of which routes are not wanted any more, since when, and how far their connections are.
//!
//! Every change of what is served is compared with what was served before. An endpoint that a version of a route does not
//! select any more, or only at weight 0, settles, drains and is forgotten; one that is wanted again takes its connections
//! back. The guard takes no part: what it diverts drains nothing. Endpoints, versions, listeners and the process all follow
//! [`DrainState`].

mod broad;
mod ends;
mod figures;
mod homes;
mod place;
mod standing;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use broad::Broad;
use ends::{Ends, is_of};
use figures::Past;
use homes::Homes;
use place::Place;
use standing::{Standing, changed, standings};

use super::Fleet;
use super::events::Events;
use crate::drain::{Cause, Closed, DrainState, Event, Named, Progress, Subject};
use crate::endpoint::{Endpoint, SiteId};
use crate::model::{Drain, RouteKey};
use crate::proxy::Command;
use crate::snapshot::{PerVersion, RuleBody, Snapshot};

/// How long a change may take to arrive whole in a cluster.
const SETTLE: Duration = Duration::from_secs(10);
/// How long connections that were cut may take to be gone.
const GRACE: Duration = Duration::from_secs(5);
/// A call that is in flight when a drain begins is known as one that lives long by then.
const LATE: Duration = Duration::from_secs(1);

/// What drains.
#[derive(Default)]
pub struct Drains {
    places: HashMap<(RouteKey, SiteId), Place>,
    /// Drains that were ended while some of those who were asked had not gone yet.
    past: Vec<(Named, Arc<Progress>)>,
    /// What was counted in drains that are over.
    over: Past,
    /// Drains of listeners, and of the process.
    broad: Vec<Broad>,
    /// Versions that have lost their weight.
    homes: Homes,
    /// When pods end by themselves.
    ends: Ends,
}

/// What was served before, and what is from now on.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    pub before: &'a Snapshot,
    pub after: &'a Snapshot,
    /// Endpoints that say themselves that they are on their way out.
    pub leaving: &'a [SocketAddr],
    /// Pods of which is known when they end.
    pub ending: &'a [(Arc<str>, Timestamp)],
    /// The time by which that was said.
    pub wall: Timestamp,
}

impl Drains {
    /// Looks at a change of what is served.
    pub fn changed(&mut self, change: Change<'_>, fleet: &Fleet, now: Instant) {
        let moved = self.ends.learn(change.ending, (change.wall, now));
        for route in changed(change.before, change.after) {
            let before = standings(change.before, route);
            let after = standings(change.after, route);
            for (endpoint, was) in &before {
                let is = after.get(endpoint);
                if is.is_none() {
                    // What was let in by an override since it drained has not been asked.
                    self.forget_quiet(route, *endpoint, fleet);
                }
                let known = self.places.contains_key(&(route.clone(), *endpoint));
                let event = event(was, is, change.leaving, settle(route, &was.drain));
                // One that never had any weight drains only when it goes.
                if known || is.is_none() || was.wanted {
                    self.step((route, *endpoint), (was, event), change.after.generation, now);
                }
            }
            // One that comes back was not among those before.
            for endpoint in after.iter().filter(|(_, standing)| standing.wanted).map(|(endpoint, _)| endpoint) {
                self.keep(route, *endpoint, fleet);
            }
            self.homes.changed(route, change, &self.ends, now);
        }
        for place in self.places.values_mut().filter(|place| change.leaving.contains(&place.endpoint.address)) {
            place.step(Event::Unwanted { cause: Cause::Terminating, settle: Duration::ZERO }, now);
        }
        if !moved.is_empty() {
            self.follow(&moved, change.after, fleet, now);
        }
        self.order(fleet);
    }

    fn step(
        &mut self,
        (route, site): (&RouteKey, SiteId),
        (was, event): (&Standing, Event),
        generation: u64,
        now: Instant,
    ) {
        if event == Event::Wanted {
            return;
        }
        let end = self.ends.of(&was.endpoint);
        let place = self.places.entry((route.clone(), site)).or_insert_with(|| Place::new(was, generation, end));
        place.step(event, now);
    }

    /// Something else is known of when pods end. What is there without weight drains before they do, even if it never had any.
    fn follow(&mut self, pods: &HashSet<Arc<str>>, served: &Snapshot, fleet: &Fleet, now: Instant) {
        let mut kept = Vec::new();
        for (key, place) in self.places.iter_mut().filter(|(_, place)| is_of(&place.endpoint, pods)) {
            place.terms.end = self.ends.of(&place.endpoint);
            match place.terms.end {
                None if place.cause() == Some(Cause::Ending) => kept.push(key.clone()),
                _ => place.step(Event::Tick, now),
            }
        }
        kept.iter().for_each(|(route, endpoint)| self.keep(route, *endpoint, fleet));
        let about =
            |body: &RuleBody| body.versions.iter().flat_map(|version| &version.endpoints).any(|e| is_of(e, pods));
        let rules = served.rules.iter().filter(|rule| about(&rule.body));
        for route in rules.map(|rule| &rule.body.route).collect::<HashSet<_>>() {
            self.homes.follow(route, served, &self.ends);
            for (site, is) in
                standings(served, route).into_iter().filter(|(_, is)| !is.wanted && is_of(&is.endpoint, pods))
            {
                let known = self.places.contains_key(&(route.clone(), site));
                if !known && self.ends.of(&is.endpoint).is_some() {
                    let event = Event::Unwanted { cause: Cause::Ending, settle: settle(route, &is.drain) };
                    self.step((route, site), (&is, event), served.generation, now);
                }
            }
        }
    }

    /// An endpoint is wanted: its connections stay.
    fn keep(&mut self, route: &RouteKey, endpoint: SiteId, fleet: &Fleet) {
        let Some(place) = self.places.remove(&(route.clone(), endpoint)) else { return };
        if place.state.is_draining() {
            fleet.tell(|| Command::Recall(Subject::Place(route.clone(), endpoint)));
            self.past.push(((route.clone(), place.version), place.progress));
        }
    }

    /// Whether sticky clients of any version move on from now on that did not before.
    pub fn retire(&mut self, now: Instant) -> bool {
        self.homes.pass(now)
    }

    /// The versions of a rule whose sticky clients have moved on.
    pub fn retired(&self, body: &RuleBody) -> PerVersion<bool> {
        self.homes.retired(body)
    }

    /// Lets time pass.
    pub fn tick(&mut self, fleet: &Fleet, events: &Events, now: Instant) {
        for ((route, _), place) in &mut self.places {
            place.pass(route, fleet.workers(), (events, now));
        }
        self.order(fleet);
        let closed = self.places.iter().filter(|(_, place)| place.state == DrainState::Closed);
        for (route, endpoint) in closed.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.end(&route, endpoint, fleet);
        }
        for (named, progress) in self.past.extract_if(.., |(_, progress)| progress.remaining() == 0) {
            self.over.add(named, &progress);
        }
        self.tick_broad(fleet, events, now);
    }

    fn end(&mut self, route: &RouteKey, endpoint: SiteId, fleet: &Fleet) {
        let Some(place) = self.places.remove(&(route.clone(), endpoint)) else { return };
        fleet.tell(|| Command::Recall(Subject::Place(route.clone(), endpoint)));
        self.past.push(((route.clone(), place.version), place.progress));
    }

    fn forget_quiet(&mut self, route: &RouteKey, endpoint: SiteId, fleet: &Fleet) {
        if self.places.get(&(route.clone(), endpoint)).is_some_and(|place| place.quiet) {
            self.end(route, endpoint, fleet);
        }
    }

    /// Sends the orders of what has begun to drain, or drains otherwise than before.
    fn order(&mut self, fleet: &Fleet) {
        for ((route, endpoint), place) in &mut self.places {
            if let Some(progress) = place.order(&Subject::Place(route.clone(), *endpoint), fleet) {
                self.past.push(((route.clone(), Arc::clone(&place.version)), progress));
            }
        }
    }

    /// Whether any of some endpoints drains, or is about to.
    pub fn waits(&self, is_meant: impl Fn(&Endpoint) -> bool) -> bool {
        self.places.values().any(|place| !place.quiet && is_meant(&place.endpoint))
    }
}

/// What becomes of the connections of a drain that begins.
fn what_follows(progress: &Progress, (spread, timeout): (Duration, Duration), now: Instant) -> String {
    let (remaining, oldest) = (progress.remaining(), progress.oldest(now).unwrap_or_default().as_secs());
    format!(
        "{remaining} long-lived connections, the oldest open for {oldest} s, asked within {spread:?}, cut after {timeout:?}"
    )
}

/// What became of them.
fn how_it_went(progress: &Progress, since: Instant, now: Instant) -> String {
    let [finished, asked, forced] = Closed::ALL.map(|how| progress.closed(how));
    let took = now.saturating_duration_since(since).as_secs_f64();
    format!("has drained in {took:.1} s: {finished} ended by themselves, {asked} when asked, {forced} were cut")
}

/// What a change means for an endpoint.
fn event(was: &Standing, is: Option<&Standing>, leaving: &[SocketAddr], settle: Duration) -> Event {
    match is {
        Some(Standing { wanted: true, .. }) => Event::Wanted,
        _ if leaving.contains(&was.endpoint.address) => Event::Unwanted { cause: Cause::Terminating, settle },
        Some(_) => Event::Unwanted { cause: Cause::Weight, settle },
        None => Event::Unwanted { cause: Cause::Removed, settle },
    }
}

fn settle(route: &RouteKey, drain: &Drain) -> Duration {
    drain.settle.unwrap_or(if route.namespace.is_empty() { Duration::ZERO } else { SETTLE })
}

#[cfg(test)]
mod tests;
