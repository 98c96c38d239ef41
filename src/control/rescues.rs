//! Requests that left a version which had failed them for another, as operators hear of them.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Control, EventKind, State};
use crate::endpoint::VersionId;
use crate::record::Reason;

/// How often a version's rescues are told of, at most: a version that fails may have thousands in a second.
const PACE: Duration = Duration::from_secs(10);

/// Rescues by cause.
type Causes = Vec<(Reason, u64)>;

/// What has been told.
#[derive(Default)]
pub struct Rescues(HashMap<VersionId, Told>);

struct Told {
    /// All that were told of so far.
    counted: Causes,
    /// When the next may be.
    next: Instant,
}

impl Rescues {
    /// What is to be told by now: of a version's first rescues at once, of those that follow together. `counted` has what
    /// each version that had any has counted since the start.
    fn due(&mut self, counted: Vec<(VersionId, Causes)>, now: Instant) -> Vec<(VersionId, Causes)> {
        let mut due = Vec::new();
        for (version, counted) in counted {
            let told = self.0.entry(version).or_insert_with(|| Told { counted: Causes::new(), next: now });
            if now >= told.next && told.counted != counted {
                due.push((version, since(&told.counted, &counted)));
                *told = Told { counted, next: now + PACE };
            }
        }
        due
    }

    /// Forgets versions that are gone.
    pub fn forget(&mut self, version: VersionId) {
        self.0.remove(&version);
    }
}

/// What was counted after `before`.
fn since(before: &Causes, counted: &Causes) -> Causes {
    let known = |reason: Reason| before.iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count);
    let more = counted.iter().map(|(reason, count)| (*reason, count.saturating_sub(known(*reason))));
    more.filter(|(_, count)| *count > 0).collect()
}

impl Control {
    /// Tells of requests that were repeated on another version; to be called every second.
    pub(super) fn tell_rescues(&self, state: &mut State) {
        let due = state.rescues.due(self.recorder.rescues(), Instant::now());
        if due.is_empty() {
            return;
        }
        let known: HashMap<_, _> = state.interner.known_versions().into_iter().collect();
        for (version, causes) in due {
            let Some(key) = known.get(&version) else { continue };
            self.events.tell(EventKind::Rescued, &key.route.to_string(), &key.version, told(&causes));
        }
    }
}

/// In words.
fn told(causes: &Causes) -> String {
    let count: u64 = causes.iter().map(|(_, count)| count).sum();
    let causes: Vec<String> = causes.iter().map(|(reason, count)| format!("{count} {}", reason.as_str())).collect();
    let requests = if count == 1 { "request that failed here was" } else { "requests that failed here were" };
    format!("{count} {requests} repeated on another version ({})", causes.join(", "))
}

#[cfg(test)]
mod tests;
