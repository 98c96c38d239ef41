//! Copies of requests.

use crate::model::{Fraction, Mirror, MirrorTarget};

use super::super::problem::{Pointer, Problems};
use super::super::wire;
use super::policy::Versions;
use super::{each, every};

/// The mirrors of a split, in order: that of `mirror`, then those of `mirrors`.
pub fn mirrors(
    wire: &wire::Split,
    versions: Versions<'_>,
    at: &Pointer,
    problems: &mut Problems,
) -> Option<Vec<Mirror>> {
    let one = wire.mirror.as_ref().map(|wire| mirror(wire, versions, &at.key("mirror"), problems));
    let more = each(&wire.mirrors, &at.key("mirrors"), |wire, at| mirror(wire, versions, &at, problems));
    Some([every(one)?, more?].concat())
}

fn mirror(wire: &wire::Mirror, versions: Versions<'_>, at: &Pointer, problems: &mut Problems) -> Option<Mirror> {
    let to = versions.find(&wire.to, &at.key("to"), problems);
    let fraction = fraction(wire, at, problems);
    let body_limit = wire.limit.map_or(Mirror::BODY_LIMIT, |size| size.0);
    Some(Mirror { to: MirrorTarget::Version(to?), fraction: fraction?, body_limit })
}

fn fraction(wire: &wire::Mirror, at: &Pointer, problems: &mut Problems) -> Option<Fraction> {
    match (wire.percent, &wire.fraction) {
        (None, None) => Some(Fraction::ALL),
        (Some(percent), None) => problems.check(&at.key("percent"), Fraction::percent(percent)),
        (None, Some(wire)) => {
            let fraction = Fraction::new(wire.numerator, wire.denominator.unwrap_or(100));
            problems.check(&at.key("fraction"), fraction)
        }
        (Some(_), Some(_)) => {
            problems.error(&at.key("fraction"), "percent and fraction cannot stand together: write one of them");
            None
        }
    }
}
