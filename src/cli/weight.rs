//! `weir weight`: set weights by hand.

use std::collections::BTreeMap;
use std::process::ExitCode;

use http::Method;

use super::Failure;
use super::client::{Target, path_of};

#[derive(clap::Args)]
pub struct Args {
    /// The split, as name or namespace/name
    split: String,
    /// Weights, as version=weight; versions that are not named keep theirs
    #[arg(required = true, value_name = "VERSION=N", value_parser = weight)]
    weights: Vec<(String, i64)>,
    #[command(flatten)]
    target: Target,
    /// Set them in a Split of the cluster that KUBECONFIG leads to
    #[cfg(feature = "kubernetes")]
    #[arg(long, conflicts_with = "admin")]
    kubernetes: bool,
    /// Namespace of the Split
    #[cfg(feature = "kubernetes")]
    #[arg(short, long, default_value = "default", requires = "kubernetes")]
    namespace: String,
}

pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    let weights: BTreeMap<String, i64> = args.weights.iter().cloned().collect();
    let text: Vec<String> = weights.iter().map(|(name, weight)| format!("{name}={weight}")).collect();
    #[cfg(feature = "kubernetes")]
    if args.kubernetes {
        let (namespace, name) = args.split.split_once('/').unwrap_or((&args.namespace, &args.split));
        let set = crate::source::kubernetes::command::set_weights(namespace, name, &weights);
        super::runtime()?.block_on(set)?;
        super::say(format_args!("{namespace}/{name}: {}\n", text.join(" ")))?;
        return Ok(ExitCode::SUCCESS);
    }
    let body = serde_json::json!({ "weights": weights });
    super::runtime()?.block_on(args.target.change(Method::PATCH, &path_of(&args.split), &body))?;
    let what = text.join(" ");
    super::say(format_args!("{}: {what}; this lies over the file until its weights change there\n", args.split))?;
    Ok(ExitCode::SUCCESS)
}

fn weight(text: &str) -> Result<(String, i64), String> {
    let (name, weight) = text.split_once('=').ok_or("write version=weight, as canary=5")?;
    let weight = weight.parse().map_err(|_| format!("{weight:?} is no whole number"))?;
    Ok((name.to_owned(), weight))
}
