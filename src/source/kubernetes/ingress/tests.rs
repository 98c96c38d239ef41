//! The behaviour of ingress-nginx's own tests, driven through the real decision: plan, translate, compile, decide.

mod affinity;
mod canary;
mod cluster;
mod merge;
mod paths;
mod reports;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::decide::{Cursors, Decision, Outcome, decide};
use crate::model::{Model, Route};
use crate::snapshot::Snapshot;
use crate::testing::{Asked, compiled, endpoint, model};

const HOST: &str = "shop.example.com";

/// An Ingress: its name, and a Service for a path of a host.
fn ingress(name: &str, host: &str, path: &str, service: &str) -> IngressView {
    let rule = json!({"http": {"paths": [path_to(path, "Prefix", service)]}});
    let mut spec = json!({"rules": [rule]});
    if !host.is_empty() {
        spec["rules"][0]["host"] = host.into();
    }
    view(name, spec)
}

fn path_to(path: &str, path_type: &str, service: &str) -> Value {
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    json!({"path": path, "pathType": path_type, "backend": backend})
}

fn view(name: &str, spec: Value) -> IngressView {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    IngressView {
        namespace: namespace.into(),
        name: name.into(),
        created: 1,
        uid: name.into(),
        spec: serde_json::from_value(spec).expect("a spec"),
        annotations: BTreeMap::new(),
    }
}

/// The main Ingress of most cases.
fn main() -> IngressView {
    ingress("main", HOST, "/", "main-svc")
}

/// Its canary.
fn canary() -> IngressView {
    ingress("canary", HOST, "/", "canary-svc").with("canary", "true").at(2)
}

impl IngressView {
    fn with(mut self, annotation: &str, value: &str) -> Self {
        self.annotations.insert(format!("{PREFIX}/{annotation}"), value.to_owned());
        self
    }

    fn at(mut self, created: i64) -> Self {
        self.created = created;
        self
    }
}

/// Services with their endpoints; one that is not named has two.
#[derive(Default)]
struct Services(BTreeMap<String, Resolved>);

impl Services {
    fn of(mut self, name: &str, endpoints: u8, revision: &str) -> Self {
        self.0.insert(name.to_owned(), resolved(name, endpoints, revision));
        self
    }
}

/// Endpoints whose address follows from name and revision.
fn resolved(name: &str, count: u8, revision: &str) -> Resolved {
    let sum = name.bytes().chain(revision.bytes()).fold(0u16, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
    let [a, b] = sum.to_be_bytes();
    let endpoints = (1..=count).map(|n| endpoint([10, a, b, n])).collect();
    Resolved { endpoints, revision: revision.into(), ..Resolved::default() }
}

impl Cluster for Services {
    fn resolve(&self, backend: &BackendRef) -> Result<Resolved, String> {
        let name = &*backend.service;
        Ok(self.0.get(name).cloned().unwrap_or_else(|| resolved(name, 2, "")))
    }

    fn config_map(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, String>, String> {
        let headers = || BTreeMap::from([("X-Team".to_owned(), "web".to_owned())]);
        (name == "headers").then(headers).ok_or_else(|| format!("there is no ConfigMap {namespace}/{name}"))
    }
}

fn plan(views: &[IngressView]) -> Plan {
    Plan::new(&views.iter().cloned().map(Arc::new).collect::<Vec<_>>(), PREFIX)
}

fn routes(views: &[IngressView], services: &Services) -> Vec<Route> {
    let plan = plan(views);
    (0..views.len()).flat_map(|ingress| plan.translate(ingress, services).routes).collect()
}

fn findings(views: &[IngressView], ingress: usize) -> Vec<Finding> {
    plan(views).translate(ingress, &Services::default()).findings
}

/// What is served of some Ingresses, by one worker.
struct Proxy {
    model: Model,
    snapshot: Snapshot,
    cursors: Cursors,
}

impl Proxy {
    fn of(views: &[IngressView]) -> Self {
        Self::with(views, &Services::default())
    }

    fn with(views: &[IngressView], services: &Services) -> Self {
        let model = model(routes(views, services));
        Self { snapshot: compiled(&model), model, cursors: Cursors::new(7) }
    }

    fn outcome(&mut self, asked: &Asked) -> Outcome {
        decide(&self.snapshot, &mut self.cursors, &asked.head())
    }

    #[track_caller]
    fn decision(&mut self, asked: &Asked) -> Decision {
        match self.outcome(asked) {
            Outcome::Forward(decision) => decision,
            other => panic!("{other:?}"),
        }
    }

    /// The name of the version that takes a request.
    #[track_caller]
    fn to(&mut self, asked: &Asked) -> String {
        let decision = self.decision(asked);
        decision.version(&self.snapshot).name.to_string()
    }

    #[track_caller]
    fn address(&mut self, asked: &Asked) -> std::net::SocketAddr {
        let decision = self.decision(asked);
        decision.endpoint(&self.snapshot).address
    }

    /// How many of `count` plain requests go to the version.
    fn count(&mut self, asked: &Asked, version: &str, count: usize) -> usize {
        (0..count).filter(|_| self.to(asked) == version).count()
    }

    /// `Set-Cookie` for a request.
    #[track_caller]
    fn set_cookie(&mut self, asked: &Asked, secure: bool) -> Option<String> {
        let header = self.decision(asked).cookie?.header(secure)?;
        Some(header.to_str().expect("text").to_owned())
    }
}

/// A plain request of the host's root.
fn asked() -> Asked {
    Asked::get(HOST)
}

/// The pair of a `Set-Cookie`, as a request brings it back.
fn returning(set_cookie: &str) -> Asked {
    asked().header("cookie", set_cookie.split(';').next().expect("a pair"))
}

fn by_header(value: &str) -> Asked {
    asked().header("x-canary", value)
}

fn by_cookie(value: &str) -> Asked {
    asked().header("cookie", &format!("beta={value}"))
}
