//! `weir explain`: where a request would go, and why.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Failure;
use super::client::Target;
use crate::admin::{Asked, explain_request};
use crate::decide::Explanation;
use crate::snapshot::{Interner, Snapshot, compile};
use crate::source::file;

#[derive(clap::Args)]
pub struct Args {
    /// Ask this file, not a running proxy
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
    /// Method of the request
    method: String,
    /// URL of the request
    url: String,
    /// A header of the request, as 'Name: value'
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// The client's address, as trusted proxies tell it: for allow-lists and what keeps clients by it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    client: IpAddr,
    /// Form of the answer
    #[arg(short, long, default_value = "text")]
    output: super::status::Output,
}

pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    let explanation = match &args.config {
        Some(path) => {
            let loaded = file::load(path)?;
            let snapshot = compile(&loaded.model, &Snapshot::default(), &mut Interner::default())?;
            let Args { method, url, headers, client, .. } = args;
            explain_request(&snapshot, Asked { method, url, headers, client: *client })?
        }
        None => super::runtime()?.block_on(args.target.get(&query(args)))?,
    };
    match args.output {
        super::status::Output::Json => {
            super::say(format_args!("{}\n", serde_json::to_string_pretty(&explanation)?))?;
        }
        super::status::Output::Text => super::say(text(&explanation))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn query(args: &Args) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut path = format!("/api/v1/explain?method={}&url={}", encoded(&args.method), encoded(&args.url));
    _ = write!(path, "&client={}", encoded(&args.client.to_string()));
    for header in &args.headers {
        path.push_str("&header=");
        path.push_str(&encoded(header));
    }
    path
}

fn text(explanation: &Explanation) -> String {
    let mut text = format!("listener  {}\n", explanation.listener);
    let Explanation { route, rule, why, answer, .. } = explanation;
    for (what, value) in [("split", route), ("path", rule), ("why", why)] {
        value.iter().for_each(|value| _ = writeln!(text, "{what:<8}  {value}"));
    }
    for version in &explanation.versions {
        let place = place(&version.revision, &version.endpoints);
        _ = writeln!(text, "{:>7.3}%  {}{place}", version.share * 100.0, version.version);
    }
    answer.iter().for_each(|answer| _ = writeln!(text, "answer    {answer}"));
    for mirror in &explanation.mirrors {
        let place = place(&mirror.revision, &mirror.endpoints);
        _ = writeln!(text, "{:>7.3}%  is copied to {}{place}", mirror.share * 100.0, mirror.to);
    }
    text
}

/// What something runs, and where.
fn place(revision: &str, endpoints: &[String]) -> String {
    let revision = if revision.is_empty() { String::new() } else { format!(" (revision {revision})") };
    let endpoints = if endpoints.is_empty() { "no endpoint".to_owned() } else { endpoints.join(", ") };
    format!("{revision} at {endpoints}")
}
