//! `weir run`: serve.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Failure;
use crate::lifecycle;

#[derive(clap::Args)]
pub struct Args {
    /// Serve from this file; a change of it applies without a restart
    #[arg(long)]
    config: PathBuf,
}

pub fn run(args: Args) -> Result<ExitCode, Failure> {
    super::log("info");
    super::runtime()?.block_on(lifecycle::run_file(args.config))?;
    Ok(ExitCode::SUCCESS)
}
