//! Versions that have lost their weight, and when their sticky clients move on; only where somebody wrote how they drain.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ends::Ends;
use super::standing::weighted;
use super::{Change, settle};
use crate::drain::{Cause, DrainState, Event, Named, Terms};
use crate::model::RouteKey;
use crate::snapshot::{PerVersion, RuleBody, Snapshot};

/// Versions on their way out. Those that are closed have no sticky clients any more.
#[derive(Default)]
pub struct Homes(HashMap<Named, Home>);

struct Home {
    state: DrainState,
    terms: Terms,
}

impl Homes {
    /// Looks at a change of a route.
    pub fn changed(&mut self, route: &RouteKey, change: Change<'_>, ends: &Ends, now: Instant) {
        let had = weighted(change.before, route);
        let has = weighted(change.after, route);
        // Nobody knows when its versions lost their weight, such as after a restart: it is taken to be now.
        let is_new = change.before.rules_of(route).next().is_none();
        self.0.retain(|named, _| named.0 != *route || !has.contains(&named.1) && is_version(change.after, named));
        for (_, rule) in change.after.rules_of(route).filter(|(_, rule)| rule.body.split.sticky.is_some()) {
            let Some(drain) = rule.body.split.drain.as_deref() else { continue };
            let lost = |name| (is_new || had.contains(name)) && !has.contains(name);
            for version in rule.body.versions.iter().filter(|version| lost(&version.name)) {
                let end = ends.of_all(&version.endpoints);
                let terms = Terms { end, spread: drain.spread, ..Terms::new(drain.timeout, Duration::ZERO) };
                let unwanted = Event::Unwanted { cause: Cause::Weight, settle: settle(route, drain) };
                let state = DrainState::Serving.step(unwanted, now, &terms);
                self.0.insert((route.clone(), Arc::clone(&version.name)), Home { state, terms });
            }
        }
    }

    /// Something else is known of when the endpoints of a route end.
    pub fn follow(&mut self, route: &RouteKey, snapshot: &Snapshot, ends: &Ends) {
        for version in snapshot.rules_of(route).flat_map(|(_, rule)| rule.body.versions.iter()) {
            if let Some(home) = self.0.get_mut(&(route.clone(), Arc::clone(&version.name))) {
                home.terms.end = ends.of_all(&version.endpoints);
            }
        }
    }

    /// Lets time pass; whether sticky clients of any version move on from now on that did not before.
    pub fn pass(&mut self, now: Instant) -> bool {
        let mut any = false;
        for Home { state, terms } in self.0.values_mut().filter(|home| home.state != DrainState::Closed) {
            *state = state.step(Event::Tick, now, terms);
            any |= *state == DrainState::Closed;
        }
        any
    }

    /// The versions of a rule whose sticky clients have moved on.
    pub fn retired(&self, body: &RuleBody) -> PerVersion<bool> {
        let gone = |name: &Arc<str>| {
            let home = || self.0.get(&(body.route.clone(), Arc::clone(name)));
            !self.0.is_empty() && home().is_some_and(|home| home.state == DrainState::Closed)
        };
        body.versions.iter().map(|version| gone(&version.name)).collect()
    }
}

fn is_version(snapshot: &Snapshot, (route, name): &Named) -> bool {
    snapshot.rules_of(route).any(|(_, rule)| rule.body.versions.iter().any(|version| version.name == *name))
}
