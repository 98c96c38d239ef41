//! Listeners.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::model::{Listener, TlsServer};

use super::super::problem::{Pointer, Problems};
use super::super::wire;
use super::{Context, address, each, optional, tls, unique};

/// All listeners; no two share a name or an address.
pub fn listeners(wire: &wire::File, context: &mut Context<'_>) -> Option<Vec<Listener>> {
    let at = Pointer::root().key("listeners");
    let listeners = each(&wire.listeners, &at, |wire, at| listener(wire, &at, context));
    unique(wire.listeners.iter().map(|listener| &*listener.name), &at, &mut context.problems);
    distinct_addresses(wire, &at, &mut context.problems);
    listeners
}

fn listener(wire: &wire::Listener, at: &Pointer, context: &mut Context<'_>) -> Option<Listener> {
    let address = context.problems.check(&at.key("address"), address::listen(&wire.address));
    let tls = optional(wire.tls.as_ref().map(|tls| server(tls, &at.key("tls"), context)));
    Some(Listener {
        name: (*wire.name).into(),
        address: address?,
        tls: tls?.map(Arc::new),
        proxy_protocol: wire.proxy_protocol.unwrap_or(false),
        advertised_port: wire.advertised_port,
        reserved: false,
        isolated: Vec::new(),
    })
}

fn server(wire: &wire::ListenerTls, at: &Pointer, context: &mut Context<'_>) -> Option<TlsServer> {
    if wire.certificates.is_empty() {
        context.problems.error(at, "TLS needs a certificate: certificates: [{cert: tls.crt, key: tls.key}]");
    }
    let certificates =
        each(&wire.certificates, &at.key("certificates"), |pair, at| tls::certificate(pair, &at, context));
    let client_ca = optional(wire.client_ca.as_ref().map(|name| tls::roots(name, &at.key("clientCa"), context)));
    Some(TlsServer {
        certificates: certificates.filter(|certificates| !certificates.is_empty())?,
        client_ca: client_ca?.map(Arc::new),
        client_optional: false,
        only_tls13: wire.min_version == Some(wire::TlsVersion::Tls13),
        hosts: Vec::new(),
    })
}

/// Listeners, admin and ops share the machine's ports.
fn distinct_addresses(wire: &wire::File, listeners: &Pointer, problems: &mut Problems) {
    let root = Pointer::root();
    let admin = wire.admin.as_ref().and_then(|admin| admin.address.as_deref());
    let texts = wire.listeners.iter().enumerate().map(|(i, l)| (listeners.index(i), Some(l.address.as_str())));
    let ops = wire.ops.as_ref().map(|ops| ops.address.as_str());
    let texts = [(root.key("admin"), admin), (root.key("ops"), ops)].into_iter().chain(texts);
    let addresses: Vec<(Pointer, SocketAddr)> =
        texts.filter_map(|(at, text)| Some((at.key("address"), address::listen(text?).ok()?))).collect();
    for (i, (at, address)) in addresses.iter().enumerate() {
        if let Some((first, _)) = addresses.iter().take(i).find(|(_, first)| collide(*first, *address)) {
            let message = format!("address {address} is taken already: choose another port");
            problems.conflict(at, first, message);
        }
    }
}

/// `[::]` takes IPv4 too, so it collides with `0.0.0.0`. Port 0 is a free port each time.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let folded = |address: SocketAddr| match address.ip() {
        ip if ip.is_unspecified() => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        ip => ip,
    };
    a.port() == b.port() && a.port() != 0 && folded(a) == folded(b)
}
