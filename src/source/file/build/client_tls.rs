//! TLS towards endpoints.

use std::fmt::Write;
use std::sync::Arc;

use aws_lc_rs::digest::{Context as Digest, SHA256};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::model::TlsClient;

use super::super::problem::Pointer;
use super::super::wire;
use super::{Checked, Context, optional, tls};

/// TLS for the https endpoints of a version; `at` is the version's `tls`, there or not.
pub fn client(wire: Option<&wire::VersionTls>, at: &Pointer, context: &mut Context<'_>) -> Option<TlsClient> {
    let skip_verify = wire.and_then(|tls| tls.insecure_skip_verify).unwrap_or(false);
    let ca = wire.and_then(|tls| tls.ca.as_deref());
    let roots = match ca {
        Some(name) => tls::roots(name, &at.key("ca"), context).map(Arc::new),
        None if skip_verify => Some(Arc::new(RootCertStore::empty())),
        None => native_roots(at, context),
    };
    let identity = match wire {
        Some(tls) => identity(tls, at, context),
        None => Some(None),
    };
    let server_name = wire.and_then(|tls| tls.server_name.as_deref());
    let server_name = optional(server_name.map(|name| {
        let valid = ServerName::try_from(name).map(|_| Arc::from(name));
        let valid = valid.map_err(|_| format!("\"{name}\" is no host name or address"));
        context.problems.check(&at.key("serverName"), valid)
    }));
    let (roots, identity) = (roots?, identity?);
    let fingerprint = fingerprint(&roots, ca.is_none(), identity.as_ref(), skip_verify);
    let config = context.problems.check(at, config(roots, identity, skip_verify))?;
    Some(TlsClient { config: Arc::new(config), server_name: server_name?, fingerprint: fingerprint.into() })
}

/// TLS that believes any certificate: what ingress-nginx speaks to HTTPS and GRPCS backends.
pub fn unverified() -> Result<TlsClient, rustls::Error> {
    let roots = Arc::new(RootCertStore::empty());
    let fingerprint = fingerprint(&roots, true, None, true);
    Ok(TlsClient { config: Arc::new(config(roots, None, true)?), server_name: None, fingerprint: fingerprint.into() })
}

fn identity(wire: &wire::VersionTls, at: &Pointer, context: &mut Context<'_>) -> Checked<CertifiedKey> {
    match (&wire.cert, &wire.key) {
        (None, None) => Some(None),
        (Some(cert), Some(key)) => tls::pair(cert, key, at, context).map(Some),
        (Some(_), None) => {
            context.problems.error(&at.key("cert"), "needs its key: add key, the name of a PEM file");
            None
        }
        (None, Some(_)) => {
            context.problems.error(&at.key("key"), "needs its certificate: add cert, the name of a PEM file");
            None
        }
    }
}

fn native_roots(at: &Pointer, context: &mut Context<'_>) -> Option<Arc<RootCertStore>> {
    if let Some(roots) = &context.native_roots {
        return Some(Arc::clone(roots));
    }
    let mut store = RootCertStore::empty();
    // Some that cannot be read are usual; none at all cannot verify anything.
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        context.problems.error(
            at,
            "this machine has no CA certificates to verify https endpoints with: name some with tls: {ca: FILE}",
        );
        return None;
    }
    Some(Arc::clone(context.native_roots.insert(Arc::new(store))))
}

fn config(
    roots: Arc<RootCertStore>,
    identity: Option<CertifiedKey>,
    skip: bool,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(tls::provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = if skip {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
        builder.with_webpki_verifier(verifier)
    };
    Ok(match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))),
        None => builder.with_no_client_auth(),
    })
}

fn fingerprint(roots: &RootCertStore, native: bool, identity: Option<&CertifiedKey>, skip: bool) -> String {
    let mut digest = Digest::new(&SHA256);
    // Lengths in between, so that no two lists of parts run into the same bytes.
    let mut part = |bytes: &[u8]| {
        digest.update(&(bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    part(&[u8::from(skip), u8::from(native)]);
    for root in &roots.roots {
        part(&root.subject);
        part(&root.subject_public_key_info);
        part(root.name_constraints.as_deref().unwrap_or_default());
    }
    for certificate in identity.iter().flat_map(|identity| &identity.cert) {
        part(certificate);
    }
    digest.finish().as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Believes any certificate, but still wants the handshake signed by its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
