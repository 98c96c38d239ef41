//! `weir crds`: the CustomResourceDefinitions.

use std::process::ExitCode;

use super::Failure;
use crate::source::kubernetes;

/// Prints them in the form that `kubectl apply -f -` takes. JSON is YAML, too.
pub fn run() -> Result<ExitCode, Failure> {
    super::say(format_args!("{}\n", serde_json::to_string_pretty(&kubernetes::crd())?))?;
    Ok(ExitCode::SUCCESS)
}
