//! `weir check`: validate.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Failure;
use crate::source::file;

#[derive(clap::Args)]
pub struct Args {
    /// Files to validate
    #[arg(required_unless_present = "schema")]
    files: Vec<PathBuf>,
    /// Print the JSON Schema of the configuration and end
    #[arg(long)]
    schema: bool,
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
                super::say(format_args!("{}: valid\n", path.display()))?;
            }
            Err(diagnostics) => {
                valid = false;
                super::complain(diagnostics);
            }
        }
    }
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
