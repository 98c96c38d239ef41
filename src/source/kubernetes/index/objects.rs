//! The objects themselves, with what is needed to find them by something other than their name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::super::ingress::Hosts;
use super::super::object::{Body, Id, Object, ObjectKind, Slice};
use super::super::split;
use super::Topic;

/// So many more objects are never worth it to make their tree compact.
const FEW: usize = 1_000;

/// All objects.
#[derive(Default)]
pub struct Objects {
    all: BTreeMap<Id, Box<Object>>,
    /// How many there were when their tree was last made compact.
    compact: usize,
    /// Names of namespaces, each of which thousands of objects may be in.
    namespaces: HashSet<Arc<str>>,
    /// Why an object that is there cannot be understood.
    malformed: HashMap<Id, String>,
    /// Objects that were asked for by name and are not there.
    absent: HashSet<Id>,
    /// Names of slices by the hash of their Service: whose they are is looked at when they are read.
    slices: HashMap<u64, Names, FixedState>,
    /// Splits by what they aim at.
    targets: HashMap<Id, Vec<Id>>,
    /// What slices say is on its way out; most say nothing.
    leaving: BTreeMap<Id, Vec<SocketAddr>>,
    /// Ingresses by their hosts, other names included; empty for every host.
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

    /// Those of a kind that cannot be understood.
    pub fn malformed_ids(&self, kind: ObjectKind) -> impl Iterator<Item = &Id> {
        self.malformed.keys().filter(move |id| id.kind == kind)
    }

    /// Whether the server has said of an object that is asked for by name what it is, or that it is not there.
    pub fn is_told(&self, id: &Id) -> bool {
        self.all.contains_key(id) || self.malformed.contains_key(id) || self.absent.contains(id)
    }

