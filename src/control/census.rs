//! The connections of clients that live long, and those that idle: `/api/v1/connections`.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::events::lock;
use super::{Control, State, Status};
use crate::drain::{Alike, Census, Group, Way};
use crate::endpoint::{SiteId, VersionId};
use crate::model::{RouteKey, SocketKey};
use crate::snapshot::VersionKey;

/// Connections that have everything in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// The listener that they came on: its name, or its address where it is not served any more.
    pub listener: String,
    /// `http1` or `http2` for those that idle between requests; `websocket`, `upgrade`, `sse` or `grpc`.
    pub protocol: String,
    /// Namespace of the route that they, or the last requests on them, went to; empty where none did, or in a file.
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub route: String,
    /// The version.
    pub version: String,
    /// The endpoint.
    pub endpoint: String,
    /// How many there are.
    pub connections: usize,
    /// For how long the oldest of them has been open, seconds.
    pub oldest_seconds: f64,
}

/// The connections of a listener that idle between requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Idle {
    /// The listener: its name, or its address where it is not served any more.
    pub listener: String,
    /// `http1` or `http2`.
    pub protocol: String,
    /// How many there are.
    pub connections: usize,
    /// For how long the oldest of them has been open, seconds.
    pub oldest_seconds: f64,
}

impl Control {
    /// What connections there are that live long or idle, by what they have in common.
    pub async fn connections(&self) -> Vec<Connections> {
        let census = self.census().await;
        let now = Instant::now();
        let state = lock(&self.state);
        let names = Names::of(&state);
        let mut all: Vec<Connections> =
            census.0.into_iter().map(|(alike, group)| names.connections(alike, group, now)).collect();
        let key = |c: &Connections| {
            [&c.listener, &c.protocol, &c.namespace, &c.kind, &c.route, &c.version, &c.endpoint].map(String::clone)
        };
        all.sort_by_cached_key(key);
        all
    }

    /// What is going on, with the connections that idle.
    pub async fn status_with_idle(&self) -> Status {
        let mut status = self.status();
        let idles = |connections: &Connections| matches!(&*connections.protocol, "http1" | "http2");
        let mut idle: BTreeMap<(String, String), (usize, f64)> = BTreeMap::new();
        for each in self.connections().await.into_iter().filter(idles) {
            let (count, oldest) = idle.entry((each.listener, each.protocol)).or_default();
            *count += each.connections;
            *oldest = oldest.max(each.oldest_seconds);
        }
        let entry = |((listener, protocol), (connections, oldest_seconds))| Idle {
            listener,
            protocol,
            connections,
            oldest_seconds,
        };
        status.idle = idle.into_iter().map(entry).collect();
        status
    }

    async fn census(&self) -> Census {
        let asked = lock(&self.state).fleet.count();
        let mut census = Census::default();
        for counted in asked {
            // A worker that is gone has no connections.
            if let Ok(counted) = counted.await {
                census.join(counted);
            }
        }
        census
    }
}

/// What workers know by numbers, in words.
struct Names<'s> {
    state: &'s State,
    versions: HashMap<VersionId, VersionKey>,
    sites: HashMap<SiteId, SocketAddr>,
}

impl<'s> Names<'s> {
    fn of(state: &'s State) -> Self {
        let versions = state.interner.known_versions().into_iter().collect();
        let sites = state.interner.endpoints().map(|endpoint| (endpoint.site, endpoint.address)).collect();
        Self { state, versions, sites }
    }

    fn listener(&self, key: &SocketKey) -> String {
        let known = self.state.model.listeners.iter().find(|listener| listener.is(key));
        known.map_or_else(|| key.to_string(), |listener| listener.name.to_string())
    }

    fn connections(&self, alike: Alike, group: Group, now: Instant) -> Connections {
        let key = |id| self.versions.get(id).map(|key| (key.route.clone(), key.version.clone()));
        // A version that has gone for good has no name any more.
        let (named, site) = match alike.way {
            Way::Long(named, site) => (Some(named), Some(site)),
            Way::Last(version, site) => (key(&version), Some(site)),
            Way::Nowhere => (None, None),
        };
        let endpoint = site.and_then(|site| self.sites.get(&site)).map(ToString::to_string);
        let route = named.as_ref().map(|(route, _)| route);
        let of = |what: fn(&RouteKey) -> &str| route.map_or_else(String::new, |route| what(route).to_owned());
        Connections {
            listener: self.listener(&alike.listener),
            protocol: alike.protocol.to_owned(),
            namespace: of(|route| &route.namespace),
            kind: of(|route| route.kind.as_str()),
            route: of(|route| &route.name),
            version: named.as_ref().map_or_else(String::new, |(_, version)| version.to_string()),
            endpoint: endpoint.unwrap_or_default(),
            connections: group.count,
            oldest_seconds: now.saturating_duration_since(group.oldest).as_secs_f64(),
        }
    }
}
