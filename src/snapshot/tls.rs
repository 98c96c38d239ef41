//! TLS of a listener: protocol versions, certificates by server name, client certificates.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::CompileError;
use crate::model::{Certificate, Listener, TlsServer};

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
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByServerName(tls.certificates.clone())));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Chooses the certificate with the most specific name that fits; the first one for every other name.
#[derive(Debug)]
struct ByServerName(Vec<Certificate>);

impl ResolvesServerCert for ByServerName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let best = name.and_then(|name| {
            let fits = |c: &&Certificate| c.names.iter().any(|pattern| pattern.matches(&name));
            let exact = |c: &&Certificate| c.names.iter().any(|p| p.to_string() == name);
            self.0.iter().find(exact).or_else(|| self.0.iter().find(fits))
        });
        best.or(self.0.first()).map(|certificate| Arc::clone(&certificate.key))
    }
}
