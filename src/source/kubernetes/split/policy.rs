//! Behaviour that a Split adds to the routes of another object.

use std::path::Path;
use std::sync::Arc;

use super::resource::{self, SplitSpec};
use crate::model::{Route, Split};
use crate::source::file::build;
use crate::source::file::problem::Pointer;
use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::Id;
use crate::source::kubernetes::report::Note;

/// Gives the routes of an object what the oldest Split that aims at it says; what it cannot give becomes a note.
pub fn apply(reader: &Reader<'_>, target: &Id, routes: &mut [Route], notes: &mut Vec<Note>) {
    let Some((id, object)) = reader.policies(target).into_iter().next() else { return };
    let splits = routes.iter_mut().flat_map(|route| &mut route.rules).map(|rule| &mut rule.split);
    for split in splits {
        // Parsed for each: what a Split says is taken apart when it is given to a rule.
        let Ok(spec) = object.spec::<SplitSpec>() else { return };
        match behaviour(reader, id, spec, split) {
            Ok(with) => *split = Arc::new(with),
            Err(message) => {
                let message = format!("{id} has no effect here: {message}");
                let note = Note { warning: true, reason: "PolicyInvalid", message };
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
    }
}

/// A split with the behaviour of `spec`, whose version names stand for the split's by their Services, or by themselves.
fn behaviour(reader: &Reader<'_>, id: &Id, spec: SplitSpec, split: &Split) -> Result<Split, String> {
    let name_of = |version: &crate::model::Version| {
        let service = version.origin.as_ref().map(|origin| &*origin.service);
        let given = spec.versions.iter().find(|given| given.service.as_deref().is_some_and(|s| Some(s) == service));
        given.map_or_else(|| version.name.to_string(), |given| given.name.to_string())
    };
    let names: Vec<String> = split.versions.iter().map(name_of).collect();
    let versions = names.iter().zip(&split.versions);
    let wires =
        versions.map(|(name, version)| resource::wire_version(name, i64::from(version.weight.get()).max(1), None));
    let wire = spec.into_wire(&id.name, wires.collect());
    let mut context = build::Context::new(Path::new(""));
    let listeners: Vec<&str> = reader.options.listeners.iter().map(|name| &**name).collect();
    let scope = build::Scope { at: Pointer::root().key("spec"), listeners: &listeners, stateless: false };
    let built = build::split(&wire, &scope, &mut context).ok_or_else(|| super::describe(&context.problems))?;
    let mut versions = split.versions.clone();
    for (version, name) in versions.iter_mut().zip(names) {
        version.name = name.into();
    }
    Ok(Split { versions, order: split.order, ..built })
}
