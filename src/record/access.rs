//! The access log: a line for each request that has ended.
//!
//! A worker notes what it knows of a request in an [`Entry`], and puts it into a bounded list of its own; one thread takes
//! the lists, writes the lines, and frees what they were made of. An entry that finds its list full is dropped and counted:
//! a log that nobody reads delays no request.

mod entry;
mod format;
mod list;
mod writer;

use std::sync::Arc;

use crate::model::AccessLog as Settings;

pub use entry::Entry;
use list::List;
pub use writer::{AccessLog, OpenError};

/// A worker's way to the log.
pub struct Pen {
    list: Arc<List>,
    /// Of 2^32 requests, so many are logged.
    of: u64,
}

impl Pen {
    /// Whether the next request is to be logged.
    pub fn takes(&self) -> bool {
        self.of > u64::from(u32::MAX) || u64::from(fastrand::u32(..)) < self.of
    }

    /// Gives the log a request that has ended.
    pub fn write(&self, entry: Entry) {
        self.list.push(entry);
    }
}

/// Of 2^32, how many make this share of 1.
fn of(settings: &Settings) -> u64 {
    (settings.sample * 2f64.powi(32)).round() as u64
}

#[cfg(test)]
mod tests;
