//! Model -> Snapshot. Pure but for the interner; what did not change is shared with the previous snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use thiserror::Error;

use super::interner::{Interner, VersionKey};
use super::{ListenerEntry, RouteTable, Rule, RuleBody, Salt, Snapshot, VersionEntry, WeightSource, Weights, tls};
use crate::endpoint::SplitId;
use crate::model::{Listener, Model, Route, RouteKey, Split};

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
    let known: HashMap<SplitId, &Rule> = previous.rules.iter().map(|rule| (rule.body.split_id, rule)).collect();
    let mut rules = Vec::new();
    for route in &model.routes {
        for (position, rule) in route.rules.iter().enumerate() {
            let body = rule_body(&route.key, position, rule, interner);
            let weights = weights(&body, &rule.split, known.get(&body.split_id).copied(), interner);
            rules.push(Rule { body: Arc::new(body), weights });
        }
    }
    let snapshot = Snapshot {
        generation: previous.generation + 1,
        listeners: listeners(model, previous)?,
        rules,
        trusted_proxies: Arc::new(model.trusted_proxies.clone()),
        forwarding: model.forwarding.clone(),
    };
    interner.keep_only(&snapshot);
    Ok(snapshot)
}

fn rule_body(route: &RouteKey, position: usize, rule: &crate::model::Rule, interner: &mut Interner) -> RuleBody {
    let split = &rule.split;
    let versions = split
        .versions
        .iter()
        .map(|version| VersionEntry {
            id: interner.version(VersionKey {
                route: route.clone(),
                version: Arc::clone(&version.name),
                revision: Arc::clone(&version.revision),
            }),
            name: Arc::clone(&version.name),
            revision: Arc::clone(&version.revision),
            endpoints: version.endpoints.iter().map(|e| interner.endpoint(e, &version.transport)).collect(),
        })
        .collect();
    RuleBody {
        route: route.clone(),
        split_id: interner.split(route, position),
        filters: rule.filters.clone(),
        split: Arc::clone(split),
        versions,
        salt: Salt::new(split.versions.iter().skip(1).map(|v| &*v.revision)),
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
    Arc::new(Weights::new(interner.epoch(), desired, WeightSource::File))
}

fn listeners(model: &Model, previous: &Snapshot) -> Result<Arc<[ListenerEntry]>, CompileError> {
    let mut tables: HashMap<Vec<bool>, Arc<RouteTable>> = HashMap::new();
    let mut entries = Vec::with_capacity(model.listeners.len());
    for listener in &model.listeners {
        // Listeners with the same routes, nearly always all of them, share one table.
        let on: Vec<bool> = model.routes.iter().map(|route| is_on(route, listener)).collect();
        let table = tables.entry(on).or_insert_with_key(|on| Arc::new(table(model, on)));
        entries.push(ListenerEntry {
            listener: Arc::clone(listener),
            table: Arc::clone(table),
            tls: server_tls(listener, previous)?,
        });
    }
    Ok(entries.into())
}

/// An unchanged listener keeps its TLS configuration, and so its session tickets.
fn server_tls(listener: &Listener, previous: &Snapshot) -> Result<Option<Arc<rustls::ServerConfig>>, CompileError> {
    let Some(tls) = &listener.tls else { return Ok(None) };
    let same = previous.listeners.iter().find(|entry| entry.listener.tls.as_ref() == Some(tls));
    match same.and_then(|entry| entry.tls.clone()) {
        Some(config) => Ok(Some(config)),
        None => tls::server_config(listener, tls).map(Some),
    }
}

fn is_on(route: &Route, listener: &Listener) -> bool {
    route.listeners.as_ref().is_none_or(|names| names.contains(&listener.name))
}

fn table(model: &Model, on: &[bool]) -> RouteTable {
    let mut table = RouteTable::default();
    let mut index = 0;
    for (route, on) in model.routes.iter().zip(on) {
        for rule in &route.rules {
            for (position, condition) in rule.matches.iter().enumerate().filter(|_| *on) {
                if route.hosts.is_empty() {
                    table.add(None, condition, index, (index, position));
                }
                for host in &route.hosts {
                    table.add(Some(host), condition, index, (index, position));
                }
            }
            index += 1;
        }
    }
    table.sort();
    table
}
