//! What one worker has for the log: a list that it puts into and the log's thread takes whole, so that they meet a few
//! times a second instead of once per request.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use prometheus::IntCounter;

use super::Entry;

/// Entries that may wait: what a worker has within the time that they gather, many times over.
pub const MOST: usize = 8192;

/// A worker's list.
pub struct List {
    entries: Mutex<Vec<Entry>>,
    /// Called when there is something.
    writer: Thread,
    dropped: IntCounter,
}

impl List {
    /// An empty list for the thread `writer`.
    pub fn new(writer: Thread, dropped: IntCounter) -> Self {
        Self { entries: Mutex::new(Vec::new()), writer, dropped }
    }

    /// Adds an entry, or drops it where too many wait.
    pub fn push(&self, entry: Entry) {
        let mut entries = self.lock();
        let before = entries.len();
        if before >= MOST {
            return self.dropped.inc();
        }
        entries.push(entry);
        drop(entries);
        if before == 0 {
            self.writer.unpark();
        }
    }

    /// Takes all entries; `into` is empty and becomes the list.
    pub fn take(&self, into: &mut Vec<Entry>) {
        std::mem::swap(&mut *self.lock(), into);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
