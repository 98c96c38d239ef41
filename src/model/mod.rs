//! What an operator asked for: plain, validated nouns, the same for every source.
//!
//! A source (a file, a Kubernetes watch) parses its own wire format and builds a [`Model`]; values that
//! make no sense cannot be built. `snapshot::compile` turns a model into what the workers serve from.
//! Nothing here knows of sockets, runtimes or wire formats.

mod endpoints;
mod filter;
mod listener;
mod matching;
mod mirror;
mod retry;
mod route;
mod settings;
mod shared;
mod split;
mod weight;

pub use endpoints::{CheckKind, EndpointPolicy, HashKey, HealthCheck, OutlierOn, Outliers};
pub use filter::{Access, Cors, Filter, HeaderEdit, PathRewrite, Redirect, RedirectTo};
pub use listener::{Certificate, Listener, SocketKey, TlsServer};
pub use matching::{Also, HeaderMatch, HostPattern, Match, PathMatch, Pattern, QueryMatch, ValueMatch};
pub use mirror::{Fraction, FractionError, Mirror, MirrorTarget};
pub use retry::{Rescue, RescueOn, Retry, RetryOn, Timeouts};
pub use route::{Attachment, Kind, Route, RouteKey, Rule};
pub use settings::{AccessLog, AccessLogFormat, Dialect, Forwarding, Peers, Settings, Shutdown, TrustedProxies};
pub use shared::{Shared, shared_matches};
pub use split::{
    Balance, ClientId, CookieAttributes, Drain, Endpoint, GuardAction, GuardPolicy, Limits, OnEmpty, Order, Origin,
    Override, OverrideMatch, SameSite, Split, Sticky, StickyMode, StickyTo, TlsClient, Transport, UpstreamProtocol,
    Version,
};
pub use weight::{MAX_WEIGHT, Weight, WeightError};

use std::sync::Arc;

/// All that a configuration says about traffic; process settings are in [`Settings`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// Sockets to accept on.
    pub listeners: Vec<Arc<Listener>>,
    /// Routes, in the order of the configuration.
    pub routes: Vec<Arc<Route>>,
    /// Whose `X-Forwarded-*` are believed.
    pub trusted_proxies: TrustedProxies,
    /// What the proxy says about itself to upstreams and clients.
    pub forwarding: Forwarding,
    /// Endpoints that say themselves that they are on their way out; of no version.
    pub leaving: Vec<std::net::SocketAddr>,
    /// Pods of which whoever runs them has said when they end, by name.
    pub ending: Vec<(Arc<str>, jiff::Timestamp)>,
}
