//! The replicas of the proxy, as the cluster has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Change, Index};
use crate::cluster::Member;
use crate::source::kubernetes::object::{Body, Id, ObjectKind, Strings};

/// The headless Service by which replicas find each other.
const REPLICAS: &str = "weir-replicas";
/// The port of that Service where they listen for each other.
const PEERS: &str = "peers";

impl Index {
    /// The labels of the replicas' pods, as the Service by which they find each other selects them.
    pub fn replica_labels(&self) -> Option<&Strings> {
        let id = Id::new(ObjectKind::Service, Arc::clone(&self.options.namespace), REPLICAS);
        match &self.objects.get(&id)?.body {
            Body::Service(service) => Some(&service.selector),
            _ => None,
        }
    }

    /// Whether a change may be one of the replicas themselves.
    pub fn is_about_replicas(&self, change: &Change) -> bool {
        match change {
            Change::Set(id, object) => {
                let Body::Slice(slice) = &object.body else { return false };
                id.namespace == self.options.namespace && *slice.service == *REPLICAS
            }
            Change::Gone(id) => id.kind == ObjectKind::Slice && id.namespace == self.options.namespace,
            Change::Listed(watched) => watched.kind == ObjectKind::Slice,
            Change::Malformed(..) | Change::Absent(_) | Change::Listing(_) => false,
        }
    }

    /// The replicas, as the slices of the Service by which they find each other say.
    pub fn replicas(&self) -> Vec<Member> {
        let mut members: BTreeMap<Arc<str>, Member> = BTreeMap::new();
        for slice in self.objects.slices(&self.options.namespace, &REPLICAS.into()) {
            // Replicas have one configuration: without a name, 0 stands for the port that this one listens on, too.
            let port = slice.ports.iter().find(|(name, _)| **name == *PEERS).map_or(0, |(_, port)| *port);
            for endpoint in &slice.endpoints {
                let Some(name) = &endpoint.pod else { continue };
                let address = (endpoint.address, port).into();
                // The Service publishes addresses that are not ready, and calls all of them ready.
                let ready = endpoint.serving && !endpoint.terminating;
                members.insert(Arc::clone(name), Member { name: Arc::clone(name), address, ready });
            }
        }
        members.into_values().collect()
    }
}

#[cfg(test)]
mod tests;
