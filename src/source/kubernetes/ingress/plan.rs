//! Which Ingress takes which host and path, and which canaries belong to it.
//!
//! Canaries belong to a host, path and path type, not to a Service as in ingress-nginx, where a canary of one host also
//! splits other hosts that use the same Service, and settings leak between Ingresses that share one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend};

use super::annotations::{self, Finding, Settings, Severity};
use super::{BackendRef, IngressView, TlsHosts};
use crate::model::HostPattern;

/// What makes two paths the same: a canary is merged with the main Ingress that has its key.
///
/// `Prefix` and `ImplementationSpecific` are the same (ingress-nginx, `SetDefaultNGINXPathType`), and so are prefixes
/// that differ by a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub host: Option<HostPattern>,
    /// `spec.defaultBackend`: what no rule takes.
    pub default: bool,
    pub path: Arc<str>,
    pub exact: bool,
}

impl Place {
    fn catch_all() -> Self {
        Self { host: None, default: true, path: "/".into(), exact: false }
    }

    fn of(host: Option<&HostPattern>, path: &HTTPIngressPath) -> Self {
        let exact = path.path_type == "Exact";
        let text = path.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
        let trimmed = text.trim_end_matches('/');
        let text = if exact || trimmed.is_empty() { text } else { trimmed };
        let text = if trimmed.is_empty() && !exact { "/" } else { text };
        Self { host: host.cloned(), default: false, path: text.into(), exact }
    }
}

/// A backend that an Ingress has for a place.
#[derive(Clone, Debug)]
pub(super) struct Arm {
    /// Index of the Ingress.
    pub ingress: usize,
    pub backend: Result<BackendRef, String>,
}

/// A place with all that is divided there.
#[derive(Clone, Debug)]
pub(super) struct Location {
    pub place: Place,
    /// Where requests go that nothing sends to a canary; its Ingress's settings count.
    pub main: Arm,
    /// Oldest first.
    pub canaries: Vec<Arm>,
}

/// What all Ingresses together ask for.
#[derive(Debug)]
pub struct Plan {
    pub(super) views: Vec<Arc<IngressView>>,
    pub(super) settings: Vec<Settings>,
    pub(super) findings: Vec<Vec<Finding>>,
    /// Annotations of each that ask for something that a canary's do not count for.
    pub(super) of_mains: Vec<Vec<String>>,
    pub(super) locations: Vec<Location>,
    /// Locations whose main backend is of an Ingress, in the order of its rules.
    pub(super) own: Vec<Vec<usize>>,
    /// Hosts that any Ingress makes.
    pub(super) hosts: BTreeSet<HostPattern>,
    /// Other names of hosts.
    pub(super) aliases: BTreeMap<HostPattern, Vec<HostPattern>>,
    /// Hosts that have a certificate.
    pub(super) secure: BTreeSet<HostPattern>,
    /// Hosts all of whose paths are expressions; none: requests to any host.
    pub(super) regex: BTreeSet<Option<HostPattern>>,
}

impl Plan {
    /// Plans for these Ingresses, all of which are the proxy's to serve. `prefix` is that of annotations.
    pub fn new(views: &[Arc<IngressView>], prefix: &str) -> Self {
        let (settings, findings) = views.iter().map(|view| annotations::parse(&view.annotations, prefix)).unzip();
        let mut plan = Self {
            views: views.to_vec(),
            settings,
            findings,
            of_mains: views.iter().map(|view| of_mains(view, prefix)).collect(),
            locations: Vec::new(),
            own: vec![Vec::new(); views.len()],
            hosts: BTreeSet::new(),
            aliases: BTreeMap::new(),
            secure: BTreeSet::new(),
            regex: BTreeSet::new(),
        };
        plan.locate();
        plan.name();
        plan
    }

    /// Ingresses, in the order they were given.
    pub fn ingresses(&self) -> &[Arc<IngressView>] {
        &self.views
    }

    /// The backends whose endpoints the routes of an Ingress are made from: it must be translated again when one changes.
    pub fn backends(&self, ingress: usize) -> impl Iterator<Item = &BackendRef> {
        let locations = self.own.get(ingress).into_iter().flatten().filter_map(|at| self.locations.get(*at));
        let arms = locations.flat_map(|location| std::iter::once(&location.main).chain(&location.canaries));
        arms.filter_map(|arm| arm.backend.as_ref().ok())
    }

