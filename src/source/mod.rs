//! Where models come from: each source parses its own wire format and builds a [`crate::model::Model`].
//!
//! A source collects every error it finds, with the place of each, and gives a model only if there is none.

pub mod file;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
