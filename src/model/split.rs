//! A split: one routed name whose traffic is divided between versions.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::{EndpointPolicy, Filter, Mirror, Pattern, Rescue, Retry, Timeouts, ValueMatch, Weight};

/// Versions of a service and how requests are divided between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The first is what the others are compared with (stable).
    pub versions: Vec<Version>,
    /// Beat weights, and stickiness unless `order` says otherwise; the first that matches wins.
    pub overrides: Vec<Override>,
    /// What is asked first.
    pub order: Order,
    /// Keeps a client on its version.
    pub sticky: Option<Box<Sticky>>,
    /// What happens to requests for a version without a ready endpoint.
    pub on_empty: OnEmpty,
    /// A weight change is spread over this long.
    pub ramp: Duration,
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// How endpoints are watched, spared and warmed.
    pub endpoints: Arc<EndpointPolicy>,
    /// Time limits.
    pub timeouts: Arc<Timeouts>,
    /// What is tried again.
    pub retry: Arc<Retry>,
    /// Repeats what failed on one version on the first.
    pub rescue: Option<Box<Rescue>>,
    /// Automatic protection against a bad version.
    pub guard: Option<Box<GuardPolicy>>,
    /// Size limits.
    pub limits: Arc<Limits>,
    /// Copies of requests.
    pub mirrors: Vec<Mirror>,
    /// How long-lived connections are let go; none: as [`Drain::default`] says. Boxed, since few splits have one.
    pub drain: Option<Box<Drain>>,
}

/// One arm of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Unique in its split.
    pub name: Arc<str>,
    /// What it currently runs; empty where nobody says.
    pub revision: Arc<str>,
    /// Desired share.
    pub weight: Weight,
    /// Where it runs.
    pub endpoints: Vec<Endpoint>,
    /// How its endpoints are spoken to.
    pub transport: Arc<Transport>,
    /// Applied after the rule's, to requests for this version only (Gateway API, `HTTPBackendRef.filters`).
    pub filters: Vec<Filter>,
    /// It points to what does not exist or may not be used: its share is kept, and answered with 500 (Gateway API,
    /// `HTTPRouteRule.backendRefs`).
    pub invalid: bool,
    /// The Service it came from; none outside a cluster.
    pub origin: Option<Arc<Origin>>,
}

/// The Service that a version came from, for metrics that name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub service: Arc<str>,
    /// Port of the Service.
    pub port: u16,
    /// The value of `app` in its selector, if there is one.
    pub app: Option<Arc<str>>,
    /// The Deployment, Rollout or the like that the version's pods belong to, if they are known.
    pub workload: Option<Arc<str>>,
}

/// Whether stickiness or overrides are asked first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Overrides, stickiness, weights.
    #[default]
    OverridesFirst,
    /// Stickiness, overrides, weights: the order of ingress-nginx.
    StickyFirst,
}

/// A place where a version runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address to connect to.
    pub address: SocketAddr,
    /// Host name it was given by, for TLS and for messages.
    pub host: Option<Arc<str>>,
    /// The pod that runs there; another pod at the same address is another endpoint.
    pub pod: Option<Arc<str>>,
}

/// How an endpoint is spoken to.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Transport {
    /// HTTP version.
    pub protocol: UpstreamProtocol,
    /// TLS when present.
    pub tls: Option<TlsClient>,
}

/// HTTP version towards an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// HTTP/2 if TLS negotiates it (ALPN), else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; in clear text with prior knowledge (RFC 9113 section 3.3).
    Http2,
}

/// TLS towards an endpoint.
#[derive(Clone, Debug)]
pub struct TlsClient {
    /// Everything rustls needs but ALPN; roots and client certificate are in it.
    pub config: Arc<rustls::ClientConfig>,
    /// Name to verify and send as SNI; absent: the endpoint's host name or address.
    pub server_name: Option<Arc<str>>,
    /// Tells two configurations apart, since rustls' own cannot be compared.
    pub fingerprint: Arc<str>,
}

impl PartialEq for TlsClient {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.server_name == other.server_name
    }
}

/// Sends requests that match to a version, whatever the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Condition.
    pub condition: OverrideMatch,
    /// Index of the version in the split.
    pub to: usize,
}

/// Condition of an override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverrideMatch {
    /// A header; any one of repeated values may match.
    Header(HeaderName, ValueMatch),
    /// A cookie.
    Cookie(Arc<str>, ValueMatch),
}

/// How a client keeps its version.
#[derive(Clone, Debug, PartialEq)]
pub struct Sticky {
    /// What tells clients apart.
    pub client: ClientId,
    /// What is remembered.
    pub mode: StickyMode,
    /// What the client keeps.
    pub to: StickyTo,
    /// Versions that remember nobody, by index: who comes to them is a newcomer again the next time.
    pub forgets: Vec<usize>,
}

