//! Mirrors: copies of some requests of a split, whose answers no client gets.

use thiserror::Error;

use super::Version;
use super::weight::MAX_WEIGHT;

/// Sends copies of some of a split's requests elsewhere. Where the requests themselves go owes nothing to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// Where copies go.
    pub to: MirrorTarget,
    /// How many of the requests are copied.
    pub fraction: Fraction,
    /// Bytes of the longest body that is copied.
    pub body_limit: u64,
}

impl Mirror {
    /// The limit for bodies where none is given. Every request that is being copied may hold as much in memory.
    pub const BODY_LIMIT: u64 = 64 << 10;
}

/// Where copies go.
#[derive(Clone, Debug, PartialEq)]
pub enum MirrorTarget {
    /// A version of the split, by index: its weight may be 0. What it gets itself is not copied to it.
    Version(usize),
    /// A backend that is none of the split's versions (Gateway API, `HTTPRequestMirrorFilter`). Its weight means nothing.
    Backend(Box<Version>),
}

/// A part of a whole: at least none of it and at most all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fraction {
    numerator: u32,
    denominator: u32,
}

/// Why two numbers are no part of a whole.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FractionError {
    /// Nothing can be divided by 0.
    #[error("denominator 0 divides nothing: write 1 or more")]
    NoDenominator,
    /// More than the whole.
    #[error("{numerator} of {denominator} is more than all requests: write a numerator of at most {denominator}")]
    MoreThanAll {
        /// As given.
        numerator: u32,
        /// As given.
        denominator: u32,
    },
}

impl Fraction {
    /// The whole.
    pub const ALL: Fraction = Fraction { numerator: 1, denominator: 1 };

    /// A fraction in its lowest terms. A denominator that is then above a million is rounded to a millionth of the whole.
    ///
    /// # Errors
    ///
    /// See [`FractionError`].
    pub fn new(numerator: u32, denominator: u32) -> Result<Self, FractionError> {
        if denominator == 0 {
            return Err(FractionError::NoDenominator);
        }
        if numerator > denominator {
            return Err(FractionError::MoreThanAll { numerator, denominator });
        }
        let (numerator, denominator) = lowest(numerator, denominator);
        if denominator <= MAX_WEIGHT {
            return Ok(Self { numerator, denominator });
        }
        let millionths = u64::from(numerator) * u64::from(MAX_WEIGHT) + u64::from(denominator) / 2;
        let (numerator, denominator) = lowest((millionths / u64::from(denominator)) as u32, MAX_WEIGHT);
        Ok(Self { numerator, denominator })
    }

    /// So many of a hundred.
    ///
    /// # Errors
    ///
    /// See [`FractionError`].
    pub fn percent(percent: u32) -> Result<Self, FractionError> {
        Self::new(percent, 100)
    }

    /// How many of [`Fraction::denominator`] it is.
    pub fn numerator(self) -> u32 {
        self.numerator
    }

    /// Between 1 and a million.
    pub fn denominator(self) -> u32 {
        self.denominator
    }

    /// The fraction as a number, 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

fn lowest(numerator: u32, denominator: u32) -> (u32, u32) {
    let (mut a, mut b) = (numerator, denominator);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    (numerator / a, denominator / a)
}

#[cfg(test)]
mod tests;
