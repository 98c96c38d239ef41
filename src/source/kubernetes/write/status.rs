//! From a report to the status of an object. Pure: what others wrote stays as it is, and a condition that does not change keeps
//! its time.

use serde_json::{Map, Value, json};

use super::super::gateway;
use super::super::object::ObjectKind;
use super::super::report::{Condition, ListenerReport, Parent, Report};

/// When and for which generation of the object something is said.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'m> {
    /// `metadata.generation` that the report is about.
    pub generation: i64,
    /// Now, RFC 3339.
    pub now: &'m str,
}

/// The status that an object is to have, given the one that it has; none if its kind has none that is ours.
pub fn status(kind: ObjectKind, report: &Report, before: &Value, moment: Moment<'_>) -> Option<Value> {
    match kind {
        ObjectKind::HttpRoute | ObjectKind::GrpcRoute => route(report, before, moment),
        ObjectKind::Gateway => (!report.conditions.is_empty()).then(|| gateway(report, before, moment)),
        ObjectKind::GatewayClass => (!report.conditions.is_empty()).then(|| class(report, before, moment)),
        ObjectKind::Split => Some(split(report, before, moment)),
        ObjectKind::Ingress => (!report.addresses.is_empty()).then(|| ingress(report)),
        _ => None,
    }
}

/// Types of conditions that are ours on the objects that we serve.
const OURS: [&str; 9] = [
    "Accepted",
    "Programmed",
    "ResolvedRefs",
    "Conflicted",
    "PartiallyInvalid",
    "InsecureFrontendValidationMode",
    "Draining",
    "Drained",
    "GuardTripped",
];

/// The conditions that a list is to have: those of types that are not ours stay as they are, in their places.
fn conditions(wanted: &[Condition], before: &Value, moment: Moment<'_>) -> Value {
    let known = before.as_array().map_or(&[][..], Vec::as_slice);
    let is_wanted = |known: &Value| wanted.iter().find(|wanted| known["type"] == wanted.kind);
    let is_ours = |known: &Value| OURS.iter().any(|kind| known["type"] == *kind);
    let kept = known.iter().filter_map(|known| match is_wanted(known) {
        Some(wanted) => Some(condition(wanted, Some(known), moment)),
        None => (!is_ours(known)).then(|| known.clone()),
    });
    let is_new = |wanted: &&Condition| !known.iter().any(|known| known["type"] == wanted.kind);
    let new = wanted.iter().filter(is_new).map(|wanted| condition(wanted, None, moment));
    kept.chain(new).collect()
}

fn condition(wanted: &Condition, known: Option<&Value>, Moment { generation, now }: Moment<'_>) -> Value {
    let state = if wanted.holds { "True" } else { "False" };
    let same = known.filter(|known| known["status"] == state);
    let since = same.map_or_else(|| now.into(), |same| same["lastTransitionTime"].clone());
    json!({
        "type": wanted.kind,
        "status": state,
        "reason": wanted.reason,
        "message": wanted.message,
        "observedGeneration": generation,
        "lastTransitionTime": since,
    })
}

/// Entries of other controllers stay as they are, ours are those of the report.
fn route(report: &Report, before: &Value, moment: Moment<'_>) -> Option<Value> {
    let entries = before["parents"].as_array().map_or(&[][..], Vec::as_slice);
    let is_ours = |entry: &Value| entry["controllerName"] == gateway::CONTROLLER;
    if report.parents.is_empty() && !entries.iter().any(is_ours) {
        return None;
    }
    let mut parents: Vec<Value> = entries.iter().filter(|entry| !is_ours(entry)).cloned().collect();
    parents.extend(report.parents.iter().map(|parent: &Parent| {
        let known = entries.iter().find(|entry| is_ours(entry) && entry["parentRef"] == parent.reference);
        json!({
            "parentRef": parent.reference,
            "controllerName": gateway::CONTROLLER,
            "conditions": conditions(&parent.conditions, known.map_or(&Value::Null, |known| &known["conditions"]), moment),
        })
    }));
    Some(json!({"parents": parents}))
}

fn gateway(report: &Report, before: &Value, moment: Moment<'_>) -> Value {
    let known = before["listeners"].as_array().map_or(&[][..], Vec::as_slice);
    let listener = |listener: &ListenerReport| {
        let known = known.iter().find(|known| known["name"] == *listener.name);
        json!({
            "name": &*listener.name,
            "supportedKinds": listener.supported_kinds,
            "attachedRoutes": listener.attached_routes,
            "conditions": conditions(&listener.conditions, known.map_or(&Value::Null, |known| &known["conditions"]), moment),
        })
    };
    json!({
        "addresses": report.addresses,
        "conditions": conditions(&report.conditions, &before["conditions"], moment),
        "listeners": report.listeners.iter().map(listener).collect::<Vec<_>>(),
    })
}

fn class(report: &Report, before: &Value, moment: Moment<'_>) -> Value {
    let features = gateway::FEATURES.iter().map(|name| json!({"name": name}));
    json!({
        "conditions": conditions(&report.conditions, &before["conditions"], moment),
        "supportedFeatures": features.collect::<Vec<_>>(),
    })
}

fn split(report: &Report, before: &Value, moment: Moment<'_>) -> Value {
    let mut status = Map::new();
    status.insert("observedGeneration".to_owned(), moment.generation.into());
    status.insert("conditions".to_owned(), conditions(&report.conditions, &before["conditions"], moment));
    if let Some(versions) = &report.versions {
        status.insert("versions".to_owned(), versions.clone());
        status.insert("columns".to_owned(), columns(versions));
    }
    if let Some(replicas) = &report.replicas {
        status.insert("replicas".to_owned(), replicas.clone());
    }
    status.into()
}

/// Figures of all versions side by side: a column of `kubectl get` shows one value, the first of several.
fn columns(versions: &Value) -> Value {
    let column = |key: &str| {
        let values = versions.as_array().into_iter().flatten().map(|version| match &version[key] {
            Value::String(text) if !text.is_empty() => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => "-".to_owned(),
        });
        values.collect::<Vec<_>>().join("/")
    };
    json!({
        "versions": column("name"),
        "desired": column("desired"),
        "effective": column("effective"),
        "success": column("success"),
    })
}

/// `IngressStatus`: where clients reach it.
fn ingress(report: &Report) -> Value {
    let address = |address: &Value| {
        let key = if address["type"] == "IPAddress" { "ip" } else { "hostname" };
        json!({key: address["value"]})
    };
    json!({"loadBalancer": {"ingress": report.addresses.iter().map(address).collect::<Vec<_>>()}})
}

/// Whether two statuses say the same.
pub fn is_same(wanted: &Value, before: &Value) -> bool {
    let parts = wanted.as_object().into_iter().flatten();
    parts.into_iter().all(|(key, value)| before[key] == *value)
}

#[cfg(test)]
mod tests;
