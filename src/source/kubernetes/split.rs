//! `Split` resources: routes of their own, steps of a Rollout followed, and behaviour for the routes of others.

mod crd;
mod keys;
mod managed;
mod policy;
mod resource;
mod rollout;
mod versions;

use std::sync::Arc;

pub use crd::crd;
pub use policy::{apply as apply_policies, apply_named as apply_named_policies, refusal};
pub use resource::{SplitSpec, TargetKind, TargetRef};
pub use versions::{plain, speaks, transport, unspoken};

use self::keys::Keys;
use super::gateway;
use super::index::{Reader, Translation};
use super::object::{Id, Object, ObjectKind};
use super::report::{Condition, Report};
use crate::model::{Attachment, HostPattern, Kind, RouteKey};
use crate::source::file::problem::{Pointer, Problems};
use crate::source::file::{self, build};

/// The type of the condition that tells whether a guard has found a version bad.
pub const GUARD_TRIPPED: &str = "GuardTripped";

/// What a Split aims at.
pub fn target(id: &Id, object: &Object) -> Option<Id> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Aim {
        target_ref: Option<TargetRef>,
    }
    let target = object.spec::<Aim>().ok()?.target_ref?;
    Some(Id::new(target.object_kind(), Arc::clone(&id.namespace), target.name))
}

impl TargetRef {
    /// The kind that is watched for it.
    pub fn object_kind(&self) -> ObjectKind {
        match self.kind {
            TargetKind::Rollout => ObjectKind::Rollout,
            TargetKind::HttpRoute => ObjectKind::HttpRoute,
            TargetKind::GrpcRoute => ObjectKind::GrpcRoute,
            TargetKind::Ingress => ObjectKind::Ingress,
            TargetKind::TrafficSplit => ObjectKind::TrafficSplit,
            TargetKind::Service => ObjectKind::Service,
        }
    }

    /// Whether the Split is behaviour for a route that the target makes, rather than a route.
    pub fn is_policy(&self) -> bool {
        !matches!(self.kind, TargetKind::Rollout | TargetKind::Service)
    }
}

/// What the figures of its versions say: conditions that can be waited for.
pub fn counted(figures: &serde_json::Value) -> Vec<Condition> {
    draining(figures).into_iter().chain(tripped(figures)).collect()
}

/// Whether a guard has found a version bad; nothing where there is no guard.
pub fn tripped(figures: &serde_json::Value) -> Option<Condition> {
    let guards = figures.as_array().into_iter().flatten().filter(|version| version.get("guard").is_some());
    let guards: Vec<_> = guards.collect();
    let bad = guards.iter().filter_map(|version| {
        let (name, reason) = (version["name"].as_str()?, version["guardReason"].as_str()?);
        Some(format!("{name}: {reason}"))
    });
    let bad: Vec<String> = bad.collect();
    let fine = || Condition::fails(GUARD_TRIPPED, "NotTripped", "no guard has found a version bad");
    let message = || format!("{}; until it runs something else, or weir guard reset", bad.join("; "));
    (!guards.is_empty()).then(|| match bad.is_empty() {
        true => fine(),
        false => Condition::holds(GUARD_TRIPPED, "Tripped", message()),
    })
}

fn draining(figures: &serde_json::Value) -> [Condition; 2] {
    let versions = || figures.as_array().into_iter().flatten();
    let draining = versions().filter(|version| version.get("drainEndsAt").is_some());
    let left: u64 = draining.clone().filter_map(|version| version["draining"].as_u64()).sum();
    let names: Vec<&str> = draining.clone().filter_map(|version| version["name"].as_str()).collect();
    if names.is_empty() {
        let message = "nothing drains";
        return [Condition::fails("Draining", "Idle", message), Condition::holds("Drained", "Idle", message)];
    }
    let replicas = draining.filter_map(|version| version["drainReplicas"].as_u64()).max().unwrap_or(1);
    let place = if replicas > 1 { format!(" on {replicas} replicas") } else { String::new() };
    let message = format!("{left} long-lived connections of {}{place} are asked to end", names.join(", "));
    [Condition::holds("Draining", "Draining", message.clone()), Condition::fails("Drained", "Draining", message)]
}

