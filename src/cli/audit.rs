//! `weir audit`: what becomes of Ingresses that ingress-nginx serves.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::Ingress;
use serde_json::Value;

use super::Failure;
use crate::source::file;
use crate::source::kubernetes::command;
use crate::source::kubernetes::ingress::audit::{IngressReport, Report, report};
use crate::source::kubernetes::ingress::{IngressView, PREFIX};

#[derive(clap::Args)]
pub struct Args {
    /// Manifests: YAML or JSON, with several documents or Lists; what is no Ingress is passed over
    #[arg(required_unless_present = "kubernetes")]
    files: Vec<PathBuf>,
    /// Look at the Ingresses of the cluster that KUBECONFIG leads to
    #[arg(long, conflicts_with = "files")]
    kubernetes: bool,
    /// Only those of this namespace
    #[arg(short, long, requires = "kubernetes")]
    namespace: Option<String>,
    /// Prefix of the annotations
    #[arg(long, default_value = PREFIX)]
    annotation_prefix: String,
    /// Form of the answer
    #[arg(short, long, default_value = "text")]
    output: super::status::Output,
}

pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut views = Vec::new();
    for path in &args.files {
        for document in file::documents(path)? {
            collect(document, path, &mut views)?;
        }
    }
    if args.kubernetes {
        let ingresses = super::runtime()?.block_on(command::ingresses(args.namespace.as_deref()))?;
        views.extend(ingresses.into_iter().map(|ingress| Arc::new(view(ingress))));
    } else if views.is_empty() {
        return Err("no Ingress is in these files: give manifests, like from `kubectl get ingress -A -o yaml`".into());
    }
    let report = report(&views, &args.annotation_prefix);
    match args.output {
        super::status::Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        super::status::Output::Text => print(&report),
    }
    Ok(if report.has_refusals() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Takes the Ingresses out of a document: itself, or the items of a List.
fn collect(document: Value, path: &Path, views: &mut Vec<Arc<IngressView>>) -> Result<(), Failure> {
    let is = |key: &str, text: &str| document.get(key).and_then(Value::as_str) == Some(text);
    if document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List")) {
        let items = document.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        return items.into_iter().try_for_each(|item| collect(item, path, views));
    }
    if !is("kind", "Ingress") {
        return Ok(());
    }
    let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("without a name").to_owned();
    if !is("apiVersion", "networking.k8s.io/v1") {
        let message = "is of an API version that clusters no longer have: convert it to networking.k8s.io/v1";
        return Err(format!("{}: Ingress {name} {message}", path.display()).into());
    }
    let ingress: Ingress = serde_json::from_value(document)
        .map_err(|error| format!("{}: Ingress {name} is malformed: {error}", path.display()))?;
    views.push(Arc::new(view(ingress)));
    Ok(())
}

fn view(ingress: Ingress) -> IngressView {
    let metadata = ingress.metadata;
    IngressView {
        namespace: metadata.namespace.as_deref().unwrap_or("default").into(),
        name: metadata.name.unwrap_or_default().into(),
        created: metadata.creation_timestamp.map_or(0, |time| time.0.as_second()),
        uid: metadata.uid.unwrap_or_default().into(),
        spec: ingress.spec.unwrap_or_default(),
        annotations: metadata.annotations.unwrap_or_default(),
    }
}

fn print(report: &Report) {
    for (position, ingress) in report.ingresses.iter().enumerate() {
        if position > 0 {
            println!();
        }
        print_ingress(ingress);
    }
}

fn print_ingress(ingress: &IngressReport) {
    println!("{}/{}", ingress.namespace, ingress.name);
    let width = ingress.annotations.iter().map(|annotation| annotation.name.len()).max().unwrap_or(0);
    for annotation in &ingress.annotations {
        let reason = if annotation.reason.is_empty() { String::new() } else { format!(": {}", annotation.reason) };
        println!("  {:width$}  {}{reason}", annotation.name, annotation.verdict);
    }
    for finding in &ingress.findings {
        println!("  {} ({}): {}", finding.severity, finding.about, finding.message);
    }
    for line in &ingress.does {
        println!("  -> {line}");
    }
}
