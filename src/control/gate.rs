//! What a rollout controller's webhook asks: may it go on?

use std::collections::BTreeSet;

use super::analysis::no_route;
use super::events::lock;
use super::{Control, NotFound};
use crate::endpoint::VersionId;
use crate::model::Origin;
use crate::snapshot::RuleBody;

/// What is known about the splits that a release is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The splits, by name.
    pub splits: Vec<String>,
    /// Why their guards tripped, one line each; empty if none has.
    pub tripped: Vec<String>,
    /// Requests that their versions but the first had at their current revisions, those left by their clients not among them.
    pub samples: u64,
}

impl Control {
    /// The splits of the release `name`: routes of that name, and those with a version whose Service or workload is the
    /// release's own, its canary's or its primary's, as Flagger names them.
    ///
    /// # Errors
    ///
    /// There are none.
    pub fn gate(&self, namespace: &str, name: &str) -> Result<Gate, NotFound> {
        let snapshot = self.snapshot();
        let state = lock(&self.state);
        let names = [name.to_owned(), format!("{name}-canary"), format!("{name}-primary")];
        let (mut splits, mut tripped) = (BTreeSet::new(), BTreeSet::new());
        let mut canaries: BTreeSet<VersionId> = BTreeSet::new();
        for body in snapshot.rules.iter().map(|rule| &rule.body).filter(|body| concerns(body, namespace, &names)) {
            splits.insert(body.route.to_string());
            for (index, version) in body.versions.iter().enumerate().skip(1) {
                canaries.insert(version.id);
                let reason = state.tripped(body, index);
                tripped.extend(reason.map(|reason| format!("{} of {}: {reason}", version.name, body.route)));
            }
        }
        if splits.is_empty() {
            return Err(no_route(&snapshot, namespace, name));
        }
        let samples = canaries.into_iter().map(|id| self.recorder.tally(id).judged()).sum();
        Ok(Gate { splits: splits.into_iter().collect(), tripped: tripped.into_iter().collect(), samples })
    }
}

fn concerns(body: &RuleBody, namespace: &str, names: &[String; 3]) -> bool {
    let is_named = |text: &str| names.iter().any(|name| name == text);
    let is_of = |origin: &Origin| {
        let workload = origin.workload.as_deref().is_some_and(is_named);
        *origin.namespace == *namespace && (is_named(&origin.service) || workload)
    };
    let by_name = *body.route.namespace == *namespace && *body.route.name == *names[0];
    by_name || body.split.versions.iter().filter_map(|version| version.origin.as_deref()).any(is_of)
}

#[cfg(test)]
mod tests;
