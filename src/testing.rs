//! Builders for unit tests: requests, models and snapshots in a line each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::test_runner::{Config as ProptestConfig, RngSeed};

use crate::head::RequestHead;
use crate::model::{
    Attachment, Balance, ClientId, Endpoint, EndpointPolicy, HostPattern, Kind, Limits, Listener, Match, Model,
    OnEmpty, Order, Override, OverrideMatch, PathMatch, Pattern, Retry, Route, RouteKey, Rule, Shared as _, Split,
    Sticky, StickyMode, StickyTo, Timeouts, Transport, ValueMatch, Version, Weight,
};
use crate::snapshot::{Interner, Snapshot, WeightSource, Weights, compile};

/// A request that owns what a [`RequestHead`] borrows.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub host: String,
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub client: IpAddr,
    pub secure: bool,
}

impl Asked {
    /// A GET of `host/path?query` from 192.0.2.1; the path may be left out.
    pub fn get(target: &str) -> Self {
        let (rest, query) = match target.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (target, None),
        };
        let slash = rest.find('/').unwrap_or(rest.len());
        let path = if slash == rest.len() { "/" } else { &rest[slash..] };
        Self {
            method: Method::GET,
            host: rest[..slash].to_owned(),
            path: path.to_owned(),
            query,
            headers: HeaderMap::new(),
            client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            secure: false,
        }
    }

    /// With another method.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// With one more header line.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a header name");
        self.headers.append(name, HeaderValue::try_from(value).expect("a header value"));
        self
    }

    /// From this address.
    pub fn from(mut self, client: impl Into<IpAddr>) -> Self {
        self.client = client.into();
        self
    }

    /// Over TLS.
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// As decisions see it, on the first listener.
    pub fn head(&self) -> RequestHead<'_> {
        RequestHead {
            listener: 0,
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            fields: &self.headers,
            client: self.client,
            secure: self.secure,
        }
    }
}

/// A host pattern.
pub fn host(text: &str) -> HostPattern {
    HostPattern::parse(text).expect("a host")
}

/// A path prefix.
pub fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.into())
}

/// A whole path.
pub fn exact(path: &str) -> PathMatch {
    PathMatch::Exact(path.into())
}

/// An expression over a whole path.
pub fn regex(text: &str) -> PathMatch {
    PathMatch::Regex(Pattern::whole(text).expect("an expression"))
}

/// A value that must be this.
pub fn is(text: &str) -> ValueMatch {
    ValueMatch::Exact(text.into())
}

/// A split of these versions and weights. Version `i` runs at 10.0.`i`.1:80 and 10.0.`i`.2:80, without a revision.
pub fn split(versions: &[(&str, i64)]) -> Split {
    let transport = Arc::new(Transport::default());
    let version = |(index, (name, weight)): (usize, &(&str, i64))| Version {
        name: (*name).into(),
        revision: "".into(),
        weight: Weight::try_from(*weight).expect("a weight"),
        endpoints: (1..=2).map(|n| endpoint([10, 0, index as u8, n])).collect(),
        transport: Arc::clone(&transport),
        filters: Vec::new(),
        invalid: false,
        origin: None,
    };
    Split {
        versions: versions.iter().enumerate().map(version).collect(),
        overrides: Vec::new(),
        order: Order::OverridesFirst,
        sticky: None,
        on_empty: OnEmpty::Sibling,
        ramp: std::time::Duration::ZERO,
        balance: Balance::RoundRobin,
        endpoints: EndpointPolicy::default().shared(),
        timeouts: Timeouts::default().shared(),
        retry: Retry::default().shared(),
        rescue: None,
        guard: None,
        limits: Limits::default().shared(),
        mirrors: Vec::new(),
        drain: None,
    }
}

/// An endpoint at port 80 of an address.
pub fn endpoint(address: [u8; 4]) -> Endpoint {
    Endpoint { address: SocketAddr::from((address, 80)), host: None, pod: None }
}

