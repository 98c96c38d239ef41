//! A Gateway's listeners: which of them can be served, and what is said about each (Gateway API, `Listener`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use serde_json::json;

use super::frontend::{self, Clients};
use super::wire::{self, GatewaySpec};
use super::{GROUP, address, certificate, class, grant};
use crate::model::{self, Certificate, HostPattern, TlsServer};
use crate::source::kubernetes::index::{Reader, Translation};
use crate::source::kubernetes::object::{Id, Object, ObjectKind};
use crate::source::kubernetes::report::{Condition, ListenerReport, Report};

/// A listener of a Gateway, looked at.
pub struct Checked {
    /// As written.
    pub wire: wire::Listener,
    /// Its host; none: all.
    pub host: Option<HostPattern>,
    /// Its certificates.
    certificates: Vec<Certificate>,
    /// What its clients must show.
    clients: Clients,
    /// What is said about it.
    conditions: Vec<Condition>,
    /// Kinds of routes that may attach.
    pub kinds: Vec<&'static str>,
    /// Whether it is served.
    pub valid: bool,
}

/// The name of the listener of the model for a port of a Gateway.
pub fn model_name(gateway: &Id, port: u16) -> Arc<str> {
    format!("gateway/{}/{}/{port}", gateway.namespace, gateway.name).into()
}

/// The spec of a Gateway of a class of ours.
pub fn spec(reader: &Reader<'_>, object: &Object) -> Option<GatewaySpec> {
    let spec: GatewaySpec = object.spec().ok()?;
    class::is_ours(reader, &spec.gateway_class_name).then_some(spec)
}

/// What a Gateway means; nothing if its class is not ours.
pub fn translate(reader: &Reader<'_>, id: &Id, object: &Object) -> Translation {
    let Some(spec) = spec(reader, object) else {
        let foreign = class::is_of_another(object, |class| reader.object(class));
        return malformed(reader, object).map_or_else(|| Translation::not_ours(foreign), refused);
    };
    if let Some(refusal) = refusal(&spec) {
        return refused(refusal);
    }
    let checked = check(reader, id, &spec);
    let service = address::existing(reader, id);
    let ports: BTreeSet<u16> = checked.iter().filter(|listener| listener.valid).map(|l| l.wire.port).collect();
    let mut wanted = address::owned_service(reader, id, &ports);
    if let Some(infrastructure) = &spec.infrastructure {
        wanted.labels.clone_from(&infrastructure.labels);
        wanted.annotations.clone_from(&infrastructure.annotations);
    }
    let mut bound = service.map(address::bound).unwrap_or_default();
    // What it is to give up is another one's by now.
    bound.retain(|port, number| wanted.ports.get(port).is_none_or(|wanted| wanted == number));
    let addresses = service.map(address::addresses).unwrap_or_default();
    let conditions = conditions(&spec, &checked, &addresses, &bound);
    let listeners = sockets(id, &checked, &bound);
    let mut reports: Vec<ListenerReport> = Vec::new();
    for mut listener in checked {
        let programmed = programmed(&listener, &bound);
        listener.conditions.push(programmed);
        let kinds = listener.kinds.iter().map(|kind| json!({"group": GROUP, "kind": kind}));
        reports.push(ListenerReport {
            name: listener.wire.name.into(),
            port: listener.wire.port,
            attached_routes: 0,
            supported_kinds: kinds.collect(),
            conditions: listener.conditions,
        });
    }
    // A Service must have a port. One that is there already stays, so that its address is the same again later.
    let service = Some(wanted).filter(|wanted| !wanted.ports.is_empty());
    let report = Report { conditions, listeners: reports, addresses, service, ..Report::default() };
    Translation { listeners, report, ..Translation::default() }
}

/// A Gateway that is not served at all.
fn refused(accepted: Condition) -> Translation {
    let programmed = Condition::fails("Programmed", "Invalid", accepted.message.clone());
    let report = Report { conditions: vec![accepted, programmed], ..Report::default() };
    Translation { report, ..Translation::default() }
}

