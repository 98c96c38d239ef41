//! Settings of the process, and of forwarding.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What belongs to the process rather than to traffic; read once at start.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Dashboard, API and changes by hand; none: off.
    pub admin: Option<SocketAddr>,
    /// Bearer token that allows changes from other than loopback addresses.
    pub admin_token: Option<String>,
    /// Probes and metrics: nothing that changes traffic; none: off.
    pub ops: Option<SocketAddr>,
    /// How replicas of this proxy hear one another; none: they do not.
    pub peers: Option<Peers>,
    /// Worker threads; 0: one per core.
    pub workers: usize,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// Socket file by which a new process takes over from this one, and this one from another; none: it cannot.
    pub upgrade: Option<PathBuf>,
    /// Where a line is written for each request; none: nowhere.
    pub access_log: Option<AccessLog>,
    /// Where guard trips are kept over restarts.
    pub state: Option<PathBuf>,
    /// Families of other proxies that `/metrics` has beside its own, each once.
    pub dialects: Vec<Dialect>,
    /// Requests that may wait for endpoints at a time.
    pub most_held: usize,
}

/// A line for each request.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    /// How lines look.
    pub format: AccessLogFormat,
    /// The share of requests that get one, above 0 and up to 1.
    pub sample: f64,
    /// The file that they are appended to; none: standard output.
    pub path: Option<PathBuf>,
}

/// How lines of the access log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// An object each.
    Json,
    /// The Common Log Format, with more behind it.
    Text,
}

/// How replicas of this proxy hear one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// Where this one listens for the others.
    pub address: SocketAddr,
    /// File with the token that it shows.
    pub token: PathBuf,
}

/// Whose names the metrics of a dialect have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// The metrics of ingress-nginx.
    Nginx,
    /// `http_requests_total` and `http_request_duration_seconds`, as services count themselves.
    Http,
    /// The standard metrics of Istio.
    Istio,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 9901))),
            admin_token: None,
            ops: None,
            peers: None,
            workers: 0,
            shutdown: Shutdown::default(),
            upgrade: None,
            access_log: None,
            state: None,
            dialects: Vec::new(),
            most_held: 10_000,
        }
    }
}

/// The phases of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Requests are still served for this long after the signal, while readiness already fails.
    pub delay: Duration,
    /// What is in flight after `delay` may take this long before it is cut.
    pub timeout: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { delay: Duration::from_secs(5), timeout: Duration::from_secs(60) }
    }
}

/// Networks whose `Forwarded` and `X-Forwarded-*` are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(pub Vec<(IpAddr, u8)>);

impl TrustedProxies {
    /// Whether `address` belongs to a trusted network.
    pub fn contains(&self, address: IpAddr) -> bool {
        is_within(&self.0, address)
    }
}

/// Whether `address` belongs to one of these networks, each an address and the number of bits that count.
pub(super) fn is_within(networks: &[(IpAddr, u8)], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|(network, bits)| match (network, address) {
        (IpAddr::V4(n), IpAddr::V4(a)) => {
            same_bits(u128::from(n.to_bits()) << 96, u128::from(a.to_bits()) << 96, *bits)
        }
        (IpAddr::V6(n), IpAddr::V6(a)) => same_bits(n.to_bits(), a.to_bits(), *bits),
        _ => false,
    })
}

fn same_bits(a: u128, b: u128, bits: u8) -> bool {
    bits == 0 || (a ^ b) >> (128 - u32::from(bits.min(128))) == 0
}

/// What the proxy says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarding {
    /// Adds `Via` (RFC 9110 section 7.6.3).
    pub via: bool,
    /// Adds `x-weir-reason` to answers that the proxy makes itself.
    pub reason_header: bool,
    /// Adds `x-weir-version` and `x-weir-why` to responses, too.
    pub decision_headers: bool,
    /// Paths are brought into their normal form before rules look at them, and go on as they came; what could be read so that it
    /// leads elsewhere is refused. Otherwise they are compared and passed on as received.
    pub normal_paths: bool,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self { via: false, reason_header: true, decision_headers: false, normal_paths: true }
    }
}
