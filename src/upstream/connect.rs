//! A connection to an endpoint: TCP, TLS where asked for, and the HTTP handshake.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use super::pool::{Connection, Multiplexed};
use crate::endpoint::Endpoint;
use crate::model::{TlsClient, UpstreamProtocol};

/// Why no connection could be made. Nothing of a request was sent.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The network or the endpoint says no.
    #[error("connecting failed: {0}")]
    Tcp(#[source] io::Error),
    /// It took longer than `timeouts.connect`.
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    /// The TLS handshake failed, the certificate included.
    #[error("TLS failed: {0}")]
    Tls(#[source] io::Error),
    /// The HTTP handshake failed.
    #[error("the endpoint does not speak the protocol: {0}")]
    Handshake(#[from] hyper::Error),
}

/// What an HTTP/2 endpoint has said it takes (RFC 9113 section 6.5.2, RFC 8441 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Streams that it lets us open.
    pub streams: usize,
    /// Whether it takes extended CONNECT.
    pub extended_connect: bool,
}

/// What a request needs of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Whatever the endpoint speaks.
    Any,
    /// HTTP/1.1, since the request is an upgrade; ignored where only HTTP/2 is spoken.
    Upgrade,
}

/// How often a new HTTP/2 connection looks for its endpoint's settings, and for how long.
const LOOK: Duration = Duration::from_millis(5);
const SETTLED: Duration = Duration::from_secs(2);

/// Runs hyper's tasks on the worker that they belong to.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Connects within `timeout`.
///
/// # Errors
///
/// See [`ConnectError`]; the request may be tried elsewhere, whatever it is.
pub async fn connect<B>(endpoint: &Endpoint, demand: Demand, timeout: Duration) -> Result<Connection<B>, ConnectError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connected = async {
        let tcp = TcpStream::connect(endpoint.address).await.map_err(ConnectError::Tcp)?;
        tcp.set_nodelay(true).map_err(ConnectError::Tcp)?;
        let protocol = endpoint.transport.protocol;
        match &endpoint.transport.tls {
            None if protocol == UpstreamProtocol::Http2 => handshake_h2(tcp).await,
            None => handshake_h1(tcp).await,
            Some(tls) => {
                let stream = connector(tls, protocol, demand)
                    .connect(server_name(endpoint, tls)?, tcp)
                    .await
                    .map_err(ConnectError::Tls)?;
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => handshake_h2(stream).await,
                    // No ALPN at all: an endpoint that was said to speak HTTP/2 is believed.
                    None if protocol == UpstreamProtocol::Http2 => handshake_h2(stream).await,
                    _ => handshake_h1(stream).await,
                }
            }
        }
    };
    tokio::time::timeout(timeout, connected).await.unwrap_or(Err(ConnectError::Timeout(timeout)))
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

fn server_name(endpoint: &Endpoint, tls: &TlsClient) -> Result<ServerName<'static>, ConnectError> {
    let name = tls.server_name.as_deref().or(endpoint.host.as_deref());
    let literal = |name: &str| name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match name {
        Some(name) if literal(name).is_err() => {
            ServerName::try_from(name.to_owned()).map_err(|e| ConnectError::Tls(io::Error::other(e)))
        }
        _ => Ok(ServerName::IpAddress(endpoint.address.ip().into())),
    }
}

async fn handshake_h1<B, S>(stream: S) -> Result<Connection<B>, ConnectError>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::Builder::new().max_headers(100).max_buf_size(64 * 1024).handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(async move {
        // Its errors reach the request that was on it; an idle connection that breaks concerns nobody.
        let _ = connection.with_upgrades().await;
    });
    Ok(Connection::H1(sender))
}

async fn handshake_h2<B, S>(stream: S) -> Result<Connection<B>, ConnectError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(10))
        .handshake(TokioIo::new(stream))
        .await?;
    let (tell, peer) = watch::channel(Peer::default());
    tokio::task::spawn_local(async move {
        let mut connection = std::pin::pin!(connection);
        // hyper reads settings in a task of its own, which does not wake this one: it looks for them itself at first.
        let mut looks = tokio::time::interval(LOOK);
        let begun = tokio::time::Instant::now();
        let _ = std::future::poll_fn(|context| {
            while begun.elapsed() < SETTLED && looks.poll_tick(context).is_ready() {}
            let result = connection.as_mut().poll(context);
            tell.send_if_modified(|peer| {
                let now = Peer {
                    streams: connection.current_max_send_streams(),
                    extended_connect: connection.is_extended_connect_protocol_enabled(),
                };
                std::mem::replace(peer, now) != now
            });
            result
        })
        .await;
    });
    Ok(Connection::H2(Multiplexed { sender, peer }))
}
