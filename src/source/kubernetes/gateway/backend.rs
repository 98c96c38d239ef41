//! Backends of a rule (Gateway API, `HTTPBackendRef`): each becomes a version, named after its Service.

use std::collections::HashSet;
use std::sync::Arc;

use super::wire::BackendRef;
use super::{filter, grant, said};
use crate::model::{Rule, Split, Transport, UpstreamProtocol, Version, Weight, shared_matches};
use crate::source::kubernetes::endpoints::{self, PortRef};
use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::{Id, ObjectKind};
use crate::source::kubernetes::report::Condition;
use crate::source::kubernetes::{smi, split};

/// What TrafficSplits say of the requests that a rule sends to its only backend, a Service of the route's namespace.
pub fn divided(reader: &Reader<'_>, route: &Id, wire: &[BackendRef]) -> smi::Division {
    let of = |only: &BackendRef| smi::divided(reader, &route.namespace, &only.name);
    own(route, wire).map(of).unwrap_or_default()
}

/// The versions of a rule; what leads nowhere keeps its share, and `trouble` says why.
pub fn versions(
    reader: &Reader<'_>,
    route: &Id,
    (wire, division): (&[BackendRef], &smi::Division),
    trouble: &mut Vec<Condition>,
) -> Vec<Version> {
    let shares = own(route, wire).zip(division.shares.as_deref());
    let divided = shares.map(|(only, shares)| backends(only, shares));
    each(reader, route, divided.as_deref().unwrap_or(wire), trouble)
}

fn each(reader: &Reader<'_>, route: &Id, wire: &[BackendRef], trouble: &mut Vec<Condition>) -> Vec<Version> {
    let mut names = HashSet::new();
    let version = |backend: &BackendRef| {
        let mut version = match version(reader, route, backend) {
            Ok(version) => version,
            Err(condition) => {
                trouble.push(condition);
                invalid(backend)
            }
        };
        if !names.insert(Arc::clone(&version.name)) {
            let port = backend.port.unwrap_or_default();
            version.name = format!("{}-{port}-{}", version.name, names.len()).into();
            names.insert(Arc::clone(&version.name));
        }
        version
    };
    let versions: Vec<Version> = wire.iter().map(version).collect();
    match versions.is_empty() {
        true => vec![Version { weight: Weight::ONE, ..invalid(&BackendRef::default()) }],
        false => versions,
    }
}

/// Rules of their own for the requests that TrafficSplits divide otherwise than the others: before that one.
pub fn parts(
    reader: &Reader<'_>,
    route: &Id,
    (wire, division, rule): (&[BackendRef], &smi::Division, &Rule),
    trouble: &mut Vec<Condition>,
) -> Vec<Rule> {
    let part = |(only, part): (&BackendRef, &smi::Part)| {
        let matches = part.within(&rule.matches);
        let versions = each(reader, route, &backends(only, &part.shares), trouble);
        let split = Arc::new(Split { versions, ..(*rule.split).clone() });
        (!matches.is_empty()).then(|| Rule { matches: shared_matches(matches), split, filters: rule.filters.clone() })
    };
    let all = own(route, wire).into_iter().flat_map(|only| division.parts.iter().map(move |part| (only, part)));
    all.filter_map(part).collect()
}

/// The only backend of a rule, if it is a Service of the route's namespace.
fn own<'w>(route: &Id, wire: &'w [BackendRef]) -> Option<&'w BackendRef> {
    let [only] = wire else { return None };
    let here = only.namespace.as_deref().is_none_or(|namespace| *namespace == *route.namespace);
    (here && is_service(only)).then_some(only)
}

fn backends(root: &BackendRef, shares: &[smi::Share]) -> Vec<BackendRef> {
    let backend = |share: &smi::Share| BackendRef {
        name: share.service.to_string(),
        weight: Some(i64::from(share.weight.get())),
        ..root.clone()
    };
    shares.iter().map(backend).collect()
}

fn is_service(backend: &BackendRef) -> bool {
    let (group, kind) = (backend.group.as_deref().unwrap_or_default(), backend.kind.as_deref().unwrap_or("Service"));
    group.is_empty() && kind == "Service"
}

fn weight(backend: &BackendRef) -> Weight {
    // The schema of the resource refuses weights out of range.
    Weight::try_from(backend.weight.unwrap_or(1)).unwrap_or(Weight::ZERO)
}

fn invalid(backend: &BackendRef) -> Version {
    Version {
        name: backend.name.as_str().into(),
        revision: "".into(),
        weight: weight(backend),
        endpoints: Vec::new(),
        transport: Arc::new(Transport::default()),
        filters: Vec::new(),
        invalid: true,
        origin: None,
    }
}

/// The target of a mirror; what leads nowhere is there, too, and `trouble` says why.
pub fn mirror_target(reader: &Reader<'_>, route: &Id, wire: &BackendRef, trouble: &mut Vec<Condition>) -> Version {
    version(reader, route, wire).unwrap_or_else(|condition| {
        let message = format!("mirror: {}", condition.message);
        trouble.push(Condition { message, ..condition });
        invalid(wire)
    })
}

fn version(reader: &Reader<'_>, route: &Id, backend: &BackendRef) -> Result<Version, Condition> {
    let refused = |reason, message: String| Condition::fails("ResolvedRefs", reason, message);
    if !is_service(backend) {
        let kind = backend.kind.as_deref().unwrap_or("Service");
        return Err(refused("InvalidKind", format!("backend {} is a {kind}: only Services are known", backend.name)));
    }
    let namespace: Arc<str> = backend.namespace.as_deref().map_or_else(|| Arc::clone(&route.namespace), Arc::from);
    let service = Id::new(ObjectKind::Service, Arc::clone(&namespace), backend.name.as_str());
    if !grant::allows(reader, route, &service) {
        let message = format!(
            "no ReferenceGrant in {namespace} allows {}s of {} to use {service}",
            route.kind.name(),
            route.namespace
        );
        return Err(refused("RefNotPermitted", message));
    }
    let service = Id { name: reader.shared_name(service.clone()), ..service };
    let port = backend.port.map_or(PortRef::First, PortRef::Number);
    let found = endpoints::backend(reader, &namespace, &service.name, &port)
        .map_err(|error| refused("BackendNotFound", error.to_string()))?;
    let filters = filter::of_backend(&backend.filters)
        .map_err(|error| said::unsupported(format!("backend {}: {error}", backend.name)))?;
    if let Some(protocol) = found.app_protocol.as_deref().filter(|protocol| !split::speaks(protocol)) {
        return Err(refused("UnsupportedProtocol", split::unspoken(&service.to_string(), protocol)));
    }
    let (revision, endpoints) = found.merged();
    let transport = match route.kind {
        // gRPC is HTTP/2, whatever the Service says.
        ObjectKind::GrpcRoute => split::plain(UpstreamProtocol::Http2),
        _ => split::transport(found.app_protocol.as_deref(), None),
    };
    Ok(Version {
        name: Arc::clone(&service.name),
        origin: Some(found.origin_of(&revision)),
        revision,
        weight: weight(backend),
        endpoints,
        transport,
        filters,
        invalid: false,
    })
}
