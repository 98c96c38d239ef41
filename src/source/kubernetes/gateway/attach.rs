//! Which listeners of a Gateway a route may be on (Gateway API, `ParentReference`, `AllowedRoutes`).

use std::sync::Arc;

use super::listener::{self, Checked};
use super::wire::{ParentRef, RouteNamespaces, Selector};
use crate::model::{Attachment, HostPattern, Kind};
use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::{Id, ObjectKind, Strings};

/// A listener that a route may be on.
#[derive(Clone, Debug)]
pub struct Attachable {
    /// Name within its Gateway.
    pub name: Arc<str>,
    /// The Gateway.
    pub gateway: Id,
    /// Port of the Gateway.
    port: u16,
    /// Its host; none: all.
    host: Option<HostPattern>,
    /// Hosts of the other listeners of its port: what they fit better is theirs.
    others: Vec<HostPattern>,
    /// Whether the route's kind and namespace may attach.
    pub allowed: bool,
    /// Whether it is served.
    valid: bool,
}

/// The listeners of a Gateway of a class of ours for a route of `kind` in `namespace`; none if there is no such Gateway.
pub fn attachable(reader: &Reader<'_>, gateway: &Id, namespace: &Arc<str>, kind: Kind) -> Option<Vec<Attachable>> {
    let spec = listener::spec(reader, reader.object(gateway)?)?;
    let checked = listener::check(reader, gateway, &spec);
    let hosts_on = |port: u16, own: &Checked| {
        let others = checked.iter().filter(|other| other.wire.port == port && other.wire.name != own.wire.name);
        let others = others.filter(|other| other.valid);
        others.filter_map(|other| other.host.clone()).collect()
    };
    let attachable = |checked: &Checked| {
        let allowed = checked.wire.allowed_routes.as_ref();
        let from = allowed.and_then(|allowed| allowed.namespaces.as_ref());
        // A Split is ours; whoever may attach HTTPRoutes may attach it.
        let kind = if kind == Kind::Split { "HTTPRoute" } else { kind.as_str() };
        Attachable {
            name: checked.wire.name.as_str().into(),
            gateway: gateway.clone(),
            port: checked.wire.port,
            host: checked.host.clone(),
            others: hosts_on(checked.wire.port, checked),
            valid: checked.valid,
            allowed: checked.kinds.contains(&kind) && from_allowed(reader, from, &gateway.namespace, namespace),
        }
    };
    Some(checked.iter().map(attachable).collect())
}

impl Attachable {
    /// Whether a parent reference means this listener.
    pub fn is_meant_by(&self, parent: &ParentRef) -> bool {
        parent.section_name.as_deref().is_none_or(|name| name == &*self.name)
            && parent.port.is_none_or(|port| port == self.port)
    }

    /// The hosts that a route with `hosts` answers for here; none if they have nothing in common.
    pub fn hosts(&self, hosts: &[HostPattern]) -> Option<Vec<HostPattern>> {
        let Some(own) = &self.host else { return Some(hosts.to_vec()) };
        if hosts.is_empty() {
            return Some(vec![own.clone()]);
        }
        let common: Vec<HostPattern> = hosts.iter().filter_map(|host| intersection(own, host)).collect();
        (!common.is_empty()).then_some(common)
    }

    /// The attachment of a route with `hosts`; nothing is taken from listeners that fit a host better. None if no host is
    /// left, or the listener is not served: its port may be that of others.
    pub fn attachment(&self, hosts: &[HostPattern]) -> Option<Attachment> {
        let mut hosts = self.hosts(hosts).filter(|_| self.valid)?;
        let (own, every) = (self.host.as_ref(), hosts.is_empty());
        hosts.retain(|host| {
            !self.others.iter().any(|other| own != Some(other) && more_specific(other, own) && covers(other, host))
        });
        let listeners = Some([listener::model_name(&self.gateway, self.port)].into());
        (every || !hosts.is_empty()).then_some(Attachment { listeners, hosts })
    }
}

/// What two host patterns have in common.
fn intersection(a: &HostPattern, b: &HostPattern) -> Option<HostPattern> {
    if covers(a, b) {
        Some(b.clone())
    } else if covers(b, a) {
        Some(a.clone())
    } else {
        None
    }
}

/// Whether every host that `b` means is meant by `a`, too.
fn covers(a: &HostPattern, b: &HostPattern) -> bool {
    match (a, b) {
        (_, HostPattern::Exact(name)) => a.matches(name),
        (HostPattern::Wildcard(wide), HostPattern::Wildcard(narrow)) => {
            wide == narrow || narrow.strip_suffix(&**wide).is_some_and(|rest| rest.ends_with('.'))
        }
        (HostPattern::Exact(_), HostPattern::Wildcard(_)) => false,
    }
}

fn more_specific(a: &HostPattern, b: Option<&HostPattern>) -> bool {
    b.is_none_or(|b| covers(b, a))
}

fn from_allowed(reader: &Reader<'_>, from: Option<&RouteNamespaces>, gateway: &Arc<str>, route: &Arc<str>) -> bool {
    match from.and_then(|from| from.from.as_deref()).unwrap_or("Same") {
        "All" => true,
        "Same" => gateway == route,
        "Selector" => {
            let namespace = reader.object(&Id::new(ObjectKind::Namespace, "", Arc::clone(route)));
            let selector = from.and_then(|from| from.selector.as_ref());
            namespace.zip(selector).is_some_and(|(namespace, selector)| fits(selector, &namespace.labels))
        }
        _ => false,
    }
}

/// Whether labels fit a selector (`metav1.LabelSelector`).
fn fits(selector: &Selector, labels: &Strings) -> bool {
    let value = |key: &str| labels.get(key);
    selector.match_labels.iter().all(|(key, wanted)| value(key) == Some(wanted))
        && selector.match_expressions.iter().all(|requirement| {
            let found = value(&requirement.key);
            let among = found.is_some_and(|found| requirement.values.iter().any(|known| known == found));
            match &*requirement.operator {
                "In" => among,
                "NotIn" => !among,
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}
