//! Model -> Snapshot. Pure but for the interner; what did not change is shared with the previous snapshot.
//!
//! A source that hands in the same `Arc<Route>` again says that nothing about that route changed: its rules are taken over
//! as they are, so that a change costs what changed and a pointer comparison for all else.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;
use thiserror::Error;

use super::interner::{Interner, VersionKey};
use super::listeners::listeners;
use super::{Changed, Rule, RuleBody, Salt, Snapshot, VersionEntry, WeightSource, Weights, changed, mirror};
use crate::endpoint::{SplitId, VersionId};
use crate::model::{Model, Route, Split, Version};

/// Why a valid model cannot be served.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CompileError {
    /// rustls refuses a listener's TLS settings.
    #[error("listener {listener:?}: TLS cannot be set up: {error}")]
    Tls {
        /// Listener name.
        listener: String,
        /// What rustls says.
        error: String,
    },
}

/// Compiles `model` into the snapshot that follows `previous`.
///
/// Weights of splits that `previous` has with the same desired weights stay as they are, with their ramps and diversions;
/// everything else begins with the model's. `control` adjusts weights afterwards.
pub fn compile(model: &Model, previous: &Snapshot, interner: &mut Interner) -> Result<Snapshot, CompileError> {
    let changes = changed(&previous.routes, &model.routes, Arc::ptr_eq);
    let listeners = listeners(model, previous, &changes)?;
    let Parts { rules, first_rules, before, now } = rules(model, previous, &changes, interner);
    let snapshot = Snapshot {
        generation: previous.generation + 1,
        listeners,
        routes: model.routes.as_slice().into(),
        rules,
        first_rules: first_rules.into(),
        trusted_proxies: Arc::new(model.trusted_proxies.clone()),
        forwarding: model.forwarding.clone(),
    };
    interner.keep(&snapshot, &previous.rules[before], &snapshot.rules[now]);
    Ok(snapshot)
}

/// The rules of a model, and which of them are others than before.
struct Parts {
    rules: Vec<Rule>,
    first_rules: Vec<u32>,
    before: Range<usize>,
    now: Range<usize>,
}

fn rules(model: &Model, previous: &Snapshot, changes: &Changed, interner: &mut Interner) -> Parts {
    let first = |route: usize| previous.first_rules.get(route).map_or(previous.rules.len(), |first| *first as usize);
    let before = first(changes.before.start)..first(changes.before.end);
    let mut rules = Vec::with_capacity(previous.rules.len() + changes.now.len());
    let mut first_rules = Vec::with_capacity(model.routes.len());
    rules.extend_from_slice(&previous.rules[..before.start]);
    first_rules.extend_from_slice(&previous.first_rules[..changes.before.start]);
    let unchanged = unchanged(previous, changes);
    // A route that is known elsewhere would be unchanged there, too: no two have the same key.
    let known: HashMap<SplitId, &Rule, FixedState> =
        previous.rules[before.clone()].iter().map(|rule| (rule.body.split_id, rule)).collect();
    for route in &model.routes[changes.now.clone()] {
        first_rules.push(rules.len() as u32);
        if let Some(first) = unchanged.get(&Arc::as_ptr(route)) {
            rules.extend_from_slice(&previous.rules[*first..first + route.rules.len()]);
            continue;
        }
        for (position, rule) in route.rules.iter().enumerate() {
            let body = rule_body(route, position, rule, interner);
            let weights = weights(&body, &rule.split, known.get(&body.split_id).copied(), interner);
            rules.push(Rule { body: Arc::new(body), weights });
        }
    }
    let now = before.start..rules.len();
    let moved = |first: &u32| (*first as usize - before.end + now.end) as u32;
    first_rules.extend(previous.first_rules[changes.before.end..].iter().map(moved));
    rules.extend_from_slice(&previous.rules[before.end..]);
    Parts { rules, first_rules, before, now }
}

/// The routes that may only have moved, by address, with the index of their first rule. The snapshot keeps them alive, so no
/// other route can have one of these addresses.
fn unchanged(previous: &Snapshot, changes: &Changed) -> HashMap<*const Route, usize, FixedState> {
    let routes = changes.before.clone().zip(&previous.routes[changes.before.clone()]);
    routes.map(|(index, route)| (Arc::as_ptr(route), previous.first_rules[index] as usize)).collect()
}

fn rule_body(route: &Route, position: usize, rule: &crate::model::Rule, interner: &mut Interner) -> RuleBody {
    let split = &rule.split;
    let entry = |version: &Version| {
        let entry = version_entry(route, version, Interner::version, interner);
        let line = split.limits.per_endpoint.map(|_| interner.line(entry.id));
        VersionEntry { line, ..entry }
    };
    let versions = split.versions.iter().map(entry).collect();
    RuleBody {
        route: route.key.clone(),
        split_id: interner.split(&route.key, route.part, position),
        filters: rule.filters.clone(),
        split: Arc::clone(split),
        versions,
        mirrors: mirror::entries(route, position, split, interner),
        salt: Salt::new(split.versions.iter().skip(1).map(|v| &*v.revision)),
    }
}

/// A version, or another backend, with the id that `identify` gives it.
pub(super) fn version_entry(
    route: &Route,
    version: &Version,
    identify: fn(&mut Interner, VersionKey) -> VersionId,
    interner: &mut Interner,
) -> VersionEntry {
    let key = VersionKey {
        route: route.key.clone(),
        version: Arc::clone(&version.name),
        revision: Arc::clone(&version.revision),
    };
    VersionEntry {
        id: identify(interner, key),
        name: Arc::clone(&version.name),
        revision: Arc::clone(&version.revision),
        endpoints: version.endpoints.iter().map(|e| interner.endpoint(e, &version.transport)).collect(),
        invalid: version.invalid,
        line: None,
    }
}

/// Weights belong to names: a version that is new, gone or renamed begins a new epoch, and so do other desired weights.
fn weights(body: &RuleBody, split: &Split, previous: Option<&Rule>, interner: &mut Interner) -> Arc<Weights> {
    let desired = split.versions.iter().map(|v| v.weight).collect();
    if let Some(rule) = previous {
        let names = |body: &RuleBody| body.versions.iter().map(|v| Arc::clone(&v.name)).collect::<Vec<_>>();
        if rule.weights.desired == desired && names(&rule.body) == names(body) {
            return Arc::clone(&rule.weights);
        }
    }
    Arc::new(Weights::new(interner.epoch(), desired, WeightSource::Configured))
}
