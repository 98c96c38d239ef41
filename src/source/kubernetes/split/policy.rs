//! Behaviour that a Split adds to the routes of another object.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::keys::Keys;
use super::resource::{self, SplitSpec};
use crate::model::{Route, Split, Version};
use crate::source::file::build;
use crate::source::file::problem::Pointer;
use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::{Id, Object};
use crate::source::kubernetes::report::Note;

/// The reason of what is told of a Split that has no effect on a rule.
const POLICY_INVALID: &str = "PolicyInvalid";

fn refused(id: &Id) -> String {
    format!("{id} has no effect here: ")
}

/// Why a Split has no effect on a rule of an object of which this is told, if that is what is told.
pub fn refusal<'n>(id: &Id, note: &'n Note) -> Option<&'n str> {
    let of_policy = Some(note).filter(|note| note.reason == POLICY_INVALID);
    of_policy.and_then(|note| note.message.split_once(&refused(id))).map(|(_, why)| why)
}

/// Gives the routes of an object what the oldest Split that aims at it says; what it cannot give becomes a note.
pub fn apply(reader: &Reader<'_>, target: &Id, routes: &mut [Route], notes: &mut Vec<Note>) {
    apply_named(reader, target, (routes, &[]), notes);
}

/// The same for routes whose rules have names: a Split that aims at one of them counts there before one that aims at all.
pub fn apply_named(
    reader: &Reader<'_>,
    target: &Id,
    (routes, names): (&mut [Route], &[Option<&str>]),
    notes: &mut Vec<Note>,
) {
    let policies = reader.policies(target).into_iter();
    let policies: Vec<_> = policies.filter_map(|(id, object)| Some((id, object, section(object)?))).collect();
    let of = |wanted: Option<&str>| policies.iter().find(|(_, _, section)| section.as_deref() == wanted);
    let everywhere = of(None).and_then(|(_, object, _)| object.spec::<SplitSpec>().ok());
    let everywhere = everywhere.map(|spec| known(&spec, routes)).unwrap_or_default();
    for route in routes {
        for (index, rule) in route.rules.iter_mut().enumerate() {
            let name = names.get(index).copied().flatten();
            let policy = name.and_then(|name| of(Some(name))).or_else(|| of(None));
            // A redirect has no versions that anything could be said of.
            let policy = policy.filter(|_| !rule.split.versions.is_empty());
            let Some((id, object, section)) = policy else { continue };
            // Parsed for each: what a Split says is taken apart when it is given to a rule.
            let Ok(mut spec) = object.spec::<SplitSpec>() else { continue };
            if section.is_none() {
                leave_out(&mut spec, &rule.split, &everywhere);
            }
            match behaviour(reader, id, spec, &rule.split) {
                Ok(with) => rule.split = Arc::new(with),
                Err(why) => {
                    let message = refused(id) + &why;
                    let note = Note { warning: true, reason: POLICY_INVALID, message };
                    if !notes.contains(&note) {
                        notes.push(note);
                    }
                }
            }
        }
    }
}

/// The rule that a Split aims at, by name; none: all. None at all if the Split cannot be understood.
pub fn section(object: &Object) -> Option<Option<String>> {
    Some(object.spec::<SplitSpec>().ok()?.target_ref?.section_name)
}

/// What a Split calls the versions of a split, in their order: by their Services where it says so.
fn names(spec: &SplitSpec, split: &Split) -> Vec<String> {
    let name_of = |version: &Version| {
        let service = version.origin.as_ref().map(|origin| &*origin.service);
        let given = spec.versions.iter().find(|given| given.service.as_deref().is_some_and(|s| Some(s) == service));
        given.map_or_else(|| version.name.to_string(), |given| given.name.to_string())
    };
    split.versions.iter().map(name_of).collect()
}

/// What a Split calls the versions of all rules.
fn known(spec: &SplitSpec, routes: &[Route]) -> HashSet<String> {
    routes.iter().flat_map(|route| &route.rules).flat_map(|rule| names(spec, &rule.split)).collect()
}

