//! What happened, for operators: the last hundred, and a stream of what comes.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::Serialize;
use tokio::sync::broadcast;

/// Events that are kept for those who come later.
const KEPT: usize = 100;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum EventKind {
    /// A configuration is in force.
    ConfigApplied,
    /// A configuration was refused; the one before stays.
    ConfigRejected,
    /// Weights were changed, by the configuration or by hand.
    WeightsChanged,
    /// A ramp has reached its weights.
    RampFinished,
    /// A version was found bad.
    GuardTripped,
    /// Requests wait for an endpoint.
    Held,
    /// None does any more.
    Released,
    /// Requests that failed on a version were repeated on another.
    Rescued,
    /// An operator re-armed a guard.
    GuardReset,
    /// Requests failed at an endpoint, which is left out for a while.
    EndpointEjected,
    /// An endpoint that was left out gets requests again.
    EndpointReturned,
    /// Health checks find an endpoint unhealthy.
    EndpointUnhealthy,
    /// Health checks find it healthy again.
    EndpointHealthy,
    /// A version gets less than its weight, because its endpoints could not carry more; or all of it again.
    WeightGated,
    /// Connections to a version that is to get its first requests are open.
    Prewarmed,
    /// A host name of endpoints has other addresses, or addresses again.
    NameChanged,
    /// A host name has no address any more: the last ones are kept.
    NameLost,
    /// Long-lived connections are asked to end.
    DrainBegan,
    /// They have ended.
    DrainEnded,
    /// The process is ending.
    ShuttingDown,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Grows by one with each.
    pub id: u64,
    /// When, RFC 3339.
    pub time: String,
    /// What kind.
    pub kind: EventKind,
    /// Split that it is about; empty: none.
    pub split: String,
    /// Version that it is about; empty: none.
    pub version: String,
    /// In words.
    pub message: String,
}

/// All events of the process.
pub struct Events {
    kept: Mutex<(u64, VecDeque<Event>)>,
    stream: broadcast::Sender<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Self { kept: Mutex::default(), stream: broadcast::channel(KEPT).0 }
    }
}

impl Events {
    /// Tells everyone, the log included.
    pub fn tell(&self, kind: EventKind, split: &str, version: &str, message: String) {
        match kind {
            EventKind::ConfigRejected
            | EventKind::GuardTripped
            | EventKind::EndpointEjected
            | EventKind::Rescued
            | EventKind::NameLost
            | EventKind::EndpointUnhealthy => {
                tracing::warn!(?kind, split, version, "{message}")
            }
            _ => tracing::info!(?kind, split, version, "{message}"),
        }
        let mut kept = lock(&self.kept);
        kept.0 += 1;
        let time = jiff::Timestamp::now().to_string();
        let event = Event { id: kept.0, time, kind, split: split.into(), version: version.into(), message };
        if kept.1.len() == KEPT {
            kept.1.pop_front();
        }
        kept.1.push_back(event.clone());
        // Nobody listening is no error.
        let _ = self.stream.send(event);
    }

    /// What is kept, oldest first, and what comes.
    pub fn follow(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let kept = lock(&self.kept);
        (kept.1.iter().cloned().collect(), self.stream.subscribe())
    }
}

/// A mutex whose holder panicked still guards whole data here: every change is made in one step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
