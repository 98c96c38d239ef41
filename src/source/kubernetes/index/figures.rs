//! What is counted of the versions of Splits.

use serde_json::Value;

use super::Index;
use crate::source::kubernetes::object::Id;
use crate::source::kubernetes::split;

/// In what new figures differ from those that were told, the weightier first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// A condition turns: `Draining`, `Drained`.
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
            let (now, before) = (split::draining(figures), split::draining(known));
            now.iter().zip(&before).any(|(now, before)| now.holds != before.holds)
        };
        Some(if known.is_none_or(turns) { Difference::Conditions } else { Difference::Numbers })
    }

    /// Figures of the versions of a Split, to be told.
    pub fn set_figures(&mut self, id: &Id, figures: Value) {
        self.figures.insert(id.clone(), figures);
        self.reported.insert(id.clone());
    }
}
