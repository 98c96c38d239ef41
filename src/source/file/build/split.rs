//! A split of the file: a route with one rule.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    Attachment, Balance, Filter, GuardAction, Kind, Match, OnEmpty, Order, PathMatch, Route, RouteKey, Rule,
    Shared as _, Split, shared_matches,
};

use super::super::problem::{Pointer, Problems, quoted, suggestion};
use super::super::wire;
use super::policy::{self, Versions};
use super::{Context, each, endpoints, filter, matching, mirror, optional, sticky, version};

/// What surrounds a split.
pub struct Scope<'a> {
    /// Where it is.
    pub at: Pointer,
    /// Names of the listeners.
    pub listeners: &'a [&'a str],
    /// Nothing keeps trips of a guard over restarts.
    pub stateless: bool,
}

/// A split with its hosts, matches and filters.
pub fn route(wire: &wire::Split, scope: &Scope<'_>, context: &mut Context<'_>) -> Option<Route> {
    let at = &scope.at;
    let listeners = optional(wire.listeners.as_ref().map(|names| on_listeners(names, scope, &mut context.problems)));
    let hosts = matching::hosts(&wire.hosts, &at.key("hosts"), &mut context.problems);
    let matches = matching::matches(wire, at, &mut context.problems);
    let filters = filters(wire, at, matches.as_deref(), &mut context.problems);
    let split = split(wire, scope, context);
    let key = RouteKey { namespace: "".into(), kind: Kind::Split, name: (*wire.name).into() };
    let rule = Rule { matches: shared_matches(matches?), filters: filters?, split: Arc::new(split?) };
    Some(Route {
        key,
        part: 0,
        attachments: vec![Attachment { listeners: listeners?.map(Into::into), hosts: hosts? }],
        rules: vec![rule],
    })
}

fn on_listeners(names: &[String], scope: &Scope<'_>, problems: &mut Problems) -> Option<Vec<Arc<str>>> {
    let at = scope.at.key("listeners");
    if names.is_empty() {
        problems.error(&at, "names no listener: name one, or remove the key to be on all");
        return None;
    }
    each(names, &at, |name, at| {
        if scope.listeners.contains(&name.as_str()) {
            return Some(name.as_str().into());
        }
        let suggestion = suggestion(name, scope.listeners.iter().copied());
        let separator = if suggestion.is_empty() { ";" } else { "" };
        let known = quoted(scope.listeners.iter().copied());
        problems.error(&at, format!("no listener \"{name}\"{suggestion}{separator} listeners: {known}"));
        None
    })
}

fn filters(
    wire: &wire::Split,
    at: &Pointer,
    matches: Option<&[Match]>,
    problems: &mut Problems,
) -> Option<Vec<Filter>> {
    // Matches that are wrong have their own error; they are no reason for another one here.
    let by_prefix = matches.is_none_or(|all| all.iter().all(|m| matches!(m.path, PathMatch::Prefix(_))));
    let matched = filter::Matched { by_prefix };
    let filters = each(&wire.filters, &at.key("filters"), |wire, at| filter::filters(wire, &at, matched, problems));
    filters.map(|filters| filters.concat())
}

/// Versions and how requests are treated.
pub fn split(wire: &wire::Split, scope: &Scope<'_>, context: &mut Context<'_>) -> Option<Split> {
    let at = &scope.at;
    let versions = version::versions(&wire.versions, &at.key("versions"), context);
    let redirects = wire.filters.iter().any(|filter| filter.redirect.is_some());
    if wire.versions.is_empty() && !redirects {
        context
            .problems
            .error(at, "a split needs a version: versions: [{name: stable, endpoints: [\"127.0.0.1:9001\"]}]");
        return None;
    }
    let sticky = optional(wire.sticky.as_ref().map(|wire| sticky::sticky(wire, &at.key("sticky"), context)));
    let (names, problems) = (Versions(&wire.versions), &mut context.problems);
    let overrides = policy::overrides(&wire.overrides, names, &at.key("overrides"), problems);
    let timeouts = policy::timeouts(wire.timeouts.as_ref(), &at.key("timeouts"), problems);
    policy::nested(wire, at, problems);
    let on_empty = on_empty(wire, at, problems);
    let retry = policy::retry(wire.retry.as_ref(), &at.key("retry"), problems);
    let rescue = optional(wire.rescue.as_ref().map(|r| policy::rescue(r, names, &at.key("rescue"), problems)));
    let guard = optional(wire.guard.as_ref().map(|g| policy::guard(g, names, &at.key("guard"), problems)))?;
    let drain = optional(wire.drain.as_ref().map(|d| policy::drain(d, &at.key("drain"), problems)));
    let mirrors = mirror::mirrors(wire, names, at, problems);
    let endpoints = endpoints::policy(wire, at, problems);
    let limits = policy::limits(wire.limits.as_ref(), &at.key("limits"), problems);
    if scope.stateless && guard.as_ref().is_some_and(|guard| guard.action == GuardAction::Divert) {
        problems.warning(&at.key("guard"), "a trip is forgotten at restart: add state: FILE at the top to keep it");
    }
    Some(Split {
        versions: versions?,
        overrides: overrides?,
        order: Order::OverridesFirst,
        sticky: sticky?.map(Box::new),
        on_empty: on_empty?,
        ramp: wire.ramp.map_or(Duration::ZERO, |time| time.0),
        balance: balance(wire.balance),
        endpoints: endpoints?,
        timeouts: timeouts?.shared(),
        retry: retry?.shared(),
        rescue: rescue?.map(Box::new),
        guard: guard.map(Box::new),
        limits: limits?.shared(),
        mirrors: mirrors?,
        drain: drain?.map(Box::new),
    })
}

fn on_empty(wire: &wire::Split, at: &Pointer, problems: &mut Problems) -> Option<OnEmpty> {
    let on_empty = match wire.on_empty {
        Some(wire::OnEmpty::Hold) => OnEmpty::Hold(wire.hold_timeout.map_or(OnEmpty::HOLD, |time| time.0)),
        Some(wire::OnEmpty::Reject) => OnEmpty::Reject,
        Some(wire::OnEmpty::Sibling) | None => OnEmpty::Sibling,
    };
    let error = match (on_empty, wire.hold_timeout) {
        (OnEmpty::Hold(Duration::ZERO), _) => "leaves no time at all: write a duration above 0, like 30s",
        (OnEmpty::Sibling | OnEmpty::Reject, Some(_)) => "is for onEmpty: hold: write that, too, or remove it",
        _ => return Some(on_empty),
    };
    problems.error(&at.key("holdTimeout"), error);
    None
}

fn balance(wire: Option<wire::Balance>) -> Balance {
    match wire {
        Some(wire::Balance::LeastRequest) => Balance::LeastRequest,
        Some(wire::Balance::Ewma) => Balance::Ewma,
        Some(wire::Balance::Hash) => Balance::Hash,
        Some(wire::Balance::RoundRobin) | None => Balance::RoundRobin,
    }
}
