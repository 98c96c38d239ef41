//! Which requests a split takes.

use std::sync::Arc;

use http::{HeaderName, Method};

use crate::model::{HeaderMatch, HostPattern, Match, PathMatch, Pattern, QueryMatch, ValueMatch};

use super::super::problem::{Pointer, Problems};
use super::super::wire;
use super::{each, optional};

/// Methods that are surely meant when written in lower case.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/// Hosts of a split.
pub fn hosts(wire: &[String], at: &Pointer, problems: &mut Problems) -> Option<Vec<HostPattern>> {
    each(wire, at, |text, at| problems.check(&at, HostPattern::parse(text)))
}

/// Matches of a split, those of its paths first; at least one.
pub fn matches(wire: &wire::Split, at: &Pointer, problems: &mut Problems) -> Option<Vec<Match>> {
    let paths = each(&wire.paths, &at.key("paths"), |text, at| prefix(text, &at, problems).map(Match::path));
    let matches = each(&wire.matches, &at.key("matches"), |wire, at| one(wire, &at, problems));
    let mut all = paths?;
    all.extend(matches?);
    if all.is_empty() {
        all.push(Match::everything());
    }
    Some(all)
}

fn one(wire: &wire::Match, at: &Pointer, problems: &mut Problems) -> Option<Match> {
    let path = match &wire.path {
        Some(path) => path_match(path, &at.key("path"), problems),
        None => Some(PathMatch::everything()),
    };
    let method = optional(wire.method.as_ref().map(|text| method(text, &at.key("method"), problems)));
    let headers = each(&wire.headers, &at.key("headers"), |wire, at| {
        let name = header_name(&wire.name, &at.key("name"), problems);
        let value = value(wire, &at, problems);
        Some(HeaderMatch { name: name?, value: value? })
    });
    let query = each(&wire.query, &at.key("query"), |wire, at| {
        let value = value(wire, &at, problems)?;
        Some(QueryMatch { name: wire.name.as_str().into(), value })
    });
    Some(Match { method: method?, headers: headers?, query: query?, ..Match::path(path?) })
}

fn path_match(wire: &wire::PathMatch, at: &Pointer, problems: &mut Problems) -> Option<PathMatch> {
    // The schema allows exactly one of them.
    if let Some(text) = &wire.exact {
        path(text, &at.key("exact"), problems).map(PathMatch::Exact)
    } else if let Some(text) = &wire.prefix {
        prefix(text, &at.key("prefix"), problems)
    } else {
        let text = wire.regex.as_deref().unwrap_or_default();
        whole(text, &at.key("regex"), problems).map(PathMatch::Regex)
    }
}

fn prefix(text: &str, at: &Pointer, problems: &mut Problems) -> Option<PathMatch> {
    let path = path(text, at, problems)?;
    let trimmed = path.trim_end_matches('/');
    Some(PathMatch::Prefix(if trimmed.is_empty() { "/".into() } else { trimmed.into() }))
}

/// A path as it stands in a request.
pub fn path(text: &str, at: &Pointer, problems: &mut Problems) -> Option<Arc<str>> {
    let message = if !text.starts_with('/') {
        format!("path \"{text}\" must start with \"/\"")
    } else if text.contains(['?', '#']) {
        format!("path \"{text}\" must not have a query or fragment")
    } else if !text.bytes().all(|b| b.is_ascii_graphic()) {
        format!("path \"{text}\" has characters that requests send percent-encoded: write them so, like %20")
    } else {
        return Some(text.into());
    };
    problems.error(at, message);
    None
}

/// A method; lower case is allowed by HTTP and never meant.
pub fn method(text: &str, at: &Pointer, problems: &mut Problems) -> Option<Method> {
    let upper = text.to_ascii_uppercase();
    if upper != text && METHODS.contains(&upper.as_str()) {
        problems.error(at, format!("methods are in capitals: write {upper}"));
        return None;
    }
    let method = Method::from_bytes(text.as_bytes());
    problems.check(at, method.map_err(|_| format!("\"{text}\" is no method: write one like GET")))
}

/// A header name, in any case.
pub fn header_name(text: &str, at: &Pointer, problems: &mut Problems) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(text.as_bytes());
    let message = || format!("\"{text}\" is no header name: use letters, digits and '-'");
    problems.check(at, name.map_err(|_| message()))
}

fn value(wire: &wire::ValueMatch, at: &Pointer, problems: &mut Problems) -> Option<ValueMatch> {
    match (&wire.exact, &wire.regex, wire.present) {
        (Some(text), None, None) => Some(ValueMatch::Exact(text.as_str().into())),
        (None, Some(text), None) => whole(text, &at.key("regex"), problems).map(ValueMatch::Regex),
        (None, None, Some(_)) => Some(ValueMatch::Present),
        _ => {
            problems.error(at, "write exactly one of exact, regex, present: true");
            None
        }
    }
}

fn whole(text: &str, at: &Pointer, problems: &mut Problems) -> Option<Pattern> {
    problems.check(at, Pattern::whole(text).map_err(|error| bad_regex(text, &error)))
}

/// The message for a regular expression that does not compile.
pub fn bad_regex(text: &str, error: &regex::Error) -> String {
    // The regex crate draws the expression over several lines; the last one says what is wrong.
    let error = error.to_string();
    let reason = error.lines().last().unwrap_or_default();
    format!("\"{text}\" is no regular expression: {}", reason.trim_start_matches("error: "))
}
