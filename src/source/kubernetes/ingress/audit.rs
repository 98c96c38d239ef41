//! What becomes of Ingresses of ingress-nginx, for people who are about to move: `weir audit`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::annotations::{self, Finding, Severity, Verdict};
use super::translate::{BALANCE_ON_CANARY, ON_CANARY};
use super::{BackendRef, Cluster, IngressView, Plan, Resolved};
use crate::model::{Access, ClientId, Filter, OverrideMatch, PathMatch, PathRewrite, Route, Rule, Split, ValueMatch};

/// What becomes of some Ingresses.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// One for each, in the order given.
    pub ingresses: Vec<IngressReport>,
    /// Ingresses that are not looked at, since their class is somebody else's.
    pub left_out: Vec<LeftOut>,
}

/// An Ingress of somebody else's class.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Its class; none if it names none.
    pub class: Option<String>,
}

impl From<&IngressView> for LeftOut {
    fn from(view: &IngressView) -> Self {
        let class = view.class().map(str::to_owned);
        Self { namespace: view.namespace.to_string(), name: view.name.to_string(), class }
    }
}

/// What becomes of one Ingress.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressReport {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Its annotations with the prefix.
    pub annotations: Vec<AnnotationReport>,
    /// What there is to say about values and rules.
    pub findings: Vec<FindingReport>,
    /// What the proxy will do, in words.
    pub does: Vec<String>,
}

/// What becomes of one annotation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnnotationReport {
    /// Name without prefix.
    pub name: String,
    /// Value.
    pub value: String,
    /// `supported`, `partial`, `ignored`, `refused` or `unknown`.
    pub verdict: &'static str,
    /// How, or why.
    pub reason: String,
}

/// Something to tell.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingReport {
    /// Annotation, or place in the object.
    pub about: String,
    /// `info`, `warning` or `error`.
    pub severity: &'static str,
    /// What, and what to do.
    pub message: String,
}

impl Report {
    /// Whether anything is refused, unknown or in error.
    pub fn has_refusals(&self) -> bool {
        self.ingresses.iter().any(|ingress| {
            ingress.annotations.iter().any(|annotation| matches!(annotation.verdict, "refused" | "unknown"))
                || ingress.findings.iter().any(|finding| finding.severity == Severity::Error.as_str())
        })
    }
}

/// Nothing is asked of a cluster: Services are taken to exist.
struct Nowhere;

impl Cluster for Nowhere {
    fn resolve(&self, _: &BackendRef) -> Result<Resolved, String> {
        Ok(Resolved::default())
    }

    fn config_map(&self, _: &str, _: &str) -> Result<BTreeMap<String, String>, String> {
        Ok(BTreeMap::new())
    }
}

/// Reports what becomes of these Ingresses, looked at together; `prefix` is that of annotations.
pub fn report(views: &[Arc<IngressView>], prefix: &str) -> Report {
    let plan = Plan::new(views, prefix);
    let ingresses = views.iter().enumerate().map(|(ingress, view)| {
        let translation = plan.translate(ingress, &Nowhere);
        let mut does: Vec<String> = translation.routes.iter().flat_map(route).collect();
        does.extend(translation.tls.iter().map(|tls| {
            let hosts = tls.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("TLS for {hosts} with {}", tls.secret.as_deref().unwrap_or("the default certificate"))
        }));
        if does.is_empty() {
            does.push(match plan.is_main(ingress) {
                true => "nothing: no rule of its own is served".to_owned(),
                false => "its backends are versions of the main Ingress's splits".to_owned(),
            });
        }
        let annotations = verdicts(&plan, ingress, prefix);
        IngressReport {
            namespace: view.namespace.to_string(),
            name: view.name.to_string(),
            findings: translation
                .findings
                .iter()
                .filter(|finding| !is_told(finding, &annotations))
                .map(finding)
                .collect(),
            annotations,
            does,
        }
    });
    Report { ingresses: ingresses.collect(), left_out: Vec::new() }
}

/// Whether the verdict on an annotation says it already.
fn is_told(finding: &Finding, annotations: &[AnnotationReport]) -> bool {
    let same = |annotation: &AnnotationReport| {
        annotation.name == finding.annotation
            && !annotation.reason.is_empty()
            && finding.message.ends_with(&annotation.reason)
    };
    annotations.iter().any(same)
}

fn finding(finding: &Finding) -> FindingReport {
    FindingReport {
        about: finding.annotation.clone(),
        severity: finding.severity.as_str(),
        message: finding.message.clone(),
    }
}

