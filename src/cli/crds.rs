//! `weir crds`: the CustomResourceDefinitions.

use std::io::Write as _;
use std::process::ExitCode;

use super::Failure;
use crate::source::kubernetes;

/// Prints them in the form that `kubectl apply -f -` takes. JSON is YAML, too.
pub fn run() -> Result<ExitCode, Failure> {
    // Whoever reads only the beginning closes the pipe, which is no reason to panic.
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&kubernetes::crd())?)?;
    Ok(ExitCode::SUCCESS)
}
