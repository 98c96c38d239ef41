//! How long a request and its tries may take.

use std::time::Duration;

use tokio::time::Instant;

use super::fault::Fault;
use crate::model::Timeouts;

/// How long a try may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// When the request, or its last rescue, began.
    pub begun: Instant,
    /// Its time limits.
    pub timeouts: Timeouts,
    /// The answer, and the silence before it, may take as long as they like.
    pub unlimited: bool,
    /// When this try ends, so that another can follow.
    pub attempt: Option<TryLimit>,
    /// Retries that are left.
    pub left: u8,
}

/// The time of a try that another one can follow.
#[derive(Clone, Copy)]
pub struct TryLimit {
    /// When it began.
    pub begun: Instant,
    /// How long it may take.
    pub limit: Duration,
}

impl Limits {
    /// When the head of the answer must have come, as long as no body delays it.
    pub fn deadline(&self) -> Option<Instant> {
        let end = (!self.unlimited).then(|| self.begun + self.timeouts.request)?;
        Some(self.attempt.map_or(end, |attempt| end.min(attempt.begun + attempt.limit)))
    }

    /// What it means that the deadline came, if that is what `fault` says, and how it is told.
    pub fn late(&self, fault: Fault) -> (Fault, String) {
        match self.attempt {
            Some(attempt) if fault == Fault::RequestTimeout && Instant::now() < self.begun + self.timeouts.request => {
                attempt.over()
            }
            _ => (fault, format!("no answer within {:?}", self.timeouts.request)),
        }
    }
}

impl TryLimit {
    /// What it means that it is over, and how it is told.
    pub fn over(&self) -> (Fault, String) {
        (Fault::TryTimeout, format!("no answer within the {:?} of a try", self.limit))
    }
}
