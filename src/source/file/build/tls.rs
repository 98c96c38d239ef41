//! Certificates and keys from PEM files.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::model::{Certificate, HostPattern};

use super::super::problem::Pointer;
use super::super::wire;
use super::Context;

/// The cryptography of all TLS.
pub fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// The certificate of a listener.
pub fn certificate(wire: &wire::Certificate, at: &Pointer, context: &mut Context<'_>) -> Option<Certificate> {
    let certified = pair(&wire.cert, &wire.key, at, context)?;
    let names = names(&certified);
    Some(Certificate { names, key: Arc::new(certified) })
}

/// A chain with its key, which must fit; the files are named by `cert` and `key` at `at`.
pub fn pair(cert: &str, key: &str, at: &Pointer, context: &mut Context<'_>) -> Option<CertifiedKey> {
    let files = format!("certificate {cert} and key {key}");
    let chain = chain(cert, &at.key("cert"), context);
    let key = private_key(key, &at.key("key"), context);
    let certified = CertifiedKey::from_der(chain?, key?, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("{files} do not belong together: name the key that the certificate was made with")
        }
        error => format!("{files} cannot be used: {error}"),
    });
    context.problems.check(&at.key("key"), certified)
}

/// The names that a certificate is for.
pub fn names(key: &CertifiedKey) -> Vec<HostPattern> {
    let certificate = key.cert.first().and_then(|der| webpki::EndEntityCert::try_from(der).ok());
    let parse = |cert: &webpki::EndEntityCert<'_>| {
        cert.valid_dns_names().filter_map(|name| HostPattern::parse(name).ok()).collect()
    };
    certificate.as_ref().map(parse).unwrap_or_default()
}

/// The certificates of a PEM file; at least one.
fn chain(name: &str, at: &Pointer, context: &mut Context<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let content = context.read(at, name)?;
    let chain = CertificateDer::pem_slice_iter(&content).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("{name} is no PEM file: {error}"));
    let chain = chain.and_then(|chain| {
        if chain.is_empty() {
            Err(format!("{name} has no certificate in PEM form (BEGIN CERTIFICATE)"))
        } else {
            Ok(chain)
        }
    });
    context.problems.check(at, chain)
}

/// The key of a PEM file.
fn private_key(name: &str, at: &Pointer, context: &mut Context<'_>) -> Option<PrivateKeyDer<'static>> {
    let content = context.read(at, name)?;
    let key = PrivateKeyDer::from_pem_slice(&content)
        .map_err(|_| format!("{name} has no private key in PEM form (BEGIN PRIVATE KEY)"));
    context.problems.check(at, key)
}

/// The certificates of a PEM file, to trust.
pub fn roots(name: &str, at: &Pointer, context: &mut Context<'_>) -> Option<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in chain(name, at, context)? {
        let added =
            store.add(certificate).map_err(|error| format!("{name} has a certificate that cannot be used: {error}"));
        context.problems.check(at, added)?;
    }
    Some(store)
}
