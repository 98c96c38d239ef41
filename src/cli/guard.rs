//! `weir guard`: look after guards.

use std::process::ExitCode;

use http::Method;

use super::Failure;
use super::client::{Target, path_of};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Re-arm a guard that has tripped: its version gets its weight again
    Reset {
        /// The split, as name or namespace/name
        split: String,
        #[command(flatten)]
        target: Target,
    },
}

pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    let Action::Reset { split, target } = &args.action;
    let path = format!("{}/guard/reset", path_of(split));
    super::runtime()?.block_on(target.change(Method::POST, &path, &serde_json::Value::Null))?;
    super::say(format_args!("{split}: the guard is armed\n"))?;
    Ok(ExitCode::SUCCESS)
}
