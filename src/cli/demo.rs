//! `weir demo`: see it work.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use super::Failure;
use crate::demo::{self, Options};

#[derive(clap::Args)]
pub struct Args {
    /// Release a canary that fails, and watch it being taken out
    #[arg(long)]
    bad: bool,
    /// Port of the proxy; the next free one, if it is busy
    #[arg(long, default_value = "8080")]
    port: u16,
    /// Address of the dashboard; the next free port, if it is busy
    #[arg(long, default_value = "127.0.0.1:9901", value_name = "ADDRESS")]
    admin: SocketAddr,
    /// How long to run, as 60s or 5m; 0: until Ctrl-C
    #[arg(long, default_value = "60s", value_parser = super::echo::duration)]
    duration: Duration,
}

// No log: events are part of what is shown, and anything else would garble it.
pub fn run(args: Args) -> Result<ExitCode, Failure> {
    let Args { bad, port, admin, duration } = args;
    super::runtime()?.block_on(demo::run(Options { bad, port, admin, duration }))?;
    Ok(ExitCode::SUCCESS)
}
