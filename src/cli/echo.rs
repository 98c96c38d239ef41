//! `weir echo`: a backend to try things with.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use super::Failure;
use crate::echo::{Echo, EchoOptions};
use crate::lifecycle::{Signal, Signals};

#[derive(clap::Args)]
pub struct Args {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:9001")]
    address: SocketAddr,
    /// What it calls itself
    #[arg(long, default_value = "v1")]
    version: String,
    /// Share of requests that it fails, as 20%
    #[arg(long, default_value = "0%", value_parser = percent)]
    fail: f64,
    /// How long it takes to answer, as 50ms
    #[arg(long, default_value = "0s", value_parser = duration)]
    latency: Duration,
}

pub fn run(args: Args) -> Result<ExitCode, Failure> {
    super::log("info")?;
    super::runtime()?.block_on(async {
        let Args { address, version, fail, latency } = args;
        let echo = Echo::start(EchoOptions { address, version: version.clone(), fail, latency, seed: None })
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}; give another --address"))?;
        super::say(format_args!("{version} listens on {}\n", echo.address()))?;
        let mut signals = Signals::new()?;
        while signals.next().await != Signal::End {}
        echo.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// A percentage with its sign, as a share of 1.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    match number {
        Some(number) if (0.0..=100.0).contains(&number) => Ok(number / 100.0),
        _ => Err("write a percentage from 0% to 100%".to_owned()),
    }
}

/// A duration with its unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    crate::source::file::parse_duration(text).ok_or_else(|| "write the unit: 500ms, 10s, 5m, 1h".to_owned())
}
