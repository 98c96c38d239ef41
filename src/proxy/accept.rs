//! Accepting: sockets, the PROXY protocol, and finding out which protocol a client speaks.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::uri::Scheme;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::client::{self, CLIENT_IDLE, HEAD_TIMEOUT};
use super::exchange::ConnectionInfo;
use super::forward::Told;
use super::worker::{Connected, Worker};
use crate::drain::Spoken;
use crate::http2::PREFACE;
use crate::io::{Alarm, Probing, Stream, Wire, find_dead};
use crate::message::SMALL;
use crate::model::{Listener, SocketKey};
use crate::snapshot::ListenerEntry;

mod proxy_protocol;

/// Connections that the kernel holds until a worker takes them.
const BACKLOG: i32 = 4096;
/// How a client is asked whether it is there. More rarely than an endpoint, since there are more of them, and many sleep.
const PROBING: Probing = Probing { silence: Duration::from_secs(60), interval: Duration::from_secs(10), count: 3 };

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

/// Binds one socket per worker to the same address (SO_REUSEPORT): the kernel spreads connections over them. `inherited`
/// are some already; all of them stay, even if they are more, since each has connections waiting.
///
/// # Errors
///
/// The address cannot be bound, or another process has it: the first socket is bound without sharing, so that two
/// processes never split the connections of one port by mistake.
pub fn bind(
    listener: &Listener,
    workers: usize,
    inherited: Vec<std::net::TcpListener>,
) -> Result<Vec<std::net::TcpListener>, BindError> {
    let failed = |error| BindError { listener: listener.name.to_string(), address: listener.address, error };
    let mut sockets: Vec<Socket> = inherited.into_iter().map(Into::into).collect();
    while sockets.len() < workers {
        // A port chosen by the kernel is the same for every worker.
        let bound = sockets.first().map(Socket::local_addr).transpose().map_err(failed)?;
        let address = bound.and_then(|bound| bound.as_socket()).unwrap_or(listener.address);
        sockets.push(socket(address, !sockets.is_empty()).map_err(failed)?);
    }
    for socket in &sockets {
        // What is accepted inherits these: no call for each connection.
        socket.set_tcp_nodelay(true).and_then(|()| find_dead(&SockRef::from(socket), PROBING)).map_err(failed)?;
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

/// A listener that a worker accepts on.
pub struct Listening {
    stop: watch::Sender<bool>,
}

impl Listening {
    /// Begins to accept.
    pub fn begin(worker: &Rc<Worker>, key: SocketKey, listener: TcpListener) -> Self {
        let (stop, stopped) = watch::channel(false);
        tokio::task::spawn_local(run(Rc::clone(worker), key, listener, stopped));
        Self { stop }
    }

    /// Stops accepting. The connections that there are go as the drain of the listener asks them to.
    pub fn end(self) {
        self.stop.send_replace(true);
    }
}

/// Accepts until `stopped`; what waits in the kernel's queue by then is still taken.
async fn run(worker: Rc<Worker>, key: SocketKey, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    // The same for all, so that none needs to be asked for it.
    let port = listener.local_addr().map_or(key.address().port(), |local| local.port());
    let take = |stream: TcpStream, peer: SocketAddr| {
        // Boxed, since what is spawned is moved several times before it rests.
        tokio::task::spawn_local(Box::pin(connection(Rc::clone(&worker), key.clone(), stream, Ends { peer, port })));
    };
    let mut stops = pin!(stopped.changed());
    // Whether it is to stop is looked at once for all who wait to be taken.
    let mut taken = |context: &mut Context<'_>| {
        if stops.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        loop {
            match ready!(listener.poll_accept(context)) {
                Ok((stream, peer)) => take(stream, peer),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => return Poll::Ready(Some(error)),
            }
        }
    };
    while let Some(error) = poll_fn(&mut taken).await {
        // Out of file descriptors, most likely: those in use come free as requests end.
        tracing::error!(listener = %key, %error, "accepting failed");
        tokio::time::sleep(Duration::from_millis(50)).await;
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
async fn connection(worker: Rc<Worker>, key: SocketKey, stream: TcpStream, ends: Ends) {
    let _connected = Connected::new(&worker);
    let snapshot = worker.snapshot();
    let Some(entry) = snapshot.listeners.iter().find(|entry| entry.listener.is(&key)).cloned() else { return };
    drop(snapshot);
    // Boxed, so that what is only needed at first is not kept by every connection.
    let opened = Box::pin(open(&entry, stream, ends)).await;
    let Opened { wire, spoken, ends: Ends { peer, port }, server_name } = match opened {
        Ok(opened) => opened,
        Err(error) => {
            return tracing::debug!(listener = %key, peer = %ends.peer, %error, "a connection did not get to its first request");
        }
    };
    let scheme = if entry.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
    let peer = peer.ip();
    let visiting = worker.registry.admit(key.clone(), spoken);
    let (visitor, told) = (Rc::clone(visiting.visitor()), Told::default());
    let info = Rc::new(ConnectionInfo { listener: key, peer, port, scheme, server_name, told, visitor });
    drop(entry);
    match spoken {
        Spoken::Http1 => client::serve_http1(worker, info, wire, visiting).await,
        // Boxed, since most connections are of the other kind.
        Spoken::Http2 => Box::pin(client::serve_http2(worker, info, wire, visiting)).await,
    }
}

/// A connection that is ready for a codec.
struct Opened {
    wire: Wire,
    spoken: Spoken,
    ends: Ends,
    server_name: Option<Box<str>>,
}

/// Who talks to whom.
#[derive(Clone, Copy)]
struct Ends {
    peer: SocketAddr,
    /// The port of this end.
    port: u16,
}

/// Takes what comes before HTTP: the PROXY header, TLS, the HTTP/2 preface.
async fn open(entry: &ListenerEntry, mut stream: TcpStream, mut ends: Ends) -> io::Result<Opened> {
    if entry.listener.proxy_protocol
        && let Some(addresses) = within(HEAD_TIMEOUT, proxy_protocol::read(&mut stream)).await?
    {
        ends = Ends { peer: addresses.source, port: addresses.destination.port() };
    }
    if let Some(config) = &entry.tls {
        let stream = within(HEAD_TIMEOUT, TlsAcceptor::from(Arc::clone(config)).accept(stream)).await?;
        let session = stream.get_ref().1;
        let spoken = if session.alpn_protocol() == Some(b"h2") { Spoken::Http2 } else { Spoken::Http1 };
        let server_name = session.server_name().map(|name| name.to_ascii_lowercase().into());
        let wire = Wire::new(Stream::Tls(Box::new(TlsStream::Server(stream))));
        return Ok(Opened { wire, spoken, ends, server_name });
    }
    let mut wire = Wire::new(Stream::Plain(stream));
    // A connection that was made ahead of its first request may wait as one between two.
    within(CLIENT_IDLE, fill(&mut wire)).await?;
    let spoken = within(HEAD_TIMEOUT, sniff(&mut wire)).await?;
    Ok(Opened { wire, spoken, ends, server_name: None })
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut work = pin!(work);
    let (mut alarm, mut deadline) = (Alarm::default(), None);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + limit);
        alarm.poll(deadline, context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    })
    .await
}

/// Reads until it is certain whether the client speaks HTTP/2 with prior knowledge.
async fn sniff(wire: &mut Wire) -> io::Result<Spoken> {
    loop {
        if let Some(spoken) = spoken_in(wire.inbox.unread()) {
            return Ok(spoken);
        }
        fill(wire).await?;
    }
}

async fn fill(wire: &mut Wire) -> io::Result<()> {
    match poll_fn(|context| wire.poll_fill(SMALL, context)).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// What a client speaks that begins so; none as long as it may be either.
fn spoken_in(bytes: &[u8]) -> Option<Spoken> {
    let compared = bytes.len().min(PREFACE.len());
    if bytes[..compared] != PREFACE[..compared] {
        return Some(Spoken::Http1);
    }
    (compared == PREFACE.len()).then_some(Spoken::Http2)
}

#[cfg(test)]
mod tests;
