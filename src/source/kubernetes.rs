//! A cluster as a source: objects are watched, kept in an [`Index`], and translated into a model.
//!
//! The way of a change: `watch` tells it, [`Index::apply`] takes it, [`Index::model`] translates what it reaches, `control`
//! brings the model into force. Everything from the index on is synchronous and knows no server.

mod cluster;
pub mod command;
mod connection;
mod definition;
mod endpoints;
mod gateway;
mod index;
pub mod ingress;
mod kept;
mod named;
mod object;
mod refused;
mod report;
mod review;
mod smi;
mod split;
mod translate;
mod trouble;
mod watch;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;

pub use cluster::Cluster;
pub use connection::{ConnectError, Connection};
pub use index::{Change, Difference, Index, Translation};
pub use kept::Kept;
pub use object::{Id, ObjectKind};
pub use report::{Condition, ListenerReport, Note, Parent, Report};
pub use review::TokenReviews;
pub use split::crd;
pub use watch::Scope;

/// What the process was told about the cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespace of the proxy itself, where Services of Gateways are.
    pub namespace: Arc<str>,
    /// Name of this replica: that of its pod.
    pub identity: String,
    /// Name of the Service by which clients reach the process's own listeners.
    pub service: Arc<str>,
    /// Names of Ingress classes that are ours whatever their IngressClass says, or without one.
    pub classes: Vec<String>,
    /// Prefix of the annotations that Ingresses are written with.
    pub annotation_prefix: String,
    /// Where Ingresses with certificates are served, unless the process has a TLS listener of its own.
    pub https: Option<SocketAddr>,
    /// Names of the process's own listeners.
    pub listeners: Vec<Arc<str>>,
}

#[cfg(test)]
mod tests;
