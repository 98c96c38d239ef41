//! A backend to try things with: it answers every request with a description of what it was asked.
//!
//! `weir echo` runs one, `weir demo` embeds a few, and the integration tests put them behind the
//! proxy. One listener speaks HTTP/1.1 and HTTP/2 with prior knowledge, both in clear text.
//!
//! Every answer carries `x-echo-version`. An ordinary request is answered `200` with JSON:
//! `version`, `method`, `path`, `query` (empty when there is none), `host`, `protocol`
//! (`HTTP/1.0`, `HTTP/1.1` or `HTTP/2`), `headers` and `trailers` (name to value, or to a list
//! where a name occurs more than once), `body` (lossy UTF-8, its first 64 KiB) and `bodyLength`.
//! The request body is read to its end before the answer, except where the table says otherwise.
//! `HEAD` gets the headers of the same answer without a body.
//!
//! The first matching row decides:
//!
//! | Request | Answer |
//! |---|---|
//! | `/health`, `/healthz`, `/readyz` | `200` `ok`; never fails or waits, and is not counted |
//! | HTTP/1.1 `Upgrade: websocket`, or HTTP/2 extended `CONNECT` with `:protocol` `websocket` | a WebSocket (RFC 6455, RFC 8441) that sends every text or binary message back; takes the first subprotocol offered |
//! | HTTP/1.1 `Upgrade` to anything else, or extended `CONNECT` with another `:protocol` | the upgrade (`101` with the same token, or `200`) and then every byte back; `h2c` is ignored |
//! | `CONNECT` without `:protocol` | `405` |
//! | HTTP/2 with content-type `application/grpc` or `application/grpc+…` | every message back as it arrives, then the trailer `grpc-status: 0`, or `n` where the path ends in `/Status{n}` |
//! | `/status/{code}` | the description with that status, 200 to 599; no body with 204, 205 and 304 |
//! | `/latency/{ms}` | the description, that much later |
//! | `/bytes/{n}` | `n` bytes with a `content-length` |
//! | `/stream/{n}/{ms}` | `n` chunks `chunk {i}\n` counted from 1, the first at once and then one every `ms` |
//! | `/trailers` | a chunked body and the trailer `x-echo-trailer: 1` |
//! | `/echo` | the request body back as it arrives, with its content-type and trailers |
//! | `/events`, or any other path with `Accept: text/event-stream` | server-sent events `{"version":…,"n":i}` counted from 1, one a second, the first at once; `?n=5&ms=10` sets how many and how far apart |
//!
//! A row whose number cannot be used (`/status/42`, `/bytes/many`) is answered `400`. Over HTTP/1.1
//! a trailer is only sent to a client that says `TE: trailers`, and `/echo` returns only those
//! trailers the request announced in `Trailer`.
//!
//! A share of the requests ([`EchoOptions::fail`]) is answered `500` with
//! `{"error":"asked to fail","version":…}`, or with `grpc-status: 13` when it is gRPC.

mod answer;
mod body;
mod grpc;
mod route;
mod server;
mod tunnel;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use tokio::net::TcpListener;
use tokio::sync::watch;

use server::{Phase, Phases};

/// How long [`Echo::stop`] waits for requests in flight before it cuts them off.
const GRACE: Duration = Duration::from_secs(10);

/// What an [`Echo`] is started with.
#[derive(Debug, Clone)]
pub struct EchoOptions {
    /// Where to listen; port 0 takes any free one, see [`Echo::address`].
    pub address: SocketAddr,
    /// The name this backend gives itself in its answers.
    pub version: String,
    /// Share of requests that are answered as failed, 0 to 1.
    pub fail: f64,
    /// How long to wait before answering.
    pub latency: Duration,
    /// Makes the choice of failing requests repeatable.
    pub seed: Option<u64>,
}

impl Default for EchoOptions {
    /// A backend `v1` on any free loopback port that neither fails nor waits.
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            version: "v1".to_owned(),
            fail: 0.0,
            latency: Duration::ZERO,
            seed: None,
        }
    }
}

/// What an [`Echo`] has seen since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EchoStats {
    /// Requests that arrived, health checks left out.
    pub requests: u64,
    /// Requests answered as failed because of the configured share.
    pub failures: u64,
    /// Connections accepted.
    pub connections: u64,
}

