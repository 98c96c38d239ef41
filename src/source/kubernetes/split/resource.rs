//! The `Split` resource as it is written; its CustomResourceDefinition is generated from these structs.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::file::units::{Name, Percent, Time};
use crate::source::file::wire::{
    self, Balance, Drain, Filter, Guard, Hash, Health, Limits, Match, Mirror, OnEmpty, Outliers, Override, Protocol,
    Rescue, Retry, StickyMode, StickyTo, Timeouts,
};

/// A routed name whose traffic is divided between versions, or behaviour for routes that something else writes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SplitSpec {
    /// What the weights come from. Without it, the Split is a route of its own whose versions have weights.
    pub target_ref: Option<TargetRef>,
    /// Gateways that it is on. Default: the listeners of the proxy's own configuration.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub gateways: Vec<GatewayRef>,
    /// Listeners of the proxy's own configuration that it is on, by name; not with gateways. Default: all.
    pub listeners: Option<Vec<String>>,
    /// Hosts it answers for; "*.example.com" is allowed. Default: all.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub hosts: Vec<String>,
    /// Path prefixes, short for matches; with neither, "/".
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub paths: Vec<String>,
    /// Requests that it takes, in addition to paths.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub matches: Vec<Match>,
    /// Changes to requests and responses, in order.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub filters: Vec<Filter>,
    /// Service of versions that name none. With targetRef to a Rollout: the Service that selects its pods. Default
    /// there: the Rollout's stableService.
    pub service: Option<String>,
    /// Port of the Service. Default: its first.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Label that tells pods of one Service apart. Default: the hash of their pod template.
    pub revision_label: Option<String>,
    /// The arms of the split; the first is what the others are compared with.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub versions: Vec<SplitVersion>,
    /// Send some requests to a version whatever the weights; the first that matches wins.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub overrides: Vec<Override>,
    /// Keeps a client on its version. Default: off.
    pub sticky: Option<SplitSticky>,
    /// What happens to requests for a version without a ready endpoint. Default: sibling.
    pub on_empty: Option<OnEmpty>,
    /// How long such requests wait for one with onEmpty: hold. Default: 30s.
    pub hold_timeout: Option<Time>,
    /// A weight change is spread over this long. Default: 0s.
    pub ramp: Option<Time>,
    /// How an endpoint of a version is chosen. Default: roundRobin.
    pub balance: Option<Balance>,
    /// What balance hash hashes. Default: the client's address.
    pub hash: Option<Hash>,
    /// How long an endpoint that is new among others takes to get its full share. Default: 0s.
    pub slow_start: Option<Time>,
    /// When more than this share of a version's endpoints is unhealthy or left out, all are used. Default: 50%.
    pub panic: Option<Percent>,
    /// When an endpoint is left out for a while because requests fail there. Default: when connections fail.
    pub outliers: Option<Outliers>,
    /// Asks endpoints whether they are well. Default: off.
    pub health: Option<Health>,
    /// Connections that each worker opens to each endpoint of a version before its weight leaves 0. Default: 0.
    #[schemars(range(min = 0, max = 512))]
    pub prewarm: Option<u16>,
    /// Time limits.
    pub timeouts: Option<Timeouts>,
    /// What is tried again on another endpoint of the same version.
    pub retry: Option<Retry>,
    /// Repeats requests that failed on a version on the first one. Default: off.
    pub rescue: Option<Rescue>,
    /// Automatic protection against a bad version. Default: off.
    pub guard: Option<Guard>,
    /// Limits of requests.
    pub limits: Option<Limits>,
    /// How long-lived connections are let go.
    pub drain: Option<Drain>,
    /// Sends copies of requests to a version. Default: off.
    pub mirror: Option<Mirror>,
    /// The same for several mirrors.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub mirrors: Vec<Mirror>,
}

