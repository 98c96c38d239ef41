//! Listeners that cannot be bound: each is tried again after a growing wait, and its Gateway, or the Ingresses whose certificates it is
//! for, say why. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::report::{Condition, Note, Report};
use crate::model::Listener;

/// The wait after the first failure; it doubles with each one that follows.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// Listeners that could not be bound, by name.
#[derive(Default)]
pub struct Refused(HashMap<Arc<str>, Refusal>);

struct Refusal {
    reason: String,
    failures: u32,
    /// When it is tried again; none: it is being tried.
    again: Option<Instant>,
}

impl Refused {
    /// A listener could not be bound; whether it is the first time.
    pub fn refuse(&mut self, listener: &str, reason: String, now: Instant) -> bool {
        let before = self.0.get(listener).map_or(0, |known| known.failures);
        let wait = FIRST.saturating_mul(1 << before.min(16)).min(LONGEST);
        self.0.insert(listener.into(), Refusal { reason, failures: before + 1, again: Some(now + wait) });
        before == 0
    }

    /// Why a listener is left out; nothing if it is not.
    pub fn why(&self, listener: &str) -> Option<&str> {
        self.0.get(listener).filter(|refusal| refusal.again.is_some()).map(|refusal| &*refusal.reason)
    }

    /// Takes out those that are left out, and forgets those that nobody wants any more.
    pub fn leave_out(&mut self, listeners: &mut Vec<Arc<Listener>>) {
        if self.0.is_empty() {
            return;
        }
        self.0.retain(|name, _| listeners.iter().any(|listener| listener.name == *name));
        listeners.retain(|listener| self.why(&listener.name).is_none());
    }

    /// When the next one is tried again.
    pub fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|refusal| refusal.again).min()
    }

    /// Tries those again whose wait is over; whether there are any.
    pub fn retry(&mut self, now: Instant) -> bool {
        let due = self.0.values_mut().filter(|refusal| refusal.again.is_some_and(|again| again <= now));
        due.map(|refusal| refusal.again = None).count() > 0
    }

    /// What was tried is bound; whether anything was.
    pub fn settle(&mut self) -> bool {
        self.0.extract_if(|_, refusal| refusal.again.is_none()).count() > 0
    }

    /// All may be bound now.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Says in the report of a Gateway which ports cannot be listened on, and why.
pub fn say(report: &mut Report, refused: &[(u16, &str)]) {
    let Some((port, reason)) = refused.first() else { return };
    let fails = |port: u16, reason: &str| {
        let message = format!("a replica cannot serve port {port}, and tries again: {reason}");
        Condition::fails("Programmed", "Pending", message)
    };
    let is_it = |condition: &&mut Condition| condition.kind == "Programmed" && condition.holds;
    report.conditions.iter_mut().filter(is_it).for_each(|condition| *condition = fails(*port, reason));
    for listener in &mut report.listeners {
        if let Some((port, reason)) = refused.iter().find(|(port, _)| *port == listener.port) {
            listener.conditions.iter_mut().filter(is_it).for_each(|condition| *condition = fails(*port, reason));
        }
    }
}

/// What an Ingress is told of the listener that its certificates are for.
pub fn note(reason: &str) -> Note {
    let message = format!("a replica cannot serve its hosts over TLS, and tries again: {reason}");
    Note { warning: true, reason: "ListenerNotBound", message }
}

#[cfg(test)]
mod tests;
