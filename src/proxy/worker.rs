//! A worker: one thread's share of the proxy. Nothing in it is shared with another worker but what is read only, or
//! counted on cache lines of its own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::accept;
use super::attempt::Failed;
use super::budget::Budgets;
use super::exchange::{Exchange, Served};
use super::hold::Queue;
use super::memo::Observer;
use super::replay::Room;
use super::warming::Warming;
use crate::decide::Cursors;
use crate::drain::{Census, Order, Registry, Subject};
use crate::endpoint::{Ejection, VersionId};
use crate::io;
use crate::model::SocketKey;
use crate::record::{self, Recorder, Shard};
use crate::snapshot::{RuleBody, Snapshot, VersionEntry};
use crate::upstream::{Pool, SWEEP};

/// Failures that a worker logs in a second; more are counted in the next line.
const COMPLAINTS: u32 = 5;
/// How often it is looked whose turn it is to be asked to end.
const PACE: Duration = Duration::from_millis(20);

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
    /// Stop accepting.
    Unlisten(SocketKey),
    /// Open connections to endpoints.
    Warm(Warming),
    /// Ask long-lived connections to end.
    Drain(Order),
    /// Cut those of a drain that are left at another time.
    Retime(Subject, Instant),
    /// Ask no more of them.
    Recall(Subject),
    /// Count the connections.
    Count(oneshot::Sender<Census>),
    /// Something else is served than before.
    Look,
    /// Tell that all this is done.
    Tell(oneshot::Sender<()>),
}

/// A worker. It lives on one thread's local runtime.
pub struct Worker {
    served: RefCell<Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    /// What was served last, in a form that requests can keep.
    kept: RefCell<Served>,
    shard: RefCell<Shard>,
    /// Where it stands in every split.
    pub cursors: RefCell<Cursors>,
    /// Its connections to endpoints.
    pub pool: Pool,
    phases: RefCell<watch::Receiver<Phase>>,
    phase: Cell<Phase>,
    in_flight: Arc<InFlight>,
    complaints: Cell<(Option<Instant>, u32)>,
    /// Who is told of every request; mostly nobody.
    pub observer: Option<Observer>,
    /// Copies of requests in flight.
    pub mirrors: Cell<usize>,
    /// Its connections to clients: those that live long, and those that idle.
    pub registry: Rc<Registry>,
    /// What those keep in place of the snapshot that they were decided by.
    nothing: Served,
    /// Bytes of bodies that are kept for another try.
    pub replays: Room,
    budgets: RefCell<Budgets>,
    /// Requests that wait for an endpoint.
    pub queue: Rc<Queue>,
}

/// What the rest of the process keeps of a worker.
pub struct WorkerHandle {
    /// Tells it what to listen on.
    pub commands: mpsc::UnboundedSender<Command>,
    /// Requests and tunnels in flight on it.
    pub in_flight: Arc<InFlight>,
}

/// How many requests and tunnels are in flight on a worker, and its clients' connections: written by it alone, read by
/// anyone.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct InFlight {
    requests: AtomicUsize,
    connections: AtomicUsize,
}

impl InFlight {
    /// Requests and tunnels.
    pub fn count(&self) -> usize {
        self.requests.load(Relaxed)
    }

    /// Connections of clients.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

/// Counts a client's connection for as long as it lives.
pub struct Connected(Rc<Worker>);

impl Connected {
    /// A connection begins.
    pub fn new(worker: &Rc<Worker>) -> Self {
        let InFlight { connections, .. } = &*worker.in_flight;
        connections.store(connections.load(Relaxed) + 1, Relaxed);
        Self(Rc::clone(worker))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let InFlight { connections, .. } = &*self.0.in_flight;
        connections.store(connections.load(Relaxed).saturating_sub(1), Relaxed);
    }
}

/// What a worker is made of; sent to its thread.
pub struct Parts {
    served: Arc<ArcSwap<Snapshot>>,
    recorder: Arc<Recorder>,
    phase: watch::Receiver<Phase>,
    in_flight: Arc<InFlight>,
    commands: mpsc::UnboundedReceiver<Command>,
    observer: Option<Observer>,
    seed: u64,
    most_held: usize,
}

impl Worker {
    /// A worker's two halves: what stays, and what goes to its thread and is run there with [`Worker::run`]. `most_held`:
    /// requests that may wait for an endpoint, over all workers.
    pub fn prepare(
        served: Arc<ArcSwap<Snapshot>>,
        recorder: Arc<Recorder>,
        phase: watch::Receiver<Phase>,
        observer: Option<Observer>,
        (seed, most_held): (u64, usize),
    ) -> (WorkerHandle, Parts) {
        let (command_sender, commands) = mpsc::unbounded_channel();
        let in_flight = Arc::new(InFlight::default());
        let handle = WorkerHandle { commands: command_sender, in_flight: Arc::clone(&in_flight) };
        (handle, Parts { served, recorder, phase, in_flight, commands, observer, seed, most_held })
    }

