//! Settings that thousands of splits have in common: nearly all of them have the default, which is one object for all.

use std::sync::{Arc, LazyLock};

use super::{EndpointPolicy, Limits, Match, Retry, Timeouts};

/// Something of which the default is shared.
pub trait Shared: Sized + PartialEq + Default + 'static {
    /// The one default.
    fn common() -> &'static LazyLock<Arc<Self>>;

    /// The same; where it is the default, the one that all share.
    fn shared(self) -> Arc<Self> {
        let common = Self::common();
        if self == ***common { Arc::clone(common) } else { Arc::new(self) }
    }
}

macro_rules! shared {
    ($($name:ty),*) => {
        $(impl Shared for $name {
            fn common() -> &'static LazyLock<Arc<Self>> {
                static COMMON: LazyLock<Arc<$name>> = LazyLock::new(Arc::default);
                &COMMON
            }
        })*
    };
}

shared!(EndpointPolicy, Limits, Retry, Timeouts);

/// Matches as a rule keeps them: those that take every request are one object for all.
pub fn shared_matches(matches: Vec<Match>) -> Arc<[Match]> {
    static EVERYTHING: LazyLock<Arc<[Match]>> = LazyLock::new(|| Arc::new([Match::everything()]));
    if *matches == **EVERYTHING { Arc::clone(&EVERYTHING) } else { matches.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PathMatch;

    #[test]
    fn the_default_is_one_object_for_all() {
        assert!(Arc::ptr_eq(&Retry::default().shared(), &Retry::default().shared()));
        assert!(Arc::ptr_eq(&Timeouts::default().shared(), &Timeouts::default().shared()));
        assert!(Arc::ptr_eq(&shared_matches(vec![Match::everything()]), &shared_matches(vec![Match::everything()])));
    }

    #[test]
    fn anything_else_stays_as_it_is() {
        let retry = Retry { attempts: 7, ..Retry::default() };
        assert_eq!(*retry.clone().shared(), retry);
        let narrow = Match::path(PathMatch::Exact("/".into()));
        assert_eq!(*shared_matches(vec![narrow.clone()]), [narrow]);
    }
}
