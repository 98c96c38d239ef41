//! A worker: one thread's share of the proxy. Nothing in it is shared with another worker but what is read only, or
//! counted on cache lines of its own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::accept;
use super::attempt::Failed;
use super::body::RequestBody;
use super::exchange::Exchange;
use crate::decide::Cursors;
use crate::endpoint::VersionId;
use crate::model::SocketKey;
use crate::record::{self, Recorder, Shard};
use crate::snapshot::Snapshot;
use crate::upstream::Pool;

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);
/// Failures that a worker logs in a second; more are counted in the next line.
const COMPLAINTS: u32 = 5;

/// How far the process is with ending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It has not begun to serve: readiness fails, requests that arrive all the same are served as far as is known.
    Starting,
    /// Not at all.
    #[default]
    Serving,
    /// Readiness fails; requests are served, and clients are told to go elsewhere for their next.
    Leaving,
    /// Requests that begin now are refused; those in flight finish.
    Refusing,
}

/// What a worker is told.
pub enum Command {
    /// Accept on a socket.
    Listen(SocketKey, std::net::TcpListener),
    /// Stop accepting, and let the connections go.
    Unlisten(SocketKey),
}

/// A worker. It lives on one thread's local runtime.
pub struct Worker {
    served: RefCell<Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    shard: RefCell<Shard>,
    /// Where it stands in every split.
    pub cursors: RefCell<Cursors>,
    /// Its connections to endpoints.
    pub pool: Pool<RequestBody>,
    phase: watch::Receiver<Phase>,
    active: watch::Sender<usize>,
    complaints: Cell<(Option<Instant>, u32)>,
}

/// What the rest of the process keeps of a worker.
pub struct WorkerHandle {
    /// Tells it what to listen on.
    pub commands: mpsc::UnboundedSender<Command>,
    /// Requests and tunnels in flight on it.
    pub active: watch::Receiver<usize>,
}

/// What a worker is made of; sent to its thread.
pub struct Parts {
    served: Arc<ArcSwap<Snapshot>>,
    recorder: Arc<Recorder>,
    phase: watch::Receiver<Phase>,
    active: watch::Sender<usize>,
    commands: mpsc::UnboundedReceiver<Command>,
    seed: u64,
}

impl Worker {
    /// A worker's two halves: what stays, and what goes to its thread and is run there with [`Worker::run`].
    pub fn prepare(
        served: Arc<ArcSwap<Snapshot>>,
        recorder: Arc<Recorder>,
        phase: watch::Receiver<Phase>,
        seed: u64,
    ) -> (WorkerHandle, Parts) {
        let (command_sender, commands) = mpsc::unbounded_channel();
        let (active, active_receiver) = watch::channel(0);
        let handle = WorkerHandle { commands: command_sender, active: active_receiver };
        (handle, Parts { served, recorder, phase, active, commands, seed })
    }

    /// Runs a worker until its handle is dropped. To be called on a local runtime.
    pub async fn run(parts: Parts) {
        let Parts { served, recorder, phase, active, mut commands, seed } = parts;
        let worker = Rc::new(Self {
            served: RefCell::new(Cache::new(served)),
            shard: RefCell::new(Shard::new(recorder)),
            cursors: RefCell::new(Cursors::new(seed)),
            pool: Pool::default(),
            phase,
            active,
            complaints: Cell::new((None, 0)),
        });
        let mut listening: HashMap<SocketKey, watch::Sender<bool>> = HashMap::new();
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Listen(key, socket)) => match TcpListener::from_std(socket) {
                        Ok(listener) => {
                            let (closing, closed) = watch::channel(false);
                            tokio::task::spawn_local(accept::run(Rc::clone(&worker), key.clone(), listener, closed));
                            listening.insert(key, closing);
                        }
                        Err(error) => tracing::error!(listener = %key, %error, "a socket cannot be used"),
                    },
                    Some(Command::Unlisten(key)) => {
                        if let Some(closing) = listening.remove(&key) {
                            closing.send_replace(true);
                        }
                    }
                    None => return,
                },
                _ = sweep.tick() => worker.sweep(),
            }
        }
    }

    /// What is served now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(self.served.borrow_mut().load())
    }

    /// The worker's counters of a version.
    pub fn cell(&self, version: VersionId) -> Arc<record::Cell> {
        Arc::clone(self.shard.borrow_mut().cell(version))
    }

    /// How far the process is with ending.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// To be told when that changes.
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// A request begins.
    pub fn exchange_began(&self) {
        self.active.send_modify(|active| *active += 1);
    }

    /// A request, or the tunnel that it became, ended.
    pub fn exchange_ended(&self) {
        self.active.send_modify(|active| *active = active.saturating_sub(1));
    }

    /// Logs a request that failed at an endpoint; a flood of them is cut to a few lines a second.
    pub fn complain(&self, exchange: &Exchange, failed: &Failed) {
        let (since, count) = self.complaints.get();
        let now = Instant::now();
        let fresh = since.is_none_or(|since| now.duration_since(since) >= Duration::from_secs(1));
        let (since, suppressed) =
            if fresh { (now, count.saturating_sub(COMPLAINTS)) } else { (since.unwrap_or(now), 0) };
        let count = if fresh { 1 } else { count + 1 };
        self.complaints.set((Some(since), count));
        if count > COMPLAINTS {
            return;
        }
        let snapshot = &exchange.snapshot;
        let version = exchange.decision.version(snapshot);
        tracing::warn!(
            route = %exchange.decision.rule(snapshot).body.route,
            version = %version.name,
            endpoint = %exchange.decision.endpoint(snapshot).address,
            reason = failed.fault.reason().as_str(),
            status = failed.fault.status().as_u16(),
            suppressed,
            "request failed: {}",
            failed.message,
        );
    }

    fn sweep(&self) {
        let snapshot = self.snapshot();
        let versions = || snapshot.rules.iter().flat_map(|rule| rule.body.versions.iter());
        let named: std::collections::HashSet<_> = versions().flat_map(|v| v.endpoints.iter().map(|e| e.id)).collect();
        self.pool.sweep(|endpoint| named.contains(&endpoint));
    }
}