    /// Runs a worker until its handle is dropped. To be called on a local runtime.
    pub async fn run(parts: Parts) {
        let Parts { served, recorder, phase, in_flight, mut commands, observer, seed, most_held } = parts;
        let queue = Rc::new(Queue::new(Arc::clone(&recorder), most_held));
        let mut phases = phase.clone();
        let now = *phase.borrow();
        let worker = Rc::new(Self {
            kept: RefCell::new(Rc::new(served.load_full())),
            served: RefCell::new(Cache::new(served)),
            shard: RefCell::new(Shard::new(recorder)),
            cursors: RefCell::new(Cursors::new(seed)),
            pool: Pool::default(),
            phase: Cell::new(now),
            phases: RefCell::new(phase),
            in_flight,
            complaints: Cell::new((None, 0)),
            observer,
            mirrors: Cell::new(0),
            registry: Rc::default(),
            nothing: Rc::default(),
            replays: Room::default(),
            budgets: RefCell::new(Budgets::new(Instant::now())),
            queue,
        });
        tokio::task::spawn_local(io::rounds());
        let mut listening: HashMap<SocketKey, Vec<accept::Listening>> = HashMap::new();
        let mut sweep = tokio::time::interval(SWEEP);
        let mut refusing = false;
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Listen(key, socket)) => match TcpListener::from_std(socket) {
                        Ok(listener) => {
                            let begun = accept::Listening::begin(&worker, key.clone(), listener);
                            listening.entry(key).or_default().push(begun);
                        }
                        Err(error) => tracing::error!(listener = %key, %error, "a socket cannot be used"),
                    },
                    Some(Command::Unlisten(key)) => {
                        listening.remove(&key).into_iter().flatten().for_each(accept::Listening::end);
                    }
                    Some(Command::Warm(order)) => _ = tokio::task::spawn_local(order.run(Rc::clone(&worker))),
                    Some(Command::Drain(order)) => worker.drain(order),
                    Some(Command::Retime(subject, deadline)) => worker.retime(&subject, deadline),
                    Some(Command::Recall(subject)) => worker.registry.recall(&subject),
                    // Who asked may have gone.
                    Some(Command::Count(done)) => _ = done.send(worker.registry.census()),
                    Some(Command::Look) => worker.queue.look(&worker.snapshot()),
                    // Who asked may have gone.
                    Some(Command::Tell(done)) => _ = done.send(()),
                    None => return,
                },
                _ = sweep.tick() => worker.sweep(),
                _ = pace.tick(), if worker.registry.is_draining() => {
                    worker.registry.tick(Instant::now(), &mut worker.cursors.borrow_mut().rng);
                }
                _ = phases.wait_for(|phase| *phase >= Phase::Refusing), if !refusing => {
                    refusing = true;
                    worker.queue.dissolve();
                }
            }
        }
    }

    /// What is served now.
    pub fn snapshot(&self) -> Served {
        let mut served = self.served.borrow_mut();
        let now = served.load();
        let mut kept = self.kept.borrow_mut();
        if !Arc::ptr_eq(now, &kept) {
            *kept = Rc::new(Arc::clone(now));
        }
        Rc::clone(&kept)
    }

    /// What a connection that lives long keeps in place of a snapshot, so that an old one is not kept for as long.
    pub fn nothing(&self) -> Served {
        Rc::clone(&self.nothing)
    }

    /// Begins a drain: idle connections to what drains are closed, the long-lived ones are asked in their turn.
    fn drain(&self, order: Order) {
        if let Some(endpoint) = order.evict {
            order.progress.close_idle(self.pool.evict(endpoint));
        }
        self.registry.begin(order, Instant::now(), &mut self.cursors.borrow_mut().rng);
    }

    fn retime(&self, subject: &Subject, deadline: Instant) {
        self.registry.retime(subject, deadline, Instant::now(), &mut self.cursors.borrow_mut().rng);
    }

    /// The worker's counters of a version.
    pub fn cell(&self, version: VersionId) -> Arc<record::Cell> {
        Arc::clone(self.shard.borrow_mut().cell(version))
    }

    /// An endpoint was left out: the control side will say so, and take it back in time.
    pub fn ejected(&self, ejection: Ejection) {
        self.shard.borrow().recorder().incidents.tell(ejection);
    }

    /// Whether the budget of a rule has a retry left, which is then taken.
    pub fn may_retry(&self, rule: &RuleBody) -> bool {
        let shard = self.shard.borrow();
        let decisions = |version: &VersionEntry| shard.known(version.id).map_or(0, |cell| cell.decisions());
        let requests = rule.versions.iter().map(decisions).sum();
        let budget = rule.split.retry.budget;
        self.budgets.borrow_mut().allows(rule.split_id, budget, requests, Instant::now())
    }

    /// How far the process is with ending.
    pub fn phase(&self) -> Phase {
        let mut phases = self.phases.borrow_mut();
        // The other end goes with the process.
        if phases.has_changed().unwrap_or(false) {
            self.phase.set(*phases.borrow_and_update());
        }
        self.phase.get()
    }

    /// A request begins.
    pub fn exchange_began(&self) {
        self.in_flight.requests.store(self.in_flight.count() + 1, Relaxed);
    }

    /// A request, or the tunnel that it became, ended.
    pub fn exchange_ended(&self) {
        self.in_flight.requests.store(self.in_flight.count().saturating_sub(1), Relaxed);
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
        self.registry.sweep(Instant::now());
    }
}
