//! TLS of a listener: protocol versions, certificates by server name, client certificates.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};

use super::CompileError;
use crate::model::{Certificate, HostPattern, Listener, TlsServer};

/// Builds the configuration that handshakes of this listener use.
pub fn server_config(listener: &Listener, tls: &TlsServer) -> Result<Arc<ServerConfig>, CompileError> {
    static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
    let failed = |error: String| CompileError::Tls { listener: listener.name.to_string(), error };
    let versions = if tls.only_tls13 { &BOTH[..1] } else { &BOTH[..] };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|e| failed(e.to_string()))?;
    let builder = match &tls.client_ca {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider)
                .build()
                .map_err(|e| failed(e.to_string()))?;
            let verifier = if tls.client_optional { Arc::new(Optional(verifier)) } else { verifier };
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByServerName(tls.certificates.clone())));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Asks for a certificate, and lets in whoever has none or one of somebody else (Gateway API, `AllowInsecureFallback`). What is
/// shown must still belong to who shows it: the handshake is signed with its key.
#[derive(Debug)]
struct Optional(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Optional {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Chooses the certificate with the most specific name that fits; the first one for every other name.
#[derive(Debug)]
struct ByServerName(Vec<Certificate>);

impl ByServerName {
    /// The first of those with the most specific name that fits; none has one.
    fn best(&self, name: &str) -> Option<&Certificate> {
        let rank = |pattern: &HostPattern| match pattern {
            HostPattern::Exact(_) => (true, 0),
            HostPattern::Wildcard(suffix) => (false, suffix.len()),
        };
        let fits = |c: &Certificate| c.names.iter().filter(|pattern| pattern.matches(name)).map(rank).max();
        let fitting = self.0.iter().filter_map(|certificate| Some((fits(certificate)?, certificate)));
        fitting.rev().max_by_key(|(rank, _)| *rank).map(|(_, certificate)| certificate)
    }
}

impl ResolvesServerCert for ByServerName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase).unwrap_or_default();
        let best = self.best(&name).or(self.0.first());
        best.map(|certificate| Arc::clone(&certificate.key))
    }
}

#[cfg(test)]
mod tests;
