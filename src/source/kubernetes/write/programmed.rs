//! What conditions say about replicas. Pure.

use std::sync::Arc;

use serde_json::json;

use super::super::object::ObjectKind;
use super::super::report::{Condition, Report};
use super::pending::Serving;

/// The type of the condition.
const PROGRAMMED: &str = "Programmed";

/// A report with what is known of the replicas that serve it.
pub fn report(kind: ObjectKind, report: &Report, serving: &Serving) -> Report {
    let mut report = report.clone();
    match kind {
        ObjectKind::Split => split(&mut report, serving),
        ObjectKind::Gateway => {
            let listeners = report.listeners.iter_mut().flat_map(|listener| &mut listener.conditions);
            let conditions = listeners.chain(&mut report.conditions);
            // What does not hold for other reasons says so already.
            for condition in conditions.filter(|condition| condition.kind == PROGRAMMED && condition.holds) {
                if !serving.lagging.is_empty() {
                    *condition = programmed(serving);
                }
            }
        }
        ObjectKind::HttpRoute | ObjectKind::GrpcRoute if serving.replicas.is_some() => {
            for parent in report.parents.iter_mut().filter(|parent| is_accepted(&parent.conditions)) {
                parent.conditions.push(programmed(serving));
            }
        }
        _ => {}
    }
    report
}

fn split(report: &mut Report, serving: &Serving) {
    let Some((ready, served)) = serving.replicas else { return };
    report.replicas = Some(json!({"ready": ready, "programmed": served}));
    // What leads nowhere says so already.
    if report.conditions.iter().any(|condition| condition.kind == PROGRAMMED) {
        return;
    }
    report.conditions.push(match is_accepted(&report.conditions) {
        true => programmed(serving),
        false => Condition::fails(PROGRAMMED, "Invalid", "it is not accepted: see its other conditions"),
    });
}

fn is_accepted(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| condition.kind == "Accepted" && condition.holds)
}

fn programmed(serving: &Serving) -> Condition {
    if serving.lagging.is_empty() {
        return Condition::holds(PROGRAMMED, "Programmed", "");
    }
    let names: Vec<&str> = serving.lagging.iter().take(8).map(Arc::as_ref).collect();
    let more = match serving.lagging.len().saturating_sub(names.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("not served yet by {}{more}", names.join(", "));
    Condition::fails(PROGRAMMED, "Lagging", message)
}

#[cfg(test)]
mod tests;