/// An object that says the weights.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetRef {
    /// API group; empty for the core.
    #[serde(default)]
    pub group: String,
    /// Kind.
    pub kind: TargetKind,
    /// Name, in the namespace of the Split.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Name of a rule of the route. Default: all its rules.
    pub section_name: Option<String>,
}

/// A kind of object that says weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum TargetKind {
    Rollout,
    #[serde(rename = "HTTPRoute")]
    HttpRoute,
    #[serde(rename = "GRPCRoute")]
    GrpcRoute,
    Ingress,
    TrafficSplit,
    Service,
}

/// A Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayRef {
    /// Name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace. Default: that of the Split.
    pub namespace: Option<String>,
    /// Name of a listener. Default: all.
    pub section_name: Option<String>,
}

/// One arm of a split.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SplitVersion {
    /// Unique in its split.
    pub name: Name,
    /// Share: this weight divided by the sum of all. Default: 1 for the only version, else 0.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: Option<i64>,
    /// Service that selects its pods. Default: that of the split.
    pub service: Option<String>,
    /// Port of the Service. Default: that of the split.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Which of the Service's pods: the hash of their pod template, or the value of revisionLabel. Default: all.
    pub revision: Option<String>,
    /// HTTP version. Default: what the Service's appProtocol says, else HTTP/1.1.
    pub protocol: Option<Protocol>,
}

/// How a client keeps its version; its identity is exactly one of cookie, header and sourceAddress.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SplitSticky {
    /// Name of a cookie that the proxy sets.
    pub cookie: Option<String>,
    /// Name of a request header.
    pub header: Option<String>,
    /// The client's address.
    #[schemars(extend("enum" = [true]))]
    pub source_address: Option<bool>,
    /// Life of the cookie. Default: the browser's session.
    pub ttl: Option<Time>,
    /// share remembers who the client is, so that clients move when weights do; pin remembers its version.
    /// Default: share; pin for a cookie to the endpoint.
    pub mode: Option<StickyMode>,
    /// Keys that the cookie is signed with, so that no client can choose its version. Default: it is not signed.
    pub key_secret_ref: Option<SecretKey>,
    /// What is kept: the version, or also the endpoint for as long as it is there. Default: version.
    pub to: Option<StickyTo>,
}

/// A key of a Secret in the namespace of the Split.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKey {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in its data: signing keys of 16 bytes or more, one per line; the first signs, all verify.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl SplitSpec {
    /// The same in the form of the file, whose rules then apply: with these versions in place of its own.
    pub fn into_wire(self, name: &str, versions: Vec<wire::Version>) -> wire::Split {
        wire::Split {
            name: Name::from(name),
            listeners: self.listeners,
            hosts: self.hosts,
            paths: self.paths,
            matches: self.matches,
            filters: self.filters,
            versions,
            overrides: self.overrides,
            sticky: self.sticky.map(|sticky| wire::Sticky {
                cookie: sticky.cookie,
                header: sticky.header,
                source_address: sticky.source_address,
                ttl: sticky.ttl,
                mode: sticky.mode,
                key_file: None,
                to: sticky.to,
            }),
            on_empty: self.on_empty,
            hold_timeout: self.hold_timeout,
            ramp: self.ramp,
            balance: self.balance,
            hash: self.hash,
            slow_start: self.slow_start,
            panic: self.panic,
            outliers: self.outliers,
            health: self.health,
            prewarm: self.prewarm,
            timeouts: self.timeouts,
            retry: self.retry,
            rescue: self.rescue,
            guard: self.guard,
            limits: self.limits,
            drain: self.drain,
            mirror: self.mirror,
            mirrors: self.mirrors,
        }
    }
}

/// A version in the form of the file, without endpoints.
pub fn wire_version(name: &str, weight: i64, protocol: Option<Protocol>) -> wire::Version {
    wire::Version {
        name: Name::from(name),
        weight: Some(weight),
        endpoints: Vec::new(),
        revision: None,
        protocol,
        tls: None,
    }
}
