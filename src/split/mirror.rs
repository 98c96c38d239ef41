//! Which requests are copied.

use super::Schedule;
use crate::snapshot::MirrorEntry;

/// Whether a mirror copies a request that went to the version `chosen`.
///
/// The requests are drawn like versions by weight, by a [`Schedule`] of the mirror's own: of any number of requests that it
/// was asked about, a worker copies the mirror's fraction of them but for less than one, in random places. What a version
/// gets itself is not copied to it, and does not count.
pub fn mirrored(mirror: &MirrorEntry, chosen: usize, schedule: &mut Schedule, rng: &mut fastrand::Rng) -> bool {
    if mirror.version == Some(chosen) {
        return false;
    }
    let (copied, all) = (mirror.fraction.numerator(), mirror.fraction.denominator());
    // The fraction itself tells two fractions apart, so a schedule goes on for as long as it stays.
    let epoch = u64::from(copied) << 32 | u64::from(all);
    schedule.next(epoch, &[copied, all - copied], rng) == Some(0)
}

#[cfg(test)]
mod tests;