/// A running echo server. Dropping it cuts every connection; [`Echo::stop`] lets them finish.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Echo {
    /// Binds the address and serves it from a task of the current runtime.
    ///
    /// # Errors
    ///
    /// Where the address cannot be bound, or the version cannot be put into a header.
    pub async fn start(options: EchoOptions) -> io::Result<Echo> {
        let version_header = HeaderValue::from_str(&options.version)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listener = TcpListener::bind(options.address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            version: options.version,
            version_header,
            fail: AtomicU64::new(share_bits(options.fail)),
            latency: AtomicU64::new(nanos(options.latency)),
            draws: AtomicU64::new(options.seed.unwrap_or_else(|| fastrand::u64(..))),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            phase: watch::Sender::new(Phase::Running),
        });
        // Subscribed here and not in the task, so that a stop right after the start waits for it.
        let phases = shared.phases();
        tokio::spawn(server::accept(listener, Arc::clone(&shared), phases));
        Ok(Echo { address, shared })
    }

    /// Where it listens, with the port it was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the share of requests that fail, 0 to 1, from the next request on.
    pub fn set_fail(&self, share: f64) {
        self.shared.fail.store(share_bits(share), Ordering::Relaxed);
    }

    /// Sets how long to wait before answering, from the next answer on.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.latency.store(nanos(latency), Ordering::Relaxed);
    }

    /// What it has seen so far.
    pub fn stats(&self) -> EchoStats {
        EchoStats {
            requests: self.shared.requests.load(Ordering::Relaxed),
            failures: self.shared.failures.load(Ordering::Relaxed),
            connections: self.shared.connections.load(Ordering::Relaxed),
        }
    }

    /// Stops accepting and waits for the requests in flight, ten seconds at most.
    ///
    /// What has no end of its own is ended: endless event streams finish, WebSockets are closed
    /// with code 1001, and other upgraded connections are shut.
    pub async fn stop(self) {
        let phase = &self.shared.phase;
        phase.send_replace(Phase::Draining);
        if tokio::time::timeout(GRACE, phase.closed()).await.is_err() {
            phase.send_replace(Phase::Gone);
            phase.closed().await;
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.shared.phase.send_replace(Phase::Gone);
    }
}

/// What the connections of one server have in common.
#[derive(Debug)]
struct Shared {
    version: String,
    version_header: HeaderValue,
    /// The failing share, as the bits of an `f64`.
    fail: AtomicU64,
    /// Nanoseconds to wait before answering.
    latency: AtomicU64,
    /// State of the random sequence that picks the failing requests.
    draws: AtomicU64,
    requests: AtomicU64,
    failures: AtomicU64,
    connections: AtomicU64,
    phase: watch::Sender<Phase>,
}

impl Shared {
    /// A view of the server's phase; a stopping server waits until every view is dropped.
    fn phases(&self) -> Phases {
        Phases::new(self.phase.subscribe())
    }

    /// Counts a request and tells whether it is one of those that fail.
    fn draw_failure(&self) -> bool {
        /// What separates consecutive states of the generator behind `fastrand`.
        const STEP: u64 = 0x2d35_8dcc_aa6c_78a5;

        self.requests.fetch_add(1, Ordering::Relaxed);
        let share = f64::from_bits(self.fail.load(Ordering::Relaxed));
        if share <= 0.0 {
            return false;
        }
        // One atomic step through the sequence instead of a generator behind a lock.
        let state = self.draws.fetch_add(STEP, Ordering::Relaxed);
        let failing = fastrand::Rng::with_seed(state).f64() < share;
        if failing {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        failing
    }

    /// Waits as long as configured, and `extra` on top.
    async fn pause(&self, extra: Duration) {
        let latency = Duration::from_nanos(self.latency.load(Ordering::Relaxed));
        let wait = latency.saturating_add(extra);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

fn share_bits(share: f64) -> u64 {
    // Not `clamp` alone: it lets a NaN through.
    let share = if share.is_nan() { 0.0 } else { share };
    share.clamp(0.0, 1.0).to_bits()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
