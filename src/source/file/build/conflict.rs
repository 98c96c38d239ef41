//! Requests that two splits would take: only one of them could ever get them.

use std::collections::HashMap;

use crate::model::{Attachment, HeaderMatch, Match, PathMatch, QueryMatch, Route, ValueMatch};

use super::super::problem::{Pointer, Problems};
use super::super::wire;

/// What is taken already: for each listener, host and match, the split and the place that take it.
type Taken = HashMap<String, (usize, Pointer)>;

/// An error for each match that an earlier split has for the same host on a common listener.
pub fn check(wire: &wire::File, routes: &[Option<Route>], problems: &mut Problems) {
    let all: Vec<&str> = wire.listeners.iter().map(|listener| &*listener.name).collect();
    let mut taken = Taken::new();
    for (i, (split, route)) in wire.splits.iter().zip(routes).enumerate() {
        let Some(route) = route else { continue };
        let scopes = scopes(route, &all);
        let at = Pointer::root().key("splits").index(i);
        for (n, matched) in route.rules.iter().flat_map(|rule| &*rule.matches).enumerate() {
            let at = place(split, &at, n);
            let text = describe(matched);
            if let Some((host, first, other)) = take(&mut taken, &scopes, &text, (i, &at)) {
                let first = wire.splits.get(first).map_or("", |split| &split.name);
                let message =
                    format!("split \"{first}\" takes {host}, {text} already: change or remove one of the two");
                problems.conflict(&at, &other, message);
            }
        }
    }
}

/// The listeners of a route with each of its hosts.
fn scopes<'r>(route: &'r Route, all: &[&'r str]) -> Vec<(&'r str, String)> {
    let scopes = |attachment: &'r Attachment| {
        let listeners: Vec<&str> = match &attachment.listeners {
            Some(names) => names.iter().map(|name| &**name).collect(),
            None => all.to_vec(),
        };
        let hosts: Vec<String> = match attachment.hosts.as_slice() {
            [] => vec!["every host".to_owned()],
            hosts => hosts.iter().map(|host| format!("host {host}")).collect(),
        };
        let scope = |listener: &'r str| hosts.iter().map(move |host| (listener, host.clone())).collect::<Vec<_>>();
        listeners.into_iter().flat_map(scope).collect::<Vec<_>>()
    };
    route.attachments.iter().flat_map(scopes).collect()
}

/// Notes a match in all its scopes; gives the first host that another split takes already, and who does.
fn take<'s>(
    taken: &mut Taken,
    scopes: &'s [(&str, String)],
    text: &str,
    (split, at): (usize, &Pointer),
) -> Option<(&'s str, usize, Pointer)> {
    let mut conflict = None;
    for (listener, host) in scopes {
        let owner = taken.entry(format!("{listener} {host} {text}")).or_insert_with(|| (split, at.clone()));
        if owner.0 != split && conflict.is_none() {
            conflict = Some((host.as_str(), owner.0, owner.1.clone()));
        }
    }
    conflict
}

/// Where match `n` was written; the split itself if it was not.
fn place(wire: &wire::Split, at: &Pointer, n: usize) -> Pointer {
    match n.checked_sub(wire.paths.len()) {
        None => at.key("paths").index(n),
        Some(n) if n < wire.matches.len() => at.key("matches").index(n),
        Some(_) => at.clone(),
    }
}

/// The conditions of a match in words; equal if and only if the matches are, whatever the order of their parts.
fn describe(matched: &Match) -> String {
    let mut text = match &matched.path {
        PathMatch::Exact(path) => format!("path {path}"),
        PathMatch::Prefix(path) => format!("prefix {path}"),
        PathMatch::Regex(pattern) => format!("path pattern {}", pattern.as_str()),
    };
    if let Some(method) = &matched.method {
        text.push_str(&format!(", method {method}"));
    }
    let header = |h: &HeaderMatch| format!(", header {}{}", h.name, value(&h.value));
    let query = |q: &QueryMatch| format!(", query {:?}{}", q.name, value(&q.value));
    let mut parts: Vec<String> = matched.headers.iter().map(header).chain(matched.query.iter().map(query)).collect();
    parts.sort();
    text + &parts.concat()
}

fn value(value: &ValueMatch) -> String {
    match value {
        ValueMatch::Present => String::new(),
        ValueMatch::Exact(text) => format!(" = {text:?}"),
        ValueMatch::Regex(pattern) => format!(" ~ {:?}", pattern.as_str()),
    }
}