    /// Whether an Ingress is a canary that has no main Ingress anywhere, or is no canary.
    pub(super) fn is_main(&self, ingress: usize) -> bool {
        self.settings[ingress].canary.is_none() || !self.own[ingress].is_empty()
    }

    /// From the oldest: of two that want the same, the older gets it.
    fn by_age(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.views.len()).collect();
        order.sort_by_key(|i| {
            let view = &self.views[*i];
            (view.created, Arc::clone(&view.namespace), Arc::clone(&view.name))
        });
        order
    }

    fn locate(&mut self) {
        let mut mains: BTreeMap<Place, Arm> = BTreeMap::new();
        let mut canaries: BTreeMap<Place, Vec<Arm>> = BTreeMap::new();
        let mut order: Vec<Vec<Place>> = vec![Vec::new(); self.views.len()];
        for ingress in self.by_age() {
            for (place, backend) in self.places(ingress) {
                let arm = Arm { ingress, backend };
                order[ingress].push(place.clone());
                if self.settings[ingress].canary.is_some() {
                    canaries.entry(place).or_default().push(arm);
                } else if let Some(first) = mains.get(&place) {
                    let first = first.ingress;
                    self.taken(ingress, first, &place);
                } else {
                    mains.insert(place, arm);
                }
            }
        }
        spread(&mains, &mut canaries);
        self.adopt(&mut mains, &mut canaries);
        for (ingress, places) in order.into_iter().enumerate() {
            for place in places {
                if mains.get(&place).is_none_or(|main| main.ingress != ingress) {
                    continue;
                }
                if let Some(main) = mains.remove_entry(&place) {
                    self.add(main, canaries.remove(&place).unwrap_or_default());
                }
            }
        }
    }

    fn add(&mut self, (place, main): (Place, Arm), canaries: Vec<Arm>) {
        // Argo Rollouts copies whole rules: a path whose backend is the main's is not split.
        let differs = |canary: &Arm| match (&canary.backend, &main.backend) {
            (Ok(canary), Ok(main)) => !canary.is_same(main),
            _ => true,
        };
        let canaries = canaries.into_iter().filter(differs).collect();
        self.own[main.ingress].push(self.locations.len());
        self.locations.push(Location { place, main, canaries });
    }

    /// The places of an Ingress with their backends; each once, the first counts.
    fn places(&mut self, ingress: usize) -> Vec<(Place, Result<BackendRef, String>)> {
        let view = Arc::clone(&self.views[ingress]);
        let cluster_ip = self.settings[ingress].traffic.service_upstream;
        let backend = |backend: &IngressBackend| BackendRef::of(backend, &view.namespace, cluster_ip);
        let mut places: Vec<(Place, _)> = Vec::new();
        for (position, rule) in view.spec.rules.iter().flatten().enumerate() {
            let host = match rule.host.as_deref().filter(|host| !host.is_empty()).map(HostPattern::parse) {
                None => None,
                Some(Ok(host)) => Some(host),
                Some(Err(error)) => {
                    let at = format!("spec.rules[{position}].host");
                    self.findings[ingress].push(Finding::new(at, Severity::Error, error.to_string()));
                    continue;
                }
            };
            let paths = rule.http.iter().flat_map(|http| &http.paths);
            places.extend(paths.map(|path| (Place::of(host.as_ref(), path), backend(&path.backend))));
        }
        let default = view.spec.default_backend.as_ref().map(|default| (Place::catch_all(), backend(default)));
        places.extend(default);
        let mut seen = BTreeSet::new();
        places.retain(|(place, _)| seen.insert(place.clone()));
        places
    }

    fn taken(&mut self, ingress: usize, first: usize, place: &Place) {
        let message = format!("{place} is served for {}, which is older: remove one of them", self.views[first]);
        self.findings[ingress].push(Finding::new("spec.rules", Severity::Warning, message));
    }

    /// A canary without a main Ingress serves: what went to both would otherwise go nowhere.
    fn adopt(&mut self, mains: &mut BTreeMap<Place, Arm>, canaries: &mut BTreeMap<Place, Vec<Arm>>) {
        for (place, arms) in canaries.iter_mut() {
            if mains.contains_key(place) {
                continue;
            }
            let arm = arms.remove(0);
            let message =
                format!("no main Ingress has {place} with the same path type: this canary takes all of its requests");
            self.findings[arm.ingress].push(Finding::new("canary", Severity::Warning, message));
            mains.insert(place.clone(), arm);
        }
    }

    /// Hosts, their aliases and certificates, and where paths are expressions.
    fn name(&mut self) {
        let hosts = self.locations.iter().filter_map(|location| location.place.host.clone()).collect();
        self.hosts = hosts;
        let mut taken = self.hosts.clone();
        for ingress in self.by_age().into_iter().filter(|i| self.is_main(*i)).collect::<Vec<_>>() {
            let hosts = self.hosts_of(ingress);
            for alias in self.settings[ingress].aliases.clone() {
                let Some(host) = hosts.first() else { continue };
                if taken.insert(alias.clone()) {
                    self.aliases.entry(host.clone()).or_default().push(alias);
                } else {
                    let message = format!("{alias} is taken already, as a host or by an older Ingress: remove it here");
                    self.findings[ingress].push(Finding::new("server-alias", Severity::Warning, message));
                }
            }
            let tls = self.tls(ingress);
            self.secure.extend(tls.into_iter().flat_map(|tls| tls.hosts));
        }
        let by_regex = |location: &&Location| {
            let rewrite = &self.settings[location.main.ingress].rewrite;
            let rewrites = rewrite.target.as_ref().is_some_and(|target| *target != location.place.path);
            (rewrite.use_regex || rewrites) && !location.place.default
        };
        self.regex = self.locations.iter().filter(by_regex).map(|location| location.place.host.clone()).collect();
    }

    /// Whether requests for a host are somebody's already.
    pub(super) fn is_taken(&self, host: &HostPattern) -> bool {
        self.hosts.contains(host) || self.aliases.values().flatten().any(|alias| alias == host)
    }

    /// Hosts of an Ingress's own locations, in the order of its rules.
    pub(super) fn hosts_of(&self, ingress: usize) -> Vec<HostPattern> {
        let mut hosts = Vec::new();
        for host in self.own[ingress].iter().filter_map(|at| self.locations[*at].place.host.as_ref()) {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        hosts
    }

    /// Certificates of an Ingress.
    pub(super) fn tls(&self, ingress: usize) -> Vec<TlsHosts> {
        let hosts = |names: &Option<Vec<String>>| match names.as_deref().unwrap_or_default() {
            [] => self.hosts_of(ingress),
            names => names.iter().filter_map(|name| HostPattern::parse(name).ok()).collect(),
        };
        let secret = |name: &Option<String>| name.as_deref().filter(|name| !name.is_empty()).map(Arc::from);
        let tls = self.views[ingress].spec.tls.iter().flatten();
        tls.map(|tls| TlsHosts { hosts: hosts(&tls.hosts), secret: secret(&tls.secret_name) }).collect()
    }

    /// Whether clients can reach a host by TLS with a certificate for it.
    pub(super) fn is_secure(&self, host: Option<&HostPattern>) -> bool {
        let covers = |known: &HostPattern| match host {
            Some(HostPattern::Exact(name)) => known.matches(name),
            Some(wildcard) => known == wildcard,
            None => false,
        };
        self.secure.iter().any(covers)
    }
}