    /// Forgets an object that is no longer asked for: nobody knows whether it is there.
    pub fn forget(&mut self, id: &Id) {
        self.all.remove(id);
        self.malformed.remove(id);
        self.absent.remove(id);
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

    /// All objects of a kind in a namespace whose names begin so.
    pub fn beginning_with(
        &self,
        kind: ObjectKind,
        namespace: &Arc<str>,
        prefix: &str,
    ) -> impl Iterator<Item = (&Id, &Object)> {
        let first = Id::new(kind, Arc::clone(namespace), prefix);
        let from = self.all.range((Bound::Included(first.clone()), Bound::Unbounded));
        let here = move |id: &Id| {
            id.kind == first.kind && id.namespace == first.namespace && id.name.starts_with(&*first.name)
        };
        from.take_while(move |(id, _)| here(id)).map(|(id, object)| (id, &**object))
    }

    /// The slices of a Service.
    pub fn slices(&self, namespace: &Arc<str>, service: &Arc<str>) -> impl Iterator<Item = &Slice> {
        let names = self.slices.get(&by_service(namespace, service)).map_or(&[][..], Names::all);
        let slice = |name: &Arc<str>| {
            let id = Id { kind: ObjectKind::Slice, namespace: Arc::clone(namespace), name: Arc::clone(name) };
            as_slice(self.all.get(&id)?)
        };
        names.iter().filter_map(slice).filter(|slice| slice.service == *service)
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

    /// Ingresses that ask for a host, by a rule or as another name of theirs, the oldest first.
    pub fn ingresses_for(&self, host: &str) -> Vec<(&Id, &Object)> {
        let ids = self.hosts.get(host).into_iter().flatten();
        let mut found: Vec<(&Id, &Object)> = ids.filter_map(|id| self.known(id)).collect();
        found.sort_by_key(|(id, object)| (object.created, (*id).clone()));
        found
    }

    /// Puts an object in; gives the topics that this changes: none if it is as it was.
    pub fn set(&mut self, id: Id, mut object: Object) -> Vec<Topic> {
        let was_malformed = self.malformed.remove(&id).is_some();
        self.absent.remove(&id);
        if !was_malformed && self.get(&id) == Some(&object) {
            return Vec::new();
        }
        let id = self.shared(id);
        self.share_names(&id, &mut object);
        let mut topics = self.unlink(&id);
        self.link(&id, &object, &mut topics);
        self.all.insert(id.clone(), Box::new(object));
        if self.all.len() > self.compact + self.compact / 4 + FEW {
            self.compact();
        }
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

    /// Names of its Service and its pods are those texts in a slice by which these are known.
    fn share_names(&self, id: &Id, object: &mut Object) {
        let Body::Slice(slice) = &mut object.body else { return };
        let share = |kind: ObjectKind, name: &mut Arc<str>| {
            let wanted = Id { kind, namespace: Arc::clone(&id.namespace), name: Arc::clone(name) };
            if let Some((known, _)) = self.all.get_key_value(&wanted) {
                *name = Arc::clone(&known.name);
            }
        };
        share(ObjectKind::Service, &mut slice.service);
        slice
            .endpoints
            .iter_mut()
            .filter_map(|endpoint| endpoint.pod.as_mut())
            .for_each(|pod| share(ObjectKind::Pod, pod));
    }

    /// Makes what is known take up no more room than it needs: what comes in the order of its names leaves the nodes of a
    /// B-tree half empty. As it grows it is done again by itself, a few times for each object.
    pub fn compact(&mut self) {
        self.all = std::mem::take(&mut self.all).into_iter().collect();
        self.compact = self.all.len();
    }

    /// Notes that an object is there but cannot be understood.
    pub fn malformed(&mut self, id: Id, message: String) -> Vec<Topic> {
        tracing::warn!(object = %id, "cannot be understood: {message}");
        let mut topics = self.remove(&id);
        self.absent.remove(&id);
        // Who looked for it in vain is told that it is there.
        topics.extend(topics_of(&id));
        self.malformed.insert(id, message);
        topics
    }

    /// Takes an object out.
    pub fn remove(&mut self, id: &Id) -> Vec<Topic> {
        let was_malformed = self.malformed.remove(id).is_some();
        let mut topics = self.unlink(id);
        // Of what is asked for by name it counts, too, that it is not there.
        let is_news = id.kind.by_name() && self.absent.insert(id.clone());
        if self.all.remove(id).is_some() || was_malformed || is_news {
            topics.extend(topics_of(id));
        }
        topics
    }

    fn link(&mut self, id: &Id, object: &Object, topics: &mut Vec<Topic>) {
        if let Some(slice) = as_slice(object) {
            let key = (Arc::clone(&id.namespace), Arc::clone(&slice.service));
            topics.push(Topic::Object(Id::new(ObjectKind::Service, key.0.clone(), key.1.clone())));
            let names = self.slices.entry(by_service(&key.0, &key.1)).or_insert_with(|| Names::Many(Vec::new()));
            names.add(Arc::clone(&id.name));
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
            topics.push(Topic::Object(Id::new(ObjectKind::Service, key.0.clone(), key.1.clone())));
            let place = by_service(&key.0, &key.1);
            if self.slices.get_mut(&place).is_some_and(|names| names.remove(&id.name)) {
                self.slices.remove(&place);
            }
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

/// A few names: nearly always one.
enum Names {
    One(Arc<str>),
    Many(Vec<Arc<str>>),
}

impl Names {
    fn all(&self) -> &[Arc<str>] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Many(all) => all,
        }
    }

    fn add(&mut self, name: Arc<str>) {
        let mut all = self.all().to_vec();
        all.push(name);
        *self = Self::of(all);
    }

    /// Takes a name out; whether none is left.
    fn remove(&mut self, name: &Arc<str>) -> bool {
        let left: Vec<Arc<str>> = self.all().iter().filter(|known| *known != name).cloned().collect();
        *self = Self::of(left);
        self.all().is_empty()
    }

    fn of(mut all: Vec<Arc<str>>) -> Self {
        match (all.len(), all.pop()) {
            (1, Some(only)) => Self::One(only),
            (_, last) => {
                all.extend(last);
                Self::Many(all)
            }
        }
    }
}

fn by_service(namespace: &str, service: &str) -> u64 {
    FixedState::default().hash_one((namespace, service))
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
    if id.kind == ObjectKind::Ingress { Hosts::of(object).all().cloned().collect() } else { Vec::new() }
}
