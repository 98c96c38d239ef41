//! A clock that fits into an atomic.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// A moment of this process, in milliseconds since its first; it wraps after 49 days, so only moments that are close to
/// each other can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment(pub u32);

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
        Self(FIRST.elapsed().as_millis() as u32)
    }

    /// The time since `earlier`.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::from(self.0.wrapping_sub(earlier.0)))
    }
}

/// What tells the time where a decision depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The time as it is, asked for only where it is needed.
    #[default]
    Real,
    /// It stands still: simulations.
    At(Moment),
}

impl Clock {
    /// The moment that a decision is made at.
    pub fn now(self) -> Moment {
        match self {
            Self::Real => Moment::now(),
            Self::At(moment) => moment,
        }
    }
}