fn of_mains(view: &IngressView, prefix: &str) -> Vec<String> {
    let known = |name: &&str| annotations::find(name).is_some() && !annotations::counts_on_canary(name);
    annotations::asking(&view.annotations, prefix).filter(known).map(str::to_owned).collect()
}

/// A canary's default backend is merged with every path that any host has (ingress-nginx, `mergeAlternativeBackends`).
fn spread(mains: &BTreeMap<Place, Arm>, canaries: &mut BTreeMap<Place, Vec<Arm>>) {
    let Some(defaults) = canaries.get(&Place::catch_all()).cloned() else { return };
    for place in mains.keys().filter(|place| place.host.is_none() && !place.default) {
        let arms = canaries.entry(place.clone()).or_default();
        let new = |arm: &&Arm| !arms.iter().any(|known| known.ingress == arm.ingress);
        let new: Vec<Arm> = defaults.iter().filter(new).cloned().collect();
        arms.extend(new);
    }
    // With a main to be merged with, it is no default backend of its own.
    if !mains.contains_key(&Place::catch_all()) && mains.keys().any(|place| place.host.is_none()) {
        canaries.remove(&Place::catch_all());
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            _ if self.default => f.write_str("the default backend"),
            Some(host) => write!(f, "{host}{}", self.path),
            None => write!(f, "{} of all hosts", self.path),
        }
    }
}
