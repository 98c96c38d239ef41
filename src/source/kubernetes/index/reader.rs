//! Reading objects in a way that is remembered.

use std::cell::RefCell;
use std::sync::Arc;

use super::super::Options;
use super::super::object::{Body, Id, Object, ObjectKind, Service, Slice};
use super::Objects;
use super::readers::TopicKey;

/// Something that a translation can depend on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// One object, there or not; a Service with the slices that belong to it.
    Object(Id),
    /// Which objects of a kind there are, everywhere or in a namespace.
    Kind(ObjectKind, Option<Arc<str>>),
    /// Splits that aim at an object.
    Policies(Id),
    /// Ingresses that ask for a host.
    Host(Arc<str>),
}

/// The objects as one translation sees them.
pub struct Reader<'i> {
    objects: &'i Objects,
    /// How the process was started.
    pub options: &'i Options,
    /// What is translated.
    unit: &'i Id,
    reads: RefCell<Vec<TopicKey>>,
    named: RefCell<Vec<Id>>,
}

impl<'i> Reader<'i> {
    /// A reader that has read nothing. `unit`: what is translated.
    pub fn new(objects: &'i Objects, options: &'i Options, unit: &'i Id) -> Self {
        Self { objects, options, unit, reads: RefCell::default(), named: RefCell::default() }
    }

    /// What was asked for, and which objects of it by name.
    pub fn into_reads(self) -> (Box<[TopicKey]>, Vec<Id>) {
        let mut reads = self.reads.into_inner();
        reads.sort_unstable();
        reads.dedup();
        (reads.into(), self.named.into_inner())
    }

    /// An object of a kind that is asked for [by name](ObjectKind::by_name).
    pub fn named(&self, id: &Id) -> Option<&'i Object> {
        self.named.borrow_mut().push(id.clone());
        self.object(id)
    }

    fn reads(&self, topic: Topic) {
        self.reads.borrow_mut().push(TopicKey::of(&topic));
    }

    /// An object.
    pub fn object(&self, id: &Id) -> Option<&'i Object> {
        self.reads(Topic::Object(id.clone()));
        self.objects.get(id)
    }

    /// Why an object cannot be understood, if that is so.
    pub fn malformed(&self, id: &Id) -> Option<&'i str> {
        self.objects.why_malformed(id)
    }

    /// The name of an object as it is known, so that it is there once only.
    pub fn shared_name(&self, id: Id) -> Arc<str> {
        self.objects.known(&id).map_or(id.name, |(known, _)| Arc::clone(&known.name))
    }

    /// A Service.
    pub fn service(&self, namespace: &Arc<str>, name: &Arc<str>) -> Option<&'i Service> {
        let id = Id { kind: ObjectKind::Service, namespace: Arc::clone(namespace), name: Arc::clone(name) };
        match &self.object(&id)?.body {
            Body::Service(service) => Some(service),
            _ => None,
        }
    }

    /// The slices of a Service.
    pub fn slices(&self, namespace: &Arc<str>, service: &Arc<str>) -> impl Iterator<Item = &'i Slice> {
        self.reads(Topic::Object(Id::new(ObjectKind::Service, Arc::clone(namespace), Arc::clone(service))));
        self.objects.slices(namespace, service)
    }

    /// A pod. The label that tells its ReplicaSet never changes, so only a pod that is not known yet is remembered: with
    /// thousands of pods, that is what keeps this small.
    pub fn pod(&self, namespace: &Arc<str>, name: &Arc<str>) -> Option<&'i Object> {
        let id = Id { kind: ObjectKind::Pod, namespace: Arc::clone(namespace), name: Arc::clone(name) };
        let pod = self.objects.get(&id);
        if pod.is_none() {
            self.reads(Topic::Object(id));
        }
        pod
    }

    /// All objects of a kind, in a namespace or everywhere.
    pub fn of(
        &self,
        kind: ObjectKind,
        namespace: Option<&Arc<str>>,
    ) -> impl Iterator<Item = (&'i Id, &'i Object)> + use<'i> {
        self.reads(Topic::Kind(kind, namespace.cloned()));
        self.objects.of(kind, namespace)
    }

    /// Splits that aim at an object, the oldest first. Who asks about itself is told anyway.
    pub fn policies(&self, target: &Id) -> Vec<(&'i Id, &'i Object)> {
        if target != self.unit {
            self.reads(Topic::Policies(target.clone()));
        }
        self.objects.aiming_at(target)
    }

    /// Ingresses that ask for a host (empty: every host), by a rule or as another name of theirs, the oldest first.
    pub fn ingresses_for(&self, host: &Arc<str>) -> Vec<(&'i Id, &'i Object)> {
        self.reads(Topic::Host(Arc::clone(host)));
        self.objects.ingresses_for(host)
    }
}
