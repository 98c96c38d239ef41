//! A planned Ingress to routes.

use std::sync::{Arc, OnceLock};

use super::annotations::{Affinity, Canary, Finding, Protocol, Settings, Severity};
use super::hosts::twin;
use super::plan::{Arm, Location, Place, Plan};
use super::{BackendRef, Cluster, Resolved, Translation, canary, filters};
use crate::model::{
    Attachment, ClientId, EndpointPolicy, Filter, HeaderEdit, HostPattern, Kind, Limits, Match, OnEmpty, Order,
    PathMatch, Pattern, Route, RouteKey, Rule, Shared as _, Split, Sticky, TlsClient, Transport, UpstreamProtocol,
    Version, shared_matches,
};
use crate::source::file::unverified_tls;

/// What becomes of an annotation of a canary that only a main Ingress's counts for.
pub(super) const ON_CANARY: &str =
    "without effect on a canary, as in ingress-nginx: the main Ingress's annotations count";
/// What becomes of `load-balance` on a canary.
pub(super) const BALANCE_ON_CANARY: &str = "without effect on a canary: endpoints are chosen as the main Ingress says";

impl Plan {
    /// The routes of an Ingress, by its index in [`Plan::ingresses`]; nothing for an index that is none.
    pub fn translate(&self, ingress: usize, cluster: &dyn Cluster) -> Translation {
        let Some(view) = self.views.get(ingress) else { return Translation::default() };
        let mut findings = self.told(ingress);
        if !self.is_main(ingress) {
            return Translation { findings, ..Translation::default() };
        }
        let added = filters::custom_headers(view, &self.settings[ingress], cluster, &mut findings);
        let mut maker = Maker { plan: self, ingress, cluster, added, findings };
        let routes = maker.routes();
        Translation { routes, tls: self.tls(ingress), findings: maker.findings }
    }

    /// What there is to say about an Ingress whatever the cluster has.
    fn told(&self, ingress: usize) -> Vec<Finding> {
        let mut findings = self.findings[ingress].clone();
        if !self.is_main(ingress) {
            let of_mains = &self.of_mains[ingress];
            findings.retain(|finding| !of_mains.contains(&finding.annotation));
            let idle = |name: &String| Finding::new(name.as_str(), Severity::Info, ON_CANARY);
            findings.extend(of_mains.iter().filter(|name| *name != "load-balance").map(idle));
            findings.extend(self.other_balance(ingress));
        }
        if self.settings[ingress].canary.is_some() {
            for location in &self.locations {
                findings.extend(crowded(self, location, ingress));
            }
        }
        findings
    }

    /// ingress-nginx lets a canary have a `load-balance` of its own.
    fn other_balance(&self, ingress: usize) -> Option<Finding> {
        self.of_mains[ingress].iter().find(|name| *name == "load-balance")?;
        let mut mains =
            self.locations.iter().filter(|location| location.canaries.iter().any(|arm| arm.ingress == ingress));
        let balance = |ingress: usize| self.settings[ingress].traffic.balance;
        let severity = if mains.all(|location| balance(location.main.ingress) == balance(ingress)) {
            Severity::Info
        } else {
            Severity::Warning
        };
        Some(Finding::new("load-balance", severity, BALANCE_ON_CANARY))
    }

    fn canary_of(&self, arm: &Arm) -> Option<&Canary> {
        self.settings[arm.ingress].canary.as_ref()
    }

    fn canaries<'p>(&'p self, location: &'p Location) -> Vec<(&'p Arm, &'p Canary)> {
        location.canaries.iter().filter_map(|arm| Some((arm, self.canary_of(arm)?))).collect()
    }
}

