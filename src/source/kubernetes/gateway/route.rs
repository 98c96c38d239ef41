//! HTTPRoutes and GRPCRoutes: rules on the listeners of their parents, and what each parent's status says.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::attach::{self, Attachable};
use super::said::{self, Said};
use super::wire::{self, GrpcMatch, HttpMatch, ParentRef, RouteSpec};
use super::{GROUP, backend, filter, matching, mirror, retry, session};
use crate::model::{
    Attachment, Balance, EndpointPolicy, Filter, HostPattern, Kind, Limits, Match, OnEmpty, Order, Retry, Route,
    RouteKey, Rule, Shared as _, Split, Timeouts, Version, shared_matches,
};
use crate::source::kubernetes::index::{Reader, Translation};
use crate::source::kubernetes::object::{Id, Object, ObjectKind};
use crate::source::kubernetes::report::{Condition, Parent, Report};
use crate::source::kubernetes::{smi, split};

/// What an HTTPRoute means.
pub fn translate_http(reader: &Reader<'_>, id: &Id, object: &Object) -> Translation {
    translate::<HttpMatch>(reader, (id, Kind::HttpRoute), object, matching::http)
}

/// What a GRPCRoute means.
pub fn translate_grpc(reader: &Reader<'_>, id: &Id, object: &Object) -> Translation {
    translate::<GrpcMatch>(reader, (id, Kind::GrpcRoute), object, matching::grpc)
}

fn translate<M: DeserializeOwned>(
    reader: &Reader<'_>,
    (id, kind): (&Id, Kind),
    object: &Object,
    to_match: fn(&M) -> Result<Match, String>,
) -> Translation {
    let spec: RouteSpec<M> = match object.spec() {
        Ok(spec) => spec,
        Err(error) => return malformed(reader, (id, kind), object, &error),
    };
    let parents: Vec<(&Value, ParentRef, Vec<Attachable>)> =
        spec.parent_refs.iter().filter_map(|reference| parent(reader, id, kind, reference)).collect();
    if parents.is_empty() {
        return Translation::default();
    }
    let mut said = Said::default();
    let rules = spec.rules.iter().enumerate().map(|(index, wire)| {
        let rules = rules(reader, id, (index, wire), to_match, &mut said);
        rules.into_iter().map(|rule| (wire.name.as_deref(), rule)).collect::<Vec<_>>()
    });
    let (names, rules): (Vec<Option<&str>>, Vec<Rule>) = rules.flatten().unzip();
    let hosts: Vec<HostPattern> = spec.hostnames.iter().filter_map(|host| HostPattern::parse(host).ok()).collect();
    let mut attachments: Vec<Attachment> = Vec::new();
    let mut told: Vec<Parent> = Vec::new();
    for (reference, parent, listeners) in parents {
        let (accepted, on) = accept(&parent, &listeners, &hosts);
        attachments.extend(on.iter().filter_map(|listener| listener.attachment(&hosts)));
        let conditions = said.conditions(accepted);
        let counts = conditions.first().is_some_and(|accepted| accepted.holds);
        let attached = on.iter().filter(|_| counts).map(|on| (on.gateway.clone(), Arc::clone(&on.name))).collect();
        told.push(Parent { reference: reference.clone(), conditions, attached });
    }
    // Hostnames that are none must not come to mean all.
    attachments.retain(|_| spec.hostnames.is_empty() || !hosts.is_empty());
    attachments.shrink_to_fit();
    let key = RouteKey { namespace: Arc::clone(&id.namespace), kind, name: Arc::clone(&id.name) };
    let mut routes = vec![Route { key, part: 0, attachments, rules }];
    let mut report = Report { parents: told, ..Report::default() };
    split::apply_named_policies(reader, id, (&mut routes, &names), &mut report.notes);
    Translation { routes: routes.into_iter().map(Arc::new).collect(), report, ..Translation::default() }
}

