//! How long a request and its tries may take.

use std::time::Duration;

use tokio::time::Instant;

use super::fault::Fault;
use crate::model::Timeouts;

/// How long a try may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// When the request's time began, which is over all its tries: as it came, or once its body or an endpoint had.
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
    /// What it means that it is over.
    pub fault: Fault,
}

impl Limits {
    /// The request goes on. What time its body took to arrive is not its answer's. `progress`: when it last got further; `anew`: its
    /// time begins with each try.
    pub fn go_on(&mut self, progress: Option<Instant>, anew: bool) {
        let begun = if anew { Instant::now() } else { self.begun };
        self.begun = progress.map_or(begun, |progress| progress.max(begun));
    }

    /// What is left of the time of the request; None: it has no limit.
    pub fn rest(&self) -> Option<Duration> {
        let end = self.begun + self.timeouts.request;
        (!self.unlimited).then(|| end.saturating_duration_since(Instant::now()))
    }

    /// Whether the time of the request is over.
    pub fn is_over(&self) -> bool {
        self.rest() == Some(Duration::ZERO)
    }

    /// The time of a try on which a request does not depend: half of what is left, so that the next one has as much.
    pub fn half(&self) -> Option<TryLimit> {
        Some(TryLimit { begun: Instant::now(), limit: self.rest()? / 2, fault: Fault::RequestTimeout })
    }

    /// When the head of the answer must have come, as long as no body delays it.
    pub fn deadline(&self) -> Option<Instant> {
        let end = (!self.unlimited).then(|| self.begun + self.timeouts.request)?;
        Some(self.attempt.map_or(end, |attempt| end.min(attempt.end())))
    }

    /// What it means that the deadline came, if that is what `fault` says, and how it is told.
    pub fn late(&self, fault: Fault) -> (Fault, String) {
        match self.attempt {
            Some(attempt) if fault == Fault::RequestTimeout && attempt.end() <= self.begun + self.timeouts.request => {
                attempt.over()
            }
            _ => (fault, format!("no answer within {:?}", self.timeouts.request)),
        }
    }
}

impl TryLimit {
    /// When it is over.
    fn end(&self) -> Instant {
        self.begun + self.limit
    }

    /// What it means that it is over, and how it is told.
    pub fn over(&self) -> (Fault, String) {
        (self.fault, format!("no answer within the {:?} of a try", self.limit))
    }
}
