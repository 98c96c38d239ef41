//! What the proxy has counted: the sums that `/metrics` exports, by version.

use super::SPLIT;
use crate::control::{Control, SplitStatus, VersionStatus};
use crate::endpoint::VersionId;

/// What the proxy has counted of a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Name; empty: requests that no version took.
    pub version: String,
    /// `weir_requests_total`.
    pub requests: u64,
    /// `weir_rescues_total`: those that it failed, and that another version answered.
    pub rescued: u64,
}

impl Counted {
    /// Requests whose answer the client got from here.
    pub fn answered(&self) -> u64 {
        self.requests.saturating_sub(self.rescued)
    }
}

/// Every version, and what no version took.
pub fn all(control: &Control) -> Vec<Counted> {
    let of = |id: VersionId, version: String| {
        let totals = control.recorder().totals(id);
        Counted {
            version,
            requests: totals.tally.endings.iter().map(|(_, count)| count).sum(),
            rescued: totals.rescues.iter().map(|(_, count)| count).sum(),
        }
    };
    let versions = control.served().versions.into_iter().map(|(id, key)| of(id, key.version.to_string()));
    versions.chain([of(VersionId::UNROUTED, String::new())]).collect()
}

/// How many requests the proxy has sent to a version, answered or failed.
pub fn requests(control: &Control, version: &str) -> u64 {
    all(control).iter().filter(|counted| counted.version == version).map(|counted| counted.requests).sum()
}

/// The split as `weir status` shows it.
pub fn split(control: &Control) -> Option<SplitStatus> {
    control.status().splits.into_iter().find(|split| split.name == SPLIT)
}

/// A version as `weir status` shows it.
pub fn version(control: &Control, name: &str) -> Option<VersionStatus> {
    split(control)?.versions.into_iter().find(|version| version.name == name)
}