fn verdicts(plan: &Plan, ingress: usize, prefix: &str) -> Vec<AnnotationReport> {
    let view = &plan.views[ingress];
    let own = view
        .annotations
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.strip_prefix('/')?, value)));
    let on_canary = |name: &str| !plan.is_main(ingress) && plan.of_mains[ingress].iter().any(|known| known == name);
    own.map(|(name, value)| {
        let (verdict, reason) = match annotations::find(name).map(|entry| entry.verdict) {
            // What is switched off is not missed.
            Some(Verdict::Refused(_)) if !annotations::asks(name, value) => {
                ("ignored", "it asks for nothing".to_owned())
            }
            Some(_) if on_canary(name) && name == "load-balance" => ("ignored", BALANCE_ON_CANARY.to_owned()),
            Some(_) if on_canary(name) => ("ignored", ON_CANARY.to_owned()),
            Some(verdict) => (verdict.word(), verdict.reason().to_owned()),
            None => ("unknown", format!("ingress-nginx has no such annotation{}", annotations::suggestion(name))),
        };
        AnnotationReport { name: name.to_owned(), value: value.clone(), verdict, reason }
    })
    .collect()
}

/// What a route does, a line for each of its rules.
fn route(route: &Route) -> Vec<String> {
    let hosts = route.hosts().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let hosts = if hosts.is_empty() { "all hosts".to_owned() } else { hosts };
    route.rules.iter().map(|rule| format!("{hosts} {}", self::rule(rule))).collect()
}

fn rule(rule: &Rule) -> String {
    let paths = rule.matches.iter().map(|condition| match &condition.path {
        PathMatch::Exact(path) => format!("path {path}"),
        PathMatch::Prefix(path) => format!("paths under {path}"),
        PathMatch::Regex(pattern) => format!("paths like {}", pattern.as_str()),
    });
    let paths = paths.collect::<Vec<_>>().join(" or ");
    let last = |filter: &Filter| {
        matches!(filter, Filter::Redirect(_) | Filter::RedirectTo(_) | Filter::Access(Access::Closed))
    };
    let end = rule.filters.iter().position(last);
    let told = rule.filters.iter().take(end.map_or(usize::MAX, |end| end + 1));
    let steps: Vec<String> = told.filter_map(step).collect();
    let to = end.is_none().then(|| format!("to {}", split(&rule.split)));
    format!("{paths}: {}", steps.into_iter().chain(to).collect::<Vec<_>>().join("; "))
}

fn step(filter: &Filter) -> Option<String> {
    Some(match filter {
        Filter::RequireHttps(status) => format!("clear text is redirected to https ({})", status.as_u16()),
        Filter::RedirectTo(to) => {
            let target = if to.with_target { " with path and query" } else { "" };
            format!("redirected to {}{target} ({})", to.url, to.status.as_u16())
        }
        Filter::Redirect(to) => {
            let path = match &to.path {
                Some(PathRewrite::Full(path)) => path.to_string(),
                _ => "the same path".to_owned(),
            };
            let host = to.host.as_deref().map_or_else(String::new, |host| format!(" at {host}"));
            format!("redirected to {path}{host} ({})", to.status.as_u16())
        }
        Filter::Cors(_) => "CORS".to_owned(),
        Filter::Access(Access::Closed) => {
            "answered with 503, since protection that is asked for is not there".to_owned()
        }
        Filter::Access(Access::Addresses { .. }) => "only for some addresses (403 for others)".to_owned(),
        Filter::RewritePath(PathRewrite::Pattern(_, target)) => format!("path becomes {target}"),
        Filter::RewriteHost(host) => format!("host becomes {}", String::from_utf8_lossy(host.as_bytes())),
        _ => return None,
    })
}

fn split(split: &Split) -> String {
    let total: u32 = split.versions.iter().map(|version| version.weight.get()).sum();
    let share = |weight: u32| f64::from(weight) * 100.0 / f64::from(total.max(1));
    let mut words = match split.versions.as_slice() {
        [only] => only.name.to_string(),
        versions => {
            let part = |version: &crate::model::Version| format!("{} {}%", version.name, share(version.weight.get()));
            versions.iter().map(part).collect::<Vec<_>>().join(", ")
        }
    };
    for condition in &split.overrides {
        let version = split.versions.get(condition.to).map_or("none", |version| &version.name);
        words.push_str(&format!("; {} goes to {version}", self::condition(&condition.condition)));
    }
    if let Some(ClientId::Cookie { name, .. }) = split.sticky.as_ref().map(|sticky| &sticky.client) {
        words.push_str(&format!("; clients keep version and endpoint by cookie {name}"));
    }
    words
}

fn condition(condition: &OverrideMatch) -> String {
    let (kind, name, value) = match condition {
        OverrideMatch::Header(name, value) => ("header", name.as_str(), value),
        OverrideMatch::Cookie(name, value) => ("cookie", &**name, value),
    };
    match value {
        ValueMatch::Present => format!("{kind} {name}"),
        ValueMatch::Exact(value) => format!("{kind} {name}: {value}"),
        ValueMatch::Regex(pattern) => format!("{kind} {name} like {}", pattern.as_str()),
    }
}
