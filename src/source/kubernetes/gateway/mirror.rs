//! Mirrors of a rule (Gateway API, `HTTPRequestMirrorFilter`): each has a backend of its own, which takes no part in the
//! rule's weights.

use super::wire::{self, Filter};
use super::{backend, filter};
use crate::model::{Fraction, Mirror, MirrorTarget};
use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::Id;
use crate::source::kubernetes::report::Condition;

/// The mirrors among a rule's filters. One whose backend leads nowhere copies nothing, and `trouble` says why; the rule
/// serves its requests as it would without.
pub fn mirrors(reader: &Reader<'_>, route: &Id, filters: &[Filter], trouble: &mut Vec<Condition>) -> Vec<Mirror> {
    let mirror = |wire: &wire::Mirror| {
        let fraction = fraction(wire).ok()?;
        let target = backend::mirror_target(reader, route, &wire.backend_ref, trouble);
        Some(Mirror { to: MirrorTarget::Backend(Box::new(target)), fraction, body_limit: Mirror::BODY_LIMIT })
    };
    among(filters).filter_map(|filter| filter.request_mirror.as_ref()).filter_map(mirror).collect()
}

/// Whether every mirror says what it is to copy.
///
/// # Errors
///
/// Says which does not.
pub fn check(filters: &[Filter]) -> Result<(), String> {
    among(filters).try_for_each(|filter| {
        let mirror = filter.request_mirror.as_ref().ok_or_else(|| filter::missing(filter))?;
        fraction(mirror).map(|_| ())
    })
}

fn among(filters: &[Filter]) -> impl Iterator<Item = &Filter> {
    filters.iter().filter(|filter| filter.kind == "RequestMirror")
}

fn fraction(wire: &wire::Mirror) -> Result<Fraction, String> {
    let fraction = match (wire.percent, &wire.fraction) {
        (None, None) => Ok(Fraction::ALL),
        (Some(percent), None) => Fraction::percent(percent),
        (None, Some(wire)) => Fraction::new(wire.numerator, wire.denominator.unwrap_or(100)),
        (Some(_), Some(_)) => {
            return Err("RequestMirror has both percent and fraction: write one of them".to_owned());
        }
    };
    fraction.map_err(|error| format!("RequestMirror: {error}"))
}
