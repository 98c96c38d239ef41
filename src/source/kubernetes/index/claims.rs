//! Routes of different objects that take exactly the same requests: only the first in precedence gets them, which no status
//! has a word for.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::Index;
use super::readers::TopicKey;
use super::units::Unit;
use crate::model::{Attachment, HostPattern, Match, PathMatch, Route};
use crate::source::kubernetes::object::ObjectKind;
use crate::source::kubernetes::report::Note;

/// What routes take: each condition at each host of each listener.
pub fn of(routes: &[Arc<Route>]) -> Box<[TopicKey]> {
    let mut claims: Vec<TopicKey> = claims(routes).map(|(claim, ..)| claim).collect();
    claims.sort_unstable();
    claims.dedup();
    claims.into()
}

fn claims(routes: &[Arc<Route>]) -> impl Iterator<Item = (TopicKey, Option<&HostPattern>, &Match)> {
    routes.iter().flat_map(|route| {
        route.attachments.iter().flat_map(scopes).flat_map(|(listener, host)| {
            let conditions = route.rules.iter().flat_map(|rule| &*rule.matches);
            conditions.map(move |condition| (claim(listener, host, condition), host, condition))
        })
    })
}

fn claim(listener: Option<&str>, host: Option<&HostPattern>, condition: &Match) -> TopicKey {
    // Whatever the order in which they are written, the same conditions take the same requests.
    let headers = condition.headers.iter().map(|header| format!("{header:?}"));
    let mut parts: Vec<String> = headers.chain(condition.query.iter().map(|query| format!("{query:?}"))).collect();
    parts.sort();
    let path = format!("{:?}{:?}", condition.path, condition.also);
    TopicKey::new(FixedState::default().hash_one((listener, host, path, &condition.method, parts)))
}

/// The listeners of an attachment with each of its hosts; none: all.
fn scopes(attachment: &Attachment) -> Vec<(Option<&str>, Option<&HostPattern>)> {
    let listeners: Vec<Option<&str>> = match &attachment.listeners {
        Some(names) => names.iter().map(|name| Some(&**name)).collect(),
        None => vec![None],
    };
    let hosts: Vec<Option<&HostPattern>> = match &attachment.hosts[..] {
        [] => vec![None],
        hosts => hosts.iter().map(Some).collect(),
    };
    listeners.into_iter().flat_map(|listener| hosts.clone().into_iter().map(move |host| (listener, host))).collect()
}

impl Index {
    /// What is to be said of a unit that another one takes requests from.
    pub(super) fn shadowed(&self, unit: &Unit) -> Option<Note> {
        // Ingresses that share a path are told in the words of their own kind, and TrafficSplits are asked by others.
        if matches!(unit.id.kind, ObjectKind::Ingress | ObjectKind::TrafficSplit) {
            return None;
        }
        let others = unit.claims.iter().flat_map(|claim| self.claims.of(*claim));
        let others = others.filter_map(|number| self.units.by_number(*number));
        let first = others.filter(|other| other.rank() < unit.rank()).min_by_key(|other| other.rank())?;
        let (_, host, condition) =
            claims(&unit.made.routes).find(|(claim, ..)| first.claims.binary_search(claim).is_ok())?;
        let host = host.map_or_else(|| "every host".to_owned(), |host| format!("host {host}"));
        let message = format!(
            "{} is older and gets requests that this would take, too: those for {host}, {}; change or remove one of the two",
            first.id,
            told(condition)
        );
        Some(Note { warning: true, reason: "Shadowed", message })
    }
}

fn told(condition: &Match) -> String {
    let path = match &condition.path {
        PathMatch::Exact(path) => format!("path {path}"),
        PathMatch::Prefix(path) => format!("path prefix {path}"),
        PathMatch::Regex(pattern) => format!("path pattern {}", pattern.as_str()),
    };
    let method = condition.method.as_ref().map_or_else(String::new, |method| format!(", method {method}"));
    let headers = condition.headers.iter().map(|header| format!(", header {}", header.name));
    let query = condition.query.iter().map(|query| format!(", query parameter {}", query.name));
    path + &method + &headers.chain(query).collect::<String>()
}

#[cfg(test)]
mod tests;
