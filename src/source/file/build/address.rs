//! Texts that say where: socket addresses, networks, endpoints.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use thiserror::Error;

/// Text that is no place.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// Nothing to listen on.
    #[error(
        "\"{0}\" is no address to listen on: write an IP address and a port, like \"0.0.0.0:8080\", \"[::1]:8080\", or \":8080\" for all addresses"
    )]
    Listen(String),
    /// No network.
    #[error(
        "\"{0}\" is no network: write an address like \"10.1.2.3\" or a network like \"10.0.0.0/8\" or \"2001:db8::/32\""
    )]
    Network(String),
    /// No endpoint.
    #[error(
        "\"{0}\" is no endpoint: write \"host:port\", or \"http://\", \"https://\" or \"h2c://\" before it, and no path"
    )]
    Endpoint(String),
    /// An endpoint without its port.
    #[error("endpoint \"{0}\" has no port: write it, like \"{0}:8080\"")]
    Port(String),
}

/// An address to listen on. `:8080` is every address of both families.
pub fn listen(text: &str) -> Result<SocketAddr, AddressError> {
    let error = || AddressError::Listen(text.to_owned());
    match text.strip_prefix(':') {
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
            port.parse().map(|port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).map_err(|_| error())
        }
        _ => text.parse().map_err(|_| error()),
    }
}

/// An address or a network in CIDR notation (RFC 4632).
pub fn network(text: &str) -> Result<(IpAddr, u8), AddressError> {
    let error = || AddressError::Network(text.to_owned());
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| error())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| error()))?;
    if bits > most { Err(error()) } else { Ok((address, bits)) }
}

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
    /// HTTP/2 in clear text.
    H2c,
}

/// An endpoint as written.
#[derive(Debug, PartialEq, Eq)]
pub struct EndpointText<'t> {
    /// Absent is http.
    pub scheme: Scheme,
    /// Host name, or address without brackets.
    pub host: &'t str,
    /// Port.
    pub port: u16,
}

/// `host:port` with or without a scheme.
pub fn endpoint(text: &str) -> Result<EndpointText<'_>, AddressError> {
    let error = || AddressError::Endpoint(text.to_owned());
    let (scheme, authority) = match text.split_once("://") {
        None => (Scheme::Http, text),
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("h2c", rest)) => (Scheme::H2c, rest),
        Some(_) => return Err(error()),
    };
    if authority.parse::<Ipv6Addr>().is_ok() {
        // Its last group would pass for a port.
        return Err(error());
    }
    let no_port = || AddressError::Port(text.to_owned());
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(error)?;
            host.parse::<Ipv6Addr>().map_err(|_| error())?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(error)?) })
        }
        None => authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let named = host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if host.is_empty() || !(named || authority.starts_with('[')) {
        return Err(error());
    }
    let port = port.ok_or_else(no_port)?.parse().ok().filter(|port| *port != 0).ok_or_else(error)?;
    Ok(EndpointText { scheme, host, port })
}

#[cfg(test)]
mod tests;