/// What a Split means.
pub fn translate(reader: &Reader<'_>, id: &Id, object: &Object) -> Translation {
    let spec: SplitSpec = match object.spec() {
        Ok(spec) => spec,
        Err(error) => return refused("Malformed", format!("the spec cannot be understood: {error}")),
    };
    let keys = Keys::of(reader, id, &spec);
    match &spec.target_ref {
        Some(target) if target.is_policy() => aimed(reader, id, target, &keys),
        _ => route(reader, id, spec, &keys),
    }
}

fn refused(reason: &'static str, message: String) -> Translation {
    let conditions = vec![Condition::fails("Accepted", reason, message)];
    Translation { report: Report { conditions, ..Report::default() }, ..Translation::default() }
}

/// A Split that adds behaviour: whether it does is said here, what it does is put in where its target is translated.
fn aimed(reader: &Reader<'_>, id: &Id, target: &TargetRef, keys: &Keys) -> Translation {
    let aim = Id::new(target.object_kind(), Arc::clone(&id.namespace), target.name.as_str());
    let section = |object: &Object| policy::section(object).unwrap_or_default();
    let same = |(_, object): &(&Id, &Object)| section(object) == target.section_name;
    let first = reader.policies(&aim).into_iter().find(same).map(|(first, _)| first.clone());
    let accepted = match first {
        Some(first) if first != *id => {
            Condition::fails("Accepted", "Conflicted", format!("{first} is older and adds behaviour to {aim} already"))
        }
        _ => Condition::holds("Accepted", "Accepted", format!("adds behaviour to {aim}")),
    };
    let missing = match (reader.object(&aim), &target.section_name) {
        (None, _) => Some(("TargetNotFound", format!("there is no {aim}"))),
        (Some(object), Some(section)) => {
            no_section(object, section).map(|why| ("SectionNotFound", format!("{aim} {why}")))
        }
        (Some(_), None) => None,
    };
    if let Some((reason, message)) = missing {
        return nowhere(accepted, reason, message);
    }
    let resolved = keys.condition(Condition::holds("ResolvedRefs", "ResolvedRefs", ""));
    Translation {
        report: Report { conditions: vec![accepted, resolved], ..Report::default() },
        ..Translation::default()
    }
}

/// Why an object has no rule of that name; nothing if it has one.
fn no_section(object: &Object, section: &str) -> Option<String> {
    let spec: serde_json::Value = object.spec().unwrap_or_default();
    let rules = spec["rules"].as_array().into_iter().flatten();
    let names: Vec<&str> = rules.filter_map(|rule| rule["name"].as_str()).collect();
    let known = if names.is_empty() { "none with a name".to_owned() } else { names.join(", ") };
    (!names.contains(&section)).then(|| format!("has no rule {section}; it has: {known}"))
}

/// A Split of which nothing is in force, since its target is not there or cannot be used.
fn nowhere(accepted: Condition, reason: &'static str, message: String) -> Translation {
    let programmed = Condition::fails("Programmed", "Invalid", "nothing of it is in force: see ResolvedRefs");
    let conditions = vec![accepted, Condition::fails("ResolvedRefs", reason, message), programmed];
    Translation { report: Report { conditions, ..Report::default() }, ..Translation::default() }
}

