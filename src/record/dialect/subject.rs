//! Who a version is in the words of a cluster.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::export::Served;
use super::super::tally::Tally;
use crate::endpoint::VersionId;
use crate::model::{RouteKey, Version};
use crate::snapshot::Snapshot;

/// A version as dialects name it: by the Service that it came from, or, where there is none, by its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The route's namespace; empty in a file.
    pub route_namespace: Arc<str>,
    /// The route's name.
    pub route: Arc<str>,
    /// The version's name.
    pub version: Arc<str>,
    /// Namespace of the Service, else the route's.
    pub namespace: Arc<str>,
    /// Name of the Service, else the version's.
    pub service: Arc<str>,
    /// Name of the Service of the split's first version, else that version's.
    pub primary: Arc<str>,
    /// `app` of the Service's selector, else the route's name.
    pub app: Arc<str>,
    /// The Deployment or the like, else `app` of the selector, else the Service, else `ROUTE-VERSION`.
    pub workload: Arc<str>,
    /// What ingress-nginx calls a canary: `NAMESPACE-SERVICE-PORT`, the version's name without a Service, and nothing for the
    /// first version.
    pub canary: Arc<str>,
}

impl Identity {
    fn of(route: &RouteKey, version: &Version, first: &Version) -> Self {
        let service = |version: &Version| {
            let origin = version.origin.as_ref();
            origin.map_or_else(|| Arc::clone(&version.name), |origin| Arc::clone(&origin.service))
        };
        let origin = version.origin.as_deref();
        let app = origin.and_then(|origin| origin.app.clone());
        let own = || match origin {
            Some(origin) => Arc::clone(&origin.service),
            None => format!("{}-{}", route.name, version.name).into(),
        };
        let workload = origin.and_then(|origin| origin.workload.clone()).or_else(|| app.clone());
        let canary = match origin {
            _ if version.name == first.name => "".into(),
            Some(origin) => format!("{}-{}-{}", origin.namespace, origin.service, origin.port).into(),
            None => Arc::clone(&version.name),
        };
        Self {
            route_namespace: Arc::clone(&route.namespace),
            route: Arc::clone(&route.name),
            version: Arc::clone(&version.name),
            namespace: origin.map_or_else(|| Arc::clone(&route.namespace), |origin| Arc::clone(&origin.namespace)),
            service: service(version),
            primary: service(first),
            app: app.unwrap_or_else(|| Arc::clone(&route.name)),
            workload: workload.unwrap_or_else(own),
            canary,
        }
    }
}

/// A version with what it has counted, of all time or of a while.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// What it ran.
    pub revision: Arc<str>,
    /// Whether it is what is configured now, and not an earlier revision.
    pub configured: bool,
    /// What its requests came to.
    pub tally: Tally,
}

/// The versions that are configured, and their earlier revisions as far as they are known, so that a counter whose labels do
/// not name the revision goes on growing. A version of several rules is named after the first of them.
pub fn subjects(served: &Served, mut tally: impl FnMut(VersionId) -> Tally) -> Vec<Subject> {
    let identities = identities(&served.snapshot);
    let versions = served.snapshot.rules.iter().flat_map(|rule| rule.body.versions.iter());
    let configured: HashSet<VersionId> = versions.map(|version| version.id).collect();
    let subject = |(id, key): &(VersionId, crate::snapshot::VersionKey)| {
        let identity = identities.get(&(&key.route, &*key.version))?;
        Some(Subject {
            identity: Arc::clone(identity),
            revision: Arc::clone(&key.revision),
            configured: configured.contains(id),
            tally: tally(*id),
        })
    };
    served.versions.iter().filter_map(subject).collect()
}

fn identities(snapshot: &Snapshot) -> HashMap<(&RouteKey, &str), Arc<Identity>> {
    let mut identities = HashMap::new();
    for body in snapshot.rules.iter().map(|rule| &rule.body) {
        let Some(first) = body.split.versions.first() else { continue };
        for version in &body.split.versions {
            let identity = || Arc::new(Identity::of(&body.route, version, first));
            identities.entry((&body.route, &*version.name)).or_insert_with(identity);
        }
    }
    identities
}
