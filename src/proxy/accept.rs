//! Accepting: sockets, the PROXY protocol, and finding out which protocol a client speaks.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::Scheme;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::exchange::ConnectionInfo;
use super::fault::Fault;
use super::ledger::Ledger;
use super::serve::{self, CLIENT_IDLE, Codec};
use super::stream::{HEAD_TIMEOUT, Transport};
use super::worker::Worker;
use crate::endpoint::VersionId;
use crate::model::SocketKey;
use crate::snapshot::ListenerEntry;

mod proxy_protocol;

/// Connections that the kernel holds until a worker takes them.
const BACKLOG: i32 = 4096;
/// Where HTTP/2 begins (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A socket that cannot be listened on.
#[derive(Debug, Error)]
#[error("listener {listener:?} cannot listen on {address}: {error}{}", hint(.error))]
pub struct BindError {
    /// Listener name.
    pub listener: String,
    /// Address.
    pub address: SocketAddr,
    /// What the system says.
    #[source]
    pub error: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another process has it: stop that one, or give the listener another port",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE: use a higher one",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    }
}

/// Binds one socket per worker to the same address (SO_REUSEPORT): the kernel spreads connections over them.
///
/// # Errors
///
/// The address cannot be bound, or another process has it: the first socket is bound without sharing, so that two
/// processes never split the connections of one port by mistake.
pub fn bind(name: &str, address: SocketAddr, workers: usize) -> Result<Vec<std::net::TcpListener>, BindError> {
    let failed = |error| BindError { listener: name.to_owned(), address, error };
    let mut sockets = Vec::with_capacity(workers);
    let mut address = address;
    for index in 0..workers {
        let socket = socket(address, index > 0).map_err(failed)?;
        // A port chosen by the kernel is the same for every worker.
        address = socket.local_addr().map_err(failed)?.as_socket().unwrap_or(address);
        sockets.push(socket);
    }
    for socket in &sockets {
        socket.listen(BACKLOG).map_err(failed)?;
    }
    Ok(sockets.into_iter().map(Into::into).collect())
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` takes IPv4, too.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    Ok(socket)
}

/// Accepts until `closed`; what waits in the kernel's queue by then is still taken.
pub async fn run(worker: Rc<Worker>, key: SocketKey, listener: TcpListener, mut closed: watch::Receiver<bool>) {
    let signal = closed.clone();
    let take = |stream: TcpStream, peer: SocketAddr| {
        tokio::task::spawn_local(connection(Rc::clone(&worker), key.clone(), stream, peer, signal.clone()));
    };
    loop {
        tokio::select! {
            biased;
            _ = closed.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => take(stream, peer),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of file descriptors, most likely: those in use come free as requests end.
                    tracing::error!(listener = %key, %error, "accepting failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    // Straight from the kernel: the runtime may not have heard of the last ones yet.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, peer)) = listener.accept() {
        if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
            take(stream, peer);
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// Serves one connection from its first byte.
async fn connection(
    worker: Rc<Worker>,
    key: SocketKey,
    stream: TcpStream,
    peer: SocketAddr,
    closed: watch::Receiver<bool>,
) {
    let snapshot = worker.snapshot();
    let Some(entry) = snapshot.listeners.iter().find(|entry| entry.listener.is(&key)).cloned() else { return };
    drop(snapshot);
    let Opened { transport, ahead, codec, peer, local, server_name } = match open(&entry, stream, peer.ip()).await {
        Ok(Some(opened)) => opened,
        Ok(None) => {
            return Ledger::open(&worker, VersionId::UNROUTED, Instant::now()).close(Fault::Version.ending(505, None));
        }
        Err(error) => {
            return tracing::debug!(listener = %key, %peer, %error, "a connection did not get to its first request");
        }
    };
    let scheme = if entry.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
    let info = Rc::new(ConnectionInfo { listener: key, peer, local, scheme, server_name });
    serve::serve(worker, info, (transport, ahead), codec, closed).await;
}

/// A connection that is ready for a codec.
struct Opened {
    transport: Transport,
    ahead: Bytes,
    codec: Codec,
    peer: IpAddr,
    local: SocketAddr,
    server_name: Option<Box<str>>,
}

/// Takes what comes before HTTP: the PROXY header, TLS, the HTTP/2 preface. None: refused for its version of HTTP.
async fn open(entry: &ListenerEntry, mut stream: TcpStream, peer: IpAddr) -> io::Result<Option<Opened>> {
    stream.set_nodelay(true)?;
    let mut peer = peer;
    let mut local = stream.local_addr()?;
    if entry.listener.proxy_protocol
        && let Some(addresses) = within(HEAD_TIMEOUT, proxy_protocol::read(&mut stream)).await?
    {
        (peer, local) = (addresses.source.ip(), addresses.destination);
    }
    if let Some(config) = &entry.tls {
        let stream = within(HEAD_TIMEOUT, TlsAcceptor::from(Arc::clone(config)).accept(stream)).await?;
        let session = stream.get_ref().1;
        let codec = if session.alpn_protocol() == Some(b"h2") { Codec::Http2 } else { Codec::Http1 };
        let server_name = session.server_name().map(|name| name.to_ascii_lowercase().into());
        let transport = Transport::Tls(Box::new(stream));
        return Ok(Some(Opened { transport, ahead: Bytes::new(), codec, peer, local, server_name }));
    }
    // A connection that was made ahead of its first request may wait as one between two.
    within(CLIENT_IDLE, stream.peek(&mut [0])).await?;
    let (ahead, codec) = within(HEAD_TIMEOUT, sniff(&mut stream)).await?;
    match codec {
        Some(codec) => {
            Ok(Some(Opened { transport: Transport::Plain(stream), ahead, codec, peer, local, server_name: None }))
        }
        None => {
            stream
                .write_all(b"HTTP/1.1 505 HTTP Version Not Supported\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                .await?;
            Ok(None)
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Reads until it is certain whether the client speaks HTTP/2 with prior knowledge; no codec: a version that is none of
/// ours.
async fn sniff(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Bytes, Option<Codec>)> {
    let mut ahead = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut ahead).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let compared = ahead.len().min(PREFACE.len());
        if ahead[..compared] != PREFACE[..compared] {
            let codec = (!has_foreign_version(&ahead)).then_some(Codec::Http1);
            return Ok((ahead.freeze(), codec));
        }
        if compared == PREFACE.len() {
            return Ok((ahead.freeze(), Some(Codec::Http2)));
        }
    }
}

/// Whether the first line is a request line of another major version of HTTP (RFC 9110 section 15.6.6).
fn has_foreign_version(bytes: &[u8]) -> bool {
    let Some(end) = bytes.iter().position(|b| *b == b'\n') else { return false };
    let line = bytes[..end].trim_ascii_end();
    let Some(version) = line.rsplit(|b| *b == b' ').next().and_then(|word| word.strip_prefix(b"HTTP/")) else {
        return false;
    };
    matches!(version, [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() && *major != b'1')
}

#[cfg(test)]
mod tests;