/// A Split that is a route.
fn route(reader: &Reader<'_>, id: &Id, spec: SplitSpec, keys: &Keys) -> Translation {
    let found = match versions::find(reader, id, &spec) {
        Ok(found) => found,
        Err((reason, message)) => return nowhere(Condition::holds("Accepted", "Accepted", ""), reason, message),
    };
    let attached = match attachments(reader, id, &spec) {
        Ok(attached) => attached,
        Err(message) => return refused("GatewayNotFound", message),
    };
    // Weights that are somebody else's may all be 0 for a while; only those of the Split itself must make sense.
    let least = i64::from(spec.target_ref.is_some());
    let wire_of = |version: &crate::model::Version| {
        resource::wire_version(&version.name, i64::from(version.weight.get()).max(least), None)
    };
    let wire = spec.into_wire(&id.name, found.versions.iter().map(wire_of).collect());
    let mut context = build::Context::new(std::path::Path::new(""));
    let listeners: Vec<&str> = reader.options.listeners.iter().map(|name| &**name).collect();
    let scope = build::Scope { at: Pointer::root().key("spec"), listeners: &listeners, stateless: false };
    let Some(mut route) = build::route(&wire, &scope, &mut context) else {
        return refused("Invalid", describe(&context.problems));
    };
    for rule in &mut route.rules {
        let split = Arc::make_mut(&mut rule.split);
        split.versions.clone_from(&found.versions);
        split.overrides.extend(found.managed.overrides.iter().cloned());
        split.mirrors.extend(found.managed.mirrors.iter().cloned());
        keys.sign(split);
    }
    if let Some(listeners) = attached {
        let hosts = route.attachments.iter().flat_map(|attachment| attachment.hosts.clone()).collect::<Vec<_>>();
        route.attachments = match on_listeners(&listeners, &hosts) {
            Ok(attachments) => attachments,
            Err(refusal) => return refused(refusal.reason, refusal.message),
        };
    }
    route.key = RouteKey { namespace: Arc::clone(&id.namespace), kind: Kind::Split, name: Arc::clone(&id.name) };
    let mut conditions = vec![Condition::holds("Accepted", "Accepted", ""), keys.condition(found.resolved)];
    conditions.extend(found.conflict);
    let report = Report { conditions, notes: found.notes, ..Report::default() };
    Translation { routes: vec![Arc::new(route)], report, ..Translation::default() }
}

/// Where a Split with these hosts is reached, as an HTTPRoute with the same parents would be.
///
/// # Errors
///
/// No Gateway takes it; why the first does not.
fn on_listeners(gateways: &[OnGateway], hosts: &[HostPattern]) -> Result<Vec<Attachment>, Condition> {
    let answers: Vec<_> =
        gateways.iter().map(|(parent, listeners)| gateway::accept(parent, listeners, hosts)).collect();
    if answers.iter().any(|(accepted, _)| accepted.holds) {
        let listeners = answers.iter().flat_map(|(_, on)| on);
        return Ok(listeners.filter_map(|listener| listener.attachment(hosts)).collect());
    }
    answers.into_iter().next().map_or_else(|| Ok(Vec::new()), |(refusal, _)| Err(refusal))
}

/// A Gateway as a Split refers to it, with its listeners.
type OnGateway = (gateway::ParentRef, Vec<gateway::Attachable>);

/// The Gateways that a Split is on; none: it is on the listeners of the process.
fn attachments(reader: &Reader<'_>, id: &Id, spec: &SplitSpec) -> Result<Option<Vec<OnGateway>>, String> {
    if spec.gateways.is_empty() {
        return Ok(None);
    }
    let mut all = Vec::new();
    for wanted in &spec.gateways {
        let namespace = wanted.namespace.as_deref().map_or_else(|| Arc::clone(&id.namespace), Arc::from);
        let gateway = Id::new(ObjectKind::Gateway, namespace, wanted.name.as_str());
        let listeners = gateway::attachable(reader, &gateway, &id.namespace, Kind::Split)
            .ok_or_else(|| format!("there is no {gateway} of a class of ours"))?;
        let section_name = wanted.section_name.clone();
        all.push((gateway::ParentRef { section_name, ..gateway::ParentRef::default() }, listeners));
    }
    Ok(Some(all))
}

/// Errors with their places, as fields of the object.
fn describe(problems: &Problems) -> String {
    let field = |problem: &file::problem::Problem| {
        let path = problem.at.as_str().trim_start_matches('/').replace('/', ".");
        format!("{path}: {}", problem.message)
    };
    problems.errors.iter().map(field).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
