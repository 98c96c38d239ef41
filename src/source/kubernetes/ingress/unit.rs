//! One Ingress of the index: those that its hosts concern are planned together, and its own routes are taken from the plan.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;

use super::class::{self, Class};
use super::{BackendRef, Cluster, Hosts, IngressView, Plan, Port, Resolved, TlsHosts};
use crate::model::{Certificate, Endpoint, HostPattern, Origin, Route, Rule, Split, Version, shared_matches};
use crate::source::kubernetes::endpoints::{self, Backend, PortRef};
use crate::source::kubernetes::index::{Reader, Translation};
use crate::source::kubernetes::object::{Body, Id, Object, ObjectKind};
use crate::source::kubernetes::report::{Note, Report};
use crate::source::kubernetes::{gateway, smi, split};

/// What an Ingress means; nothing if its class is not ours.
pub fn translate(reader: &Reader<'_>, id: &Id, object: &Object) -> Translation {
    let own = match view(id, object) {
        Ok(view) if is_ours(reader, &view) => view,
        Ok(view) => return Translation::not_ours(is_of_another(reader, &view)),
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
    let explicit = plan.settings[at].traffic.protocol.is_some();
    for route in &mut routes {
        divide(reader, route, explicit, &mut notes);
    }
    split::apply_policies(reader, id, &mut routes, &mut notes);
    let addresses = reader.service(&reader.options.namespace, &reader.options.service).map(gateway::addresses);
    let notes = super::notes::by_reason(notes);
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
            let Some(view) = view(other, object).ok().filter(|view| is_ours(reader, view)) else { continue };
            place.insert(Arc::new(view));
        }
        if Hosts::has_others(object) {
            renamed.push(Hosts::of(object));
        }
    }
    renamed
}

/// An Ingress as it is planned with.
fn view(id: &Id, object: &Object) -> Result<IngressView, String> {
    let spec: k8s_openapi::api::networking::v1::IngressSpec =
        object.spec().map_err(|error| format!("the spec cannot be understood: {error}"))?;
    let annotations: BTreeMap<String, String> =
        object.annotations().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Ok(IngressView {
        namespace: Arc::clone(&id.namespace),
        name: Arc::clone(&id.name),
        created: object.created,
        uid: (*object.uid).into(),
        spec,
        annotations,
    })
}

fn is_ours(reader: &Reader<'_>, view: &IngressView) -> bool {
    class::is_ours(view.class(), &reader.options.classes, || {
        let ours = reader.of(ObjectKind::IngressClass, None).filter(|(_, class)| is_for_us(class) == Some(true));
        ours.map(|(id, class)| Class { name: id.name.to_string(), is_default: is_default(class) })
    })
}

/// Whether an Ingress that is not ours is certainly another controller's: its class is there, or, where it names none, a default
/// class is, or one of ours that is not the default. One of a class that is not there may be ours again when the class is: what
/// was written on it stays.
fn is_of_another(reader: &Reader<'_>, view: &IngressView) -> bool {
    match view.class() {
        Some(name) => {
            let class = reader.object(&Id::new(ObjectKind::IngressClass, "", name));
            class.and_then(is_for_us) == Some(false)
        }
        None => reader
            .of(ObjectKind::IngressClass, None)
            .any(|(_, class)| is_for_us(class).is_some_and(|is_for_us| is_for_us || is_default(class))),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClassSpec {
    controller: String,
}

/// Whether an IngressClass asks for this controller; none: it cannot be understood.
fn is_for_us(class: &Object) -> Option<bool> {
    class.spec::<ClassSpec>().ok().map(|spec| spec.controller == class::CONTROLLER)
}

fn is_default(class: &Object) -> bool {
    class.annotations().any(|annotation| annotation == (class::DEFAULT, "true"))
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

/// A Service that a TrafficSplit divides is replaced by those that it is divided between, for some requests by a rule of their
/// own. `explicit`: the Ingress says how backends are spoken to.
fn divide(reader: &Reader<'_>, route: &mut Route, explicit: bool, notes: &mut Vec<Note>) {
    for mut rule in std::mem::take(&mut route.rules) {
        let only = rule.split.versions.first().filter(|_| rule.split.versions.len() == 1).cloned();
        let Some((origin, only)) = only.and_then(|only| Some((only.origin.clone()?, only))) else {
            route.rules.push(rule);
            continue;
        };
        let mut divided = |shares: &[smi::Share]| -> Vec<Version> {
            shares.iter().map(|share| share_of(reader, &only, (&origin, share), explicit, notes)).collect()
        };
        let division = smi::divided(reader, &origin.namespace, &origin.service);
        for part in &division.parts {
            let split = Arc::new(Split { versions: divided(&part.shares), ..(*rule.split).clone() });
            let matches = shared_matches(part.within(&rule.matches));
            let rule = Rule { matches, filters: rule.filters.clone(), split };
            route.rules.extend(Some(rule).filter(|rule| !rule.matches.is_empty()));
        }
        if let Some(shares) = &division.shares {
            Arc::make_mut(&mut rule.split).versions = divided(shares);
        }
        route.rules.push(rule);
    }
}

/// The version for a share of the requests of `root`, whose Service `origin` names.
fn share_of(
    reader: &Reader<'_>,
    root: &Version,
    (origin, share): (&Origin, &smi::Share),
    explicit: bool,
    notes: &mut Vec<Note>,
) -> Version {
    let port = PortRef::Number(origin.port);
    let backend = endpoints::backend(reader, &origin.namespace, &share.service, &port).ok();
    let (revision, endpoints) = backend.as_ref().map(Backend::merged).unwrap_or_default();
    let protocol = backend.as_ref().and_then(|backend| backend.app_protocol.as_deref());
    let unspoken = protocol.filter(|protocol| !explicit && root.transport.tls.is_none() && !split::speaks(protocol));
    if let Some(protocol) = unspoken {
        let message = split::unspoken(&format!("Service {}/{}", origin.namespace, share.service), protocol);
        notes.push(Note { warning: true, reason: "UnsupportedProtocol", message });
    }
    Version {
        name: Arc::clone(&share.service),
        weight: share.weight,
        // It keeps its share, and answers 500 rather than be spoken to in clear text.
        invalid: root.invalid || unspoken.is_some(),
        origin: backend.as_ref().map(|backend| backend.origin_of(&revision)),
        revision,
        endpoints,
        ..root.clone()
    }
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