/// What is wrong with the spec of a Gateway of a class of ours, if it cannot be understood.
fn malformed(reader: &Reader<'_>, object: &Object) -> Option<Condition> {
    let error = object.spec::<GatewaySpec>().err()?;
    let spec: serde_json::Value = object.spec().ok()?;
    class::is_ours(reader, spec["gatewayClassName"].as_str()?)
        .then(|| Condition::fails("Accepted", "Invalid", format!("the spec cannot be understood: {error}")))
}

/// What a Gateway asks for that cannot be had, so that nothing of it is served.
fn refusal(spec: &GatewaySpec) -> Option<Condition> {
    if spec.infrastructure.as_ref().is_some_and(|infrastructure| infrastructure.parameters_ref.is_some()) {
        let message = "infrastructure.parametersRef is not known here: remove it";
        return Some(Condition::fails("Accepted", "InvalidParameters", message));
    }
    let kinds = spec.addresses.iter().filter_map(|address| address["type"].as_str());
    let other = kinds.into_iter().find(|kind| !matches!(*kind, "IPAddress" | "Hostname"))?;
    let message = format!("addresses of type {other} are not known here: use IPAddress or Hostname");
    Some(Condition::fails("Accepted", "UnsupportedAddress", message))
}

fn conditions(
    spec: &GatewaySpec,
    checked: &[Checked],
    addresses: &[serde_json::Value],
    bound: &BTreeMap<u16, u16>,
) -> Vec<Condition> {
    let valid = checked.iter().filter(|listener| listener.valid).count();
    let accepted = match (valid, checked.len()) {
        (valid, all) if valid == all => Condition::holds("Accepted", "Accepted", ""),
        (0, _) => Condition::fails("Accepted", "ListenersNotValid", "no listener is valid: see their conditions"),
        _ => Condition::holds("Accepted", "ListenersNotValid", "some listeners are not valid: see their conditions"),
    };
    let asked = spec.addresses.iter().filter_map(|address| address["value"].as_str());
    let missing: Vec<&str> =
        asked.filter(|value| !addresses.iter().any(|given| given["value"].as_str() == Some(value))).collect();
    let programmed = if !missing.is_empty() {
        let message = format!("the Service of this Gateway has no address {}", missing.join(", "));
        Condition::fails("Programmed", "AddressNotUsable", message)
    } else if valid == 0 {
        Condition::fails("Programmed", "Invalid", "no listener is valid")
    } else if addresses.is_empty() || bound.is_empty() {
        Condition::fails("Programmed", "AddressNotAssigned", "its Service has no address yet")
    } else {
        Condition::holds("Programmed", "Programmed", "")
    };
    let mut all = vec![accepted, programmed, resolved(spec, checked)];
    if frontend::is_insecure(spec) {
        let message = "tls.frontend lets clients in whatever certificate they show, or none: meant for tests only";
        all.push(Condition::holds("InsecureFrontendValidationMode", "ConfigurationChanged", message));
    }
    all
}

/// Whether all references lead somewhere: those of the Gateway itself, and those of its listeners.
fn resolved(spec: &GatewaySpec, checked: &[Checked]) -> Condition {
    let backend = spec.tls.as_ref().and_then(|tls| tls.backend.as_ref());
    if backend.is_some_and(|backend| backend.client_certificate_ref.is_some()) {
        let message = "tls.backend.clientCertificateRef is not carried: backends are reached in clear text, and no \
                       certificate is shown to them";
        return Condition::fails("ResolvedRefs", "UnsupportedValue", message);
    }
    let open = |listener: &&Checked| listener.conditions.iter().any(|c| c.kind == "ResolvedRefs" && !c.holds);
    let names: Vec<&str> = checked.iter().filter(open).map(|listener| &*listener.wire.name).collect();
    if names.is_empty() {
        return Condition::holds("ResolvedRefs", "ResolvedRefs", "");
    }
    let message = format!("references of these listeners lead nowhere: {}; see their conditions", names.join(", "));
    Condition::fails("ResolvedRefs", "ListenersNotResolved", message)
}

fn programmed(listener: &Checked, bound: &BTreeMap<u16, u16>) -> Condition {
    match (listener.valid, bound.contains_key(&listener.wire.port)) {
        (true, true) => Condition::holds("Programmed", "Programmed", ""),
        (true, false) => Condition::fails("Programmed", "Pending", "its port is being set up"),
        (false, _) => Condition::fails("Programmed", "Invalid", "it is not valid: see its other conditions"),
    }
}

