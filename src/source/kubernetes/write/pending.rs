//! When something may be said of an object: once every ready replica serves it, or after a bounded wait.
//!
//! Pure: told what is to be said, who serves what, and the time.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use tokio::time::Instant;

use super::super::object::{Id, ObjectKind};
use crate::cluster::{Applied, Standing, hash};

/// How long replicas that lag are waited for before it is said that they do.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of who serves an object as a statement about it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// How many replicas take traffic, and how many of them serve it; none if nobody can tell.
    pub replicas: Option<(usize, usize)>,
    /// Those that do not, by name; empty once every one did.
    pub lagging: Vec<Arc<str>>,
}

/// Objects that something is to be said of, or was.
#[derive(Default)]
pub struct Pending {
    /// Those that are looked at again: what not every ready replica has served yet, and what replicas are counted of.
    entries: HashMap<Id, Entry>,
    /// All others, thousands: the object, and what of it all replicas served.
    served: HashMap<u64, (u64, i64), FixedState>,
    /// Those that not every ready replica has served yet.
    open: BTreeSet<Id>,
    /// What was said last of any object: mostly what is to be said of the next one, too.
    last: Arc<Serving>,
}

struct Entry {
    object: Applied,
    state: State,
    /// What was said last; none: nothing yet at this generation.
    said: Option<Arc<Serving>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is said until then.
    Waiting(Instant),
    /// It was said that some lag.
    Lagging,
    /// All served it once: replicas that come later do not turn it back, since they take traffic only once they serve.
    Served,
}

impl Pending {
    /// Something is to be said of an object at a generation.
    pub fn say(&mut self, id: &Id, object: Applied, now: Instant) {
        let before = self.entries.remove(id);
        let served = self.served.remove(&object.0) == Some((object.1, object.2));
        let state = match before {
            None if served => State::Served,
            // The same generation: what was served still is, and what lags is known to.
            Some(before) if before.object == object => before.state,
            // Generations that follow each other quickly must not push the end of the wait before them.
            Some(Entry { state: State::Waiting(until), .. }) => State::Waiting(until),
            _ => State::Waiting(now + PATIENCE),
        };
        self.entries.insert(id.clone(), Entry { object, state, said: None });
        self.open.insert(id.clone());
    }

    /// An object has gone.
    pub fn gone(&mut self, id: &Id) {
        self.entries.remove(id);
        self.served.remove(&hash(&id.to_string()));
        self.open.remove(id);
    }

    /// The statements that may be made now, or anew, given who serves what.
    pub fn review(&mut self, now: Instant, standing: impl Fn(&Applied) -> Option<Standing>) -> Vec<(Id, Arc<Serving>)> {
        let mut due = Vec::new();
        let mut still_open = BTreeSet::new();
        for id in std::mem::take(&mut self.open) {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let serving = entry.review(now, standing(&entry.object), &mut self.last);
            if entry.state != State::Served {
                still_open.insert(id.clone());
            } else if !counts_replicas(&id) {
                self.served.insert(entry.object.0, (entry.object.1, entry.object.2));
                self.entries.remove(&id);
            }
            due.extend(serving.map(|serving| (id, serving)));
        }
        self.open = still_open;
        // After the first list it had everything once.
        if self.open.is_empty() {
            self.entries.shrink_to_fit();
        }
        due
    }

    /// Counts again who serves what was said before, and gives what has changed: replicas came or went.
    pub fn recount(&mut self, standing: impl Fn(&Applied) -> Option<Standing>) -> Vec<(Id, Arc<Serving>)> {
        let mut due = Vec::new();
        for (id, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.state == State::Served) {
            let serving = served(standing(&entry.object).as_ref());
            if entry.said.as_ref().is_some_and(|said| **said != serving) {
                let serving = shared(serving, &mut self.last);
                entry.said = Some(Arc::clone(&serving));
                due.push((id.clone(), serving));
            }
        }
        due
    }

    /// When the next wait is over.
    pub fn deadline(&self) -> Option<Instant> {
        let state = |id| self.entries.get(id).map(|entry: &Entry| entry.state);
        let waiting = self.open.iter().filter_map(state).filter_map(|state| match state {
            State::Waiting(until) => Some(until),
            State::Lagging | State::Served => None,
        });
        waiting.min()
    }
}

impl Entry {
    fn review(&mut self, now: Instant, standing: Option<Standing>, last: &mut Arc<Serving>) -> Option<Arc<Serving>> {
        let complete = standing.as_ref().is_none_or(Standing::is_complete);
        if complete {
            self.state = State::Served;
        }
        let serving = match self.state {
            State::Served => served(standing.as_ref()),
            State::Waiting(until) if now < until => return None,
            State::Waiting(_) | State::Lagging => {
                self.state = State::Lagging;
                lagging(standing.unwrap_or_default())
            }
        };
        if self.said.as_ref().is_some_and(|said| **said == serving) {
            return None;
        }
        let serving = shared(serving, last);
        self.said = Some(Arc::clone(&serving));
        Some(serving)
    }
}

/// Whether the status of an object has the number of replicas, so that it is counted again when they come or go.
pub fn counts_replicas(id: &Id) -> bool {
    id.kind == ObjectKind::Split
}

/// The same, as one object with the last that was equal.
fn shared(serving: Serving, last: &mut Arc<Serving>) -> Arc<Serving> {
    if **last != serving {
        *last = Arc::new(serving);
    }
    Arc::clone(last)
}

fn served(standing: Option<&Standing>) -> Serving {
    Serving { replicas: standing.map(|standing| (standing.ready, standing.programmed)), lagging: Vec::new() }
}

fn lagging(standing: Standing) -> Serving {
    Serving { replicas: Some((standing.ready, standing.programmed)), lagging: standing.lagging }
}

#[cfg(test)]
mod tests;
