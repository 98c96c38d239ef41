//! A weight: a non-negative integer share of a split's traffic.

use thiserror::Error;

/// The largest weight (interface: 0 to 1,000,000, any total).
pub const MAX_WEIGHT: u32 = 1_000_000;

/// A share of traffic: this weight divided by the sum of the split's weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u32);

/// Why a number is no weight.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("weight {0} is outside 0 to {MAX_WEIGHT}")]
pub struct WeightError(pub i64);

impl Weight {
    /// No new traffic.
    pub const ZERO: Weight = Weight(0);

    /// All of it, where no other version has any.
    pub const ONE: Weight = Weight(1);

    /// The number itself.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Weight {
    type Error = WeightError;

    fn try_from(value: i64) -> Result<Self, WeightError> {
        match u32::try_from(value) {
            Ok(weight) if weight <= MAX_WEIGHT => Ok(Weight(weight)),
            _ => Err(WeightError(value)),
        }
    }
}

impl std::fmt::Display for Weight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
