//! From a Service to the pods behind it, told apart by what they run.
//!
//! A controller changes a Service's selector and the weights in one breath, while the slices follow later: what they say is
//! held against the selector, and pods that it no longer means are not used as long as there are others.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;

use super::index::Reader;
use super::object::{
    Body, DEPLOYMENT_HASH, Id, Object, ObjectKind, ROLLOUT_HASH, Service, ServicePort, Slice, SliceEndpoint,
};
use crate::model::{Endpoint, Origin};

/// One port of a Service.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// Pods by what they run, the newest first.
    pub groups: Vec<Group>,
    /// For metrics.
    pub origin: Arc<Origin>,
    /// `appProtocol` of the port.
    pub app_protocol: Option<Box<str>>,
}

/// Pods that run the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Hash of their pod template; empty where nobody says.
    pub revision: Arc<str>,
    /// What they belong to.
    pub workload: Option<Arc<str>>,
    /// Where they are.
    pub endpoints: Vec<Endpoint>,
    /// When the newest of them was made.
    newest: i64,
}

/// Why a Service cannot be sent to.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Missing {
    /// It is not there.
    #[error("there is no Service {namespace}/{name}")]
    Service {
        /// Namespace.
        namespace: Arc<str>,
        /// Name.
        name: Arc<str>,
    },
    /// It is there, but cannot be understood.
    #[error("Service {namespace}/{name} cannot be understood: {why}")]
    Malformed {
        /// Namespace.
        namespace: Arc<str>,
        /// Name.
        name: Arc<str>,
        /// What is wrong.
        why: String,
    },
    /// It has no such port.
    #[error("Service {namespace}/{name} has no port {port}; it has: {known}")]
    Port {
        /// Namespace.
        namespace: Arc<str>,
        /// Name.
        name: Arc<str>,
        /// What was asked for.
        port: PortRef,
        /// What there is.
        known: String,
    },
    /// It stands for a name elsewhere.
    #[error("Service {namespace}/{name} is of type ExternalName, which is not followed: give it a selector or slices")]
    ExternalName {
        /// Namespace.
        namespace: Arc<str>,
        /// Name.
        name: Arc<str>,
    },
}

/// A port of a Service as others refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRef {
    /// By number.
    Number(u16),
    /// By name.
    Name(Box<str>),
    /// The only port, or the first.
    First,
}

impl std::fmt::Display for PortRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::First => f.write_str("at all"),
        }
    }
}

impl Backend {
    /// All pods as one version: its revision is what the newest of them run, so that it changes once in a rolling update.
    pub fn merged(&self) -> (Arc<str>, Vec<Endpoint>) {
        let revision = self.groups.first().map_or_else(|| "".into(), |group| Arc::clone(&group.revision));
        let mut endpoints: Vec<Endpoint> = self.groups.iter().flat_map(|group| group.endpoints.clone()).collect();
        endpoints.sort();
        // It is kept with the route.
        endpoints.shrink_to_fit();
        (revision, endpoints)
    }

    /// The pods of one revision.
    pub fn of(&self, revision: &str) -> Vec<Endpoint> {
        let group = self.groups.iter().find(|group| *group.revision == *revision);
        group.map_or_else(Vec::new, |group| group.endpoints.clone())
    }

    /// The origin, with the workload of a revision's pods.
    pub fn origin_of(&self, revision: &str) -> Arc<Origin> {
        let group = self.groups.iter().find(|group| *group.revision == *revision);
        let workload = group.and_then(|group| group.workload.clone());
        Arc::new(Origin { workload, ..(*self.origin).clone() })
    }
}

/// Looks up a port of a Service.
///
/// # Errors
///
/// See [`Missing`].
pub fn backend(reader: &Reader<'_>, namespace: &Arc<str>, name: &Arc<str>, port: &PortRef) -> Result<Backend, Missing> {
    backend_by(reader, (namespace, name), port, None)
}

