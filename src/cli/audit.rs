//! `weir audit`: what becomes of Ingresses that ingress-nginx serves.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::Value;

use super::Failure;
use crate::source::file;
use crate::source::kubernetes::command;
use crate::source::kubernetes::ingress::audit::{IngressReport, LeftOut, Report, report};
use crate::source::kubernetes::ingress::class::{self, Class};
use crate::source::kubernetes::ingress::{IngressView, PREFIX};

#[derive(clap::Args)]
pub struct Args {
    /// Manifests: YAML or JSON, with several documents or Lists; what is no Ingress or IngressClass is passed over
    #[arg(required_unless_present = "kubernetes")]
    files: Vec<PathBuf>,
    /// Look at the Ingresses of the cluster that KUBECONFIG leads to
    #[arg(long, conflicts_with = "files")]
    kubernetes: bool,
    /// Only those of this namespace
    #[arg(short, long, requires = "kubernetes")]
    namespace: Option<String>,
    /// Only Ingresses of these classes, and of IngressClasses of weir.dev/ingress-controller, like `weir run`; by default also
    /// those of ingress-nginx
    #[arg(long = "class")]
    classes: Vec<String>,
    /// Prefix of the annotations
    #[arg(long, default_value = PREFIX)]
    annotation_prefix: String,
    /// Form of the answer
    #[arg(short, long, default_value = "text")]
    output: super::status::Output,
}

pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut found = Found::default();
    for path in &args.files {
        for document in file::documents(path)? {
            found.collect(document, path)?;
        }
    }
    if args.kubernetes {
        let (ingresses, classes) = super::runtime()?.block_on(command::ingresses(args.namespace.as_deref()))?;
        found.views.extend(ingresses.into_iter().map(|ingress| Arc::new(view(ingress))));
        found.classes = classes;
    } else if found.views.is_empty() {
        return Err("no Ingress is in these files: give manifests, like from `kubectl get ingress -A -o yaml`".into());
    }
    let (ours, others) = found.by_class(&args.classes);
    let mut report = report(&ours, &args.annotation_prefix);
    report.left_out = others.iter().map(|view| LeftOut::from(&**view)).collect();
    match args.output {
        super::status::Output::Json => super::say(format_args!("{}\n", serde_json::to_string_pretty(&report)?))?,
        super::status::Output::Text => super::say(text(&report))?,
    }
    Ok(if report.has_refusals() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is looked at.
#[derive(Default)]
struct Found {
    views: Vec<Arc<IngressView>>,
    classes: Vec<IngressClass>,
}

impl Found {
    /// Takes what counts out of a document: itself, or the items of a List.
    fn collect(&mut self, document: Value, path: &Path) -> Result<(), Failure> {
        let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
        let (kind, version) = (text("kind").to_owned(), text("apiVersion").to_owned());
        if kind.ends_with("List") {
            let items = document.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            return items.into_iter().try_for_each(|item| self.collect(item, path));
        }
        if kind != "Ingress" && kind != "IngressClass" {
            return Ok(());
        }
        let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("without a name").to_owned();
        if version != "networking.k8s.io/v1" {
            let message = "is of an API version that clusters no longer have: convert it to networking.k8s.io/v1";
            return Err(format!("{}: {kind} {name} {message}", path.display()).into());
        }
        let malformed = |error| format!("{}: {kind} {name} is malformed: {error}", path.display());
        if kind == "IngressClass" {
            self.classes.push(serde_json::from_value(document).map_err(malformed)?);
        } else {
            self.views.push(Arc::new(view(serde_json::from_value(document).map_err(malformed)?)));
        }
        Ok(())
    }

    /// The Ingresses that would be served, and the others. Without `names` the class `nginx` and those of ingress-nginx's
    /// controller count, too; where no IngressClass is known, those that name no class.
    fn by_class(self, names: &[String]) -> (Vec<Arc<IngressView>>, Vec<Arc<IngressView>>) {
        let controllers: &[&str] =
            if names.is_empty() { &[class::CONTROLLER, class::NGINX_CONTROLLER] } else { &[class::CONTROLLER] };
        let nginx = ["nginx".to_owned()];
        let names = if names.is_empty() { &nginx } else { names };
        let ours = |class: &&IngressClass| {
            let controller = class.spec.as_ref().and_then(|spec| spec.controller.as_deref());
            controller.is_some_and(|controller| controllers.contains(&controller))
        };
        let known = self.classes.iter().filter(ours).map(|class| Class {
            name: class.metadata.name.clone().unwrap_or_default(),
            is_default: class.metadata.annotations.iter().flatten().any(|(k, v)| k == class::DEFAULT && v == "true"),
        });
        let known: Vec<Class> = known.collect();
        let unclassed = self.classes.is_empty();
        self.views.into_iter().partition(|view| match view.class() {
            None if unclassed => true,
            class => class::is_ours(class, names, || known.clone()),
        })
    }
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

fn text(report: &Report) -> String {
    let ingresses: Vec<String> = report.ingresses.iter().map(text_of).collect();
    let mut text = ingresses.join("\n");
    for (position, LeftOut { namespace, name, class }) in report.left_out.iter().enumerate() {
        if position == 0 {
            let space = if report.ingresses.is_empty() { "" } else { "\n" };
            _ = writeln!(text, "{space}left out, since others serve them:");
        }
        let class = class.as_ref().map_or_else(|| "no class".to_owned(), |class| format!("class {class}"));
        _ = writeln!(text, "  {namespace}/{name}: {class}");
    }
    text
}

fn text_of(ingress: &IngressReport) -> String {
    let mut text = format!("{}/{}\n", ingress.namespace, ingress.name);
    let width = ingress.annotations.iter().map(|annotation| annotation.name.len()).max().unwrap_or(0);
    for annotation in &ingress.annotations {
        let reason = if annotation.reason.is_empty() { String::new() } else { format!(": {}", annotation.reason) };
        _ = writeln!(text, "  {:width$}  {}{reason}", annotation.name, annotation.verdict);
    }
    for finding in &ingress.findings {
        _ = writeln!(text, "  {} ({}): {}", finding.severity, finding.about, finding.message);
    }
    for line in &ingress.does {
        _ = writeln!(text, "  -> {line}");
    }
    text
}
