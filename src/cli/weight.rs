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
}

pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    let weights: BTreeMap<&str, i64> = args.weights.iter().map(|(name, weight)| (name.as_str(), *weight)).collect();
    let body = serde_json::json!({ "weights": weights });
    super::runtime()?.block_on(args.target.change(Method::PATCH, &path_of(&args.split), &body))?;
    let text: Vec<String> = weights.iter().map(|(name, weight)| format!("{name}={weight}")).collect();
    println!("{}: {}; this lies over the file until its weights change there", args.split, text.join(" "));
    Ok(ExitCode::SUCCESS)
}

fn weight(text: &str) -> Result<(String, i64), String> {
    let (name, weight) = text.split_once('=').ok_or("write version=weight, as canary=5")?;
    let weight = weight.parse().map_err(|_| format!("{weight:?} is no whole number"))?;
    Ok((name.to_owned(), weight))
}
