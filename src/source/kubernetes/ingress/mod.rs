//! `Ingress` (networking.k8s.io/v1) with the annotations of ingress-nginx, to routes.
//!
//! A [`Plan`] says which Ingress takes which host and path, and which canaries belong to it, for all Ingresses together;
//! it changes only with them. [`Plan::translate`] makes the routes of one Ingress from it, and changes with endpoints, too.
//! Everything here is pure. What differs from ingress-nginx on purpose is listed in docs/migration.md.

pub mod annotations;
pub mod audit;
mod canary;
pub mod class;
mod filters;
mod hosts;
mod notes;
mod plan;
mod translate;
mod unit;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{IngressBackend, IngressSpec};

use crate::model::{Endpoint, HostPattern, Origin, Route};

pub use annotations::{Finding, PREFIX, Severity};
pub use hosts::Hosts;
pub use plan::Plan;
pub use unit::translate;

/// What is looked at of an Ingress.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressView {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// `metadata.creationTimestamp` in seconds since 1970: of two that want the same, the older gets it.
    pub created: i64,
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// `spec`.
    pub spec: IngressSpec,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
}

impl fmt::Display for IngressView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// By number.
    Number(u16),
    /// By name.
    Name(Arc<str>),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// A Service that an Ingress names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendRef {
    /// Namespace: that of the Ingress.
    pub namespace: Arc<str>,
    /// Name of the Service.
    pub service: Arc<str>,
    /// Port of the Service.
    pub port: Port,
    /// The Service's own address is wanted, not its endpoints (`service-upstream`).
    pub cluster_ip: bool,
}

impl BackendRef {
    /// The Service that an Ingress in `namespace` names.
    fn of(backend: &IngressBackend, namespace: &Arc<str>, cluster_ip: bool) -> Result<Self, String> {
        let Some(service) = &backend.service else {
            return Err("the backend is no Service: only Services can be sent requests to".to_owned());
        };
        let port = service.port.as_ref();
        let number = port.and_then(|port| port.number).map(|number| u16::try_from(number).map(Port::Number));
        let port = match (number, port.and_then(|port| port.name.as_deref())) {
            (Some(Ok(port)), _) => port,
            (None, Some(name)) => Port::Name(name.into()),
            _ => return Err(format!("Service {} is named without a valid port: write port.number", service.name)),
        };
        Ok(Self { namespace: Arc::clone(namespace), service: service.name.as_str().into(), port, cluster_ip })
    }

    /// Whether both are the same port of the same Service.
    fn is_same(&self, other: &Self) -> bool {
        (&self.namespace, &self.service, &self.port) == (&other.namespace, &other.service, &other.port)
    }
}

impl fmt::Display for BackendRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.service, self.port)
    }
}

/// What the cluster knows about a backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    /// Where it runs.
    pub endpoints: Vec<Endpoint>,
    /// What it runs; empty where nobody says.
    pub revision: Arc<str>,
    /// `appProtocol` of the port.
    pub app_protocol: Option<Arc<str>>,
    /// For metrics.
    pub origin: Option<Arc<Origin>>,
}

/// What translation asks the cluster.
pub trait Cluster {
    /// The endpoints of a backend, or why there can be none.
    ///
    /// # Errors
    ///
    /// Says what is missing, for the operator.
    fn resolve(&self, backend: &BackendRef) -> Result<Resolved, String>;

    /// The data of a ConfigMap (`custom-headers`), or why it cannot be had.
    ///
    /// # Errors
    ///
    /// Says what is missing, for the operator.
    fn config_map(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, String>, String>;
}

/// Hosts for which an Ingress names a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsHosts {
    /// The hosts; those of the Ingress's rules where its `tls` names none.
    pub hosts: Vec<HostPattern>,
    /// The Secret in the Ingress's namespace; none: the proxy's default certificate.
    pub secret: Option<Arc<str>>,
}

/// What an Ingress makes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translation {
    /// One for each of its hosts; none for a canary that has a main Ingress.
    pub routes: Vec<Route>,
    /// Certificates.
    pub tls: Vec<TlsHosts>,
    /// What there is to say about it.
    pub findings: Vec<Finding>,
}

#[cfg(test)]
mod tests;
