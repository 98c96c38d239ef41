//! `TrafficSplit` of the Service Mesh Interface, v1alpha1 to v1alpha3: a Service whose requests go to others by weight.
//!
//! It is a route for the names that the Service has in the cluster, and it divides what any other route sends to that Service:
//! with `matches` only the requests that HTTPRouteGroups mean, and of those without it only the oldest one of a Service.

mod groups;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use self::groups::{Condition, Reference};
use super::endpoints::{self, PortRef};
use super::index::{Reader, Translation};
use super::object::{Id, Object, ObjectKind};
use super::report::{Note, Report};
use super::{gateway, split};
use crate::model::{
    Attachment, HostPattern, Kind, Match, Retry, Route, RouteKey, Rule, Timeouts, Transport, Version, Weight,
    shared_matches,
};

pub use groups::VERSIONS as GROUP_VERSIONS;

/// The versions of the API that are understood; an object looks the same in all of them but for how a weight is written, and that only
/// the last has `matches`.
pub const VERSIONS: [&str; 3] = ["v1alpha3", "v1alpha2", "v1alpha1"];

#[derive(Debug, Deserialize)]
struct Spec {
    service: String,
    #[serde(default)]
    backends: Vec<Backend>,
    #[serde(default)]
    matches: Vec<Reference>,
}

#[derive(Debug, Deserialize)]
struct Backend {
    service: String,
    #[serde(default)]
    weight: Value,
}

/// A Service that gets a share of another one's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Name of the Service.
    pub service: Arc<str>,
    /// Its weight.
    pub weight: Weight,
}

/// Requests for a Service that are divided otherwise than the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    conditions: Vec<Condition>,
    /// How they are divided.
    pub shares: Vec<Share>,
}

impl Part {
    /// The requests of `matches` that are meant.
    pub fn within(&self, matches: &[Match]) -> Vec<Match> {
        matches.iter().flat_map(|known| self.conditions.iter().flat_map(|condition| condition.within(known))).collect()
    }
}

/// What TrafficSplits say of the requests for a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    /// How they are divided, if one says so; else they go to the Service.
    pub shares: Option<Vec<Share>>,
    /// Those that are divided otherwise, what the oldest one means first.
    pub parts: Vec<Part>,
}

/// How the requests for a Service are divided.
pub fn divided(reader: &Reader<'_>, namespace: &Arc<str>, service: &str) -> Division {
    let mut division = Division::default();
    for Understood { spec, shares, .. } in of(reader, namespace, service) {
        if spec.matches.is_empty() {
            division.shares.get_or_insert(shares);
            continue;
        }
        let conditions = groups::conditions(reader, namespace, &spec.matches, &mut Vec::new());
        if !conditions.is_empty() {
            division.parts.push(Part { conditions, shares });
        }
    }
    division
}

/// A TrafficSplit whose weights are understood; others divide nothing.
struct Understood<'i> {
    created: i64,
    id: &'i Id,
    spec: Spec,
    shares: Vec<Share>,
}

impl Understood<'_> {
    /// Whether it is meant for all clients, not for some only.
    fn is_for_all(&self) -> bool {
        self.spec.matches.is_empty()
    }
}

/// The TrafficSplits of a Service that are understood, the oldest first.
fn of<'i>(reader: &Reader<'i>, namespace: &Arc<str>, service: &str) -> Vec<Understood<'i>> {
    let understood = |(id, object): (&'i Id, &Object)| {
        let spec = object.spec::<Spec>().ok().filter(|spec| root(&spec.service) == service)?;
        let shares = weighted(&spec.backends).ok()?;
        Some(Understood { created: object.created, id, spec, shares })
    };
    let mut all: Vec<_> = reader.of(ObjectKind::TrafficSplit, Some(namespace)).filter_map(understood).collect();
    all.sort_by_key(|split| (split.created, split.id));
    all
}

/// What a TrafficSplit means.
pub fn translate(reader: &Reader<'_>, id: &Id, object: &Object) -> Translation {
    let made = object.spec::<Spec>().and_then(|spec| {
        let shares = weighted(&spec.backends)?;
        Ok((spec, shares))
    });
    let (spec, shares) = match made {
        Ok(made) => made,
        Err(message) => return only(Note { warning: true, reason: "Invalid", message }),
    };
    let service: Arc<str> = root(&spec.service).into();
    let all = of(reader, &id.namespace, &service);
    let divider = all.iter().find(|split| split.is_for_all()).map(|split| split.id);
    if let Some(older) = divider.filter(|divider| spec.matches.is_empty() && *divider != id) {
        let message =
            format!("{older} is older and divides Service {service}: this has no effect; remove one of the two");
        return only(Note { warning: true, reason: "Shadowed", message });
    }
    let for_all = spec.matches.is_empty();
    let mut notes = Vec::new();
    let mut rules = Vec::new();
    if !for_all {
        let matches = matches(reader, id, &spec, &mut notes);
        let some = (!matches.is_empty()).then(|| rule(reader, id, matches, (&service, &shares), &mut notes));
        rules.extend(some);
    }
    // Somebody has to take what nobody divides: the last one, since it comes after what the others mean.
    let rest = divider.is_none() && all.last().is_some_and(|last| last.id == id);
    let undivided = || vec![Share { service: Arc::clone(&service), weight: Weight::ONE }];
    if let Some(shares) = if for_all { Some(shares) } else { rest.then(undivided) } {
        rules.push(rule(reader, id, vec![Match::everything()], (&service, &shares), &mut notes));
    }
    let mut routes = route(id, &service, rules);
    split::apply_policies(reader, id, &mut routes, &mut notes);
    // What is for all comes after what is for some.
    let after = all.iter().rfind(|split| for_all && !split.is_for_all()).map(|split| split.created);
    let report = Report { notes, ..Report::default() };
    Translation { routes: routes.into_iter().map(Arc::new).collect(), report, after, ..Translation::default() }
}

