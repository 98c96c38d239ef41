//! What workers find out about endpoints, until the control side hears of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Endpoint;
use crate::model::RouteKey;

/// An endpoint was left out.
#[derive(Clone, Debug)]
pub struct Ejection {
    /// Which.
    pub endpoint: Arc<Endpoint>,
    /// The route whose requests failed there.
    pub route: RouteKey,
    /// Their version.
    pub version: Arc<str>,
    /// What failed.
    pub reason: &'static str,
    /// Failures in a row that were too many.
    pub failures: u32,
    /// How long it is left out the first time.
    pub base: Duration,
}

/// What has happened and was not taken yet.
#[derive(Debug, Default)]
pub struct Incidents(Mutex<Vec<Ejection>>);

impl Incidents {
    /// Tells of one.
    pub fn tell(&self, ejection: Ejection) {
        self.lock().push(ejection);
    }

    /// All that was told since the last call.
    pub fn take(&self) -> Vec<Ejection> {
        std::mem::take(&mut *self.lock())
    }

    /// A holder that panicked still leaves whole entries.
    fn lock(&self) -> MutexGuard<'_, Vec<Ejection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
