//! Certificates that clients of a Gateway's HTTPS listeners must show (Gateway API, `FrontendTLSConfig`).

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::grant;
use super::wire::{GatewaySpec, ObjectRef, Validation};
use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::{Body, Id, ObjectKind};
use crate::source::kubernetes::report::Condition;

/// Mode in which a connection needs no certificate.
const FALLBACK: &str = "AllowInsecureFallback";

/// What clients of a listener must show.
#[derive(Default)]
pub struct Clients {
    /// Authorities, one of which has signed a client's certificate; none: clients are not asked.
    pub authorities: Option<Arc<RootCertStore>>,
    /// Clients without a good certificate are let in, too.
    pub optional: bool,
    /// What is wrong with the references to authorities.
    pub unresolved: Option<Condition>,
    /// Why nobody can be let in.
    pub refused: Option<Condition>,
}

/// What clients of an HTTPS listener at `port` must show: what is said for the port counts, else what is said for all.
pub fn clients(reader: &Reader<'_>, id: &Id, spec: &GatewaySpec, port: u16) -> Clients {
    let Some(frontend) = spec.tls.as_ref().and_then(|tls| tls.frontend.as_ref()) else { return Clients::default() };
    let of_port = frontend.per_port.iter().find(|own| own.port == port).map(|own| &own.tls);
    let Some(validation) = &of_port.unwrap_or(&frontend.default).validation else { return Clients::default() };
    validated(reader, id, validation)
}

/// Whether some listener lets clients in whatever they show.
pub fn is_insecure(spec: &GatewaySpec) -> bool {
    let frontend = spec.tls.as_ref().and_then(|tls| tls.frontend.as_ref());
    let all = frontend
        .into_iter()
        .flat_map(|frontend| std::iter::once(&frontend.default).chain(frontend.per_port.iter().map(|own| &own.tls)));
    all.filter_map(|tls| tls.validation.as_ref()).any(|validation| validation.mode.as_deref() == Some(FALLBACK))
}

fn validated(reader: &Reader<'_>, id: &Id, validation: &Validation) -> Clients {
    let mode = validation.mode.as_deref().unwrap_or("AllowValidOnly");
    if !matches!(mode, "AllowValidOnly" | FALLBACK) {
        let message = format!("tls.frontend: mode {mode} is not known: use AllowValidOnly or {FALLBACK}");
        let refused = Some(Condition::fails("Accepted", "UnsupportedValue", message));
        return Clients { refused, ..Clients::default() };
    }
    let mut store = RootCertStore::empty();
    let mut unresolved: Option<Condition> = None;
    for reference in &validation.ca_certificate_refs {
        match authorities(reader, id, reference) {
            Ok(found) => store.roots.extend(found.roots),
            Err(trouble) => match &mut unresolved {
                Some(first) => first.message = format!("{}; {}", first.message, trouble.message),
                None => unresolved = Some(trouble),
            },
        }
    }
    if store.is_empty() {
        let message =
            "no authority of tls.frontend can be used, so no client can be told from another: see ResolvedRefs";
        let refused = Some(Condition::fails("Accepted", "NoValidCACertificate", message));
        return Clients { unresolved, refused, ..Clients::default() };
    }
    Clients { authorities: Some(Arc::new(store)), optional: mode == FALLBACK, unresolved, refused: None }
}

/// The authorities in a ConfigMap, under `ca.crt`.
fn authorities(reader: &Reader<'_>, id: &Id, reference: &ObjectRef) -> Result<RootCertStore, Condition> {
    let refused = |reason, message: String| Condition::fails("ResolvedRefs", reason, message);
    let (group, kind) = (reference.group.as_deref().unwrap_or_default(), reference.kind.as_deref());
    if !group.is_empty() || kind.unwrap_or("ConfigMap") != "ConfigMap" {
        let kind = kind.unwrap_or("ConfigMap");
        let group = if group.is_empty() { String::new() } else { format!(" of {group}") };
        let message = format!("authority {} is a {kind}{group}: authorities are in ConfigMaps", reference.name);
        return Err(refused("InvalidCACertificateKind", message));
    }
    let namespace = reference.namespace.as_deref().map_or_else(|| Arc::clone(&id.namespace), Arc::from);
    let map = Id::new(ObjectKind::ConfigMap, namespace, reference.name.as_str());
    if !grant::allows(reader, id, &map) {
        let message =
            format!("no ReferenceGrant in {} allows Gateways of {} to use {map}", map.namespace, id.namespace);
        return Err(refused("RefNotPermitted", message));
    }
    let invalid = |what: String| refused("InvalidCACertificateRef", format!("{map}: {what}"));
    let Some(object) = reader.named(&map) else {
        return Err(refused("InvalidCACertificateRef", format!("there is no {map}, or no right to read it")));
    };
    let Body::ConfigMap(data) = &object.body else { return Err(invalid("has no data".to_owned())) };
    let text = data.get("ca.crt").ok_or_else(|| invalid("has no key ca.crt, which holds the authority".to_owned()))?;
    store(text).map_err(invalid)
}

fn store(pem: &str) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("ca.crt is no PEM: {error}"))?;
        store.add(certificate).map_err(|error| format!("ca.crt has a certificate that cannot be used: {error}"))?;
    }
    if store.is_empty() {
        return Err("ca.crt has no certificate in PEM form (BEGIN CERTIFICATE)".to_owned());
    }
    Ok(store)
}