/// Looks at every listener.
pub fn check(reader: &Reader<'_>, id: &Id, spec: &GatewaySpec) -> Vec<Checked> {
    let mut checked: Vec<Checked> = spec.listeners.iter().map(|wire| one(reader, id, spec, wire)).collect();
    let conflicts: Vec<Option<Condition>> = checked.iter().map(|listener| conflict(listener, spec)).collect();
    for (listener, conflict) in checked.iter_mut().zip(conflicts) {
        match conflict {
            Some(conflict) => {
                let (reason, message) = (conflict.reason, conflict.message.clone());
                listener.valid = false;
                listener.conditions.retain(|known| known.kind != "Accepted");
                listener.conditions.push(Condition::fails("Accepted", reason, message));
                listener.conditions.push(conflict);
            }
            None => listener.conditions.push(Condition::fails("Conflicted", "NoConflicts", "")),
        }
    }
    checked
}

fn one(reader: &Reader<'_>, id: &Id, spec: &GatewaySpec, wire: &wire::Listener) -> Checked {
    let supported = matches!(&*wire.protocol, "HTTP" | "HTTPS");
    let (kinds, unknown) = kinds(wire, supported);
    let host = wire.hostname.as_deref().filter(|host| !host.is_empty()).and_then(|host| HostPattern::parse(host).ok());
    let (certificates, clients) = match &*wire.protocol {
        "HTTPS" => (certificates(reader, id, wire, host.as_ref()), frontend::clients(reader, id, spec, wire.port)),
        _ => (Ok(Vec::new()), Clients::default()),
    };
    let accepted = match (supported, &clients.refused) {
        (true, Some(refused)) => refused.clone(),
        (true, None) => Condition::holds("Accepted", "Accepted", ""),
        (false, _) => {
            let message = format!("protocol {} is not served here: use HTTP or HTTPS", wire.protocol);
            Condition::fails("Accepted", "UnsupportedProtocol", message)
        }
    };
    let resolved = match (&certificates, unknown) {
        (Err(condition), _) => condition.clone(),
        (Ok(_), Some(kind)) => {
            let message = format!("routes of kind {kind} cannot be attached here: use HTTPRoute or GRPCRoute");
            Condition::fails("ResolvedRefs", "InvalidRouteKinds", message)
        }
        (Ok(_), None) => {
            clients.unresolved.clone().unwrap_or_else(|| Condition::holds("ResolvedRefs", "ResolvedRefs", ""))
        }
    };
    let valid = accepted.holds && certificates.is_ok() && !kinds.is_empty();
    let certificates = certificates.unwrap_or_default();
    let conditions = vec![accepted, resolved];
    Checked { wire: wire.clone(), host, certificates, clients, conditions, kinds, valid }
}

/// The kinds that may attach, and the first that is asked for but not known.
fn kinds(wire: &wire::Listener, supported: bool) -> (Vec<&'static str>, Option<String>) {
    const KNOWN: [&str; 2] = ["HTTPRoute", "GRPCRoute"];
    let asked =
        wire.allowed_routes.as_ref().and_then(|allowed| allowed.kinds.as_ref()).filter(|kinds| !kinds.is_empty());
    let Some(asked) = asked else { return (if supported { KNOWN.to_vec() } else { Vec::new() }, None) };
    let is =
        |kind: &wire::RouteKind, known: &str| kind.kind == known && kind.group.as_deref().unwrap_or(GROUP) == GROUP;
    let kinds = KNOWN.into_iter().filter(|known| supported && asked.iter().any(|kind| is(kind, known))).collect();
    let unknown = asked.iter().find(|kind| !KNOWN.iter().any(|known| is(kind, known)));
    (kinds, unknown.map(|kind| kind.kind.clone()))
}

