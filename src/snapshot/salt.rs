//! The part of a client's draw that changes with a release.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Where every salt begins: the ASCII bytes of `weir/1\0\0`, big-endian.
const SEED: u64 = 0x7765_6972_2F31_0000;

/// What ties a cohort to the releases it was drawn for: clients are spread anew when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Salt(pub u64);

impl Salt {
    /// The salt of a split, from the revisions of all its versions but the first, in the order of the
    /// configuration: `SEED`, replaced by `xxh3_64(revision, seed = salt)` for each of them.
    ///
    /// A new canary is therefore tried on new clients, rather than on those who bore the previous one.
    /// The first version is the stable one: its revision stays out, so that a promotion, which gives it the
    /// canary's revision, draws nobody again.
    pub fn new<'a>(revisions: impl Iterator<Item = &'a str>) -> Self {
        Self(revisions.fold(SEED, |salt, revision| xxh3_64_with_seed(revision.as_bytes(), salt)))
    }
}
