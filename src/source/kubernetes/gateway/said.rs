//! What a route is told of its rules (Gateway API, `RouteConditionType`).

use crate::model::Rule;
use crate::source::kubernetes::report::Condition;

/// What is said of a rule, apart from where its references lead.
const PARTLY: &str = "PartiallyInvalid";

/// Something in a rule that is not carried.
pub fn unsupported(message: impl Into<String>) -> Condition {
    Condition::holds(PARTLY, "UnsupportedValue", message)
}

/// What is to be said of all rules of a route.
#[derive(Default)]
pub struct Said {
    /// References that lead nowhere.
    references: Vec<Condition>,
    /// Rules that are not carried as they stand, with the reason.
    dropped: Vec<String>,
    /// Rules.
    all: usize,
    /// Rules of which nothing is carried.
    lost: usize,
}

impl Said {
    /// Takes note of the next rule.
    pub fn take(&mut self, name: Option<&str>, rule: &Rule, trouble: Vec<Condition>) {
        let (dropped, references): (Vec<_>, Vec<_>) = trouble.into_iter().partition(|said| said.kind == PARTLY);
        self.references.extend(references);
        if !dropped.is_empty() {
            let lost = rule.split.versions.iter().all(|version| version.invalid);
            self.lost += usize::from(lost);
            let name = name.map_or_else(String::new, |name| format!(" ({name})"));
            let part = match (lost, rule.matches.is_empty()) {
                (true, true) => "takes no requests",
                (true, false) => "its requests get 500",
                (false, _) => "in part: that backend's requests get 500",
            };
            let why: Vec<&str> = dropped.iter().map(|said| &*said.message).collect();
            self.dropped.push(format!("rules[{}]{name}, {part}: {}", self.all, why.join("; ")));
        }
        self.all += 1;
    }

    /// All conditions for a parent, of which the first is `accepted`, or why the route is not. That a route is partially
    /// invalid is only said of one that is accepted, and of which something is carried.
    pub fn conditions(&self, accepted: Condition) -> Vec<Condition> {
        let dropped = self.dropped.join("; ");
        let nothing_left = self.lost > 0 && self.lost == self.all;
        let accepted = match accepted.holds && nothing_left {
            true => Condition::fails("Accepted", "UnsupportedValue", format!("no rule is carried: {dropped}")),
            false => accepted,
        };
        let partly = accepted.holds && !self.dropped.is_empty();
        let partly = partly.then(|| unsupported(format!("Dropped Rule: {dropped}")));
        [accepted, self.resolved()].into_iter().chain(partly).collect()
    }

    /// One condition for all references: the first that leads nowhere gives the reason.
    fn resolved(&self) -> Condition {
        let messages: Vec<&str> = self.references.iter().map(|condition| &*condition.message).collect();
        match self.references.first() {
            Some(first) => Condition::fails("ResolvedRefs", first.reason, messages.join("; ")),
            None => Condition::holds("ResolvedRefs", "ResolvedRefs", ""),
        }
    }
}
