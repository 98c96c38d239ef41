//! One Ingress of the index: those that its hosts concern are planned together, and its own routes are taken from the plan.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;

use super::class::{self, Class};
use super::{BackendRef, Cluster, Hosts, IngressView, Plan, Port, Resolved, TlsHosts};
use crate::model::{Certificate, Endpoint, HostPattern, Version};
use crate::source::kubernetes::endpoints::{self, Backend, PortRef};
use crate::source::kubernetes::index::{Reader, Translation};
use crate::source::kubernetes::object::{Body, Id, Object, ObjectKind};
use crate::source::kubernetes::report::{Note, Report};
use crate::source::kubernetes::{gateway, smi, split};

/// What an Ingress means; nothing if its class is not ours.
pub fn translate(reader: &Reader<'_>, id: &Id, object: &Object) -> Translation {
    let own = match view(reader, id, object) {
        Ok(Some(view)) => view,
        Ok(None) => return Translation::default(),
        Err(message) => {
            let notes = vec![Note { warning: true, reason: "Malformed", message }];
            return Translation { report: Report { notes, ..Report::default() }, ..Translation::default() };
        }
    };
    let (views, at) = related(reader, (id, object), own);
    let plan = Plan::new(&views, &reader.options.annotation_prefix);
    let made = plan.translate(at, &Lookup { reader, id });
    let mut notes = super::notes::notes(&made.findings);
    let certificates = made.tls.iter().filter_map(|tls| certificate(reader, id, tls, &mut notes)).collect();
    let mut routes = made.routes;
    for rule in routes.iter_mut().flat_map(|route| &mut route.rules) {
        divide(reader, &mut Arc::make_mut(&mut rule.split).versions);
    }
    split::apply_policies(reader, id, &mut routes, &mut notes);
    let addresses = reader.service(&reader.options.namespace, &reader.options.service).map(gateway::addresses);
    let report = Report { notes, addresses: addresses.unwrap_or_default(), ..Report::default() };
    Translation { routes: routes.into_iter().map(Arc::new).collect(), certificates, report, ..Translation::default() }
}

/// The Ingresses that share a host with one, other names included, and those for every host; with its own position among
/// them. Whether one really has another name depends on who shares its hosts: so these count, too.
fn related(reader: &Reader<'_>, (id, object): (&Id, &Object), own: IngressView) -> (Vec<Arc<IngressView>>, usize) {
    let mut asked = Hosts::of(object);
    asked.rules.insert("".into());
    let mut found: BTreeMap<(i64, Id), Arc<IngressView>> = BTreeMap::from([((own.created, id.clone()), Arc::new(own))]);
    let mut further = BTreeSet::new();
    for host in asked.all() {
        for other in sharing(reader, host, &mut found) {
            if other.others.contains(host) {
                further.extend(other.rules);
            }
        }
    }
    for host in further.iter().filter(|host| !asked.all().any(|known| known == *host)) {
        sharing(reader, host, &mut found);
    }
    let at = found.keys().position(|(_, known)| known == id).unwrap_or_default();
    (found.into_values().collect(), at)
}

/// Adds the Ingresses that ask for a host; gives the hosts of those that have other names.
fn sharing(reader: &Reader<'_>, host: &Arc<str>, found: &mut BTreeMap<(i64, Id), Arc<IngressView>>) -> Vec<Hosts> {
    let mut renamed = Vec::new();
    for (other, object) in reader.ingresses_for(host) {
        if let Entry::Vacant(place) = found.entry((object.created, other.clone())) {
            let Ok(Some(view)) = view(reader, other, object) else { continue };
            place.insert(Arc::new(view));
        }
        if Hosts::has_others(object) {
            renamed.push(Hosts::of(object));
        }
    }
    renamed
}

