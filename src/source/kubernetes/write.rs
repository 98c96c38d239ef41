//! What is written back: Services of Gateways, statuses, Events.

use kube::Client;

use super::Options;
use super::index::Index;
use super::object::Id;
use super::report::Report;

/// Writes in the background.
pub struct Writer {
    _client: Client,
}

impl Writer {
    /// A writer that has written nothing.
    pub fn start(client: Client, _options: &Options) -> Self {
        Self { _client: client }
    }

    /// What is said about an object from now on; none: it has gone.
    pub fn report(&mut self, _index: &Index, _id: Id, _report: Option<Report>) {}
}
