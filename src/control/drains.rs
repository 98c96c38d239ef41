//! What drains: which endpoints of which routes are not wanted any more, since when, and how far their connections are.
//!
//! Every change of what is served is compared with what was served before. An endpoint that a version of a route does not
//! select any more, or only at weight 0, settles, drains and is forgotten; one that is wanted again takes its connections
//! back. The guard takes no part: what it diverts drains nothing.

mod broad;
mod standing;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use broad::Broad;
use standing::{Standing, changed, standings, weighted};

use super::Fleet;
use super::events::{EventKind, Events};
use crate::drain::{Cause, Closed, DrainState, Event, Named, Order, Progress, Subject};
use crate::endpoint::{Endpoint, SiteId};
use crate::model::{Drain, RouteKey};
use crate::proxy::Command;
use crate::record::DrainFigures;
use crate::snapshot::{MAX_VERSIONS, PerVersion, RuleBody, Snapshot};

/// How long a change may take to arrive whole in a cluster.
const SETTLE: Duration = Duration::from_secs(10);
/// How long connections that were cut may take to be gone.
const GRACE: Duration = Duration::from_secs(5);
/// A call that is in flight when a drain begins is known as one that lives long by then.
const LATE: Duration = Duration::from_secs(1);

/// The route that stands for those beyond the bound on series.
const OVERFLOW: &str = "_overflow";

/// What drains.
#[derive(Default)]
pub struct Drains {
    places: HashMap<(RouteKey, SiteId), Place>,
    /// Drains that were ended while some of those who were asked had not gone yet.
    past: Vec<(Named, Arc<Progress>)>,
    /// Connections that ended in drains that are over, by version and [`Closed`]; only where any did.
    closed: BTreeMap<Named, [u64; Closed::ALL.len()]>,
    /// Drains of listeners, and of the process.
    broad: Vec<Broad>,
    /// Versions that have lost their weight, and when their sticky clients move on.
    homes: HashMap<Named, Instant>,
    /// Versions whose sticky clients have moved on.
    retired: HashSet<Named>,
}

/// An endpoint of a route on its way out.
struct Place {
    state: DrainState,
    /// The version that it was of.
    version: Arc<str>,
    endpoint: Arc<Endpoint>,
    drain: Drain,
    /// Connections that were decided before belong to it.
    generation: u64,
    progress: Arc<Progress>,
    /// Whether the workers were told to drain it.
    ordered: bool,
    /// Whether anybody else was told that it drains.
    told: bool,
    /// Nothing is left that lives long; what is in flight still may turn out to, and is then asked.
    quiet: bool,
}

/// What was served before, and what is from now on.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    pub before: &'a Snapshot,
    pub after: &'a Snapshot,
    /// Endpoints that say themselves that they are on their way out.
    pub leaving: &'a [SocketAddr],
}

