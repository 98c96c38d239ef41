//! A cluster as a source: objects are watched, kept in an [`Index`], and translated into a model.
//!
//! The way of a change: `watch` tells it, [`Index::apply`] takes it, [`Index::model`] translates what it reaches, `control`
//! brings the model into force. Everything from the index on is synchronous and knows no server.

mod cluster;
mod connection;
mod endpoints;
mod gateway;
mod index;
pub mod ingress;
mod kept;
mod object;
mod report;
mod review;
mod smi;
mod split;
mod translate;
mod watch;
mod write;

use std::sync::Arc;

pub use cluster::Cluster;
pub use connection::{ConnectError, Connection};
pub use index::{Change, Index, Translation};
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
    /// Names of the process's own listeners.
    pub listeners: Vec<Arc<str>>,
}
