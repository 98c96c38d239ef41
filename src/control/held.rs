//! Requests that wait for an endpoint, as operators hear of them.

use std::collections::HashSet;

use super::{Control, EventKind, State};
use crate::model::OnEmpty;
use crate::snapshot::{Rule, Snapshot, VersionEntry};

impl Control {
    /// Tells when requests of a split begin to wait for an endpoint, and when none does any more.
    pub(super) fn tell_held(&self, snapshot: &Snapshot, state: &mut State) {
        if self.recorder.holding() == 0 && state.holding.is_empty() {
            return;
        }
        let tell = |kind, rule: &Rule, version: &str, message: String| {
            self.events.tell(kind, &rule.body.route.to_string(), version, message);
        };
        let mut holding = HashSet::new();
        for rule in snapshot.rules.iter().filter(|rule| matches!(rule.body.split.on_empty, OnEmpty::Hold(_))) {
            let waiting = |version: &VersionEntry| self.recorder.holding_for(version.id);
            let Some(version) = rule.body.versions.iter().find(|version| waiting(version) > 0) else { continue };
            if holding.insert(rule.body.split_id) && !state.holding.contains(&rule.body.split_id) {
                let message = format!("{} requests wait for an endpoint", waiting(version));
                tell(EventKind::Held, rule, &version.name, message);
            }
        }
        for rule in snapshot.rules.iter().filter(|rule| state.holding.contains(&rule.body.split_id)) {
            if !holding.contains(&rule.body.split_id) {
                tell(EventKind::Released, rule, "", "no request waits for an endpoint any more".to_owned());
            }
        }
        state.holding = holding;
    }
}