/// An Ingress as it is planned with; none if its class is not ours.
fn view(reader: &Reader<'_>, id: &Id, object: &Object) -> Result<Option<IngressView>, String> {
    let spec: k8s_openapi::api::networking::v1::IngressSpec =
        object.spec().map_err(|error| format!("the spec cannot be understood: {error}"))?;
    let annotations: BTreeMap<String, String> =
        object.annotations().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let view = IngressView {
        namespace: Arc::clone(&id.namespace),
        name: Arc::clone(&id.name),
        created: object.created,
        uid: (*object.uid).into(),
        spec,
        annotations,
    };
    let ours = class::is_ours(view.class(), &reader.options.classes, || classes(reader));
    Ok(ours.then_some(view))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClassSpec {
    controller: String,
}

/// The IngressClasses that ask for this controller.
fn classes(reader: &Reader<'_>) -> Vec<Class> {
    let names_us = |object: &Object| object.spec::<ClassSpec>().is_ok_and(|spec| spec.controller == class::CONTROLLER);
    let ours = reader.of(ObjectKind::IngressClass, None).filter(|(_, object)| names_us(object));
    let class = |(id, object): (&Id, &Object)| Class {
        name: id.name.to_string(),
        is_default: object.annotations().any(|annotation| annotation == (class::DEFAULT, "true")),
    };
    ours.map(class).collect()
}

fn certificate(reader: &Reader<'_>, id: &Id, tls: &TlsHosts, notes: &mut Vec<Note>) -> Option<Certificate> {
    let secret = Id::new(ObjectKind::Secret, Arc::clone(&id.namespace), Arc::clone(tls.secret.as_ref()?));
    let found = reader.named(&secret).ok_or_else(|| "there is none, or no right to read it".to_owned());
    let hosts: &[HostPattern] = &tls.hosts;
    match found.and_then(|object| gateway::certificate(object, hosts)) {
        Ok(certificate) => Some(certificate),
        Err(error) => {
            notes.push(Note { warning: true, reason: "InvalidCertificate", message: format!("{secret}: {error}") });
            None
        }
    }
}

/// A Service that a TrafficSplit divides is replaced by those that it is divided between.
fn divide(reader: &Reader<'_>, versions: &mut Vec<Version>) {
    let [only] = &versions[..] else { return };
    let Some(origin) = only.origin.clone() else { return };
    let Some(shares) = smi::shares(reader, &origin.namespace, &origin.service) else { return };
    let version = |share: &smi::Share| {
        let port = PortRef::Number(origin.port);
        let backend = endpoints::backend(reader, &origin.namespace, &share.service, &port).ok();
        let (revision, endpoints) = backend.as_ref().map(Backend::merged).unwrap_or_default();
        Version {
            name: Arc::clone(&share.service),
            weight: share.weight,
            origin: backend.map(|backend| backend.origin_of(&revision)),
            revision,
            endpoints,
            ..only.clone()
        }
    };
    *versions = shares.iter().map(version).collect();
}

/// What translation asks, answered from the index.
struct Lookup<'r, 'i> {
    reader: &'r Reader<'i>,
    /// Who asks.
    id: &'r Id,
}

impl Cluster for Lookup<'_, '_> {
    fn resolve(&self, backend: &BackendRef) -> Result<Resolved, String> {
        let port = match &backend.port {
            Port::Number(number) => PortRef::Number(*number),
            Port::Name(name) => PortRef::Name((**name).into()),
        };
        let found = endpoints::backend(self.reader, &backend.namespace, &backend.service, &port)
            .map_err(|error| error.to_string())?;
        let (revision, endpoints) = found.merged();
        let origin = found.origin_of(&revision);
        let endpoints = if backend.cluster_ip { self.cluster_ip(backend, origin.port) } else { endpoints };
        Ok(Resolved {
            endpoints,
            revision,
            app_protocol: found.app_protocol.as_deref().map(Arc::from),
            origin: Some(origin),
        })
    }

    fn config_map(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, String>, String> {
        let map = Id::new(ObjectKind::ConfigMap, namespace, name);
        if !gateway::allows(self.reader, self.id, &map) {
            return Err(format!(
                "{map} is of another namespace: a ReferenceGrant there must let Ingresses of {} refer to it",
                self.id.namespace
            ));
        }
        let found = self.reader.named(&map).ok_or_else(|| format!("there is no {map}, or no right to read it"))?;
        let Body::ConfigMap(data) = &found.body else { return Err(format!("{map} has no data")) };
        Ok(data.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }
}

impl Lookup<'_, '_> {
    fn cluster_ip(&self, backend: &BackendRef, port: u16) -> Vec<Endpoint> {
        let service = self.reader.service(&backend.namespace, &backend.service);
        let address = service.and_then(|service| service.cluster_ip);
        address.into_iter().map(|ip| Endpoint { address: SocketAddr::new(ip, port), host: None, pod: None }).collect()
    }
}