/// The same, with pods told apart by a label of theirs instead of by their ReplicaSet.
///
/// # Errors
///
/// See [`Missing`].
pub fn backend_by(
    reader: &Reader<'_>,
    (namespace, name): (&Arc<str>, &Arc<str>),
    port: &PortRef,
    label: Option<&str>,
) -> Result<Backend, Missing> {
    let of = || (Arc::clone(namespace), Arc::clone(name));
    let service = reader.service(namespace, name).ok_or_else(|| {
        let (namespace, name) = of();
        let id = Id::new(ObjectKind::Service, Arc::clone(&namespace), Arc::clone(&name));
        match reader.malformed(&id) {
            Some(why) => Missing::Malformed { namespace, name, why: why.to_owned() },
            None => Missing::Service { namespace, name },
        }
    })?;
    if service.external_name {
        let (namespace, name) = of();
        return Err(Missing::ExternalName { namespace, name });
    }
    let found = find(service, port).ok_or_else(|| {
        let (namespace, name) = of();
        let known = service.ports.iter().map(|port| port.port.to_string()).collect::<Vec<_>>().join(", ");
        Missing::Port { namespace, name, port: port.clone(), known }
    })?;
    let pods = Pods { reader, namespace, label };
    let origin = Origin {
        namespace: Arc::clone(namespace),
        service: Arc::clone(name),
        port: found.port,
        app: service.selector.get("app").map(Arc::from),
        workload: None,
    };
    Ok(Backend {
        groups: pods.groups(name, service, found),
        origin: Arc::new(origin),
        app_protocol: found.app_protocol.clone(),
    })
}

fn find<'s>(service: &'s Service, port: &PortRef) -> Option<&'s ServicePort> {
    service.ports.iter().find(|known| match port {
        PortRef::Number(number) => known.port == *number,
        PortRef::Name(name) => known.name == *name,
        PortRef::First => true,
    })
}

/// The pods of a namespace.
struct Pods<'r, 'i> {
    reader: &'r Reader<'i>,
    namespace: &'r Arc<str>,
    label: Option<&'r str>,
}

/// An address with what its pod runs.
struct Found<'i> {
    endpoint: &'i SliceEndpoint,
    port: u16,
    revision: Arc<str>,
    workload: Option<Arc<str>>,
    made: i64,
}

impl<'i> Pods<'_, 'i> {
    fn groups(&self, name: &Arc<str>, service: &Service, port: &ServicePort) -> Vec<Group> {
        let found: Vec<Found<'i>> =
            self.reader.slices(self.namespace, name).flat_map(|slice| self.in_slice(slice, &port.name)).collect();
        let found = match service.selector.get(ROLLOUT_HASH) {
            Some(selected) if self.label.is_none() => self.selected(found, selected, port),
            _ => found,
        };
        grouped(usable(found))
    }

    /// The pods that a selector means: those that the slices have of them; if none of these takes requests yet, those that
    /// the slices of other Services have; and if nobody knows any, whatever the slices say, rather than nothing.
    fn selected(&self, found: Vec<Found<'i>>, selected: &str, port: &ServicePort) -> Vec<Found<'i>> {
        let Some(port) = found.first().map(|found| found.port).or_else(|| number(port)) else { return found };
        let (meant, stale): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| *found.revision == *selected);
        if meant.iter().any(|found| found.endpoint.ready) {
            return meant;
        }
        let slices = self.reader.of(ObjectKind::Slice, Some(self.namespace));
        let slices = slices.filter_map(|(_, object)| match &object.body {
            Body::Slice(slice) => Some(slice),
            _ => None,
        });
        let everywhere = slices.flat_map(|slice| self.on_port(slice, port));
        let meant = usable(everywhere.filter(|found| *found.revision == *selected).collect());
        if meant.is_empty() { stale } else { meant }
    }

    fn in_slice<'s>(&'s self, slice: &'i Slice, port: &str) -> impl Iterator<Item = Found<'i>> + use<'s, 'i> {
        let number = slice.ports.iter().find(|(name, _)| **name == *port).map(|(_, number)| *number);
        number.into_iter().flat_map(move |number| slice.endpoints.iter().map(move |e| self.found(e, number)))
    }

    fn on_port<'s>(&'s self, slice: &'i Slice, port: u16) -> impl Iterator<Item = Found<'i>> + use<'s, 'i> {
        let has = slice.ports.iter().any(|(_, number)| *number == port);
        slice.endpoints.iter().filter(move |_| has).map(move |endpoint| self.found(endpoint, port))
    }

    fn found(&self, endpoint: &'i SliceEndpoint, port: u16) -> Found<'i> {
        let pod = endpoint.pod.as_ref().map(|name| (name, self.pod(name)));
        let (revision, workload, made) = match pod {
            Some((name, Some(pod))) => {
                let revision = self.revision(name, pod);
                let workload = workload(pod, &revision);
                (revision, workload, pod.created)
            }
            Some((name, None)) if self.label.is_none() => (hash_in(name).into(), None, 0),
            _ => ("".into(), None, 0),
        };
        Found { endpoint, port, revision, workload, made }
    }

    /// A label of the user's own may change, and a pod may come back with another one under its name (StatefulSets).
    fn pod(&self, name: &Arc<str>) -> Option<&'i Object> {
        match self.label {
            None => self.reader.pod(self.namespace, name),
            Some(_) => self.reader.object(&Id::new(ObjectKind::Pod, Arc::clone(self.namespace), Arc::clone(name))),
        }
    }

    fn revision(&self, name: &str, pod: &Object) -> Arc<str> {
        let label = |label: &str| pod.labels.get(label).map(Arc::from);
        match self.label {
            Some(own) => label(own).unwrap_or_else(|| "".into()),
            None => label(ROLLOUT_HASH).or_else(|| label(DEPLOYMENT_HASH)).unwrap_or_else(|| hash_in(name).into()),
        }
    }
}

