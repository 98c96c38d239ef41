//! `weir status`: what is going on.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use super::Failure;
use super::client::Target;
use crate::control::{Idle, SplitStatus, Status, VersionStatus};

/// How often `--watch` looks.
const WATCH: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Look again every second, also while a proxy that was there has gone
    #[arg(short, long)]
    watch: bool,
    /// Form of the answer
    #[arg(short, long, default_value = "text")]
    output: Output,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For machines.
    Json,
}

pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    super::runtime()?.block_on(async {
        let mut seen = false;
        loop {
            let status: Status = match args.target.get("/api/v1/splits").await {
                Ok(status) => status,
                // A proxy that was there may be on its way back.
                Err(error) if seen => {
                    super::complain(format_args!("weir: {error}"));
                    tokio::time::sleep(WATCH).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            seen = args.watch;
            if args.watch && std::io::stdout().is_terminal() {
                super::say("\x1b[H\x1b[2J")?;
            }
            match args.output {
                Output::Json => super::say(format_args!("{}\n", serde_json::to_string(&status)?))?,
                Output::Text => super::say(table(&status))?,
            }
            if !args.watch {
                return Ok(ExitCode::SUCCESS);
            }
            tokio::time::sleep(WATCH).await;
        }
    })
}

/// All splits as a table.
pub fn table(status: &Status) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    for split in &status.splits {
        rows.extend(split.versions.iter().map(|version| row(split, version)));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column < 3 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        _ = writeln!(text, "{}", line.trim_end());
    }
    for split in &status.splits {
        for version in &split.versions {
            let Some(seconds) = version.drain_seconds else { continue };
            let (name, left) = (name(split), version.draining);
            let place = on_replicas(version.drain_replicas);
            let oldest = version
                .drain_oldest_seconds
                .map_or_else(String::new, |age| format!(", the oldest open for {age:.0} s"));
            _ = writeln!(
                text,
                "{name}/{}: drains: {left} connections left{place}{oldest}, cut in {seconds:.0} s",
                version.name
            );
        }
        for (version, guard) in split.versions.iter().filter_map(|v| v.guard.as_ref().map(|guard| (v, guard))) {
            if guard.state == "tripped" {
                let name = name(split);
                _ = writeln!(
                    text,
                    "{name}/{}: guard tripped: {}; `weir guard reset {name}` re-arms it",
                    version.name, guard.reason
                );
            }
        }
    }
    for split in &status.splits {
        for version in split.versions.iter().filter(|version| version.gated) {
            let (name, ready) = (name(split), version.ready);
            _ = writeln!(
                text,
                "{name}/{}: gets less than its weight: its {ready} ready endpoints could not carry more",
                version.name
            );
        }
    }
    for Idle { listener, protocol, connections, oldest_seconds } in &status.idle {
        _ = writeln!(
            text,
            "listener {listener}: {connections} connections of {protocol} idle, the oldest open for {oldest_seconds:.0} s"
        );
    }
    text
}

/// Where something is, if it is not in this process alone.
fn on_replicas(count: usize) -> String {
    if count > 1 { format!(" on {count} replicas") } else { String::new() }
}

const COLUMNS: [&str; 14] = [
    "SPLIT",
    "VERSION",
    "FROM",
    "DESIRED",
    "EFFECTIVE",
    "SHARE",
    "REQ/S",
    "SUCCESS",
    "P50",
    "P99",
    "ACTIVE",
    "CONNS",
    "ENDPOINTS",
    "GUARD",
];

fn row(split: &SplitStatus, version: &VersionStatus) -> Vec<String> {
    let percent = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{:.2}%", value * 100.0));
    let revision = if version.revision.is_empty() { String::new() } else { format!("@{}", version.revision) };
    let effective = if (version.effective - f64::from(version.desired)).abs() < 1e-9 {
        version.desired.to_string()
    } else {
        format!("{:.1}", version.effective)
    };
    vec![
        name(split),
        format!("{}{revision}", version.name),
        split.weights_from.clone(),
        version.desired.to_string(),
        effective,
        percent(version.share),
        version.rate.map_or("-".to_owned(), |rate| format!("{rate:.1}")),
        percent(version.success),
        seconds(version.p50),
        seconds(version.p99),
        version.active_requests.to_string(),
        version.connections.to_string(),
        endpoints(version),
        version.guard.as_ref().map_or("-".to_owned(), |guard| guard.state.clone()),
    ]
}

/// How many there are, and how many of them are used if these are fewer.
fn endpoints(version: &VersionStatus) -> String {
    match version.ready == version.endpoints {
        true => version.endpoints.to_string(),
        false => format!("{}/{}", version.ready, version.endpoints),
    }
}

fn name(split: &SplitStatus) -> String {
    if split.namespace.is_empty() { split.name.clone() } else { format!("{}/{}", split.namespace, split.name) }
}

/// A duration that people can read.
pub fn seconds(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value < 1.0 => format!("{:.1}ms", value * 1e3),
        Some(value) => format!("{value:.2}s"),
    }
}
