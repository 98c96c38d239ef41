//! The listener's loop, the connections, and the phases of stopping them.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Shared;
use super::answer::answer;

/// Streams of one HTTP/2 connection, high enough for a load test through a single connection.
const MAX_STREAMS: u32 = 4096;

/// Where a server is in its life; only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Running,
    /// Finishes what is in flight, takes nothing new.
    Draining,
    /// Drops what is still there.
    Gone,
}

/// A view of a server's [`Phase`]; the server counts as in use while one exists.
pub(super) struct Phases(watch::Receiver<Phase>);

impl Phases {
    pub(super) fn new(receiver: watch::Receiver<Phase>) -> Self {
        Self(receiver)
    }

    /// Waits for `phase` or a later one.
    pub(super) async fn reached(&mut self, phase: Phase) {
        // An error says that the server no longer exists, which is later than any phase.
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }
}

/// Accepts connections until the server drains.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, mut phases: Phases) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = phases.reached(Phase::Draining) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let phases = shared.phases();
                tokio::spawn(serve(stream, Arc::clone(&shared), phases));
            }
            // Most likely out of file descriptors: trying again at once would only spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Serves one connection to its end, HTTP/1.1 or HTTP/2 as its first bytes tell.
async fn serve(stream: TcpStream, shared: Arc<Shared>, mut phases: Phases) {
    // Without it answers are slower, not wrong.
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(MAX_STREAMS).enable_connect_protocol();
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(&shared, request).await }
    });
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // How a connection ends is the client's business: errors have nobody to go to.
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = phases.reached(Phase::Draining) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        biased;
        _ = connection => {}
        () = phases.reached(Phase::Gone) => {}
    }
}
