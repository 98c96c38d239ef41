//! Mirrors of a rule, resolved.

use super::compile::version_entry;
use super::{Interner, VersionEntry};
use crate::endpoint::SplitId;
use crate::model::{Filter, Fraction, MirrorTarget, Route, Split};

/// A mirror, resolved.
pub struct MirrorEntry {
    /// Where copies go. Its id is one of its own, also where it is a version of the split: what comes of copies is counted
    /// apart from what comes of requests.
    pub target: VersionEntry,
    /// Index of the version of the split that it is; none for another backend.
    pub version: Option<usize>,
    /// How many of the requests are copied.
    pub fraction: Fraction,
    /// Bytes of the longest body that is copied.
    pub body_limit: u64,
    /// What names the schedule that a worker draws from.
    pub draws: SplitId,
}

impl MirrorEntry {
    /// Filters of the target alone, applied to copies after the rule's.
    pub fn filters<'s>(&self, split: &'s Split) -> &'s [Filter] {
        let version = self.version.and_then(|version| split.versions.get(version));
        version.map_or(&[], |version| version.filters.as_slice())
    }
}

/// The mirrors of the rule at `position`. One that aims at a version that is not there copies nothing.
pub(super) fn entries(route: &Route, position: usize, split: &Split, interner: &mut Interner) -> Box<[MirrorEntry]> {
    let entry = |(index, mirror): (usize, &crate::model::Mirror)| {
        let (target, version) = match &mirror.to {
            MirrorTarget::Version(index) => (split.versions.get(*index)?, Some(*index)),
            MirrorTarget::Backend(backend) => (&**backend, None),
        };
        Some(MirrorEntry {
            target: version_entry(route, target, Interner::mirror, interner),
            version,
            fraction: mirror.fraction,
            body_limit: mirror.body_limit,
            draws: interner.mirror_draws(&route.key, (route.part, position), index),
        })
    };
    split.mirrors.iter().enumerate().filter_map(entry).collect()
}
