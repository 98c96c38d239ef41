//! What connections a worker has, counted by what they have in common.

use std::collections::HashMap;

use tokio::time::Instant;

use super::order::Named;
use super::registry::Registry;
use crate::endpoint::{SiteId, VersionId};
use crate::model::SocketKey;

/// What connections have in common that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Alike {
    /// Where their clients came in.
    pub listener: SocketKey,
    /// `http1` or `http2` where they idle between requests, else the protocol of a long-lived connection.
    pub protocol: &'static str,
    /// Where they, or the last requests on them, went.
    pub way: Way,
}

/// Where a connection, or the last request on it, went.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// To an endpoint of a version.
    Long(Named, SiteId),
    /// The last request to one of a version.
    Last(VersionId, SiteId),
    /// No request on it has gone anywhere.
    Nowhere,
}

/// Some connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub count: usize,
    /// When the oldest was opened.
    pub oldest: Instant,
}

/// All connections that live long, and those that idle.
#[derive(Clone, Debug, Default)]
pub struct Census(pub HashMap<Alike, Group>);

impl Census {
    /// Counts one more.
    fn add(&mut self, alike: Alike, since: Instant) {
        self.merge(alike, Group { count: 1, oldest: since });
    }

    fn merge(&mut self, alike: Alike, more: Group) {
        let group = self.0.entry(alike).or_insert(Group { count: 0, oldest: more.oldest });
        group.count += more.count;
        group.oldest = group.oldest.min(more.oldest);
    }

    /// Adds what another worker has.
    pub fn join(&mut self, other: Self) {
        other.0.into_iter().for_each(|(alike, group)| self.merge(alike, group));
    }
}

impl Registry {
    /// Counts what there is.
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        self.each(|resident, since| {
            let named = (resident.route.clone(), resident.version.clone());
            let (listener, protocol) = (resident.listener.clone(), resident.protocol.as_str());
            census.add(Alike { listener, protocol, way: Way::Long(named, resident.site) }, since);
        });
        self.visitors.each_idle(|visitor| {
            let way = visitor.last().map_or(Way::Nowhere, |(version, site)| Way::Last(version, site));
            let (listener, protocol) = (visitor.listener.clone(), visitor.spoken.as_str());
            census.add(Alike { listener, protocol, way }, visitor.since);
        });
        census
    }
}