impl Split {
    /// With revisions, in the order of the versions.
    pub fn revisions(mut self, revisions: &[&str]) -> Self {
        for (version, revision) in self.versions.iter_mut().zip(revisions) {
            version.revision = (*revision).into();
        }
        self
    }

    /// With an override by header.
    pub fn by_header(mut self, name: &str, value: ValueMatch, to: usize) -> Self {
        let name = HeaderName::try_from(name).expect("a header name");
        self.overrides.push(Override { condition: OverrideMatch::Header(name, value), to });
        self
    }

    /// With an override by cookie.
    pub fn by_cookie(mut self, name: &str, value: ValueMatch, to: usize) -> Self {
        self.overrides.push(Override { condition: OverrideMatch::Cookie(name.into(), value), to });
        self
    }

    /// With stickiness by the unsigned cookie `weir`.
    pub fn by_sticky_cookie(self, mode: StickyMode) -> Self {
        self.sticky_by(cookie(&[]), mode)
    }

    /// With stickiness.
    pub fn sticky_by(mut self, client: ClientId, mode: StickyMode) -> Self {
        self.sticky = Some(Box::new(Sticky { client, mode, to: StickyTo::Version, forgets: Vec::new() }));
        self
    }

    /// Without endpoints for a version.
    pub fn empty(mut self, version: usize) -> Self {
        self.versions[version].endpoints.clear();
        self
    }
}

/// The cookie `weir` for an hour, signed by the first of `keys` if there are any.
pub fn cookie(keys: &[&str]) -> ClientId {
    ClientId::Cookie {
        name: "weir".into(),
        ttl: Some(std::time::Duration::from_secs(3600)),
        keys: keys.iter().map(|key| Arc::from(key.as_bytes())).collect(),
        attributes: Arc::default(),
    }
}

/// The key of a route of the file.
pub fn key(name: &str) -> RouteKey {
    RouteKey { namespace: "".into(), kind: Kind::Split, name: name.into() }
}

/// A route for hosts, with one rule that takes every path.
pub fn route(name: &str, hosts: &[&str], split: Split) -> Route {
    let rule = Rule { matches: [Match::everything()].into(), filters: Vec::new(), split: Arc::new(split) };
    let attachment = Attachment { listeners: None, hosts: hosts.iter().map(|h| host(h)).collect() };
    Route { key: key(name), part: 0, attachments: vec![attachment], rules: vec![rule] }
}

/// A listener in clear text.
pub fn listener(name: &str) -> Listener {
    Listener {
        name: name.into(),
        address: SocketAddr::from(([0, 0, 0, 0], 8080)),
        tls: None,
        proxy_protocol: false,
        advertised_port: None,
        reserved: false,
        isolated: Vec::new(),
    }
}

/// Routes on one listener, `http`.
pub fn model(routes: impl IntoIterator<Item = Route>) -> Model {
    Model {
        listeners: vec![Arc::new(listener("http"))],
        routes: routes.into_iter().map(Arc::new).collect(),
        ..Model::default()
    }
}

/// The first snapshot of a model.
pub fn compiled(model: &Model) -> Snapshot {
    compile(model, &Snapshot::default(), &mut Interner::default()).expect("a model that compiles")
}

/// A snapshot in which one route, `shop`, takes everything.
pub fn serving(split: Split) -> Snapshot {
    compiled(&model([route("shop", &[], split)]))
}

/// Property tests that try the same cases every time.
pub fn fixed(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() }
}

/// What a tripped guard does to a rule: this version's share is diverted to the first.
pub fn divert(snapshot: &mut Snapshot, rule: usize, version: usize) {
    let before = &snapshot.rules[rule].weights;
    let mut weights = Weights::new(before.epoch, before.desired.clone(), WeightSource::Configured);
    weights.diverted[version] = true;
    snapshot.rules[rule].weights = Arc::new(weights);
}
