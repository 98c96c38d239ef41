//! What is counted: per version and worker, without a lock; added up when somebody looks.
//!
//! The proxy records every request exactly once, in `Drop`. `/metrics`, the dashboard and the guard read the same sums.

pub mod access;
mod cell;
pub mod dialect;
mod export;
#[cfg(test)]
mod gathered;
mod histogram;
mod outcome;
mod page;
mod recorder;
mod slots;
mod tally;
mod wire;

pub use cell::{Cell, Glance, StreamProtocol, Totals};
pub use export::{DrainFigures, Exporter, Served};
pub use histogram::{BOUNDS_MICROS, Distribution};
pub use outcome::{Classification, Ending, Reason, Timed};
pub use page::{Export, Format, Written};
pub use recorder::{Recorder, Shard};
pub use tally::Tally;
