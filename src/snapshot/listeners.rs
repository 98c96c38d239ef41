//! The listeners of a snapshot, each with the table of the routes that are on it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Changed, CompileError, ListenerEntry, RouteTable, Snapshot, tls};
use crate::model::{Attachment, HostPattern, Listener, Model, Route};

/// What decides which requests of a listener go where: listeners that agree in it, nearly always all of them, share a table.
#[derive(PartialEq, Eq, Hash)]
struct Scope<'m> {
    /// The attachments that are on it, as positions in the model.
    attachments: Vec<(usize, usize)>,
    isolated: &'m [HostPattern],
}

/// Hosts of which the rules are others than before; none: every host.
type Touched<'m> = HashSet<Option<&'m HostPattern>>;

/// The listeners of `model`. Tables are taken over from `previous` when no route changed its shape, and where only hosts of routes did,
/// all but what is for these hosts.
pub(super) fn listeners(
    model: &Model,
    previous: &Snapshot,
    changes: &Changed,
) -> Result<Arc<[ListenerEntry]>, CompileError> {
    if let Some(entries) = same_tables(model, previous, changes) {
        return entries;
    }
    let touched = touched(model, previous, changes);
    let mut tables: HashMap<Scope<'_>, Arc<RouteTable>> = HashMap::new();
    let mut entries = Vec::with_capacity(model.listeners.len());
    for listener in &model.listeners {
        let scope = Scope { attachments: attachments(model, listener), isolated: &listener.isolated };
        let before = previous.listeners.iter().find(|entry| same(&entry.listener, listener));
        let base = before.map(|entry| &*entry.table).zip(touched.as_ref());
        let table = tables.entry(scope).or_insert_with_key(|scope| Arc::new(table(model, scope, base)));
        entries.push(entry(listener, Arc::clone(table), previous)?);
    }
    Ok(entries.into())
}

/// The entries with the tables that they had, if routes and listeners lead requests as they did.
fn same_tables(
    model: &Model,
    previous: &Snapshot,
    changes: &Changed,
) -> Option<Result<Arc<[ListenerEntry]>, CompileError>> {
    let (before, now) = (&previous.routes[changes.before.clone()], &model.routes[changes.now.clone()]);
    let pairs = || model.listeners.iter().zip(previous.listeners.iter());
    let unchanged = model.listeners.len() == previous.listeners.len()
        && pairs().all(|(listener, entry)| same(listener, &entry.listener))
        && before.len() == now.len()
        && before.iter().zip(now).all(|(a, b)| Arc::ptr_eq(a, b) || same_shape(a, b));
    let entries = || pairs().map(|(listener, before)| entry(listener, Arc::clone(&before.table), previous)).collect();
    unchanged.then(entries)
}

/// Whether two listeners have the same routes, as far as that is up to them.
fn same(a: &Listener, b: &Listener) -> bool {
    a.name == b.name && a.reserved == b.reserved && a.isolated == b.isolated
}

/// The hosts of routes that take other requests than before; nothing if rules are at other places now.
fn touched<'m>(model: &'m Model, previous: &'m Snapshot, changes: &Changed) -> Option<Touched<'m>> {
    let (before, now) = (&previous.routes[changes.before.clone()], &model.routes[changes.now.clone()]);
    let pairs = || before.iter().zip(now);
    let in_place = before.len() == now.len() && pairs().all(|(a, b)| a.rules.len() == b.rules.len());
    let others = pairs().filter(|(a, b)| !Arc::ptr_eq(a, b) && !same_shape(a, b));
    let attachments = others.flat_map(|(a, b)| a.attachments.iter().chain(&b.attachments));
    in_place.then(|| attachments.flat_map(hosts).collect())
}

/// The hosts of an attachment; none: every host.
fn hosts(attachment: &Attachment) -> impl Iterator<Item = Option<&HostPattern>> {
    let every = attachment.hosts.is_empty().then_some(None);
    every.into_iter().chain(attachment.hosts.iter().map(Some))
}

/// Whether two routes take the same requests.
fn same_shape(a: &Route, b: &Route) -> bool {
    a.attachments == b.attachments
        && a.rules.len() == b.rules.len()
        && a.rules.iter().zip(&b.rules).all(|(a, b)| a.matches == b.matches)
}

fn entry(listener: &Arc<Listener>, table: Arc<RouteTable>, previous: &Snapshot) -> Result<ListenerEntry, CompileError> {
    Ok(ListenerEntry { listener: Arc::clone(listener), table, tls: server_tls(listener, previous)? })
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

fn attachments(model: &Model, listener: &Listener) -> Vec<(usize, usize)> {
    let on = |route: &Route| {
        let on = |(_, attachment): &(usize, &Attachment)| attachment.is_on(listener);
        route.attachments.iter().enumerate().filter(on).map(|(index, _)| index).collect::<Vec<_>>()
    };
    model.routes.iter().enumerate().flat_map(|(route, r)| on(r).into_iter().map(move |index| (route, index))).collect()
}

/// The table of a scope; given the one before, what is for hosts that nothing touched is taken from it.
fn table(model: &Model, scope: &Scope<'_>, base: Option<(&RouteTable, &Touched<'_>)>) -> RouteTable {
    let mut table = base.map_or_else(RouteTable::default, |(base, touched)| base.without(touched));
    let anew = |host: &Option<&HostPattern>| base.is_none_or(|(_, touched)| touched.contains(host));
    let first_rules: Vec<usize> = model
        .routes
        .iter()
        .scan(0, |next, route| {
            let first = *next;
            *next += route.rules.len();
            Some(first)
        })
        .collect();
    for (route, attachment) in &scope.attachments {
        let (first, route) = (first_rules[*route], &model.routes[*route]);
        for host in hosts(&route.attachments[*attachment]).filter(anew) {
            for (index, rule) in (first..).zip(&route.rules) {
                for (position, condition) in rule.matches.iter().enumerate() {
                    table.add(host, condition, index, (index, position));
                }
            }
        }
    }
    scope.isolated.iter().filter(|host| anew(&Some(*host))).for_each(|host| table.isolate(host));
    table.sort();
    table
}
