//! Splits are given the figures of their versions, on all replicas. Each costs a write, so they take turns.

use serde_json::{Value, json};

use crate::control::{Control, SplitStatus, VersionStatus};
use crate::source::kubernetes::{Cluster, Difference, Id, ObjectKind};

/// Splits that are given figures at a time.
const AT_ONCE: usize = 50;

/// Whose turn it is.
#[derive(Default)]
pub struct Turns {
    /// Who was last.
    last: Option<Id>,
}

impl Turns {
    /// Gives Splits their figures; more than some at a time wait for the next one.
    pub fn tell(&mut self, control: &Control, cluster: &mut Cluster) {
        let figures = |split: &SplitStatus| {
            let id = Id::new(ObjectKind::Split, &*split.namespace, &*split.name);
            let figures = figures_of(split);
            let difference = cluster.figures_differ(&id, &figures)?;
            Some((id, difference, figures))
        };
        let changed = control.status_of_all().iter().filter_map(figures).collect();
        for (id, figures) in self.choose(changed) {
            cluster.figures(&id, figures);
        }
        cluster.state();
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
        if let Some(guard) = &version.guard {
            figures["guard"] = guard.state.as_str().into();
            // Other reasons are figures that change with every request.
            if guard.state == "tripped" {
                figures["guardReason"] = guard.reason.as_str().into();
            }
        }
        figures
    };
    split.versions.iter().map(version).collect()
}

/// The moment, to the second, so that it does not seem to change all the time.
fn drain_ends_at(seconds: f64) -> Option<String> {
    let end = jiff::Timestamp::now().as_second().checked_add(seconds.round() as i64)?;
    Some(jiff::Timestamp::from_second(end).ok()?.to_string())
}

#[cfg(test)]
mod tests;
