//! Versions, their endpoints and how these are spoken to.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::model::{Endpoint, TlsClient, Transport, UpstreamProtocol, Version, Weight};

use super::super::problem::{Pointer, Problems};
use super::super::wire;
use super::address::{self, EndpointText, Scheme};
use super::{Checked, Context, client_tls, each, unique};

/// The versions of a split; at least one has a weight.
pub fn versions(wire: &[wire::Version], at: &Pointer, context: &mut Context<'_>) -> Option<Vec<Version>> {
    let default = i64::from(wire.len() == 1);
    let versions = each(wire, at, |wire, at| version(wire, &at, default, context));
    unique(wire.iter().map(|version| &*version.name), at, &mut context.problems);
    if !wire.is_empty() && wire.iter().all(|version| version.weight.unwrap_or(default) == 0) {
        context.problems.error(at, "every weight is 0, so no version takes requests: give at least one a weight");
        return None;
    }
    versions
}

fn version(wire: &wire::Version, at: &Pointer, default: i64, context: &mut Context<'_>) -> Option<Version> {
    let weight = Weight::try_from(wire.weight.unwrap_or(default));
    let weight = context.problems.check(&at.key("weight"), weight);
    let (scheme, endpoints) = endpoints(&wire.endpoints, &at.key("endpoints"), context);
    let protocol = protocol(wire, scheme, at, &mut context.problems);
    let tls = tls(wire, scheme, at, context);
    Some(Version {
        name: (*wire.name).into(),
        revision: wire.revision.as_deref().unwrap_or_default().into(),
        weight: weight?,
        endpoints: endpoints?,
        transport: Arc::new(Transport { protocol: protocol?, tls: tls? }),
        filters: Vec::new(),
        invalid: false,
        origin: None,
    })
}

fn protocol(
    wire: &wire::Version,
    scheme: Option<Scheme>,
    at: &Pointer,
    problems: &mut Problems,
) -> Option<UpstreamProtocol> {
    match (wire.protocol, scheme) {
        (Some(wire::Protocol::Http1), Some(Scheme::H2c)) => {
            problems.error(&at.key("protocol"), "h2c:// endpoints speak HTTP/2: remove protocol, or write http://");
            None
        }
        (Some(wire::Protocol::Http2), _) | (_, Some(Scheme::H2c)) => Some(UpstreamProtocol::Http2),
        (Some(wire::Protocol::Http1), _) => Some(UpstreamProtocol::Http1),
        (Some(wire::Protocol::Auto) | None, _) => Some(UpstreamProtocol::Auto),
    }
}

fn tls(wire: &wire::Version, scheme: Option<Scheme>, at: &Pointer, context: &mut Context<'_>) -> Checked<TlsClient> {
    let at = at.key("tls");
    match (scheme, &wire.tls) {
        (Some(Scheme::Https), tls) => client_tls::client(tls.as_ref(), &at, context).map(Some),
        // Endpoints that come later may be of any scheme; the settings are checked all the same.
        (None, Some(tls)) => client_tls::client(Some(tls), &at, context).map(Some),
        (Some(_), Some(_)) => {
            context.problems.error(&at, "is for https endpoints only: write \"https://\" before the endpoints");
            None
        }
        (_, None) => Some(None),
    }
}

/// The endpoints and the scheme that they share.
fn endpoints(wire: &[String], at: &Pointer, context: &mut Context<'_>) -> (Option<Scheme>, Option<Vec<Endpoint>>) {
    let mut shared = None;
    let mut seen: HashMap<SocketAddr, Option<Arc<str>>> = HashMap::new();
    let endpoints = each(wire, at, |text, at| {
        let written = context.problems.check(&at, address::endpoint(text))?;
        if *shared.get_or_insert(written.scheme) != written.scheme {
            context.problems.error(&at, "all endpoints of a version need the same scheme: make two versions of them");
            return None;
        }
        let mut resolved = resolve(&written, &at, context)?;
        if let Some(twice) = resolved.iter().find(|endpoint| seen.get(&endpoint.address) == Some(&endpoint.host)) {
            context.problems.error(&at, format!("endpoint {} is here twice: keep one", twice.address));
            return None;
        }
        // What names lead to is not up to who writes them: one endpoint takes over from another.
        let known = resolved.extract_if(.., |endpoint| seen.contains_key(&endpoint.address));
        for Endpoint { address, .. } in known {
            context
                .problems
                .warning(&at, format!("\"{text}\" leads to {address}, which is here already: it counts once"));
        }
        seen.extend(resolved.iter().map(|endpoint| (endpoint.address, endpoint.host.clone())));
        Some(resolved)
    });
    (shared, endpoints.map(|lists| lists.concat()))
}

fn resolve(written: &EndpointText<'_>, at: &Pointer, context: &mut Context<'_>) -> Option<Vec<Endpoint>> {
    if let Ok(address) = written.host.parse::<IpAddr>() {
        return Some(vec![Endpoint { address: SocketAddr::new(address, written.port), host: None, pod: None }]);
    }
    let host: Arc<str> = written.host.into();
    let question = (written.host.to_owned(), written.port);
    let asked = !context.nameless.contains(&question);
    let answer = asked.then(|| context.names.resolve(&context.known, written.host, written.port)).flatten();
    let Some((addresses, stale)) = answer else {
        context.nameless.insert(question);
        let message = format!("host \"{host}\" has no address: check the name, or write an address");
        context.problems.error(at, message);
        return None;
    };
    if stale {
        let message = format!("host \"{host}\" has no address now: the last ones are kept");
        context.problems.warning(at, message);
    }
    Some(
        addresses
            .iter()
            .map(|address| Endpoint { address: *address, host: Some(Arc::clone(&host)), pod: None })
            .collect(),
    )
}
