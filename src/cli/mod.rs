//! The commands, one file each. Errors go to stderr, what a machine may read to stdout; exit status 0, 1 (failed), 2 (usage).

#[cfg(feature = "kubernetes")]
mod audit;
mod check;
mod client;
mod completions;
#[cfg(feature = "kubernetes")]
mod crds;
mod demo;
mod echo;
mod explain;
mod guard;
mod run;
mod status;
mod weight;

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Splits traffic between versions of a service, and loses nothing doing it.
#[derive(Parser)]
#[command(name = "weir", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Two versions, a load and the proxy in one process: watch a canary go from 5% to 100%
    Demo(demo::Args),
    /// Serve
    Run(run::Args),
    /// Validate configuration files
    Check(check::Args),
    /// Print the CustomResourceDefinitions
    #[cfg(feature = "kubernetes")]
    Crds,
    /// Tell what becomes of Ingresses that ingress-nginx serves
    #[cfg(feature = "kubernetes")]
    Audit(audit::Args),
    /// Tell where a request would go, and why
    Explain(explain::Args),
    /// Show what is going on
    Status(status::Args),
    /// Set weights by hand
    Weight(weight::Args),
    /// Look after guards
    Guard(guard::Args),
    /// A backend to try things with
    Echo(echo::Args),
    /// Completions for a shell
    Completions(completions::Args),
}

/// Why a command failed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Cli {
    /// Runs the command to its end.
    pub fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Demo(args) => demo::run(args),
            Command::Run(args) => run::run(args),
            Command::Check(args) => check::run(&args),
            #[cfg(feature = "kubernetes")]
            Command::Crds => crds::run(),
            #[cfg(feature = "kubernetes")]
            Command::Audit(args) => audit::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Status(args) => status::run(&args),
            Command::Weight(args) => weight::run(&args),
            Command::Guard(args) => guard::run(&args),
            Command::Echo(args) => echo::run(args),
            Command::Completions(args) => completions::run(&args),
        };
        result.unwrap_or_else(|error| {
            // Whoever reads only the beginning has what it wanted.
            let unread =
                error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe);
            if unread {
                return ExitCode::SUCCESS;
            }
            complain(format_args!("weir: {error}"));
            ExitCode::FAILURE
        })
    }
}

/// Prints what a command is asked for; `text` has its line ends.
fn say(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    write!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Prints a line of what is wrong, in one piece, since others may write there, too. Where nobody reads that, the exit status
/// says it.
fn complain(line: impl Display) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// The runtime of a command; workers have their own.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Logs to stderr; `WEIR_LOG` filters (`default` if unset or empty).
///
/// # Errors
///
/// It is no filter.
fn log(default: &str) -> Result<(), Failure> {
    let color = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let asked = std::env::var_os("WEIR_LOG").filter(|text| !text.is_empty());
    let asked = asked.as_ref().map_or(Cow::Borrowed(default), |text| text.to_string_lossy());
    let filter = EnvFilter::builder().parse(&asked).map_err(|error| {
        format!("WEIR_LOG={asked} is no filter: {error}; write a level, or levels of modules: info,weir::proxy=debug")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(color)
        // Spans are told once they are over, with how long they took.
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .init();
    Ok(())
}