/// What a canary cannot have because older ones of the same place have it.
fn crowded(plan: &Plan, location: &Location, ingress: usize) -> Vec<Finding> {
    let arms = plan.canaries(location);
    let canaries: Vec<&Canary> = arms.iter().map(|(_, canary)| *canary).collect();
    let place = location.place.to_string();
    let is_mine = |position: &usize| arms.get(*position).is_some_and(|(arm, _)| arm.ingress == ingress);
    let (_, cut) = canary::weights(&canaries);
    let (_, hidden) = canary::overrides(&canaries);
    let cut = cut.iter().any(is_mine).then(|| canary::cut_finding(&place));
    let hidden = hidden.iter().any(is_mine).then(|| canary::hidden_finding(&place));
    cut.into_iter().chain(hidden).collect()
}

/// Makes the routes of one Ingress.
struct Maker<'a> {
    plan: &'a Plan,
    ingress: usize,
    cluster: &'a dyn Cluster,
    /// Headers that are added to answers.
    added: Vec<HeaderEdit>,
    findings: Vec<Finding>,
}

impl Maker<'_> {
    fn settings(&self) -> &Settings {
        &self.plan.settings[self.ingress]
    }

    fn routes(&mut self) -> Vec<Route> {
        let plan = self.plan;
        let mut routes: Vec<(Option<HostPattern>, Vec<Rule>)> = Vec::new();
        for location in plan.own[self.ingress].iter().map(|at| &plan.locations[*at]) {
            let rules = self.rules(location);
            match routes.iter_mut().find(|(host, _)| *host == location.place.host) {
                Some((_, known)) => known.extend(rules),
                None => routes.push((location.place.host.clone(), rules)),
            }
        }
        let others = self.www(&routes);
        let own = routes.into_iter().map(|(host, rules)| (self.hosts(host), rules));
        let all = own.chain(others).filter(|(_, rules)| !rules.is_empty()).enumerate();
        all.map(|(part, (hosts, rules))| self.route(part, hosts, rules)).collect()
    }

    fn route(&self, part: usize, hosts: Vec<HostPattern>, rules: Vec<Rule>) -> Route {
        let view = &self.plan.views[self.ingress];
        let (namespace, name) = (Arc::clone(&view.namespace), Arc::clone(&view.name));
        let key = RouteKey { namespace, kind: Kind::Ingress, name };
        Route { key, part, attachments: vec![Attachment { listeners: None, hosts }], rules }
    }

    /// A host with its other names; empty: all.
    fn hosts(&self, host: Option<HostPattern>) -> Vec<HostPattern> {
        let Some(host) = host else { return Vec::new() };
        let aliases = self.plan.aliases.get(&host).cloned().unwrap_or_default();
        std::iter::once(host).chain(aliases).collect()
    }

    /// `from-to-www-redirect`: the twin of each host, unless it is a host itself.
    fn www(&mut self, routes: &[(Option<HostPattern>, Vec<Rule>)]) -> Vec<(Vec<HostPattern>, Vec<Rule>)> {
        let asked = self.settings().redirects.www;
        let mut twins = Vec::new();
        for (host, rules) in routes.iter().filter(|_| asked) {
            let (Some(HostPattern::Exact(name)), Some(rule)) = (host, rules.first()) else { continue };
            let other = HostPattern::Exact(twin(name).into());
            if !self.plan.is_taken(&other) {
                let matches = shared_matches(vec![Match::everything()]);
                let redirect = Rule { matches, filters: vec![filters::to_host(name)], split: Arc::clone(&rule.split) };
                twins.push((vec![other], vec![redirect]));
            } else if !self.plan.hosts_of(self.ingress).contains(&other) {
                let message = format!("{other} is served for another Ingress, so it is not redirected to {name}");
                self.findings.push(Finding::new("from-to-www-redirect", Severity::Warning, message));
            }
        }
        twins
    }

    /// The rules of a location: itself, and before it what `app-root` answers.
    fn rules(&mut self, location: &Location) -> Vec<Rule> {
        let place = &location.place;
        let plan = self.plan;
        if place.default && plan.locations.iter().any(|other| is_root_of_all(&other.place)) {
            let message = "the path / of all hosts is a rule of its own, which takes what the default backend would";
            self.findings.push(Finding::new("spec.defaultBackend", Severity::Warning, message));
            return Vec::new();
        }
        let Some((path, pattern)) = self.path(place) else { return Vec::new() };
        let split = Arc::new(self.split(location));
        let https = filters::to_https(self.settings(), plan.is_secure(place.host.as_ref()));
        let mut filters: Vec<Filter> = https.clone().into_iter().collect();
        filters.extend(filters::filters(self.settings(), pattern.as_ref(), &self.added));
        let root = self.app_root(place).map(|redirect| Rule {
            matches: shared_matches(vec![Match::path(PathMatch::Exact("/".into()))]),
            filters: https.into_iter().chain([redirect]).collect(),
            split: Arc::clone(&split),
        });
        root.into_iter().chain([Rule { matches: shared_matches(vec![Match::path(path)]), filters, split }]).collect()
    }

    fn app_root(&self, place: &Place) -> Option<Filter> {
        let root = self.settings().redirects.app_root.as_ref().filter(|_| !place.default)?;
        let exact = Place { exact: true, ..place.clone() };
        let other = !place.exact && self.plan.locations.iter().any(|location| location.place == exact);
        (*place.path == *"/" && !other).then(|| filters::app_root(root))
    }

    /// How the path is compared, and the expression that a rewrite takes groups from.
    fn path(&mut self, place: &Place) -> Option<(PathMatch, Option<Pattern>)> {
        if place.default || !self.plan.regex.contains(&place.host) {
            let path = Arc::clone(&place.path);
            return Some((if place.exact { PathMatch::Exact(path) } else { PathMatch::Prefix(path) }, None));
        }
        // One Ingress that needs expressions makes all paths of its host such (ingress-nginx, `shouldUseRegex`).
        match Pattern::search(&format!("(?i)^{}", place.path)) {
            Ok(pattern) => Some((PathMatch::Regex(pattern.clone()), Some(pattern))),
            Err(error) => {
                let why = super::annotations::last_line(&error);
                let message = format!("{place} is not served: its path is no regular expression: {why}");
                self.findings.push(Finding::new("use-regex", Severity::Error, message));
                None
            }
        }
    }

    fn split(&mut self, location: &Location) -> Split {
        let plan = self.plan;
        let arms = plan.canaries(location);
        let canaries: Vec<&Canary> = arms.iter().map(|(_, canary)| *canary).collect();
        let (weights, _) = canary::weights(&canaries);
        let (overrides, _) = canary::overrides(&canaries);
        let mut versions: Vec<Version> = Vec::new();
        for (arm, weight) in std::iter::once(&location.main).chain(arms.iter().map(|(arm, _)| *arm)).zip(weights) {
            let version = Version { weight: canary::weight(weight), ..self.version(arm, &versions) };
            versions.push(version);
        }
        let legacy =
            |(position, (arm, _)): (usize, &(&Arm, &Canary))| plan.settings[arm.ingress].legacy.then_some(position + 1);
        let forgets = arms.iter().enumerate().filter_map(legacy).collect();
        let regex = plan.regex.contains(&location.place.host);
        let sticky = self.settings().affinity.clone().map(|affinity| self.sticky(affinity, &location.place, regex));
        let traffic = &self.settings().traffic;
        Split {
            versions,
            overrides,
            order: Order::StickyFirst,
            sticky: sticky.map(|sticky| Box::new(Sticky { forgets, ..sticky })),
            on_empty: OnEmpty::Sibling,
            ramp: std::time::Duration::ZERO,
            balance: traffic.balance,
            endpoints: EndpointPolicy::default().shared(),
            timeouts: traffic.timeouts.shared(),
            retry: traffic.retry.clone().shared(),
            rescue: None,
            guard: None,
            limits: Limits { request_body: traffic.body_size, ..Limits::default() }.shared(),
            mirrors: Vec::new(),
            drain: None,
        }
    }

    /// The cookie is for the path of its location, unless a path is given.
    fn sticky(&mut self, affinity: Affinity, place: &Place, regex: bool) -> Sticky {
        let mut sticky = affinity.sticky;
        let path = match affinity.path {
            Some(path) => path,
            None if regex => {
                let message = format!("{place} is an expression, so the cookie is for /: name a path");
                self.findings.push(Finding::new("session-cookie-path", Severity::Warning, message));
                "/".into()
            }
            None => Arc::clone(&place.path),
        };
        if let ClientId::Cookie { attributes, .. } = &mut sticky.client {
            Arc::make_mut(attributes).path = path;
        }
        sticky
    }

    fn version(&mut self, arm: &Arm, others: &[Version]) -> Version {
        let (name, resolved) = match &arm.backend {
            Ok(backend) => (self.version_name(backend, others), self.cluster.resolve(backend)),
            Err(error) => ("none".into(), Err(error.clone())),
        };
        let resolved = resolved.unwrap_or_else(|error| {
            let message = format!("{error}; its requests go to the other versions, or get 503 where there is none");
            self.findings.push(Finding::new("spec.rules", Severity::Error, message));
            Resolved::default()
        });
        let transport = self.transport(resolved.app_protocol.as_deref());
        Version {
            name,
            revision: resolved.revision,
            weight: canary::weight(0),
            endpoints: resolved.endpoints,
            invalid: transport.is_none(),
            transport: transport.unwrap_or_default(),
            filters: Vec::new(),
            origin: resolved.origin,
        }
    }

    /// The Service's name; with its namespace if that is another than the Ingress's, with its port if it stands twice.
    fn version_name(&self, backend: &BackendRef, others: &[Version]) -> Arc<str> {
        let here = backend.namespace == self.plan.views[self.ingress].namespace;
        let name =
            if here { backend.service.to_string() } else { format!("{}/{}", backend.namespace, backend.service) };
        let taken = others.iter().any(|version| *version.name == *name);
        if taken { format!("{name}:{}", backend.port).into() } else { name.into() }
    }

    /// `backend-protocol`, else what the Service says; none if it cannot be set up.
    fn transport(&mut self, app_protocol: Option<&str>) -> Option<Arc<Transport>> {
        let said = match app_protocol.map(str::to_ascii_lowercase).as_deref() {
            Some("https" | "wss" | "kubernetes.io/wss") => Protocol::Https,
            Some("grpc" | "h2c" | "kubernetes.io/h2c") => Protocol::Grpc,
            Some("grpcs") => Protocol::Grpcs,
            _ => Protocol::Http,
        };
        let (protocol, secure) = match self.settings().traffic.protocol.unwrap_or(said) {
            Protocol::Http => (UpstreamProtocol::Http1, false),
            Protocol::Https => (UpstreamProtocol::Auto, true),
            Protocol::Grpc => (UpstreamProtocol::Http2, false),
            Protocol::Grpcs => (UpstreamProtocol::Http2, true),
        };
        match secure.then(unverified).transpose() {
            Ok(tls) => Some(Arc::new(Transport { protocol, tls })),
            Err(error) => {
                let message = format!("TLS to the backend cannot be set up: {error}");
                self.findings.push(Finding::new("backend-protocol", Severity::Error, message));
                None
            }
        }
    }
}

/// TLS as ingress-nginx speaks it to backends. Made once: a configuration keeps sessions.
fn unverified() -> Result<TlsClient, String> {
    static CLIENT: OnceLock<Result<TlsClient, String>> = OnceLock::new();
    CLIENT.get_or_init(|| unverified_tls().map_err(|error| error.to_string())).clone()
}

fn is_root_of_all(place: &Place) -> bool {
    place.host.is_none() && !place.default && !place.exact && *place.path == *"/"
}
