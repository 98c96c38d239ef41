//! The objects themselves, with what is needed to find them by something other than their name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::Arc;

use super::super::object::{Body, Id, Object, ObjectKind, Slice};
use super::super::split;
use super::Topic;

type ByName = HashMap<(Arc<str>, Arc<str>), Vec<Arc<str>>>;

/// All objects.
#[derive(Default)]
pub struct Objects {
    all: BTreeMap<Id, Box<Object>>,
    /// Names of namespaces, each of which thousands of objects may be in.
    namespaces: HashSet<Arc<str>>,
    /// Why an object that is there cannot be understood.
    malformed: HashMap<Id, String>,
    /// Names of slices by Service.
    slices: ByName,
    /// Splits by what they aim at.
    targets: HashMap<Id, Vec<Id>>,
    /// What slices say is on its way out; most say nothing.
    leaving: BTreeMap<Id, Vec<SocketAddr>>,
    /// Ingresses by the hosts of their rules; empty for every host.
    hosts: HashMap<Arc<str>, Vec<Id>>,
}

impl Objects {
    /// An object.
    pub fn get(&self, id: &Id) -> Option<&Object> {
        self.all.get(id).map(|object| &**object)
    }

    /// Why an object cannot be understood.
    pub fn why_malformed(&self, id: &Id) -> Option<&str> {
        self.malformed.get(id).map(String::as_str)
    }

    /// The names of all objects of a kind.
    pub fn ids(&self, kind: ObjectKind) -> Vec<Id> {
        self.of(kind, None).map(|(id, _)| id.clone()).collect()
    }

    /// All objects of a kind, in a namespace or everywhere.
    pub fn of<'o>(
        &'o self,
        kind: ObjectKind,
        namespace: Option<&Arc<str>>,
    ) -> impl Iterator<Item = (&'o Id, &'o Object)> + use<'o> {
        let namespace = namespace.cloned();
        let first = Id::new(kind, namespace.clone().unwrap_or_else(|| "".into()), "");
        let here =
            move |id: &Id| id.kind == kind && namespace.as_ref().is_none_or(|namespace| id.namespace == *namespace);
        let from = self.all.range((Bound::Included(first), Bound::Unbounded));
        from.take_while(move |(id, _)| here(id)).map(|(id, object)| (id, &**object))
    }

    /// The slices of a Service.
    pub fn slices(&self, namespace: &Arc<str>, service: &Arc<str>) -> impl Iterator<Item = &Slice> {
        let names = self.slices.get(&(Arc::clone(namespace), Arc::clone(service)));
        names.into_iter().flatten().filter_map(|name| {
            let id = Id { kind: ObjectKind::Slice, namespace: Arc::clone(namespace), name: Arc::clone(name) };
            as_slice(self.all.get(&id)?)
        })
    }

    /// Endpoints on their way out.
    pub fn leaving(&self) -> Vec<SocketAddr> {
        self.leaving.values().flatten().copied().collect()
    }

    /// An object with its name as it is kept.
    pub fn known(&self, id: &Id) -> Option<(&Id, &Object)> {
        self.all.get_key_value(id).map(|(id, object)| (id, &**object))
    }

    /// Splits that aim at an object, the oldest first.
    pub fn aiming_at(&self, target: &Id) -> Vec<(&Id, &Object)> {
        let ids = self.targets.get(target).into_iter().flatten();
        let mut found: Vec<(&Id, &Object)> = ids.filter_map(|id| self.known(id)).collect();
        found.sort_by_key(|(id, object)| (object.created, (*id).clone()));
        found
    }

    /// Ingresses with a rule for a host, the oldest first.
    pub fn ingresses_for(&self, host: &str) -> Vec<(&Id, &Object)> {
        let ids = self.hosts.get(host).into_iter().flatten();
        let mut found: Vec<(&Id, &Object)> = ids.filter_map(|id| self.known(id)).collect();
        found.sort_by_key(|(id, object)| (object.created, (*id).clone()));
        found
    }

    /// Puts an object in; gives the topics that this changes: none if it is as it was.
    pub fn set(&mut self, id: Id, object: Object) -> Vec<Topic> {
        let was_malformed = self.malformed.remove(&id).is_some();
        if !was_malformed && self.get(&id) == Some(&object) {
            return Vec::new();
        }
        let id = self.shared(id);
        let mut topics = self.unlink(&id);
        self.link(&id, &object, &mut topics);
        self.all.insert(id.clone(), Box::new(object));
        topics.extend(topics_of(&id));
        topics
    }

    /// The same, with the one text that all objects of its namespace have.
    fn shared(&mut self, mut id: Id) -> Id {
        match self.namespaces.get(&id.namespace) {
            Some(known) => id.namespace = Arc::clone(known),
            None => _ = self.namespaces.insert(Arc::clone(&id.namespace)),
        }
        id
    }

    /// Makes what is known take up no more room than it needs; to be called when much of it has come in order, which leaves
    /// the nodes of a B-tree half empty.
    pub fn compact(&mut self) {
        self.all = std::mem::take(&mut self.all).into_iter().collect();
    }

    /// Notes that an object is there but cannot be understood.
    pub fn malformed(&mut self, id: Id, message: String) -> Vec<Topic> {
        tracing::warn!(object = %id, "cannot be understood: {message}");
        let topics = self.remove(&id);
        self.malformed.insert(id, message);
        topics
    }

    /// Takes an object out.
    pub fn remove(&mut self, id: &Id) -> Vec<Topic> {
        self.malformed.remove(id);
        let mut topics = self.unlink(id);
        if self.all.remove(id).is_some() {
            topics.extend(topics_of(id));
        }
        topics
    }

    fn link(&mut self, id: &Id, object: &Object, topics: &mut Vec<Topic>) {
        if let Some(slice) = as_slice(object) {
            let key = (Arc::clone(&id.namespace), Arc::clone(&slice.service));
            topics.push(Topic::Slices(key.0.clone(), key.1.clone()));
            self.slices.entry(key).or_insert_with(|| Vec::with_capacity(1)).push(Arc::clone(&id.name));
            let leaving = leaving(slice);
            if !leaving.is_empty() {
                self.leaving.insert(id.clone(), leaving);
            }
        }
        if let Some(target) = target_of(id, object) {
            topics.push(Topic::Policies(target.clone()));
            self.targets.entry(target).or_default().push(id.clone());
        }
        for host in hosts_of(id, object) {
            topics.push(Topic::Host(Arc::clone(&host)));
            self.hosts.entry(host).or_default().push(id.clone());
        }
    }

    /// Removes what leads to an object, and gives the topics that this touches.
    fn unlink(&mut self, id: &Id) -> Vec<Topic> {
        let mut topics = Vec::new();
        let Some(object) = self.all.get(id) else { return topics };
        if let Some(slice) = as_slice(object) {
            let key = (Arc::clone(&id.namespace), Arc::clone(&slice.service));
            topics.push(Topic::Slices(key.0.clone(), key.1.clone()));
            take_out(&mut self.slices, &key, &id.name);
            self.leaving.remove(id);
        }
        if let Some(target) = target_of(id, object) {
            take_out(&mut self.targets, &target, id);
            topics.push(Topic::Policies(target));
        }
        for host in hosts_of(id, object) {
            take_out(&mut self.hosts, &host, id);
            topics.push(Topic::Host(host));
        }
        topics
    }
}