/// Leaves out what a Split for all rules says of versions that only other rules have: a header step of a rollout adds a rule
/// that has the canary alone. Names that no rule has stay, to be told.
fn leave_out(spec: &mut SplitSpec, split: &Split, everywhere: &HashSet<String>) {
    let here = names(spec, split);
    let only_elsewhere = |name: &str| everywhere.contains(name) && here.iter().all(|known| *known != *name);
    spec.overrides.retain(|one| !only_elsewhere(&one.to));
    spec.mirrors.retain(|one| !only_elsewhere(&one.to));
    spec.mirror.take_if(|one| only_elsewhere(&one.to));
    // Both compare with the first version, of which nothing else is known here.
    let alone = here.len() < 2 && everywhere.len() > here.len();
    spec.guard.take_if(|_| alone);
    spec.rescue.take_if(|rescue| only_elsewhere(&rescue.from) || (alone && here.contains(&rescue.from)));
}

/// A split with the behaviour of `spec`, whose version names stand for the split's by their Services, or by themselves.
fn behaviour(reader: &Reader<'_>, id: &Id, spec: SplitSpec, split: &Split) -> Result<Split, String> {
    let names = names(&spec, split);
    let (kept, keys) = (Kept::new(&spec, split), Keys::of(reader, id, &spec));
    let versions = names.iter().zip(&split.versions);
    let wires =
        versions.map(|(name, version)| resource::wire_version(name, i64::from(version.weight.get()).max(1), None));
    let wire = spec.into_wire(&id.name, wires.collect());
    let mut context = build::Context::new(Path::new(""));
    let listeners: Vec<&str> = reader.options.listeners.iter().map(|name| &**name).collect();
    let scope = build::Scope { at: Pointer::root().key("spec"), listeners: &listeners, stateless: false };
    let mut built = build::split(&wire, &scope, &mut context).ok_or_else(|| super::describe(&context.problems))?;
    keys.sign(&mut built);
    let mut versions = split.versions.clone();
    for (version, name) in versions.iter_mut().zip(names) {
        version.name = name.into();
    }
    Ok(kept.in_place_of(Split { versions, order: split.order, ..built }))
}

/// What a Split does not speak of stays as the route has it.
struct Kept<'s> {
    split: &'s Split,
    sticky: bool,
    on_empty: bool,
    ramp: bool,
    balance: bool,
    endpoints: bool,
    timeouts: bool,
    retry: bool,
    rescue: bool,
    guard: bool,
    limits: bool,
    drain: bool,
}

impl<'s> Kept<'s> {
    fn new(spec: &SplitSpec, split: &'s Split) -> Self {
        Self {
            split,
            sticky: spec.sticky.is_none(),
            on_empty: spec.on_empty.is_none() && spec.hold_timeout.is_none(),
            ramp: spec.ramp.is_none(),
            balance: spec.balance.is_none(),
            endpoints: spec.hash.is_none()
                && spec.slow_start.is_none()
                && spec.panic.is_none()
                && spec.outliers.is_none()
                && spec.health.is_none()
                && spec.prewarm.is_none(),
            timeouts: spec.timeouts.is_none(),
            retry: spec.retry.is_none(),
            rescue: spec.rescue.is_none(),
            guard: spec.guard.is_none(),
            limits: spec.limits.is_none(),
            drain: spec.drain.is_none(),
        }
    }

    /// Overrides come before those of the route, of which the others stay; mirrors come beside those of the route.
    fn in_place_of(&self, given: Split) -> Split {
        let known = self.split.clone();
        Split {
            overrides: [given.overrides, known.overrides].concat(),
            sticky: if self.sticky { known.sticky } else { given.sticky },
            on_empty: if self.on_empty { known.on_empty } else { given.on_empty },
            ramp: if self.ramp { known.ramp } else { given.ramp },
            balance: if self.balance { known.balance } else { given.balance },
            endpoints: if self.endpoints { known.endpoints } else { given.endpoints },
            timeouts: if self.timeouts { known.timeouts } else { given.timeouts },
            retry: if self.retry { known.retry } else { given.retry },
            rescue: if self.rescue { known.rescue } else { given.rescue },
            guard: if self.guard { known.guard } else { given.guard },
            limits: if self.limits { known.limits } else { given.limits },
            mirrors: [given.mirrors, known.mirrors].concat(),
            drain: if self.drain { known.drain } else { given.drain },
            versions: given.versions,
            order: given.order,
        }
    }
}
