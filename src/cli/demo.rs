//! `weir demo`: see it work.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use super::Failure;
use crate::demo::strategy::{self, Strategy};
use crate::demo::{self, Options};

#[derive(clap::Args)]
pub struct Args {
    /// Show this strategy with all kinds of clients, roll it back, and measure what it did to them
    #[arg(long, value_enum, conflicts_with = "bad")]
    strategy: Option<Strategy>,
    /// Release a canary that fails, and watch it being taken out
    #[arg(long)]
    bad: bool,
    /// Port of the proxy; the next free one, if it is busy
    #[arg(long, default_value = "8080")]
    port: u16,
    /// Address of the dashboard; the next free port, if it is busy
    #[arg(long, default_value = "127.0.0.1:9901", value_name = "ADDRESS")]
    admin: SocketAddr,
    /// How long to run, as 60s or 5m; 0: until Ctrl-C. Default: 60s, or 10s with --strategy
    #[arg(long, value_parser = super::echo::duration)]
    duration: Option<Duration>,
}

/// How long a canary takes that is watched.
const RAMP: Duration = Duration::from_secs(60);
/// How long a strategy takes, there and back.
const STRATEGY: Duration = Duration::from_secs(10);

// No log: events are part of what is shown, and anything else would garble it.
pub fn run(args: Args) -> Result<ExitCode, Failure> {
    let Args { strategy, bad, port, admin, duration } = args;
    if let Some(strategy) = strategy {
        let duration = duration.unwrap_or(STRATEGY);
        if duration.is_zero() {
            return Err("a strategy has an end: give --duration a time, like 10s".into());
        }
        super::runtime()?.block_on(strategy::run(strategy::Options { strategy, port, admin, duration }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let duration = duration.unwrap_or(RAMP);
    super::runtime()?.block_on(demo::run(Options { bad, port, admin, duration }))?;
    Ok(ExitCode::SUCCESS)
}