/// What a client keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StickyTo {
    /// Its version.
    #[default]
    Version,
    /// Its version, and its endpoint for as long as there is one at that address. Mode pin remembers the endpoint, so that
    /// only its end moves a client; otherwise it follows from who the client is, by rendezvous hashing.
    Endpoint {
        /// A client whose endpoint failed stays at the one that took over; else it returns.
        move_on_failure: bool,
    },
}

/// Attributes of a cookie that the proxy sets (RFC 6265 section 4.1.2); `HttpOnly` always stands, and `Secure` on TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieAttributes {
    /// `Path`.
    pub path: Arc<str>,
    /// `Domain`.
    pub domain: Option<Arc<str>>,
    /// `SameSite`.
    pub same_site: Option<SameSite>,
    /// `Secure` in clear text, too.
    pub secure: bool,
    /// `Expires`, from when the cookie is set.
    pub expires: Option<Duration>,
}

impl Default for CookieAttributes {
    fn default() -> Self {
        Self { path: "/".into(), domain: None, same_site: Some(SameSite::Lax), secure: false, expires: None }
    }
}

/// Which requests from other sites carry a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// None.
    Strict,
    /// Navigation to the site.
    Lax,
    /// All.
    None,
}

/// What tells clients apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientId {
    /// A cookie that the proxy sets.
    Cookie {
        /// Cookie name.
        name: Arc<str>,
        /// `Max-Age`; absent: a session cookie.
        ttl: Option<Duration>,
        /// HMAC-SHA-256 keys; the first signs, all verify. Empty: unsigned.
        keys: Vec<Arc<[u8]>>,
        /// Other attributes.
        attributes: Arc<CookieAttributes>,
    },
    /// A request header.
    Header(HeaderName),
    /// The client's address.
    SourceAddress,
}

/// What stickiness remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StickyMode {
    /// Only who the client is; its version follows from the weights, so clients move when weights do.
    #[default]
    Share,
    /// The version's revision, honoured also at weight 0.
    Pin,
}

/// What happens to requests for a version without a ready endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnEmpty {
    /// The other versions take its share.
    #[default]
    Sibling,
    /// They wait this long for one, then 503 with `Retry-After`.
    Hold(Duration),
    /// 503 with `Retry-After`.
    Reject,
}

impl OnEmpty {
    /// How long requests wait if nothing is said.
    pub const HOLD: Duration = Duration::from_secs(30);
}

/// How an endpoint of a version is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// In turn, from a random start.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight.
    LeastRequest,
    /// Of two at random, the one with the lower product of latency and requests in flight: peak EWMA, which believes a rise
    /// of the latency at once and its fall over seconds.
    Ewma,
    /// The one that a hash of the request leads to, unless it has more than 1.25 times its share of the requests in flight.
    Hash,
}

/// When a version is taken back without anybody asking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardPolicy {
    /// Evidence is compared within this time.
    pub window: Duration,
    /// Requests that the version must have had before it can trip.
    pub min_requests: u32,
    /// Allowed excess of its failure rate over the first version's, 0 to 1.
    pub max_error_rate_increase: f64,
    /// Allowed ratio of its latency to the first version's; none: latency is not judged.
    pub max_latency_ratio: Option<f64>,
    /// What a trip does.
    pub action: GuardAction,
}

impl Default for GuardPolicy {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            min_requests: 100,
            max_error_rate_increase: 0.02,
            max_latency_ratio: None,
            action: GuardAction::Divert,
        }
    }
}

/// What a trip of the guard does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardAction {
    /// The effective weight goes to 0.
    #[default]
    Divert,
    /// It is reported, and nothing else.
    Report,
}

/// How the long-lived connections of an endpoint are let go that is not to have any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Those that are left after this long are cut.
    pub timeout: Duration,
    /// They are asked to end within this time, evenly.
    pub spread: Duration,
    /// How long an endpoint must not be wanted before it drains; none: 10 s in a cluster, where a change arrives in parts,
    /// and no time in a file.
    pub settle: Option<Duration>,
    /// What WebSockets are told (RFC 6455 section 7.4.1; 1012 is of its registry).
    pub close_code: u16,
}

impl Default for Drain {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self { timeout: s(60), spread: s(20), settle: None, close_code: 1001 }
    }
}

/// Limits of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body; none: unlimited.
    pub request_body: Option<u64>,
    /// Requests in flight at an endpoint; none: unlimited.
    pub per_endpoint: Option<NonZeroU32>,
    /// Requests that wait for a version whose endpoints are all at their limit; none: as many as these may have in flight.
    pub queue: Option<u32>,
    /// A version gets no larger share than its ready endpoints can carry within `per_endpoint`.
    pub gate: bool,
}

impl Split {
    /// How its long-lived connections are let go.
    pub fn drain(&self) -> Drain {
        self.drain.as_deref().copied().unwrap_or_default()
    }
}

impl OverrideMatch {
    /// An expression over a header or cookie value, which may match anywhere in it.
    pub fn pattern(text: &str) -> Result<ValueMatch, regex::Error> {
        Pattern::search(text).map(ValueMatch::Regex)
    }
}
