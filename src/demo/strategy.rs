//! `weir demo --strategy`: a release by each of the ways that there are, with all kinds of clients at once, and what it did
//! to them in five figures.
//!
//! The versions are embedded servers that come and go as pods do; the proxy is what `weir run` starts, and is steered by
//! configurations, as a file that changes, and by weights, as `weir weight` sets them. Nothing is simulated.

mod browser;
mod clients;
mod plan;
mod play;
mod report;
mod scripts;
mod sights;
mod stage;
mod stream;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::clients::Clients;
use self::plan::Plan;
use self::play::Play;
use self::report::Report;
use self::sights::Book;
use self::stage::Stage;
use super::DemoError;
use super::place::Pair;
use super::screen::Screen;
use crate::lifecycle::{Process, Signals};
use crate::source::file;

/// The split that is released.
const SPLIT: &str = "shop";

/// How a release goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Strategy {
    /// The old version stops, then the new one starts; requests wait meanwhile
    Recreate,
    /// Endpoints are replaced one by one
    Rolling,
    /// Both versions run; all traffic goes from one to the other at once
    BlueGreen,
    /// The new version gets more and more of the traffic
    Canary,
    /// A group of clients gets the new version, and nobody else
    Ab,
}

/// What to show.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How the release goes.
    pub strategy: Strategy,
    /// The proxy's port; the next free one, if it is busy.
    pub port: u16,
    /// The admin address; the next free port of it, if it is busy.
    pub admin: SocketAddr,
    /// How long release and rollback take in all.
    pub duration: Duration,
}

/// Runs a release and its rollback.
///
/// # Errors
///
/// It cannot start, a request or a stream was lost, or the strategy did not do what it is for.
pub async fn run(options: Options) -> Result<(), DemoError> {
    let mut signals = Signals::new().map_err(DemoError::Signals)?;
    let mut screen = Screen::new();
    let mut stage = Stage::new().map_err(DemoError::Backstage)?;
    let pair = Pair::find(options.port, options.admin)?;
    let proxy = pair.proxy;
    let plan = Plan::new(options.strategy, proxy, pair.admin);
    let first = plan.first(&mut stage).await.map_err(DemoError::Backstage)?;
    screen.print(&intro(&options, &plan, &first)).map_err(DemoError::Output)?;
    let loaded = file::parse(&first, "demo.yaml", Path::new(""))?;
    drop(pair);
    let process = Process::start(loaded.model, &loaded.settings).await?;
    process.ready();
    let book = Book::default();
    let clients = Clients::start(stage.aside(), proxy, &book, options.strategy == Strategy::Ab);
    let step = options.duration / plan.steps();
    let mut play = Play::new(plan, stage, Arc::clone(process.control()), screen, (book.clone(), step));
    let played = tokio::select! {
        played = play.release() => played,
        _ = signals.next() => return Err(DemoError::Shown("a signal ended it before it was over".to_owned())),
    };
    let (story, stage, mut screen) = play.end();
    let connections = stage.connections() - story.connections_before;
    let ending = async {
        clients.finish().await;
        let cut = process.end().await;
        let peak = stage.peak();
        (cut, peak)
    };
    let (cut, peak) = tokio::select! {
        ended = ending => ended,
        _ = signals.next() => return Err(DemoError::Impatient),
    };
    played?;
    let sights = book.open().clone();
    let report = Report { strategy: options.strategy, sights, story, peak, connections, cut };
    screen.print(&report.text()).map_err(DemoError::Output)?;
    report.verdict().map_err(DemoError::Shown)
}

fn intro(options: &Options, plan: &Plan, configuration: &str) -> String {
    let Plan { proxy, admin, strategy, .. } = plan;
    format!(
        "weir demo: {}, with {}.\n\nThe configuration, as for `weir run`:\n\n{configuration}\n\
         dashboard   http://{admin}/\ntry         curl -i http://{proxy}/\n\n\
         It takes {:.0} s.\n",
        strategy.describe(),
        Clients::describe(*strategy == Strategy::Ab),
        options.duration.as_secs_f64(),
    )
}

impl Strategy {
    fn describe(self) -> &'static str {
        match self {
            Self::Recreate => "recreate: v1 stops, v2 starts a second later, and requests wait (onEmpty: hold)",
            Self::Rolling => "rolling: three endpoints of v1 are replaced by v2 one by one",
            Self::BlueGreen => "blue/green: all traffic goes from blue to green at once, and back",
            Self::Canary => "canary: v2 gets 5, 25, 50 and 100 of 100 requests",
            Self::Ab => "A/B: who is of group b gets version b, by header or cookie, and nobody else",
        }
    }

    /// The old version and the new one, as they call themselves.
    fn versions(self) -> (&'static str, &'static str) {
        match self {
            Self::BlueGreen => ("blue", "green"),
            Self::Ab => ("a", "b"),
            Self::Recreate | Self::Rolling | Self::Canary => ("v1", "v2"),
        }
    }
}

/// Why a play broke off.
fn failed(error: impl std::error::Error) -> DemoError {
    DemoError::Shown(format!("the release broke off: {error}"))
}
