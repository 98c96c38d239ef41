//! Splits that add behaviour to the routes of other objects: what becomes of it there is said of the Split, too.

use std::sync::Arc;

use super::Index;
use crate::source::kubernetes::object::{Id, ObjectKind};
use crate::source::kubernetes::report::{Condition, Report};
use crate::source::kubernetes::split;

impl Index {
    /// The Splits that aim at an object have something else to say when it has.
    pub(super) fn report_policies(&mut self, target: &Id) {
        self.reported.extend(self.objects.aiming_at(target).into_iter().map(|(id, _)| id.clone()));
    }

    /// What the object that a Split aims at has no use for, and what guards have found there, goes into the report of the Split.
    pub(super) fn with_outcome(&self, id: &Id, report: &mut Arc<Report>) {
        if id.kind != ObjectKind::Split {
            return;
        }
        let Some(target) = self.objects.get(id).and_then(|object| split::target(id, object)) else { return };
        let Some(unit) = self.units.get(&target) else { return };
        let tripped = self.figures.get(&target).and_then(split::tripped);
        let told = unit.made.report.notes.iter().find_map(|note| split::refusal(id, note));
        let refused = told.map(|why| Condition::holds("PartiallyInvalid", "PolicyInvalid", format!("{target}: {why}")));
        if tripped.is_some() || refused.is_some() {
            Arc::make_mut(report).conditions.extend(tripped.into_iter().chain(refused));
        }
    }
}
