//! A connection to an endpoint: TCP, TLS where asked for, and the HTTP handshake.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::http2::Multiplexed;
use crate::endpoint::Endpoint;
use crate::io::{Probing, Stream, Wire, find_dead};
use crate::model::{TlsClient, UpstreamProtocol};

/// How an endpoint is asked whether it is there.
const PROBING: Probing = Probing { silence: Duration::from_secs(15), interval: Duration::from_secs(5), count: 3 };

/// Why no connection could be made. Nothing of a request was sent. All who waited for the same attempt are told the same.
#[derive(Clone, Debug, Error)]
pub enum ConnectError {
    /// The network or the endpoint says no.
    #[error("connecting failed: {0}")]
    Tcp(#[source] Arc<io::Error>),
    /// It took longer than `timeouts.connect`.
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    /// The TLS handshake failed, the certificate included.
    #[error("TLS failed: {0}")]
    Tls(#[source] Arc<io::Error>),
}

/// A connection that was made.
pub enum Connected {
    /// Of HTTP/1.1.
    Http1(Wire),
    /// Of HTTP/2.
    Http2(Multiplexed),
}

/// What a request needs of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Whatever the endpoint speaks.
    Any,
    /// HTTP/1.1, since the request is an upgrade; ignored where only HTTP/2 is spoken.
    Upgrade,
}

/// Connects within `timeout`.
///
/// # Errors
///
/// See [`ConnectError`]; the request may be tried elsewhere, whatever it is.
pub async fn connect(endpoint: &Endpoint, demand: Demand, timeout: Duration) -> Result<Connected, ConnectError> {
    let connected = async {
        let tcp = TcpStream::connect(endpoint.address).await.map_err(no_tcp)?;
        tcp.set_nodelay(true).map_err(no_tcp)?;
        find_dead(&SockRef::from(&tcp), PROBING).map_err(no_tcp)?;
        let protocol = endpoint.transport.protocol;
        let Some(tls) = &endpoint.transport.tls else {
            return Ok(speak(Stream::Plain(tcp), protocol == UpstreamProtocol::Http2));
        };
        let connector = connector(tls, protocol, demand);
        let name = endpoint.server_name(tls).map_err(|error| no_tls(io::Error::other(error)))?;
        let stream = connector.connect(name, tcp).await.map_err(no_tls)?;
        let http2 = match stream.get_ref().1.alpn_protocol() {
            Some(chosen) => chosen == b"h2",
            // No ALPN at all: an endpoint that was said to speak HTTP/2 is believed.
            None => protocol == UpstreamProtocol::Http2,
        };
        Ok(speak(Stream::Tls(Box::new(TlsStream::Client(stream))), http2))
    };
    tokio::time::timeout(timeout, connected).await.unwrap_or(Err(ConnectError::Timeout(timeout)))
}

fn no_tcp(error: io::Error) -> ConnectError {
    ConnectError::Tcp(Arc::new(error))
}

fn no_tls(error: io::Error) -> ConnectError {
    ConnectError::Tls(Arc::new(error))
}

fn speak(stream: Stream, http2: bool) -> Connected {
    if http2 { Connected::Http2(Multiplexed::begin(stream)) } else { Connected::Http1(Wire::new(stream)) }
}

/// The TLS configuration with what the request may speak (RFC 7301).
fn connector(tls: &TlsClient, protocol: UpstreamProtocol, demand: Demand) -> TlsConnector {
    let mut config = (*tls.config).clone();
    let (h1, h2) = (b"http/1.1".to_vec(), b"h2".to_vec());
    config.alpn_protocols = match (protocol, demand) {
        (UpstreamProtocol::Http2, _) => vec![h2],
        (UpstreamProtocol::Http1, _) | (UpstreamProtocol::Auto, Demand::Upgrade) => vec![h1],
        (UpstreamProtocol::Auto, Demand::Any) => vec![h2, h1],
    };
    TlsConnector::from(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::UNACKNOWLEDGED;

    #[tokio::test]
    async fn the_kernel_watches_connections() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = SockRef::from(&tcp);
        find_dead(&socket, PROBING).unwrap();
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), PROBING.silence);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }
}
