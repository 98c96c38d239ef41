//! Splits are given the figures of their versions, on all replicas, and other routes what guards say of theirs. Each costs a write, so they
//! take turns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::control::{Control, GuardStatus, SplitStatus, VersionStatus};
use crate::model::RouteKey;
use crate::source::kubernetes::{Cluster, Difference, Id, ObjectKind};

/// Splits that are given figures at a time.
const AT_ONCE: usize = 50;

/// Whose turn it is.
#[derive(Default)]
pub struct Turns {
    /// Who was last.
    last: Option<Id>,
    /// Routes other than Splits that had a guard the last time.
    guarded: BTreeSet<Id>,
}

impl Turns {
    /// Gives Splits and other routes their figures; more than some at a time wait for the next one.
    pub fn tell(&mut self, control: &Control, cluster: &mut Cluster) {
        let of_split =
            |split: &SplitStatus| (Id::new(ObjectKind::Split, &*split.namespace, &*split.name), figures_of(split));
        let splits = control.status_of_all();
        let others = self.guards(control.guarded());
        let changed = splits.iter().map(of_split).chain(others).filter_map(|(id, figures)| {
            let difference = cluster.figures_differ(&id, &figures)?;
            Some((id, difference, figures))
        });
        for (id, figures) in self.choose(changed.collect()) {
            cluster.figures(&id, figures);
        }
        cluster.state();
    }

    /// What guards say, by route: nothing of one that has no guard any more.
    fn guards(&mut self, told: Vec<(RouteKey, Arc<str>, GuardStatus)>) -> BTreeMap<Id, Value> {
        let mut all: BTreeMap<Id, Value> = BTreeMap::new();
        for (route, name, guard) in told {
            let kind = ObjectKind::ALL.iter().find(|kind| kind.name() == route.kind.as_str());
            let Some(kind) = kind else { continue };
            let mut version = json!({"name": &*name});
            set_guard(&mut version, &guard);
            let versions = all.entry(Id::new(*kind, route.namespace, route.name)).or_insert_with(|| json!([]));
            versions.as_array_mut().into_iter().for_each(|versions| versions.push(version.clone()));
        }
        let guarded = all.keys().cloned().collect();
        let before = std::mem::replace(&mut self.guarded, guarded);
        before.into_iter().for_each(|id| _ = all.entry(id).or_insert_with(|| json!([])));
        all
    }

    /// First those of which a condition turns, then one after the other, from where it stopped.
    fn choose<T>(&mut self, mut changed: Vec<(Id, Difference, T)>) -> Vec<(Id, T)> {
        let waited = |id: &Id| self.last.as_ref().is_none_or(|last| id > last);
        changed.sort_by(|(a, why, _), (b, whyever, _)| (why, !waited(a), a).cmp(&(whyever, !waited(b), b)));
        changed.truncate(AT_ONCE);
        self.last = changed.last().map(|(id, ..)| id.clone()).or(self.last.take());
        changed.into_iter().map(|(id, _, figures)| (id, figures)).collect()
    }
}

fn figures_of(split: &SplitStatus) -> Value {
    let percent = |share: Option<f64>| share.map(|share| format!("{:.2}", share * 100.0));
    let version = |version: &VersionStatus| {
        let mut figures = json!({
            "name": version.name,
            "revision": version.revision,
            "desired": version.desired,
            "effective": format!("{}", (version.effective * 100.0).round() / 100.0),
            "share": percent(version.share).unwrap_or_default(),
            "requests": version.requests,
            "success": percent(version.success).unwrap_or_default(),
            "p99": version.p99.map_or_else(String::new, |p99| format!("{:.0}ms", p99 * 1000.0)),
            "connections": version.connections,
            "draining": version.draining,
        });
        if version.drain_replicas > 0 {
            figures["drainReplicas"] = version.drain_replicas.into();
        }
        if let Some(end) = version.drain_seconds.and_then(drain_ends_at) {
            figures["drainEndsAt"] = end.into();
        }
        version.guard.iter().for_each(|guard| set_guard(&mut figures, guard));
        figures
    };
    split.versions.iter().map(version).collect()
}

fn set_guard(version: &mut Value, guard: &GuardStatus) {
    version["guard"] = guard.state.as_str().into();
    // Other reasons are figures that change with every request.
    if guard.state == "tripped" {
        version["guardReason"] = guard.reason.as_str().into();
    }
}

/// The moment, to the second, so that it does not seem to change all the time.
fn drain_ends_at(seconds: f64) -> Option<String> {
    let end = jiff::Timestamp::now().as_second().checked_add(seconds.round() as i64)?;
    Some(jiff::Timestamp::from_second(end).ok()?.to_string())
}

#[cfg(test)]
mod tests;
