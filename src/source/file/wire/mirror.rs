//! Copies of requests.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::units::Size;

/// Sends copies of requests to a version, whose answers no client gets.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mirror {
    /// Name of the version; its weight may be 0. What it gets itself is not copied to it.
    pub to: String,
    /// How many of a hundred requests are copied; not with fraction. Default: 100.
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<u32>,
    /// Which part of the requests is copied; not with percent.
    pub fraction: Option<Fraction>,
    /// Longest body of a request that is copied. Default: 64KiB.
    pub limit: Option<Size>,
}

/// A part of the requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fraction {
    /// How many of denominator.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub numerator: u32,
    /// Of how many. Default: 100.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub denominator: Option<u32>,
}