fn certificates(
    reader: &Reader<'_>,
    id: &Id,
    wire: &wire::Listener,
    host: Option<&HostPattern>,
) -> Result<Vec<Certificate>, Condition> {
    let refused = |reason, message: String| Condition::fails("ResolvedRefs", reason, message);
    let tls = wire.tls.clone().unwrap_or_default();
    if tls.mode.as_deref().is_some_and(|mode| mode != "Terminate") || tls.certificate_refs.is_empty() {
        let message = "HTTPS needs tls: {mode: Terminate, certificateRefs: [{name: SECRET}]}".to_owned();
        return Err(refused("InvalidCertificateRef", message));
    }
    let hosts: Vec<HostPattern> = host.into_iter().cloned().collect();
    let of = |reference: &wire::ObjectRef| {
        if reference.kind.as_deref().unwrap_or("Secret") != "Secret"
            || reference.group.as_deref().is_some_and(|g| !g.is_empty())
        {
            let kind = reference.kind.as_deref().unwrap_or_default();
            return Err(refused("InvalidCertificateRef", format!("certificates are in Secrets, not in a {kind}")));
        }
        let namespace = reference.namespace.as_deref().map_or_else(|| Arc::clone(&id.namespace), Arc::from);
        let secret = Id::new(ObjectKind::Secret, namespace, reference.name.as_str());
        if !grant::allows(reader, id, &secret) {
            let message = format!(
                "no ReferenceGrant in {} allows Gateways of {} to use {secret}",
                secret.namespace, id.namespace
            );
            return Err(refused("RefNotPermitted", message));
        }
        let Some(object) = reader.named(&secret) else {
            let message = format!("there is no {secret}, or no right to read it");
            return Err(refused("InvalidCertificateRef", message));
        };
        certificate::certificate(object, &hosts)
            .map_err(|error| refused("InvalidCertificateRef", format!("{secret}: {error}")))
    };
    tls.certificate_refs.iter().map(of).collect()
}

/// Listeners of one Gateway that cannot be told apart are all refused: none of them has a better claim.
fn conflict(listener: &Checked, spec: &GatewaySpec) -> Option<Condition> {
    let own = &listener.wire;
    let others = || spec.listeners.iter().filter(|other| other.name != own.name && other.port == own.port);
    if let Some(other) = others().find(|other| other.protocol != own.protocol) {
        let message = format!("listener {} has port {} with protocol {}", other.name, own.port, other.protocol);
        return Some(Condition::holds("Conflicted", "ProtocolConflict", message));
    }
    let host = |listener: &wire::Listener| listener.hostname.clone().unwrap_or_default();
    let same = others().find(|other| host(other) == host(own))?;
    let message = format!("listener {} has port {} for the same host", same.name, own.port);
    Some(Condition::holds("Conflicted", "HostnameConflict", message))
}

/// One listener of the model for each port that has a valid listener.
fn sockets(id: &Id, checked: &[Checked], bound: &BTreeMap<u16, u16>) -> Vec<Arc<model::Listener>> {
    let valid = || checked.iter().filter(|listener| listener.valid);
    let ports: BTreeSet<u16> = valid().map(|listener| listener.wire.port).collect();
    let socket = |port: u16| {
        let here = || valid().filter(move |listener| listener.wire.port == port);
        let certificates: Vec<Certificate> = here().flat_map(|listener| listener.certificates.clone()).collect();
        let every = here().map(|listener| listener.host.clone()).collect();
        // What clients must show is said for a port, so all of its listeners agree.
        let clients = here().next().map(|listener| &listener.clients);
        let tls = TlsServer {
            certificates,
            client_ca: clients.and_then(|clients| clients.authorities.clone()),
            client_optional: clients.is_some_and(|clients| clients.optional),
            only_tls13: false,
            hosts: every,
        };
        let hosts: Vec<HostPattern> = here().filter_map(|listener| listener.host.clone()).collect();
        Some(Arc::new(model::Listener {
            name: model_name(id, port),
            address: SocketAddr::from((Ipv6Addr::UNSPECIFIED, *bound.get(&port)?)),
            tls: (!tls.certificates.is_empty()).then(|| Arc::new(tls)),
            proxy_protocol: false,
            advertised_port: Some(port),
            reserved: true,
            isolated: hosts,
        }))
    };
    ports.into_iter().filter_map(socket).collect()
}

#[cfg(test)]
mod tests;
