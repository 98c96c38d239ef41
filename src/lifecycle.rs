//! The process: what starts in which order, what signals do, and how it ends without losing a request.
//!
//! Threads: one per worker, each with a local runtime of its own, and the caller's runtime for all that controls them.

mod ending;
#[cfg(feature = "kubernetes")]
mod figures;
mod file;
mod handover;
#[cfg(feature = "kubernetes")]
mod join;
#[cfg(feature = "kubernetes")]
mod keep;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod memory;
mod pages;
mod replicas;
mod signals;
mod workers;

pub use memory::collect_with;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::IntCounter;
use thiserror::Error;
use tokio::sync::watch;

use crate::admin::{self, Access, Admin, AdminSocket};
use crate::control::{ApplyError, Control, EventKind, Fleet, TICK};
use crate::model::{Dialect, Model, Settings, Shutdown};
use crate::proxy::Phase;
use crate::record::access::{AccessLog, OpenError};
use crate::record::dialect::DialectExporter;
use crate::record::{Exporter, Recorder, Served};
use crate::snapshot::Snapshot;
use crate::source::file::Diagnostics;

use ending::{Ending, Why};
pub use file::run_file;
pub use handover::HandoverError;
use handover::{Inherited, Place, Purpose, Sockets};
#[cfg(feature = "kubernetes")]
pub use kubernetes::{ClusterArgs, run_kubernetes};
pub use replicas::replicate;
pub use signals::{Signal, Signals};

