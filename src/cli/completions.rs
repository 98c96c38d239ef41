//! `weir completions`.

use std::process::ExitCode;

use clap::CommandFactory;

use super::{Cli, Failure};

#[derive(clap::Args)]
pub struct Args {
    /// Which shell
    shell: clap_complete::Shell,
}

pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "weir", &mut script);
    super::say(String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
