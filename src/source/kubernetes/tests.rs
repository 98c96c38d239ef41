//! What the unit tests of this source share.

pub mod objects;
pub mod world;