/// The port of the pods, where no slice says it.
fn number(port: &ServicePort) -> Option<u16> {
    match &port.target_port {
        None => Some(port.port),
        Some(target) => target.number(),
    }
}

/// Ready pods; without any, those that still answer although they are on their way out (KEP-1669).
fn usable(found: Vec<Found<'_>>) -> Vec<Found<'_>> {
    let (ready, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.endpoint.ready);
    if ready.is_empty() { others.into_iter().filter(|found| found.endpoint.serving).collect() } else { ready }
}

fn grouped(found: Vec<Found<'_>>) -> Vec<Group> {
    let mut groups: BTreeMap<Arc<str>, Group> = BTreeMap::new();
    for Found { endpoint, port, revision, workload, made } in found {
        let new = || Group { revision: Arc::clone(&revision), workload, endpoints: Vec::new(), newest: made };
        let group = groups.entry(Arc::clone(&revision)).or_insert_with(new);
        group.newest = group.newest.max(made);
        let address = SocketAddr::new(endpoint.address, port);
        group.endpoints.push(Endpoint { address, host: None, pod: endpoint.pod.clone() });
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    for group in &mut groups {
        group.endpoints.sort();
        group.endpoints.dedup();
        group.endpoints.shrink_to_fit();
    }
    groups.sort_by(|a, b| b.newest.cmp(&a.newest).then_with(|| a.revision.cmp(&b.revision)));
    groups
}

/// The Deployment or Rollout of a pod: its ReplicaSet's name without the hash; else what owns the pod itself.
fn workload(pod: &Object, revision: &str) -> Option<Arc<str>> {
    let owner = pod.owner()?;
    let without = owner.strip_suffix(revision).and_then(|rest| rest.strip_suffix('-'));
    Some(without.filter(|_| !revision.is_empty()).map_or_else(|| Arc::clone(owner), Arc::from))
}

/// The hash in the name of a pod that is not known yet: the part before the last, if it is made of the letters that
/// Kubernetes makes hashes of (`k8s.io/apimachinery/pkg/util/rand`).
fn hash_in(pod: &str) -> &str {
    let mut parts = pod.rsplit('-');
    let letters = |part: &str| part.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b));
    match (parts.next(), parts.next()) {
        (Some(own), Some(hash))
            if own.len() == 5 && (5..=10).contains(&hash.len()) && letters(own) && letters(hash) =>
        {
            hash
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests;
