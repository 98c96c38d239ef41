//! A socket to accept on.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;

use super::HostPattern;

/// Where and how connections are accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Unique name.
    pub name: Arc<str>,
    /// Address to bind.
    pub address: SocketAddr,
    /// Terminates TLS when present.
    pub tls: Option<Arc<TlsServer>>,
    /// Every connection begins with a PROXY protocol header, v1 or v2.
    pub proxy_protocol: bool,
    /// Port that clients know it by, where it differs from the one it binds: in redirects and `X-Forwarded-Port`.
    pub advertised_port: Option<u16>,
    /// Only routes that name it are on it.
    pub reserved: bool,
    /// Hosts at which the search for a rule ends, so that less specific hosts take none of their requests (Gateway API,
    /// `Listener.hostname`: a request goes to the listener that fits best).
    pub isolated: Vec<HostPattern>,
}

/// What makes a socket the same one over configurations: its address, so that a listener can be renamed; where the
/// kernel chooses the port, its name, too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketKey {
    address: SocketAddr,
    name: Option<Arc<str>>,
}

impl SocketKey {
    /// The identity of a socket that was asked for at `address`; `name`: of its listener, where the kernel chose the port.
    pub fn new(address: SocketAddr, name: Option<Arc<str>>) -> Self {
        Self { address, name }
    }

    /// The address that was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name of its listener, where the kernel chose the port.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl Listener {
    /// The identity of its socket.
    pub fn key(&self) -> SocketKey {
        let name = (self.address.port() == 0).then(|| Arc::clone(&self.name));
        SocketKey { address: self.address, name }
    }

    /// Whether this is the listener of a socket.
    pub fn is(&self, key: &SocketKey) -> bool {
        self.address == key.address && key.name.as_ref().is_none_or(|name| *name == self.name)
    }
}

impl std::fmt::Display for SocketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

/// How a listener terminates TLS.
#[derive(Clone, Debug)]
pub struct TlsServer {
    /// Chosen by server name; the first serves names that no other has.
    pub certificates: Vec<Certificate>,
    /// Clients must present a certificate signed by one of these.
    pub client_ca: Option<Arc<RootCertStore>>,
    /// They may, but those without one, or with one that somebody else signed, are let in, too.
    pub client_optional: bool,
    /// TLS 1.3 only.
    pub only_tls13: bool,
    /// Hosts between which the server name chooses (none: every host): a request for another one of them than that of its
    /// connection is misdirected (Gateway API, `Listener.hostname`). Empty: nothing is compared.
    pub hosts: Vec<Option<HostPattern>>,
}

impl TlsServer {
    /// Whether a request for `host` does not belong on a connection that was made for `server_name` (both lower case): it
    /// might have been reused because one certificate is good for both (RFC 9113 section 9.1.1).
    pub fn is_misdirected(&self, server_name: &str, host: &str) -> bool {
        let wanted = || self.best(host);
        server_name != host && wanted().is_some() && wanted() != self.best(server_name)
    }

    /// The host that fits a name best.
    fn best(&self, name: &str) -> Option<&Option<HostPattern>> {
        let fits = |host: &&Option<HostPattern>| host.as_ref().is_none_or(|host| host.matches(name));
        self.hosts.iter().filter(fits).max_by_key(|host| match host {
            None => (false, 0),
            Some(HostPattern::Wildcard(suffix)) => (false, suffix.len()),
            Some(HostPattern::Exact(exact)) => (true, exact.len()),
        })
    }
}

/// A certificate with its key, known to fit each other.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Names of the certificate.
    pub names: Vec<HostPattern>,
    /// Chain and key.
    pub key: Arc<CertifiedKey>,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names && self.key.cert == other.key.cert
    }
}

impl PartialEq for TlsServer {
    fn eq(&self, other: &Self) -> bool {
        let roots = |tls: &Self| {
            tls.client_ca
                .as_ref()
                .map(|roots| roots.roots.iter().map(|r| r.subject_public_key_info.to_vec()).collect::<Vec<_>>())
        };
        self.only_tls13 == other.only_tls13
            && self.client_optional == other.client_optional
            && self.hosts == other.hosts
            && roots(self) == roots(other)
            && self.certificates == other.certificates
    }
}

#[cfg(test)]
mod tests;
