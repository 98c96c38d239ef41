//! What the control side refuses, and why.

use thiserror::Error;

use crate::model::WeightError;
use crate::proxy::BindError;
use crate::snapshot::CompileError;

/// Why a model did not come into force.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// A listener's address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Something that only shows when it is compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// Why weights could not be set by hand.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WeightsError {
    /// No such split.
    #[error("there is no split {asked:?}; there are: {known}")]
    NoSplit {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// No such version.
    #[error("split {split} has no version {asked:?}; it has: {known}")]
    NoVersion {
        /// The split.
        split: String,
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// An object of the cluster owns them.
    #[error("the weights of {split} are those of a {owner} of the cluster: change them there")]
    Owned {
        /// The split.
        split: String,
        /// Kind of the object.
        owner: &'static str,
    },
    /// No weight.
    #[error(transparent)]
    Weight(#[from] WeightError),
    /// Nothing would get traffic.
    #[error("all weights of {0} would be 0: give one version a positive weight")]
    AllZero(String),
}
