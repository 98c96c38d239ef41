//! Reading snapshots: which routes a change is about, and where their endpoints stand.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::endpoint::{Endpoint, SiteId};
use crate::model::{Drain, RouteKey};
use crate::snapshot::{self, Rule, RuleBody, Snapshot, Weights};

/// An endpoint of a route as a snapshot has it.
pub struct Standing {
    pub version: Arc<str>,
    pub endpoint: Arc<Endpoint>,
    pub drain: Drain,
    /// A version of positive weight selects it.
    pub wanted: bool,
}

/// Routes with a rule that is not as it was.
pub fn changed<'s>(before: &'s Snapshot, after: &'s Snapshot) -> BTreeSet<&'s RouteKey> {
    let place = |rule: &'s Rule| (Arc::as_ptr(&rule.body), rule);
    let changes = snapshot::changed(&before.rules, &after.rules, Rule::is_same);
    let mut known: HashMap<*const RuleBody, &Rule> = before.rules[changes.before].iter().map(place).collect();
    let mut routes = BTreeSet::new();
    for rule in &after.rules[changes.now] {
        let same = known.remove(&Arc::as_ptr(&rule.body)).is_some_and(|before| {
            Arc::ptr_eq(&before.weights, &rule.weights)
                || (before.weights.desired == rule.weights.desired && before.weights.current == rule.weights.current)
        });
        if !same {
            routes.insert(&rule.body.route);
        }
    }
    routes.extend(known.into_values().map(|rule| &rule.body.route));
    routes
}

/// Where the endpoints of a route stand.
pub fn standings(snapshot: &Snapshot, route: &RouteKey) -> HashMap<SiteId, Standing> {
    let mut standings: HashMap<SiteId, Standing> = HashMap::new();
    for (_, rule) in snapshot.rules_of(route) {
        let drain = rule.body.split.drain();
        for (index, version) in rule.body.versions.iter().enumerate() {
            let wanted = has_weight(&rule.weights, index);
            for endpoint in &version.endpoints {
                let standing = standings.entry(endpoint.site).or_insert_with(|| Standing {
                    version: Arc::clone(&version.name),
                    endpoint: Arc::clone(endpoint),
                    drain,
                    wanted,
                });
                if wanted && !standing.wanted {
                    standing.version = Arc::clone(&version.name);
                    standing.wanted = true;
                }
            }
        }
    }
    standings
}

/// Versions of a route that have weight in any of its rules.
pub fn weighted<'s>(snapshot: &'s Snapshot, route: &'s RouteKey) -> HashSet<&'s Arc<str>> {
    let versions = |rule: &'s Rule| {
        let versions = rule.body.versions.iter().enumerate();
        versions.filter(|(index, _)| has_weight(&rule.weights, *index)).map(|(_, version)| &version.name)
    };
    snapshot.rules_of(route).flat_map(|(_, rule)| versions(rule)).collect()
}

/// A ramp that is on its way down has weight still.
fn has_weight(weights: &Weights, version: usize) -> bool {
    weights.desired.get(version).is_some_and(|weight| weight.get() > 0)
        || weights.current.get(version).is_some_and(|weight| *weight > 0)
}
