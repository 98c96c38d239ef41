//! `weir check`: validate.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::Failure;
use crate::source::file::{self, Loaded};

#[derive(clap::Args)]
pub struct Args {
    /// Files to validate
    #[arg(required_unless_present = "schema")]
    files: Vec<PathBuf>,
    /// Print the JSON Schema of the configuration and end
    #[arg(long)]
    schema: bool,
    /// How long the process has for its end once it was asked: of a pod terminationGracePeriodSeconds less preStop, of a
    /// unit TimeoutStopSec. Settings by which an end may take longer are warned of
    #[arg(long, value_name = "TIME", value_parser = super::echo::duration)]
    grace_period: Option<Duration>,
}

pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    if args.schema {
        super::say(format_args!("{}\n", serde_json::to_string_pretty(&file::schema())?))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut valid = true;
    for path in &args.files {
        match file::load(path) {
            Ok(loaded) => {
                loaded.warnings.iter().for_each(|warning| super::complain(format_args!("warning: {warning}")));
                let late = args.grace_period.and_then(|grace| outlasts(&loaded, grace));
                late.iter().for_each(|late| super::complain(format_args!("warning: {}: {late}", path.display())));
                super::say(format_args!(
                    "{}: valid
",
                    path.display()
                ))?;
            }
            Err(diagnostics) => {
                valid = false;
                super::complain(diagnostics);
            }
        }
    }
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is to be said of an end that may take longer than the process is given.
fn outlasts(loaded: &Loaded, grace: Duration) -> Option<String> {
    let shutdown = &loaded.settings.shutdown;
    let needed = shutdown.delay + shutdown.timeout;
    (needed > grace).then(|| {
        format!(
            "shutdown: delay {:?} and timeout {:?} are {needed:?} together, and the process is killed after {grace:?}: \
             shorten them, or give it longer (terminationGracePeriodSeconds, TimeoutStopSec)",
            shutdown.delay, shutdown.timeout
        )
    })
}