/// How long connections that were accepted at the very end have to send their request and get their refusal.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Why a process cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration cannot be served.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// A worker's thread or runtime.
    #[error("a worker cannot be started: {0}")]
    Worker(#[source] io::Error),
    /// The file that guard trips are kept in.
    #[error("the state file {} cannot be read: {error}; correct or remove it", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The admin or ops address.
    #[error(transparent)]
    Admin(#[from] admin::AdminError),
    /// The access log.
    #[error(transparent)]
    AccessLog(#[from] OpenError),
    /// Metrics that cannot be registered.
    #[error("metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A running proxy.
pub struct Process {
    control: Arc<Control>,
    phase: watch::Sender<Phase>,
    shutdown: Shutdown,
    admin: Vec<Admin>,
    threads: Vec<std::thread::JoinHandle<()>>,
    ticker: tokio::task::JoinHandle<()>,
    access: Option<AccessLog>,
}

impl Process {
    /// Starts workers, serves `model`, then opens admin and ops. To be called on a runtime with timers.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; nothing is left running then.
    pub async fn start(model: Model, settings: &Settings) -> Result<Self, StartError> {
        Self::start_on(Sockets::new(), model, settings).await
    }

    /// The same on sockets of the process whose place this one takes.
    async fn start_on(sockets: Sockets, model: Model, settings: &Settings) -> Result<Self, StartError> {
        let mut inherited = Inherited::from(sockets);
        let served = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let recorder = Arc::new(Recorder::default());
        let (phase, phases) = watch::channel(Phase::Starting);
        let (access, dropped) = access_log(settings)?;
        let (workers, threads) =
            workers::start(settings, (&served, &recorder), &phases, access.as_ref()).map_err(StartError::Worker)?;
        let control = Control::new(
            served,
            recorder,
            Fleet::inheriting(workers, std::mem::take(&mut inherited.traffic)),
            settings.state.clone(),
        );
        let control =
            control.map_err(|error| StartError::State { path: settings.state.clone().unwrap_or_default(), error })?;
        let control = Arc::new(control);
        export(&control, &settings.dialects);
        if let Some(dropped) = dropped {
            control.metrics().registry().register(Box::new(dropped))?;
        }
        // Before anything is accepted: what fails now harms nobody.
        let mut bound = Vec::new();
        for (address, access) in [(settings.admin, Access::Admin), (settings.ops, Access::Ops)] {
            if let Some(address) = address {
                bound.push(AdminSocket::bind(address, access, inherited.take(address, access)).await?);
            }
        }
        let message = summary(&model);
        let generation = control.apply(model)?;
        control.events().tell(EventKind::ConfigApplied, "", "", format!("generation {generation}: {message}"));
        let start = |socket| Admin::start(socket, settings.admin_token.clone(), Arc::clone(&control), phases.clone());
        let admin = bound.into_iter().map(start).collect();
        let ticker = tokio::spawn(tend(Arc::clone(&control)));
        Ok(Self { control, phase, shutdown: settings.shutdown, admin, threads, ticker, access })
    }

    /// Everything is known: readiness succeeds from now on.
    pub fn ready(&self) {
        self.phase.send_if_modified(|phase| {
            let starting = *phase == Phase::Starting;
            if starting {
                *phase = Phase::Serving;
                pages::let_go();
            }
            starting
        });
    }

    /// Opens files anew that may have been moved away: the access log.
    pub fn reopen(&self) {
        if let Some(access) = &self.access {
            access.reopen();
        }
    }

    /// The control side.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// Where the admin listener really listens.
    pub fn admin_address(&self) -> Option<std::net::SocketAddr> {
        self.admin.first().map(Admin::address)
    }

    /// Ends in peace: readiness fails, requests are served for `shutdown.delay`, then refused, and those in flight finish
    /// within `shutdown.timeout`. Returns how many had to be cut.
    pub async fn end(self) -> usize {
        self.end_unless(std::future::pending()).await.unwrap_or(0)
    }

    /// The same; none if `hurry` came first.
    async fn end_unless(self, hurry: impl Future<Output = ()>) -> Option<usize> {
        let mut hurry = std::pin::pin!(hurry);
        let Shutdown { delay, timeout } = self.shutdown;
        let message = format!("served for {delay:?} more, then what is in flight has {timeout:?}");
        self.control.events().tell(EventKind::ShuttingDown, "", "", message);
        let mut ending = Ending::begin(delay, timeout);
        self.phase.send_replace(Phase::Leaving);
        if !ending.settled(&mut hurry).await {
            return None;
        }
        self.phase.send_replace(Phase::Refusing);
        self.control.drain_all(timeout);
        let is_idle = || self.control.in_flight() == 0;
        let cut = match ending.drained(is_idle, &mut hurry).await {
            Why::Hurry => return None,
            Why::Empty => 0,
            Why::Deadline => self.control.in_flight(),
        };
        // What the kernel has accepted in our name is still answered.
        self.control.stop_listening();
        tokio::time::sleep(LAST_WORDS).await;
        // Such a connection is in flight only once its request has been read, for which a busy machine may take longer.
        let is_empty = || self.control.in_flight() == 0 && self.control.connection_count() == 0;
        Ending::begin(Duration::ZERO, LAST_WORDS).drained(is_empty, &mut hurry).await;
        // Those that were cut are in flight no more.
        let cut = cut + usize::try_from(self.control.cut_at_the_end()).unwrap_or(usize::MAX);
        self.stop();
        Some(cut)
    }

    /// Ends in peace, since another process serves on the same sockets: what is here finishes within `shutdown.timeout`, and
    /// clients go to the other process with their next request. Returns how many connections had to be cut; none if `hurry` came
    /// first.
    async fn make_room(mut self, hurry: impl Future<Output = ()>) -> Option<usize> {
        let mut hurry = std::pin::pin!(hurry);
        let Shutdown { timeout, .. } = self.shutdown;
        self.phase.send_replace(Phase::Leaving);
        self.admin.clear();
        // One process judges, and keeps what it knows.
        self.control.set_judging(false);
        self.control.stop_listening();
        // What stays is asked to go, and comes again to the other process.
        self.control.drain_all(timeout);
        let is_empty = || self.control.connection_count() == 0;
        if Ending::begin(Duration::ZERO, timeout).drained(is_empty, &mut hurry).await == Why::Hurry {
            return None;
        }
        let cut =
            self.control.connection_count() + usize::try_from(self.control.cut_at_the_end()).unwrap_or(usize::MAX);
        self.stop();
        Some(cut)
    }

    /// Every listening socket, for another process.
    fn sockets(&self) -> impl Fn() -> io::Result<Sockets> + Send + Sync + 'static {
        let control = Arc::clone(&self.control);
        let others: Vec<_> = self.admin.iter().map(|admin| (handover::purpose(admin), admin.socket())).collect();
        move || {
            let traffic = control.sockets()?.into_iter().map(|(key, socket)| Ok((Purpose::Traffic(key), socket)));
            let others = others.iter().filter_map(|(purpose, socket)| Some((purpose.clone(), socket.upgrade()?)));
            traffic.chain(others.map(|(purpose, socket)| Ok((purpose, socket.try_clone()?)))).collect()
        }
    }

    /// Ends at once.
    pub fn stop(self) {
        self.ticker.abort();
        self.control.dismiss_workers();
        drop(self.admin);
        for thread in self.threads {
            // A worker that panicked has said so already.
            let _ = thread.join();
        }
        // With the lines of all of them.
        drop(self.access);
    }
}

/// The access log, and the count of what it drops, where the settings ask for one.
fn access_log(settings: &Settings) -> Result<(Option<AccessLog>, Option<IntCounter>), StartError> {
    let Some(settings) = &settings.access_log else { return Ok((None, None)) };
    let dropped = IntCounter::new("weir_access_log_dropped_total", "Lines of the access log that were not written.")?;
    let access = AccessLog::open(settings, dropped.clone())?;
    Ok((Some(access), Some(dropped)))
}

fn export(control: &Arc<Control>, dialects: &[Dialect]) {
    let served = || {
        // Weak, since the control side owns what this goes into.
        let control = Arc::downgrade(control);
        move || match control.upgrade() {
            Some(control) => control.served(),
            None => Served::default(),
        }
    };
    let (metrics, recorder) = (control.metrics(), control.recorder());
    metrics.join(Exporter::new(Arc::clone(recorder), served()));
    if !dialects.is_empty() {
        metrics.join(DialectExporter::new(Arc::clone(recorder), served(), dialects));
    }
}

/// What the control side does by itself.
async fn tend(control: Arc<Control>) {
    tokio::join!(tick(&control), control.check_health());
}

async fn tick(control: &Control) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // This thread has what comes and goes with lists of thousands of objects.
    let mut tidy = std::pin::pin!(memory::tidy());
    let mut pages = std::pin::pin!(memory::let_go_of_pages());
    loop {
        tokio::select! {
            _ = interval.tick() => control.tick(),
            never = &mut tidy => match never {},
            never = &mut pages => match never {},
        }
    }
}

/// What a configuration serves, in a line.
fn summary(model: &Model) -> String {
    let listeners: Vec<String> = model.listeners.iter().map(|l| format!("{} on {}", l.name, l.address)).collect();
    let splits = model.routes.len();
    format!("{}; {splits} split{}", listeners.join(", "), if splits == 1 { "" } else { "s" })
}

/// Starts in the place of the process that `upgrade.socket` leads to, if there is one, and lets another one take this place.
async fn in_place(model: Model, settings: &Settings) -> Result<(Process, Place), RunError> {
    let Some(path) = &settings.upgrade else {
        return Ok((Process::start(model, settings).await?, Place::fixed()));
    };
    let (taking, sockets) = handover::take(path).await?;
    let process = Process::start_on(sockets, model, settings).await?;
    // The other one goes on accepting until this one does.
    process.control.caught_up().await;
    let giver = taking.finish().await?;
    let place = giver.give(process.sockets());
    Ok((process, place))
}

/// Ends the process in peace after another one took its place; a second signal ends it at once.
async fn make_room(process: Process, pid: u32, signals: &mut Signals) {
    let message = format!("process {pid} serves on the same sockets; what is in flight here finishes");
    process.control.events().tell(EventKind::ShuttingDown, "", "", message);
    let impatient = async {
        signals.end().await;
        tracing::info!("it is ending already; a second signal ends it at once");
        signals.end().await;
    };
    match process.make_room(impatient).await {
        Some(0) => tracing::info!("ended; nothing was cut"),
        Some(cut) => tracing::warn!(cut, "ended at the deadline; connections were cut"),
        None => tracing::warn!("ended at once, as a second signal asked"),
    }
}

/// Ends the process in peace, or at once on a second signal.
async fn leave(process: Process, signals: &mut Signals) {
    match process.end_unless(signals.end()).await {
        Some(0) => tracing::info!("ended; nothing was cut"),
        Some(cut) => tracing::warn!(cut, "ended at the deadline; requests and connections were cut"),
        None => tracing::warn!("ended at once, as a second signal asked"),
    }
}

/// Why `run` ended badly.
#[derive(Debug, Error)]
pub enum RunError {
    /// The configuration.
    #[error("{0}")]
    Config(#[from] Diagnostics),
    /// The way to the cluster.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Cluster(#[from] crate::source::kubernetes::ConnectError),
    /// The port for other replicas.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Peers(#[from] crate::cluster::PeersError),
    /// The start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The running process.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// Signals cannot be listened to.
    #[error("signals cannot be handled: {0}")]
    Signals(#[source] io::Error),
}