/// A rule, after those for requests that TrafficSplits divide otherwise than the rest of it.
fn rules<M>(
    reader: &Reader<'_>,
    id: &Id,
    (index, wire): (usize, &wire::Rule<M>),
    to_match: fn(&M) -> Result<Match, String>,
    said: &mut Said,
) -> Vec<Rule> {
    let mut trouble = Vec::new();
    let division = backend::divided(reader, id, &wire.backend_refs);
    let (mut rule, mut refused) = rule(reader, id, (wire, &division), to_match, &mut trouble);
    let number = index.to_string();
    match session::sticky(wire.session_persistence.as_ref(), id, wire.name.as_deref().unwrap_or(&number)) {
        Ok(sticky) => Arc::make_mut(&mut rule.split).sticky = sticky,
        Err(error) => {
            refuse(&mut rule, &mut trouble, error);
            refused = true;
        }
    }
    // What is refused is refused to all of its clients.
    let parts = match refused {
        true => Vec::new(),
        false => backend::parts(reader, id, (&wire.backend_refs, &division, &rule), &mut trouble),
    };
    said.take(wire.name.as_deref(), &rule, trouble);
    // First, since what they mean may be all.
    parts.into_iter().chain([rule]).collect()
}

/// A rule that is not carried answers 500.
fn refuse(rule: &mut Rule, trouble: &mut Vec<Condition>, error: String) {
    Arc::make_mut(&mut rule.split).versions.iter_mut().for_each(|version| version.invalid = true);
    trouble.push(said::unsupported(error));
}

/// A route whose spec cannot be understood serves nothing, which its parents, as far as they can be read, are told.
fn malformed(reader: &Reader<'_>, (id, kind): (&Id, Kind), object: &Object, error: &str) -> Translation {
    let spec: Value = object.spec().unwrap_or_default();
    let message = format!("the spec cannot be understood: {error}");
    let references = spec["parentRefs"].as_array().into_iter().flatten();
    let parents = references.filter_map(|reference| {
        let (reference, ..) = parent(reader, id, kind, reference)?;
        let conditions = vec![Condition::fails("Accepted", "UnsupportedValue", message.clone())];
        Some(Parent { reference: reference.clone(), conditions, attached: Vec::new() })
    });
    let parents: Vec<Parent> = parents.collect();
    if parents.is_empty() {
        tracing::warn!(object = %id, "{message}");
    }
    Translation { report: Report { parents, ..Report::default() }, ..Translation::default() }
}

/// A parent that is a Gateway of ours, with its listeners; the others' parents are theirs to speak of.
fn parent<'v>(
    reader: &Reader<'_>,
    id: &Id,
    kind: Kind,
    reference: &'v Value,
) -> Option<(&'v Value, ParentRef, Vec<Attachable>)> {
    let parent: ParentRef = serde_json::from_value(reference.clone()).ok()?;
    let is_gateway =
        parent.kind.as_deref().unwrap_or("Gateway") == "Gateway" && parent.group.as_deref().unwrap_or(GROUP) == GROUP;
    let namespace = parent.namespace.as_deref().map_or_else(|| Arc::clone(&id.namespace), Arc::from);
    let gateway = Id::new(ObjectKind::Gateway, namespace, parent.name.as_str());
    let listeners = attach::attachable(reader, &gateway, &id.namespace, kind).filter(|_| is_gateway)?;
    Some((reference, parent, listeners))
}

/// Whether a parent takes the route, and on which listeners.
pub fn accept<'l>(
    parent: &ParentRef,
    listeners: &'l [Attachable],
    hosts: &[HostPattern],
) -> (Condition, Vec<&'l Attachable>) {
    let refused = |reason, message: &str| (Condition::fails("Accepted", reason, message), Vec::new());
    let meant: Vec<&Attachable> = listeners.iter().filter(|listener| listener.is_meant_by(parent)).collect();
    if meant.is_empty() {
        return refused("NoMatchingParent", "the Gateway has no listener with this sectionName and port");
    }
    let allowed: Vec<&Attachable> = meant.into_iter().filter(|listener| listener.allowed).collect();
    if allowed.is_empty() {
        let message = "no listener allows routes of this kind from this namespace: see allowedRoutes of the Gateway";
        return refused("NotAllowedByListeners", message);
    }
    let common: Vec<&Attachable> = allowed.into_iter().filter(|listener| listener.hosts(hosts).is_some()).collect();
    if common.is_empty() {
        return refused("NoMatchingListenerHostname", "no hostname of the route fits the hostname of a listener");
    }
    (Condition::holds("Accepted", "Accepted", ""), common)
}

