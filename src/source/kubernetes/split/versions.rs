//! The versions of a Split with their pods: from Services, from the hashes of one Service's pods, or from a Rollout.

use std::sync::{Arc, OnceLock};

use super::managed::Managed;
use super::resource::{SplitSpec, SplitVersion, TargetKind};
use super::rollout::{RolloutSpec, RolloutStatus, Shares};
use crate::model::{Origin, Transport, UpstreamProtocol, Version, Weight};
use crate::source::file::wire::Protocol;
use crate::source::kubernetes::endpoints::{self, Backend, PortRef};
use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::{Id, ObjectKind};
use crate::source::kubernetes::report::{Condition, Note};

/// The versions of a Split.
pub struct Found {
    /// Versions with their endpoints.
    pub versions: Vec<Version>,
    /// Whether every reference leads somewhere.
    pub resolved: Condition,
    /// What an operator must know.
    pub notes: Vec<Note>,
    /// Who else steers the same.
    pub conflict: Option<Condition>,
    /// What the target says beside weights.
    pub managed: Managed,
}

impl Found {
    fn new(versions: Vec<Version>, resolved: Condition) -> Self {
        Self { versions, resolved, notes: Vec::new(), conflict: None, managed: Managed::default() }
    }
}

/// Why there are none: reason and message.
pub type NotFound = (&'static str, String);

/// Finds the versions of a Split that is a route.
pub fn find(reader: &Reader<'_>, id: &Id, spec: &SplitSpec) -> Result<Found, NotFound> {
    match &spec.target_ref {
        None if spec.versions.is_empty() => {
            Err(("NoVersions", "a Split without targetRef needs versions: [{name: stable, service: NAME}]".to_owned()))
        }
        None => Ok(by_service(reader, id, spec)),
        Some(target) if target.kind == TargetKind::Rollout => by_rollout(reader, id, spec, &target.name),
        Some(target) => by_pods(reader, id, spec, &target.name),
    }
}

/// Each version names a Service, and maybe which of its pods.
fn by_service(reader: &Reader<'_>, id: &Id, spec: &SplitSpec) -> Found {
    let (mut missing, mut unspoken) = (Vec::new(), Vec::new());
    let only = spec.versions.len() == 1;
    let versions = spec.versions.iter().map(|wire| {
        let found = service_of(spec, wire).and_then(|service| lookup(reader, id, spec, (&service, wire.port)));
        let mut version = named(wire, i64::from(only));
        match found {
            Ok(backend) => {
                let (revision, endpoints) = match wire.revision.as_deref() {
                    Some(revision) => (revision.into(), backend.of(revision)),
                    None => backend.merged(),
                };
                fill(&mut version, &backend, wire.protocol, (revision, endpoints));
                unspoken.extend(unspoken_by(&backend));
            }
            // Without its Service a version has no pods; the others take its share as they do for any empty version.
            Err(error) => missing.push(error),
        }
        version
    });
    let versions = versions.collect();
    Found::new(versions, resolved(missing, unspoken))
}

/// Whether all backends are there, and speak what is spoken to them.
fn resolved(missing: Vec<String>, unspoken: Vec<String>) -> Condition {
    let reason = if missing.is_empty() { "UnsupportedProtocol" } else { "BackendNotFound" };
    let trouble: Vec<String> = missing.into_iter().chain(unspoken).collect();
    match trouble.is_empty() {
        true => Condition::holds("ResolvedRefs", "ResolvedRefs", ""),
        false => Condition::fails("ResolvedRefs", reason, trouble.join("; ")),
    }
}

/// What is to be said of a backend that asks for a protocol which is not spoken.
fn unspoken_by(backend: &Backend) -> Option<String> {
    let protocol = backend.app_protocol.as_deref().filter(|protocol| !speaks(protocol))?;
    Some(unspoken(&format!("Service {}/{}", backend.origin.namespace, backend.origin.service), protocol))
}

/// What is to be said of a Service that asks for a protocol which is not spoken.
pub fn unspoken(service: &str, protocol: &str) -> String {
    format!("{service} asks for {protocol} (appProtocol), which is not spoken to backends of routes")
}

/// The pods of one Service, told apart by what they run: shares in proportion to their number unless weights are given.
fn by_pods(reader: &Reader<'_>, id: &Id, spec: &SplitSpec, service: &str) -> Result<Found, NotFound> {
    let backend = lookup(reader, id, spec, (service, spec.port)).map_err(|error| ("BackendNotFound", error))?;
    let resolved = resolved(Vec::new(), unspoken_by(&backend).into_iter().collect());
    if spec.versions.is_empty() {
        // The oldest first: it is the one that the others are compared with.
        let versions = backend.groups.iter().rev().map(|group| {
            let name = if group.revision.is_empty() { "pods" } else { &group.revision };
            let mut version = empty(name, group.endpoints.len() as i64);
            fill(&mut version, &backend, None, (Arc::clone(&group.revision), group.endpoints.clone()));
            version
        });
        let mut versions: Vec<Version> = versions.collect();
        if versions.is_empty() {
            // Pods that are all gone may come back: the route stays.
            let mut version = empty("pods", 1);
            fill(&mut version, &backend, None, backend.merged());
            versions.push(version);
        }
        return Ok(Found::new(versions, resolved));
    }
    let given = spec.versions.iter().any(|version| version.weight.is_some());
    let versions = spec.versions.iter().map(|wire| {
        let revision = wire.revision.as_deref().unwrap_or(&wire.name);
        let endpoints = backend.of(revision);
        let mut version = named(wire, if given { 0 } else { endpoints.len() as i64 });
        fill(&mut version, &backend, wire.protocol, (revision.into(), endpoints));
        version
    });
    Ok(Found::new(versions.collect(), resolved))
}

/// The two versions of a Rollout, with the weights of the step that it has reached.
fn by_rollout(reader: &Reader<'_>, id: &Id, spec: &SplitSpec, name: &str) -> Result<Found, NotFound> {
    let target = Id::new(ObjectKind::Rollout, Arc::clone(&id.namespace), name);
    let object = reader.object(&target).ok_or_else(|| ("TargetNotFound", format!("there is no {target}")))?;
    let rollout: RolloutSpec = object.spec().map_err(|error| ("TargetMalformed", format!("{target}: {error}")))?;
    let status: RolloutStatus = object.status();
    let shares = rollout.shares(&status);
    let service = spec.service.as_deref().or(rollout.stable_service()).ok_or_else(|| {
        ("NoService", format!("{target} names no Service: write service: NAME, the one that selects all its pods"))
    })?;
    let backend = lookup(reader, id, spec, (service, spec.port)).map_err(|error| ("BackendNotFound", error))?;
    let others: Vec<&str> = rollout.canary_service().into_iter().chain(rollout.other_services(&status)).collect();
    let backend = with_services(reader, id, (spec, &others), backend);
    let resolved = resolved(Vec::new(), unspoken_by(&backend).into_iter().collect());
    let mut found = Found::new(steps(spec, &shares, &backend), resolved);
    found.conflict = conflict(reader, id, &target, &rollout.routers());
    found.notes.extend(found.conflict.iter().map(|conflict| warning(conflict.reason, conflict.message.clone())));
    found.managed = rollout.managed(&status);
    let refused = &found.managed.refused;
    found.notes.extend(refused.iter().map(|what| warning("StepNotCarried", format!("{target}: {what}"))));
    Ok(found)
}

fn warning(reason: &'static str, message: String) -> Note {
    Note { warning: true, reason, message }
}

/// Who else steers the traffic of a Rollout: a traffic router of its own, or an older Split.
fn conflict(reader: &Reader<'_>, id: &Id, target: &Id, routers: &[String]) -> Option<Condition> {
    let first = reader.policies(target).first().map(|(first, _)| (*first).clone()).filter(|first| first != id);
    let shared = first.map(|first| {
        format!("{first} follows {target}, too: both have its weights, so let their hosts or paths differ")
    });
    let routed = (!routers.is_empty()).then(|| {
        format!(
            "the traffic of {target} is routed by {}, too (trafficRouting): requests that come by this Split have the \
             weights that were told there (status.canary.weights); let only one of both take them",
            routers.join(", ")
        )
    });
    let reason = if shared.is_some() { "TargetShared" } else { "TargetRouted" };
    let messages: Vec<String> = shared.into_iter().chain(routed).collect();
    (!messages.is_empty()).then(|| Condition::holds("Conflicted", reason, messages.join("; ")))
}

fn steps(spec: &SplitSpec, shares: &Shares, backend: &Backend) -> Vec<Version> {
    let given: Vec<&str> = spec.versions.iter().map(|version| &*version.name).collect();
    let (stable, canary) = match given[..] {
        [stable, canary, ..] => (stable, canary),
        _ => ("stable", "canary"),
    };
    let pods = |hash: &str| backend.of(hash);
    let (first, second) = (pods(&shares.stable), pods(&shares.canary));
    let (a, b) = shares.weights.unwrap_or((first.len() as u32, second.len() as u32));
    let version = |name: &str, weight: u32, hash: &str, endpoints| {
        let mut version = empty(name, i64::from(weight));
        fill(&mut version, backend, None, (hash.into(), endpoints));
        version
    };
    // Pods of neither hash are what an earlier, unfinished update left: better they than nobody.
    let first = if first.is_empty() && second.is_empty() { backend.merged().1 } else { first };
    let mut versions = vec![version(stable, a, &shares.stable, first), version(canary, b, &shares.canary, second)];
    for (index, other) in shares.others.iter().enumerate() {
        let name = given.get(index + 2).map_or_else(|| format!("experiment-{}", index + 1), |name| (*name).to_owned());
        versions.push(version(&name, other.weight, &other.hash, pods(&other.hash)));
    }
    versions
}

/// A Rollout with a Service for each version: what one of them has not yet, another may have.
fn with_services(reader: &Reader<'_>, id: &Id, (spec, others): (&SplitSpec, &[&str]), backend: Backend) -> Backend {
    let given = spec.versions.iter().filter_map(|version| version.service.as_deref());
    let mut all = backend;
    for other in given.chain(others.iter().copied()) {
        let Ok(found) = lookup(reader, id, spec, (other, spec.port)) else { continue };
        for group in found.groups {
            if !all.groups.iter().any(|known| known.revision == group.revision) {
                all.groups.push(group);
            }
        }
    }
    all
}

fn service_of(spec: &SplitSpec, version: &SplitVersion) -> Result<String, String> {
    version.service.clone().or_else(|| spec.service.clone()).ok_or_else(|| {
        let name = &*version.name;
        format!("version {name} has no Service: write service: NAME in it, or for all versions in the spec")
    })
}

fn lookup(
    reader: &Reader<'_>,
    id: &Id,
    spec: &SplitSpec,
    (service, port): (&str, Option<u16>),
) -> Result<Backend, String> {
    let port = port.or(spec.port).map_or(PortRef::First, PortRef::Number);
    let label = spec.revision_label.as_deref();
    endpoints::backend_by(reader, (&id.namespace, &Arc::from(service)), &port, label).map_err(|error| error.to_string())
}

/// A version of the resource, with its weight or `default`.
fn named(wire: &SplitVersion, default: i64) -> Version {
    empty(&wire.name, wire.weight.unwrap_or(default))
}

fn empty(name: &str, weight: i64) -> Version {
    Version {
        name: name.into(),
        revision: "".into(),
        // The schema of the resource refuses weights out of range.
        weight: Weight::try_from(weight).unwrap_or(Weight::ZERO),
        endpoints: Vec::new(),
        transport: Arc::new(Transport::default()),
        filters: Vec::new(),
        invalid: false,
        origin: None,
    }
}

fn fill(
    version: &mut Version,
    backend: &Backend,
    protocol: Option<Protocol>,
    (revision, endpoints): (Arc<str>, Vec<crate::model::Endpoint>),
) {
    let origin: Arc<Origin> = backend.origin_of(&revision);
    version.transport = transport(backend.app_protocol.as_deref(), protocol);
    // It keeps its share, and answers 500 rather than be spoken to in clear text.
    version.invalid = backend.app_protocol.as_deref().is_some_and(|protocol| !speaks(protocol));
    version.origin = Some(origin);
    version.revision = revision;
    version.endpoints = endpoints;
}

/// How a Service's port is spoken to: as asked, else as its `appProtocol` says (KEP-3726), else HTTP/1.1.
pub fn transport(app_protocol: Option<&str>, asked: Option<Protocol>) -> Arc<Transport> {
    let app_protocol = app_protocol.map(str::to_ascii_lowercase);
    let protocol = match (asked, app_protocol.as_deref()) {
        (Some(Protocol::Http2), _) | (None, Some("kubernetes.io/h2c" | "h2c" | "grpc" | "http2")) => {
            UpstreamProtocol::Http2
        }
        (Some(Protocol::Http1), _) => UpstreamProtocol::Http1,
        _ => UpstreamProtocol::Auto,
    };
    plain(protocol)
}

/// Whether an `appProtocol` is one that backends are spoken to in. What needs TLS is not: in clear text it would be another.
pub fn speaks(app_protocol: &str) -> bool {
    let known = ["http", "http/1.1", "http2", "h2c", "grpc", "ws", "kubernetes.io/h2c", "kubernetes.io/ws"];
    app_protocol.is_empty() || known.iter().any(|known| known.eq_ignore_ascii_case(app_protocol))
}

/// Clear text in a version of HTTP; all that ask for the same share one.
pub fn plain(protocol: UpstreamProtocol) -> Arc<Transport> {
    static KNOWN: [OnceLock<Arc<Transport>>; 3] = [const { OnceLock::new() }; 3];
    Arc::clone(KNOWN[protocol as usize].get_or_init(|| Arc::new(Transport { protocol, tls: None })))
}
