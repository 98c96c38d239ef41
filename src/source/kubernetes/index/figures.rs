//! What is counted of the versions of Splits.

use std::sync::Arc;

use serde_json::Value;

use super::Index;
use crate::source::kubernetes::object::Id;
use crate::source::kubernetes::report::{Condition, Note, Report};
use crate::source::kubernetes::split;

/// In what new figures differ from those that were told, the weightier first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// A condition turns: `Draining`, `Drained`, `GuardTripped`.
    Conditions,
    /// Numbers only.
    Numbers,
}

impl Index {
    /// In what figures of a Split are others than before; nothing if they are not, or if there is no such Split.
    pub fn figures_differ(&self, id: &Id, figures: &Value) -> Option<Difference> {
        let known = self.figures.get(id);
        if known == Some(figures) || self.units.number(id).is_none() {
            return None;
        }
        let turns = |known: &Value| {
            let told = |figures| split::counted(figures).into_iter().map(|condition| (condition.kind, condition.holds));
            !told(figures).eq(told(known))
        };
        Some(if known.is_none_or(turns) { Difference::Conditions } else { Difference::Numbers })
    }

    /// What is counted of a Split goes into its report: as it is, as conditions, and as a note when a guard has found a version bad.
    pub(super) fn with_figures(&self, id: &Id, report: &mut Arc<Report>) {
        let Some(figures) = self.figures.get(id) else { return };
        let report = Arc::make_mut(report);
        let conditions = split::counted(figures);
        let bad = conditions.iter().filter(|condition| condition.kind == split::GUARD_TRIPPED && condition.holds);
        let note = |bad: &Condition| Note { warning: true, reason: split::GUARD_TRIPPED, message: bad.message.clone() };
        report.notes.extend(bad.map(note));
        report.conditions.extend(conditions);
        report.versions = Some(figures.clone());
    }

    /// Figures of the versions of a Split, to be told.
    pub fn set_figures(&mut self, id: &Id, figures: Value) {
        self.figures.insert(id.clone(), figures);
        self.reported.insert(id.clone());
        self.report_policies(id);
    }
}