/// A rule as it is written, and whether it is refused.
fn rule<M>(
    reader: &Reader<'_>,
    id: &Id,
    (wire, division): (&wire::Rule<M>, &smi::Division),
    to_match: fn(&M) -> Result<Match, String>,
    trouble: &mut Vec<Condition>,
) -> (Rule, bool) {
    let mut versions = match redirects(wire) {
        true => Vec::new(),
        false => backend::versions(reader, id, (&wire.backend_refs, division), trouble),
    };
    let parts = parts(wire, to_match);
    let refused = parts.is_err();
    let parts = parts.unwrap_or_else(|(matches, error)| {
        // What cannot be done is not left out: a rule without one of its filters might let through what it is to stop.
        if versions.is_empty() {
            versions = backend::versions(reader, id, (&[], division), &mut Vec::new());
        }
        versions.iter_mut().for_each(|version| version.invalid = true);
        trouble.push(said::unsupported(error));
        Parts { matches, ..Parts::default() }
    });
    let mirrors = mirror::mirrors(reader, id, &wire.filters, trouble);
    let split = Split { mirrors, ..plain_split(versions, parts.timeouts, parts.retry) };
    (Rule { matches: shared_matches(parts.matches), filters: parts.filters, split: Arc::new(split) }, refused)
}

fn redirects<M>(wire: &wire::Rule<M>) -> bool {
    wire.filters.iter().any(|filter| filter.kind == "RequestRedirect")
}

/// What a rule says of requests.
#[derive(Default)]
struct Parts {
    matches: Vec<Match>,
    filters: Vec<Filter>,
    timeouts: Timeouts,
    retry: Retry,
}

/// What a rule says; with an error, the matches that are good.
fn parts<M>(wire: &wire::Rule<M>, to_match: fn(&M) -> Result<Match, String>) -> Result<Parts, (Vec<Match>, String)> {
    let results: Vec<Result<Match, String>> = wire.matches.iter().map(to_match).collect();
    let mut matches: Vec<Match> = results.iter().filter_map(|result| result.clone().ok()).collect();
    if wire.matches.is_empty() {
        matches.push(Match::everything());
    }
    if let Some(error) = results.into_iter().find_map(Result::err) {
        return Err((matches, error));
    }
    let others = || {
        mirror::check(&wire.filters)?;
        Ok((filter::filters(&wire.filters)?, timeouts(wire.timeouts.as_ref())?, retry::retry(wire.retry.as_ref())?))
    };
    match others() {
        Ok((filters, timeouts, retry)) => Ok(Parts { matches, filters, timeouts, retry }),
        Err(error) => Err((matches, error)),
    }
}

/// `request` covers all tries; `0s` is no limit. Of the two the shorter one counts, since a try is part of a request.
fn timeouts(wire: Option<&wire::Timeouts>) -> Result<Timeouts, String> {
    let Some(wire) = wire else { return Ok(Timeouts::default()) };
    let parse = |text: &Option<String>| text.as_deref().map(duration).transpose();
    let limits = [parse(&wire.request)?, parse(&wire.backend_request)?];
    let set = limits.iter().flatten().any(|limit| limit.is_zero());
    let shortest = limits.into_iter().flatten().filter(|limit| !limit.is_zero()).min();
    let none = if set { NO_LIMIT } else { Timeouts::default().request };
    Ok(Timeouts { request: shortest.unwrap_or(none), ..Timeouts::default() })
}

/// Longer than any request.
const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// A duration as GEP-2257 writes it: `1h30m`, `500ms`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write it like 10s, 1m30s or 500ms");
    let (mut rest, mut total) = (text, Duration::ZERO);
    if text.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let millis = match &after[..unit] {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return Err(wrong()),
        };
        total += Duration::from_millis(number.saturating_mul(millis));
        rest = &after[unit..];
    }
    Ok(total)
}

/// A split with nothing but versions.
pub fn plain_split(versions: Vec<Version>, timeouts: Timeouts, retry: Retry) -> Split {
    Split {
        versions,
        overrides: Vec::new(),
        order: Order::OverridesFirst,
        sticky: None,
        on_empty: OnEmpty::Sibling,
        ramp: Duration::ZERO,
        balance: Balance::RoundRobin,
        endpoints: EndpointPolicy::default().shared(),
        timeouts: timeouts.shared(),
        retry: retry.shared(),
        rescue: None,
        guard: None,
        limits: Limits::default().shared(),
        mirrors: Vec::new(),
        drain: None,
    }
}
