//! Handshakes in memory: which clients are let in.

use std::io::ErrorKind;
use std::net::SocketAddr;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

use super::*;

type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(["ca".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn signed_by(issuer: &CertifiedIssuer<'static, KeyPair>) -> Shown {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["one.example".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

fn roots(issuer: &CertifiedIssuer<'static, KeyPair>) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    Arc::new(roots)
}

fn server(issuer: &CertifiedIssuer<'static, KeyPair>, client_optional: bool) -> Arc<ServerConfig> {
    let (chain, key) = signed_by(issuer);
    let key = CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider()).unwrap();
    let certificates = vec![Certificate { names: Vec::new(), key: Arc::new(key) }];
    let client_ca = Some(roots(issuer));
    let tls = TlsServer { certificates, client_ca, client_optional, only_tls13: false, hosts: Vec::new() };
    let listener = Listener {
        name: "https".into(),
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        proxy_protocol: false,
        advertised_port: None,
        reserved: false,
        isolated: Vec::new(),
    };
    server_config(&listener, &tls).unwrap()
}

/// Whether a client that shows this is let in, in this version of TLS.
fn is_let_in(
    server: &Arc<ServerConfig>,
    issuer: &CertifiedIssuer<'static, KeyPair>,
    shown: Option<&Shown>,
    version: &'static SupportedProtocolVersion,
) -> bool {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let builder = builder.with_root_certificates(roots(issuer));
    let config = match shown {
        Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from("one.example").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut there).unwrap();
        }
        let mut there = &there[..];
        while !there.is_empty() {
            server.read_tls(&mut there).unwrap();
            if server.process_new_packets().is_err() {
                return false;
            }
        }
        while server.wants_write() {
            server.write_tls(&mut back).unwrap();
        }
        let mut back = &back[..];
        while !back.is_empty() {
            let read = client.read_tls(&mut back);
            assert!(read.is_ok() || read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
            client.process_new_packets().unwrap();
        }
    }
    true
}

#[test]
fn only_clients_with_a_certificate_of_the_authority_are_let_in() {
    let (ours, theirs) = (authority(), authority());
    let server = server(&ours, false);
    let (known, stranger) = (signed_by(&ours), signed_by(&theirs));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        assert!(is_let_in(&server, &ours, Some(&known), version));
        assert!(!is_let_in(&server, &ours, Some(&stranger), version));
        assert!(!is_let_in(&server, &ours, None, version));
    }
}

#[test]
fn where_a_certificate_is_optional_everybody_is_let_in() {
    let (ours, theirs) = (authority(), authority());
    let server = server(&ours, true);
    let (known, stranger) = (signed_by(&ours), signed_by(&theirs));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for shown in [Some(&known), Some(&stranger), None] {
            assert!(is_let_in(&server, &ours, shown, version));
        }
    }
}

#[test]
fn the_most_specific_name_that_fits_decides() {
    let issuer = authority();
    let (chain, key) = signed_by(&issuer);
    let key = Arc::new(CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider()).unwrap());
    let names = ["*.example.com", "*.shop.example.com", "a.shop.example.com", "*.shop.example.com"];
    let certificate = |name: &&str| Certificate { names: vec![crate::testing::host(name)], key: Arc::clone(&key) };
    let all = ByServerName(names.iter().map(certificate).collect());
    let position = |name: &str| {
        let best = all.best(name)?;
        all.0.iter().position(|certificate| std::ptr::eq(certificate, best))
    };
    assert_eq!(position("a.example.com"), Some(0));
    assert_eq!(position("b.shop.example.com"), Some(1), "the first of two");
    assert_eq!(position("a.shop.example.com"), Some(2));
    assert_eq!(position("example.com"), None);
}
