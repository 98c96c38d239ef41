//! Certificates of listeners, from Secrets of type `kubernetes.io/tls`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::model::{Certificate, HostPattern};
use crate::source::file::build;
use crate::source::kubernetes::object::{Body, Object, Strings};

/// The certificate of a Secret, for `hosts`, or for its own names if there are none.
///
/// # Errors
///
/// Says what of the Secret cannot be used.
pub fn certificate(secret: &Object, hosts: &[HostPattern]) -> Result<Certificate, String> {
    let Body::Secret(data) = &secret.body else { return Err("has no data".to_owned()) };
    let chain = CertificateDer::pem_slice_iter(&value(data, "tls.crt")?).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("tls.crt is no PEM: {error}"))?;
    if chain.is_empty() {
        return Err("tls.crt has no certificate in PEM form (BEGIN CERTIFICATE)".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(&value(data, "tls.key")?)
        .map_err(|_| "tls.key has no private key in PEM form (BEGIN PRIVATE KEY)".to_owned())?;
    let key = CertifiedKey::from_der(chain, key, &build::provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => "tls.crt and tls.key do not belong together".to_owned(),
        error => format!("cannot be used: {error}"),
    })?;
    let names = if hosts.is_empty() { build::names(&key) } else { hosts.to_vec() };
    Ok(Certificate { names, key: Arc::new(key) })
}

fn value(data: &Strings, key: &str) -> Result<Vec<u8>, String> {
    let text = data.get(key).ok_or_else(|| format!("has no {key}: a Secret of type kubernetes.io/tls has it"))?;
    STANDARD.decode(text.as_bytes()).map_err(|error| format!("{key} is no base64: {error}"))
}