impl Drains {
    /// Looks at a change of what is served.
    pub fn changed(&mut self, change: Change<'_>, fleet: &Fleet, now: Instant) {
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
            self.homes(route, change, now);
        }
        for place in self.places.values_mut().filter(|place| change.leaving.contains(&place.endpoint.address)) {
            let event = Event::Unwanted { cause: Cause::Terminating, settle: Duration::ZERO };
            place.state = place.state.step(event, now, place.drain.timeout);
        }
        self.begin(fleet);
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
        let place = self.places.entry((route.clone(), site)).or_insert_with(|| Place {
            state: DrainState::Serving,
            version: Arc::clone(&was.version),
            endpoint: Arc::clone(&was.endpoint),
            drain: was.drain,
            generation,
            progress: Arc::default(),
            ordered: false,
            told: false,
            quiet: false,
        });
        place.state = place.state.step(event, now, place.drain.timeout);
    }

    /// An endpoint is wanted: its connections stay.
    fn keep(&mut self, route: &RouteKey, endpoint: SiteId, fleet: &Fleet) {
        let Some(place) = self.places.remove(&(route.clone(), endpoint)) else { return };
        if place.state.is_draining() {
            fleet.tell(|| Command::Recall(Subject::Place(route.clone(), endpoint)));
            self.past.push(((route.clone(), place.version), place.progress));
        }
    }

    /// When sticky clients of versions move on that have lost their weight; only where somebody wrote how they drain.
    fn homes(&mut self, route: &RouteKey, change: Change<'_>, now: Instant) {
        let had = weighted(change.before, route);
        let has = weighted(change.after, route);
        // Nobody knows when its versions lost their weight, such as after a restart: it is taken to be now.
        let is_new = change.before.rules_of(route).next().is_none();
        self.homes.retain(|named, _| named.0 != *route || !has.contains(&named.1));
        self.retired.retain(|named| named.0 != *route || !has.contains(&named.1));
        for (_, rule) in change.after.rules_of(route).filter(|(_, rule)| rule.body.split.sticky.is_some()) {
            let Some(drain) = rule.body.split.drain.as_deref() else { continue };
            let lost = |name| (is_new || had.contains(name)) && !has.contains(name);
            for version in rule.body.versions.iter().filter(|version| lost(&version.name)) {
                self.homes
                    .insert((route.clone(), Arc::clone(&version.name)), now + settle(route, drain) + drain.timeout);
            }
        }
    }

    /// Whether sticky clients of any version move on from now on that did not before.
    pub fn retire(&mut self, now: Instant) -> bool {
        let due: Vec<Named> = self.homes.extract_if(|_, until| now >= *until).map(|(named, _)| named).collect();
        let any = !due.is_empty();
        self.retired.extend(due);
        any
    }

    /// The versions of a rule whose sticky clients have moved on.
    pub fn retired(&self, body: &RuleBody) -> PerVersion<bool> {
        let gone = |name: &Arc<str>| {
            !self.retired.is_empty() && self.retired.contains(&(body.route.clone(), Arc::clone(name)))
        };
        body.versions.iter().map(|version| gone(&version.name)).collect()
    }

    /// Lets time pass.
    pub fn tick(&mut self, fleet: &Fleet, events: &Events, now: Instant) {
        for place in self.places.values_mut() {
            place.state = place.state.step(Event::Tick, now, place.drain.timeout);
        }
        self.begin(fleet);
        let mut over = Vec::new();
        for ((route, endpoint), place) in &mut self.places {
            let DrainState::Draining { since, deadline, cause } = place.state else { continue };
            let remaining = place.progress.remaining();
            if remaining > 0 && !std::mem::replace(&mut place.told, true) {
                let message = format!(
                    "{} drains, because {}: {}",
                    place.endpoint.address,
                    cause.as_str(),
                    what_follows(&place.progress, (place.drain.spread, place.drain.timeout), now),
                );
                events.tell(EventKind::DrainBegan, &route.to_string(), &place.version, message);
            }
            let in_flight = place.endpoint.in_flight() > 0;
            let late = now < since + LATE && in_flight;
            let is_empty = place.progress.is_over(fleet.workers()) && !late;
            let ends = is_empty && !in_flight || now >= deadline + GRACE;
            if (is_empty || ends) && std::mem::take(&mut place.told) {
                place.tell_end(route, events, now);
            }
            place.quiet = is_empty;
            if ends {
                over.push((route.clone(), *endpoint));
            }
        }
        for (route, endpoint) in over {
            self.end(&route, endpoint, fleet);
        }
        for (named, progress) in self.past.extract_if(.., |(_, progress)| progress.remaining() == 0) {
            add_up(&mut self.closed, named, &progress);
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

    /// Sends the orders of what has begun to drain.
    fn begin(&mut self, fleet: &Fleet) {
        for ((route, endpoint), place) in &mut self.places {
            let DrainState::Draining { since, deadline, cause } = place.state else { continue };
            if std::mem::replace(&mut place.ordered, true) {
                continue;
            }
            let order = Order {
                subject: Subject::Place(route.clone(), *endpoint),
                cause,
                generation: place.generation,
                since,
                spread: place.drain.spread,
                slowest: place.drain.spread,
                close_code: Some(place.drain.close_code),
                deadline,
                progress: Arc::clone(&place.progress),
                parts: None,
                evict: Some(place.endpoint.id),
            };
            fleet.tell(|| Command::Drain(order.clone()));
        }
    }

    /// What `/metrics` and the status say, by version.
    pub fn figures(&self, now: Instant) -> Vec<DrainFigures> {
        let mut figures: BTreeMap<Named, DrainFigures> = BTreeMap::new();
        let entry = |named: &Named| DrainFigures {
            route: named.0.clone(),
            version: Arc::clone(&named.1),
            draining: 0,
            remaining: 0,
            left: Duration::ZERO,
            oldest: Duration::ZERO,
            closed: Closed::ALL.map(|how| (how.as_str(), 0)),
        };
        for (named, sums) in &self.closed {
            let figures = figures.entry(named.clone()).or_insert_with(|| entry(named));
            figures.closed.iter_mut().zip(sums).for_each(|((_, count), sum)| *count += sum);
        }
        for ((route, _), place) in &self.places {
            let DrainState::Draining { deadline, .. } = place.state else { continue };
            let named = (route.clone(), Arc::clone(&place.version));
            let figures = figures.entry(named.clone()).or_insert_with(|| entry(&named));
            count(figures, &place.progress);
            if !place.quiet {
                figures.draining += 1;
                remain(figures, &place.progress, now);
                figures.left = figures.left.max(deadline.saturating_duration_since(now));
            }
        }
        for (deadline, (named, progress)) in self.broad.iter().flat_map(Broad::parts) {
            let figures = figures.entry(named.clone()).or_insert_with(|| entry(&named));
            count(figures, &progress);
            remain(figures, &progress, now);
            if progress.remaining() > 0 {
                figures.left = figures.left.max(deadline.saturating_duration_since(now));
            }
        }
        for (named, progress) in &self.past {
            count(figures.entry(named.clone()).or_insert_with(|| entry(named)), progress);
        }
        figures.into_values().collect()
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

impl Place {
    fn tell_end(&self, route: &RouteKey, events: &Events, now: Instant) {
        let DrainState::Draining { since, .. } = self.state else { return };
        let message = format!("{} {}", self.endpoint.address, how_it_went(&self.progress, since, now));
        events.tell(EventKind::DrainEnded, &route.to_string(), &self.version, message);
    }
}

fn remain(figures: &mut DrainFigures, progress: &Progress, now: Instant) {
    figures.remaining += progress.remaining();
    figures.oldest = figures.oldest.max(progress.oldest(now).unwrap_or_default());
}

fn count(figures: &mut DrainFigures, progress: &Progress) {
    for (how, (_, count)) in Closed::ALL.iter().zip(&mut figures.closed) {
        *count += progress.closed(*how);
    }
}

/// Adds a drain that is over. Versions beyond as many as have series of their own are counted together.
fn add_up(closed: &mut BTreeMap<Named, [u64; Closed::ALL.len()]>, named: Named, progress: &Progress) {
    let counts = Closed::ALL.map(|how| progress.closed(how));
    if counts.iter().all(|count| *count == 0) {
        return;
    }
    let fits = closed.len() < MAX_VERSIONS || closed.contains_key(&named);
    let named =
        if fits { named } else { (RouteKey { namespace: "".into(), name: OVERFLOW.into(), ..named.0 }, "".into()) };
    closed.entry(named).or_default().iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
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
