//! A cluster in memory: objects in, and the model, the reports and the decisions that follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::objects::Made;
use crate::decide::{Cursors, Outcome, Refusal, decide};
use crate::endpoint::Endpoint;
use crate::model::{Model, Route};
use crate::snapshot::{Interner, Snapshot, compile};
use crate::source::kubernetes::Options;
use crate::source::kubernetes::index::{Change, Index};
use crate::source::kubernetes::object::Id;
use crate::source::kubernetes::report::{Condition, Report};
use crate::testing::{Asked, model};

/// The options of a process with these listeners.
pub fn options(listeners: &[&str]) -> Options {
    Options {
        namespace: "weir-system".into(),
        identity: "weir-0".to_owned(),
        service: "weir".into(),
        classes: Vec::new(),
        annotation_prefix: "nginx.ingress.kubernetes.io".to_owned(),
        https: None,
        listeners: listeners.iter().map(|name| (*name).into()).collect(),
    }
}

/// A cluster with a proxy that follows it, whose only listener of its own is `http`.
pub struct World {
    pub index: Index,
    interner: Interner,
    snapshot: Snapshot,
    cursors: Cursors,
    listener: String,
}

impl World {
    /// A cluster of these objects.
    pub fn of<'m>(objects: impl IntoIterator<Item = &'m Made>) -> Self {
        let mut world = Self {
            index: Index::new(options(&["http"]), model([])),
            interner: Interner::default(),
            snapshot: Snapshot::default(),
            cursors: Cursors::new(1),
            listener: "http".to_owned(),
        };
        objects.into_iter().for_each(|object| world.set(object));
        world
    }

    /// The same, seen from a listener of the Gateway `gw`.
    pub fn at_port(mut self, port: u16) -> Self {
        self.listen_at(port);
        self
    }

    /// From now on requests come in by this port of the Gateway `gw`.
    pub fn listen_at(&mut self, port: u16) {
        self.listener = format!("gateway/shop/gw/{port}");
    }

    /// From now on requests come in by this port of the Gateway `gw`; none: by the listener of the process.
    pub fn listen(&mut self, port: Option<u16>) {
        match port {
            Some(port) => self.listen_at(port),
            None => self.listener = "http".to_owned(),
        }
    }

    /// An object is there, new or changed.
    pub fn set(&mut self, object: &Made) {
        self.index.apply(match object.told() {
            Ok((id, object)) => Change::Set(id, object),
            Err((id, message)) => Change::Malformed(id, message),
        });
    }

    /// An object has gone.
    pub fn remove(&mut self, object: &Made) {
        self.index.apply(Change::Gone(object.id()));
    }

    /// The model as it is now.
    pub fn model(&mut self) -> Model {
        self.index.model()
    }

    /// The only route of this name.
    pub fn route(&mut self, name: &str) -> Arc<Route> {
        let model = self.model();
        let mut found = model.routes.iter().filter(|route| *route.key.name == *name);
        let route = found.next().unwrap_or_else(|| panic!("no route {name}"));
        assert!(found.next().is_none(), "several routes {name}");
        Arc::clone(route)
    }

    /// Names of versions of the first rule of a route, with their revisions, weights and numbers of pods.
    pub fn versions(&mut self, route: &str) -> Vec<String> {
        let route = self.route(route);
        let split = &route.rules[0].split;
        let text = |version: &crate::model::Version| {
            let (weight, count) = (version.weight.get(), version.endpoints.len());
            format!("{} {} {weight} x{count}", version.name, version.revision)
        };
        split.versions.iter().map(text).collect()
    }

    /// Addresses of a version of the first rule of a route.
    pub fn addresses(&mut self, route: &str, version: usize) -> Vec<String> {
        let route = self.route(route);
        let endpoints = &route.rules[0].split.versions[version].endpoints;
        endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
    }

    /// What is said about an object.
    pub fn report(&mut self, object: &Made) -> Report {
        self.report_of(&object.id())
    }

    /// What is said about an object.
    pub fn report_of(&mut self, id: &Id) -> Report {
        self.model();
        self.index.made(id).map(|made| (*made.report).clone()).unwrap_or_default()
    }

    /// A condition of an object itself, as `Type=Status/Reason`.
    pub fn condition(&mut self, object: &Made, kind: &str) -> String {
        text(&self.report(object).conditions, kind)
    }

    /// The same with its message.
    pub fn message(&mut self, object: &Made, kind: &str) -> String {
        let conditions = self.report(object).conditions;
        conditions.into_iter().find(|condition| condition.kind == kind).unwrap().message
    }

    /// A condition that a route is told about its only parent.
    pub fn parent(&mut self, route: &Made, kind: &str) -> String {
        let parents = self.report(route).parents;
        assert_eq!(parents.len(), 1, "{parents:?}");
        text(&parents[0].conditions, kind)
    }

    /// A condition that a Gateway is told about one of its listeners.
    pub fn listener(&mut self, gateway: &Made, name: &str, kind: &str) -> String {
        let listeners = self.report(gateway).listeners;
        text(&listeners.iter().find(|listener| *listener.name == *name).unwrap().conditions, kind)
    }

    /// What is served now.
    pub fn serve(&mut self) -> &Snapshot {
        let model = self.model();
        self.snapshot = compile(&model, &self.snapshot, &mut self.interner).unwrap();
        self.interner.keep_only(&self.snapshot);
        &self.snapshot
    }

    /// The endpoints of every version of every rule of a route, as they are kept over changes.
    pub fn endpoints(&mut self, route: &str) -> Vec<Arc<Endpoint>> {
        let rules = self.serve().rules.iter().filter(|rule| *rule.body.route.name == *route);
        rules.flat_map(|rule| rule.body.versions.iter().flat_map(|version| version.endpoints.to_vec())).collect()
    }

    /// Where a request goes: the name of a version, `404`, `500`, `503`, or `answered` by a filter.
    pub fn ask(&mut self, asked: &Asked) -> String {
        self.serve();
        self.decide(asked)
    }

    /// Where a GET goes.
    pub fn get(&mut self, target: &str) -> String {
        self.ask(&Asked::get(target))
    }

    /// The route, rule and version that a GET takes: `route/rule/version`.
    pub fn way(&mut self, target: &str) -> String {
        self.serve();
        match self.outcome(&Asked::get(target)) {
            Outcome::Forward(decision) => {
                let (route, version) =
                    (&decision.rule(&self.snapshot).body.route, &decision.version(&self.snapshot).name);
                format!("{}/{}", route.name, version)
            }
            other => format!("{other:?}"),
        }
    }

    /// How many of `count` GETs go where.
    pub fn shares(&mut self, target: &str, count: usize) -> BTreeMap<String, usize> {
        self.serve();
        let mut shares = BTreeMap::new();
        for _ in 0..count {
            *shares.entry(self.decide(&Asked::get(target))).or_default() += 1;
        }
        shares
    }

    fn outcome(&mut self, asked: &Asked) -> Outcome {
        let listeners = &self.snapshot.listeners;
        let index = listeners.iter().position(|entry| *entry.listener.name == *self.listener);
        let mut head = asked.head();
        head.listener = index.unwrap_or_else(|| panic!("no listener {}", self.listener));
        decide(&self.snapshot, &mut self.cursors, &head)
    }

    fn decide(&mut self, asked: &Asked) -> String {
        match self.outcome(asked) {
            Outcome::Forward(decision) => decision.version(&self.snapshot).name.to_string(),
            Outcome::Hold { .. } => "held".to_owned(),
            Outcome::Respond(_) => "answered".to_owned(),
            Outcome::Reject(refusal @ (Refusal::Forbidden | Refusal::Closed)) => format!("{refusal:?}"),
            Outcome::Reject(Refusal::NoRoute) => "404".to_owned(),
            Outcome::Reject(Refusal::Invalid { .. }) => "500".to_owned(),
            Outcome::Reject(Refusal::NoEndpoint { .. }) => "503".to_owned(),
        }
    }
}

fn text(conditions: &[Condition], kind: &str) -> String {
    let found: Vec<&Condition> = conditions.iter().filter(|condition| condition.kind == kind).collect();
    assert_eq!(found.len(), 1, "{kind}: {conditions:?}");
    let status = if found[0].holds { "True" } else { "False" };
    format!("{status}/{}", found[0].reason)
}

/// How many of so many went where, in the form that [`World::shares`] gives.
pub fn shared(shares: &[(&str, usize)]) -> BTreeMap<String, usize> {
    shares.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}
