//! What the workers serve from: an immutable [`Snapshot`], compiled from a model.
//!
//! Everything that a request needs is resolved here once: expressions, ids for metrics, endpoints, TLS configurations.
//! `control` publishes snapshots, workers load the current one per request.

mod changed;
mod compile;
mod interner;
mod listeners;
mod mirror;
mod salt;
mod table;
mod tls;
mod weights;

pub use changed::{Changed, changed};
pub use compile::{CompileError, compile};
pub use interner::{Interner, MAX_VERSIONS, VersionKey};
pub use mirror::MirrorEntry;
pub use salt::Salt;
pub use table::{Candidate, MatchSummary, PathRank, PathTable, Paths, RouteTable};
pub use weights::{PerVersion, WeightSource, Weights};

use std::net::IpAddr;
use std::sync::Arc;

use http::{Method, header};

use crate::endpoint::{self, Endpoint, Line, SplitId, VersionId};
use crate::head::{Fields, RequestHead};
use crate::model::{Access, Filter, Forwarding, Listener, Route, RouteKey, Split, TrustedProxies};

/// Everything that is served at one generation.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// Grows with every change that was applied.
    pub generation: u64,
    /// Listeners, in the order of the model.
    pub listeners: Arc<[ListenerEntry]>,
    /// Routes, in the order of the model.
    pub routes: Arc<[Arc<Route>]>,
    /// Rules of all routes, one after the other, addressed by [`Candidate::rule`]; a weight change replaces one entry.
    pub rules: Vec<Rule>,
    /// Where the rules of each route begin.
    pub first_rules: Arc<[u32]>,
    /// Whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// What the proxy says about itself.
    pub forwarding: Forwarding,
}

/// A listener with its routes.
#[derive(Clone)]
pub struct ListenerEntry {
    /// As configured.
    pub listener: Arc<Listener>,
    /// Routes on it.
    pub table: Arc<RouteTable>,
    /// How it terminates TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// A rule: what it does, and the weights that change without it.
#[derive(Clone)]
pub struct Rule {
    /// All but the weights.
    pub body: Arc<RuleBody>,
    /// Weights as they are now.
    pub weights: Arc<Weights>,
}

/// All of a rule but its weights.
pub struct RuleBody {
    /// The route it belongs to.
    pub route: RouteKey,
    /// The split's identity, for what workers keep per split.
    pub split_id: SplitId,
    /// Applied in order.
    pub filters: Vec<Filter>,
    /// As configured.
    pub split: Arc<Split>,
    /// Versions, in the order of the split.
    pub versions: Box<[VersionEntry]>,
    /// The revisions of all versions but the first, for stickiness.
    pub salt: Salt,
    /// Where copies of its requests go, in the order of the split's mirrors.
    pub mirrors: Box<[MirrorEntry]>,
}

/// A version, resolved.
pub struct VersionEntry {
    /// Identity for metrics.
    pub id: VersionId,
    /// Name.
    pub name: Arc<str>,
    /// What it runs.
    pub revision: Arc<str>,
    /// Where it runs.
    pub endpoints: Box<[Arc<Endpoint>]>,
    /// Points to what does not exist or may not be used.
    pub invalid: bool,
    /// Where requests wait while all its endpoints are at their limit; none: they have no limit.
    pub line: Option<Arc<Line>>,
}

impl VersionEntry {
    /// Endpoints that are neither unhealthy nor left out.
    pub fn ready(&self) -> usize {
        self.endpoints.iter().filter(|endpoint| endpoint.health.is_usable()).count()
    }

    /// Whether it is what `onEmpty` is for: it has no endpoint, or checks find every one unhealthy.
    pub fn is_empty(&self) -> bool {
        endpoint::are_out(&self.endpoints)
    }

    /// What a pinned client remembers: the revision, or the name where nobody tells revisions apart.
    pub fn pin(&self) -> &str {
        if self.revision.is_empty() { &self.name } else { &self.revision }
    }
}

impl Rule {
    /// Who set its weights, as shown: `hand`, `file`, or the kind of the object.
    pub fn weights_from(&self) -> &'static str {
        match self.weights.source {
            WeightSource::Hand => "hand",
            WeightSource::Configured if self.body.route.namespace.is_empty() => "file",
            WeightSource::Configured => self.body.route.kind.as_str(),
        }
    }
}

impl RuleBody {
    /// What keeps this client out, if anything does.
    pub fn closed_to(&self, client: IpAddr) -> Option<&Access> {
        self.filters.iter().find_map(|filter| match filter {
            Filter::Access(access) if !access.allows(client) => Some(access),
            _ => None,
        })
    }

    /// Whether a filter answers this request, so that it goes to no version.
    pub fn answers(&self, head: &RequestHead<'_>) -> bool {
        self.filters.iter().any(|filter| match filter {
            Filter::Redirect(_) | Filter::RedirectTo(_) => true,
            Filter::RequireHttps(_) => !head.secure,
            Filter::Cors(_) => is_preflight(head.method, head.fields),
            _ => false,
        })
    }
}

/// Whether a browser asks for permission (Fetch standard, CORS-preflight request).
pub fn is_preflight(method: &Method, fields: &dyn Fields) -> bool {
    let has = |name| fields.nth(name, 0).is_some();
    *method == Method::OPTIONS && has(&header::ORIGIN) && has(&header::ACCESS_CONTROL_REQUEST_METHOD)
}

impl Snapshot {
    /// Every rule of a route.
    pub fn rules_of<'s>(&'s self, route: &'s RouteKey) -> impl Iterator<Item = (usize, &'s Rule)> {
        self.rules.iter().enumerate().filter(move |(_, rule)| rule.body.route == *route)
    }
}

#[cfg(test)]
mod tests;