/// The route for the names that a Service has in the cluster; none without rules.
fn route(id: &Id, service: &str, rules: Vec<Rule>) -> Vec<Route> {
    if rules.is_empty() {
        return Vec::new();
    }
    let names = ["", ".svc", ".svc.cluster.local"].map(|suffix| format!("{service}.{}{suffix}", id.namespace));
    let hosts = names.iter().filter_map(|name| HostPattern::parse(name).ok()).collect();
    let key = RouteKey { namespace: Arc::clone(&id.namespace), kind: Kind::TrafficSplit, name: Arc::clone(&id.name) };
    vec![Route { key, part: 0, attachments: vec![Attachment { listeners: None, hosts }], rules }]
}

/// The requests that `matches` mean; what of them leads nowhere is told.
fn matches(reader: &Reader<'_>, id: &Id, spec: &Spec, notes: &mut Vec<Note>) -> Vec<Match> {
    let mut trouble = Vec::new();
    let conditions = groups::conditions(reader, &id.namespace, &spec.matches, &mut trouble);
    if !trouble.is_empty() {
        let effect = match conditions.is_empty() {
            true => "this divides nothing, and its weights reach nobody",
            false => "requests that only that means are not divided",
        };
        let message = format!("{}: until that is mended {effect}", trouble.join("; "));
        notes.push(Note { warning: true, reason: "MatchNotResolved", message });
    }
    conditions.iter().flat_map(|condition| condition.within(&Match::everything())).collect()
}

fn rule(
    reader: &Reader<'_>,
    id: &Id,
    matches: Vec<Match>,
    (service, shares): (&Arc<str>, &[Share]),
    notes: &mut Vec<Note>,
) -> Rule {
    let port = reader.service(&id.namespace, service).and_then(|service| service.ports.first().map(|port| port.port));
    let versions = shares.iter().map(|share| version(reader, &id.namespace, share, port, notes)).collect();
    let split = Arc::new(gateway::plain_split(versions, Timeouts::default(), Retry::default()));
    Rule { matches: shared_matches(matches), filters: Vec::new(), split }
}

fn only(note: Note) -> Translation {
    Translation { report: Report { notes: vec![note], ..Report::default() }, ..Translation::default() }
}

/// Flagger writes the name that a client uses, which may be the whole one.
fn root(service: &str) -> &str {
    service.split('.').next().unwrap_or(service)
}

fn version(
    reader: &Reader<'_>,
    namespace: &Arc<str>,
    share: &Share,
    port: Option<u16>,
    notes: &mut Vec<Note>,
) -> Version {
    let found = port
        .and_then(|port| endpoints::backend(reader, namespace, &share.service, &PortRef::Number(port)).ok())
        .map_or_else(|| endpoints::backend(reader, namespace, &share.service, &PortRef::First), Ok);
    let mut version = Version {
        name: Arc::clone(&share.service),
        revision: "".into(),
        weight: share.weight,
        endpoints: Vec::new(),
        transport: Arc::new(Transport::default()),
        filters: Vec::new(),
        invalid: false,
        origin: None,
    };
    match found {
        Ok(backend) => {
            (version.revision, version.endpoints) = backend.merged();
            version.transport = split::transport(backend.app_protocol.as_deref(), None);
            if let Some(protocol) = backend.app_protocol.as_deref().filter(|protocol| !split::speaks(protocol)) {
                // It keeps its share, and answers 500 rather than be spoken to in clear text.
                version.invalid = true;
                let message = split::unspoken(&format!("Service {namespace}/{}", share.service), protocol);
                notes.push(Note { warning: true, reason: "UnsupportedProtocol", message });
            }
            version.origin = Some(backend.origin_of(&version.revision));
        }
        // It has no pods, so the others take its share.
        Err(error) => notes.push(Note { warning: true, reason: "BackendNotFound", message: error.to_string() }),
    }
    version
}

/// Weights as whole numbers: `v1alpha1` writes quantities (`500m`), of which thousandths are kept where there are any.
fn weighted(backends: &[Backend]) -> Result<Vec<Share>, String> {
    let thousandths =
        backends.iter().map(|backend| thousandths(&backend.weight)).collect::<Result<Vec<i64>, String>>()?;
    let unit = if thousandths.iter().all(|weight| weight % 1000 == 0) { 1000 } else { 1 };
    let share = |(backend, weight): (&Backend, i64)| {
        let weight = Weight::try_from(weight / unit).map_err(|error| format!("{}: {error}", backend.service))?;
        Ok(Share { service: backend.service.as_str().into(), weight })
    };
    backends.iter().zip(thousandths).map(share).collect()
}

fn thousandths(weight: &Value) -> Result<i64, String> {
    let wrong = || format!("weight {weight} is none: write a whole number, or a quantity like 500m");
    match weight {
        Value::Null => Ok(0),
        Value::Number(number) => number.as_i64().and_then(|whole| whole.checked_mul(1000)).ok_or_else(wrong),
        Value::String(text) => match text.strip_suffix('m') {
            Some(small) => small.parse().map_err(|_| wrong()),
            None => {
                // Rust reads names of numbers, too ("nan"), which quantities do not have.
                let number = text.parse().ok().filter(|number: &f64| number.is_finite());
                number.map(|number| (number * 1000.0).round() as i64).ok_or_else(wrong)
            }
        },
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests;
