//! A route: hosts, and rules that lead to splits.

use std::fmt;
use std::sync::Arc;

use super::{Filter, HostPattern, Listener, Match, Split};

/// What kind of object a route was written as; a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A split of the file, or a `Split` resource.
    Split,
    /// `HTTPRoute` of the Gateway API.
    HttpRoute,
    /// `GRPCRoute` of the Gateway API.
    GrpcRoute,
    /// `Ingress`.
    Ingress,
    /// `TrafficSplit` of the Service Mesh Interface.
    TrafficSplit,
}

impl Kind {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Split => "Split",
            Self::HttpRoute => "HTTPRoute",
            Self::GrpcRoute => "GRPCRoute",
            Self::Ingress => "Ingress",
            Self::TrafficSplit => "TrafficSplit",
        }
    }
}

/// Which route: unique in a model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// Kubernetes namespace; empty in a file.
    pub namespace: Arc<str>,
    /// Kind of the object.
    pub kind: Kind,
    /// Name of the object.
    pub name: Arc<str>,
}

impl RouteKey {
    /// Whether `name` is how it is displayed.
    pub fn is_called(&self, name: &str) -> bool {
        match name.strip_suffix(&*self.name) {
            Some("") => self.namespace.is_empty(),
            Some(before) => !self.namespace.is_empty() && before.strip_suffix('/') == Some(&*self.namespace),
            None => false,
        }
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// A named set of rules for some hosts.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Identity.
    pub key: RouteKey,
    /// Tells apart the routes that one object makes: an `Ingress` may lead each of its hosts elsewhere.
    pub part: usize,
    /// Where it is reached; nowhere if empty.
    pub attachments: Vec<Attachment>,
    /// Rules; precedence between them comes from their matches, then from their order.
    pub rules: Vec<Rule>,
}

/// Hosts for which a route is on listeners.
#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    /// Listeners, by name; none: all that are not [`reserved`](super::Listener::reserved).
    pub listeners: Option<Arc<[Arc<str>]>>,
    /// Hosts it answers for; empty: all.
    pub hosts: Vec<HostPattern>,
}

impl Attachment {
    /// Whether `listener` is meant.
    pub fn is_on(&self, listener: &Listener) -> bool {
        match &self.listeners {
            Some(names) => names.contains(&listener.name),
            None => !listener.reserved,
        }
    }
}

impl Route {
    /// Every host it answers for, on any listener.
    pub fn hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.attachments.iter().flat_map(|attachment| &attachment.hosts)
    }
}

/// Matches that lead to one split.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Any of these takes a request.
    pub matches: Arc<[Match]>,
    /// Applied in order.
    pub filters: Vec<Filter>,
    /// Where requests go.
    pub split: Arc<Split>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_called_as_it_is_displayed_and_not_otherwise() {
        let key = |namespace: &str, name: &str| RouteKey {
            namespace: namespace.into(),
            kind: Kind::Split,
            name: name.into(),
        };
        let keys =
            [key("", "shop"), key("shop", "shop"), key("a", "shop"), key("", "a/shop"), key("", "op"), key("sh", "op")];
        for (key, name) in keys.iter().flat_map(|key| keys.iter().map(move |other| (key, other.to_string()))) {
            assert_eq!(key.is_called(&name), key.to_string() == name, "{key:?} {name}");
        }
        assert!(!key("a", "shop").is_called("/shop") && !key("a", "shop").is_called("ashop"));
    }
}
