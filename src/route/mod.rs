//! From a request head to the rule that takes it. Pure; the table is arranged by `snapshot`.
//!
//! A more specific host comes first, and a request that none of its rules take falls through to less specific ones: the
//! Gateway API gives precedence among the rules that match, not among hosts that do not.

pub mod path;

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::head::RequestHead;
use crate::model::{Also, HeaderMatch, QueryMatch};
use crate::snapshot::{Candidate, PathTable, RouteTable};

/// The rule that takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index in the snapshot.
    pub rule: usize,
    /// Bytes of the path that a prefix condition matched, without a trailing `/`; 0 for other conditions.
    pub prefix: usize,
}

/// Finds the rule with the highest precedence (see [`crate::snapshot::MatchSummary`]) that takes the request.
pub fn find(table: &RouteTable, head: &RequestHead<'_>) -> Option<Found> {
    for paths in hosts(table, head.host) {
        let found = by_path(paths, head);
        if found.is_some() || paths.isolated {
            return found;
        }
    }
    by_path(&table.any, head)
}

/// Longest name of a host (RFC 1035 section 2.3.4). What is longer is none, and is not looked up by each of its suffixes.
const LONGEST_NAME: usize = 253;

/// The tables of the hosts that fit, the most specific first.
fn hosts<'t>(table: &'t RouteTable, host: &'t str) -> impl Iterator<Item = &'t PathTable> {
    let exact = if table.exact.is_empty() { None } else { table.exact.get(host) };
    // Every suffix that begins after a dot, the longest first.
    let dots = if table.wildcards.is_empty() || host.len() > LONGEST_NAME { "" } else { host };
    let suffixes = dots.match_indices('.').filter(|(dot, _)| *dot > 0).map(|(dot, _)| &host[dot + 1..]);
    exact.into_iter().chain(suffixes.filter_map(|suffix| table.wildcards.get(suffix))).map(|table| &**table)
}

fn by_path(table: &PathTable, head: &RequestHead<'_>) -> Option<Found> {
    if let Some(candidate) = table.exact.get(head.path).and_then(|list| first(list, head)) {
        return Some(Found { rule: candidate.rule, prefix: 0 });
    }
    for (pattern, candidate) in &table.regexes {
        if pattern.is_match(head.path) && takes(candidate, head) {
            return Some(Found { rule: candidate.rule, prefix: 0 });
        }
    }
    prefixes(head.path).find_map(|prefix| {
        let candidate = first(table.prefixes.get(prefix)?, head)?;
        Some(Found { rule: candidate.rule, prefix: prefix.len() })
    })
}

/// The prefixes of a path by whole elements, longest first: `/a/b`, `/a` and the empty root for `/a/b/`.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(path.strip_suffix('/').unwrap_or(path));
    std::iter::from_fn(move || {
        let prefix = rest?;
        rest = prefix.bytes().rposition(|byte| byte == b'/').map(|slash| &prefix[..slash]);
        Some(prefix)
    })
}

fn first<'c>(list: &'c [Candidate], head: &RequestHead<'_>) -> Option<&'c Candidate> {
    list.iter().find(|candidate| takes(candidate, head))
}

fn takes(candidate: &Candidate, head: &RequestHead<'_>) -> bool {
    let Some(conditions) = &candidate.conditions else { return true };
    conditions.method.as_ref().is_none_or(|method| method == head.method)
        && conditions.headers.iter().all(|condition| header_fits(condition, head))
        && conditions.also.as_ref().is_none_or(|also| also_fits(also, head))
        && conditions.query.iter().all(|condition| query_fits(condition, head.query.unwrap_or_default()))
}

fn also_fits(also: &Also, head: &RequestHead<'_>) -> bool {
    (also.methods.is_empty() || also.methods.contains(head.method))
        && also.path.as_ref().is_none_or(|pattern| pattern.is_match(head.path))
        && also.headers.iter().all(|condition| header_fits(condition, head))
}

fn header_fits(condition: &HeaderMatch, head: &RequestHead<'_>) -> bool {
    let Some(value) = head.fields.nth(&condition.name, 0) else { return false };
    if head.fields.nth(&condition.name, 1).is_none() {
        return condition.value.matches(value);
    }
    // Repeated lines mean the same as one joined by commas (RFC 9110 section 5.3); cookies join by semicolons.
    let separator: &[u8] = if condition.name == http::header::COOKIE { b"; " } else { b"," };
    let lines: Vec<&[u8]> = head.values(&condition.name).collect();
    condition.value.matches(&lines.join(separator))
}

fn query_fits(condition: &QueryMatch, query: &str) -> bool {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(name, _)| *decoded(name) == *condition.name.as_bytes())
        .is_some_and(|(_, value)| condition.value.matches(&decoded(value)))
}

/// A name or value of a query as forms write it: `+` is a space, `%` begins an escape (URL standard, section 5.1).
fn decoded(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        return percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>().into();
    }
    percent_decode_str(text).into()
}

#[cfg(test)]
mod tests;