/// What everybody reads who reads this object, or looks through its kind.
fn topics_of(id: &Id) -> [Topic; 3] {
    [Topic::Object(id.clone()), Topic::Kind(id.kind, None), Topic::Kind(id.kind, Some(Arc::clone(&id.namespace)))]
}

fn take_out<K: std::hash::Hash + Eq, V: PartialEq>(map: &mut HashMap<K, Vec<V>>, key: &K, value: &V) {
    if let Some(values) = map.get_mut(key) {
        values.retain(|known| known != value);
        if values.is_empty() {
            map.remove(key);
        }
    }
}

fn leaving(slice: &Slice) -> Vec<SocketAddr> {
    let endpoints = slice.endpoints.iter().filter(|endpoint| endpoint.terminating);
    let on_ports = |address| slice.ports.iter().map(move |(_, port)| SocketAddr::new(address, *port));
    endpoints.flat_map(|endpoint| on_ports(endpoint.address)).collect()
}

fn as_slice(object: &Object) -> Option<&Slice> {
    match &object.body {
        Body::Slice(slice) => Some(slice),
        _ => None,
    }
}

fn target_of(id: &Id, object: &Object) -> Option<Id> {
    if id.kind == ObjectKind::Split { split::target(id, object) } else { None }
}

fn hosts_of(id: &Id, object: &Object) -> Vec<Arc<str>> {
    if id.kind != ObjectKind::Ingress {
        return Vec::new();
    }
    let Ok(spec) = object.spec::<serde_json::Value>() else { return Vec::new() };
    let rules = spec["rules"].as_array().map_or(&[][..], Vec::as_slice);
    let host = |rule: &serde_json::Value| rule["host"].as_str().unwrap_or_default().to_ascii_lowercase().into();
    let mut hosts: Vec<Arc<str>> = rules.iter().map(host).collect();
    if !spec["defaultBackend"].is_null() {
        hosts.push("".into());
    }
    hosts.sort();
    hosts.dedup();
    hosts
}
