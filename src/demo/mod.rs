//! `weir demo`: two versions, a load and the proxy in one process, and a canary release that can be watched.
//!
//! Nothing is simulated: the proxy is what `weir run` starts, from a configuration that is printed; the versions and the
//! clients meet it on real sockets, and weights move as by `weir weight`. Versions and clients have a thread of their own, so
//! that what is shown, or an output that is slow to take it, does not disturb what is measured.

mod aside;
mod backstage;
mod count;
mod live;
mod load;
mod place;
mod ramp;
mod screen;
pub mod strategy;
mod summary;
mod tally;
mod view;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use self::backstage::Backstage;
use self::live::{Live, Outcome};
use self::load::Load;
use self::place::{PlaceError, Places};
use self::screen::Screen;
use self::summary::Summary;
use crate::control::Control;
use crate::lifecycle::{Process, Signals, StartError};
use crate::source::file::{self, Diagnostics};

/// The split that is released, and its versions.
const SPLIT: &str = "shop";
const STABLE: &str = "stable";
const CANARY: &str = "canary";
/// Share of requests that a bad canary fails.
const BAD: f64 = 0.5;

/// What to show.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the canary is a bad one.
    pub bad: bool,
    /// The proxy's port; the next free one, if it is busy.
    pub port: u16,
    /// The admin address; the next free port of it, if it is busy.
    pub admin: SocketAddr,
    /// How long it takes; zero: until a signal.
    pub duration: Duration,
}

/// Why a demo failed.
#[derive(Debug, Error)]
pub enum DemoError {
    /// Addresses.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The versions and the clients.
    #[error("the backends cannot be started: {0}")]
    Backstage(#[source] io::Error),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] Diagnostics),
    /// The proxy.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Signals.
    #[error("signals cannot be handled: {0}")]
    Signals(#[source] io::Error),
    /// Nobody reads what is shown.
    #[error("the output cannot be written: {0}")]
    Output(#[source] io::Error),
    /// A second signal.
    #[error("ended at once, as a second signal asked")]
    Impatient,
    /// It ran, and did not show what it should.
    #[error("{0}")]
    Shown(String),
}

/// Runs the demo to its end.
///
/// # Errors
///
/// It cannot start, a client saw a failure, or a bad canary was not taken out.
pub async fn run(options: Options) -> Result<(), DemoError> {
    let mut signals = Signals::new().map_err(DemoError::Signals)?;
    let mut screen = Screen::new();
    let backstage = Backstage::start(if options.bad { BAD } else { 0.0 }).await.map_err(DemoError::Backstage)?;
    let (places, busy) = Places::find(options.port, options.admin, &backstage)?;
    let text = places.configuration();
    screen.print(&view::intro(&options, &places, &busy, &text)).map_err(DemoError::Output)?;
    let loaded = file::parse(&text, "demo.yaml", Path::new(""))?;
    let process = Process::start(loaded.model, &loaded.settings).await?;
    process.ready();
    let load = Load::start(backstage.handle(), places.proxy);
    let mut live = Live::new(&options, places, Arc::clone(process.control()), load.tally());
    let shown = live.show(&mut screen, &mut signals).await;
    let summary = tokio::select! {
        summary = end(live.outcome(), load, process, backstage) => summary,
        _ = signals.next() => return Err(DemoError::Impatient),
    };
    screen.release();
    shown.map_err(DemoError::Output)?;
    screen.print(&summary.text()).map_err(DemoError::Output)?;
    summary.verdict().map_err(DemoError::Shown)
}

/// Clients stop first, so that nothing that ends after them is a failure that they see.
async fn end(outcome: Outcome, load: Load, process: Process, backstage: Backstage) -> Summary {
    let tally = load.finish().await;
    let control: Arc<Control> = Arc::clone(process.control());
    let canary_share = count::version(&control, CANARY).map_or(0.0, |canary| canary.effective_share);
    let cut = process.end().await;
    backstage.stop().await;
    Summary { outcome, tally, counted: count::all(&control), canary_share, cut }
}
