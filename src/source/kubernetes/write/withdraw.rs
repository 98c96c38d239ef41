//! What is taken back from the status of an object that has become another controller's: only what the API server knows to have
//! been written by the proxy and by nobody else since. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::{Map, Value, json};

use super::super::object::ObjectKind;

/// Who wrote which fields of a status (`metadata.managedFields`).
struct Owners<'o> {
    ours: Vec<&'o Value>,
    others: Vec<&'o Value>,
}

/// The parts of a status that are to be in the place of those that it has; none if nothing of it is ours. `own`: the name by which
/// we write.
pub fn withdrawn(kind: ObjectKind, before: &Value, managers: &[ManagedFieldsEntry], own: &str) -> Option<Value> {
    let owners = Owners::of(managers, own);
    let mut parts = Map::new();
    match kind {
        ObjectKind::Gateway => {
            parts.extend(conditions(&owners, &[], before).map(|left| ("conditions".to_owned(), left)));
            parts.extend(listeners(&owners, before).map(|left| ("listeners".to_owned(), left)));
            if !is_empty(&before["addresses"]) && owners.is_ours(&["f:addresses"]) {
                parts.insert("addresses".to_owned(), json!([]));
            }
        }
        ObjectKind::Ingress => {
            let addresses = &before["loadBalancer"]["ingress"];
            if !is_empty(addresses) && owners.is_ours(&["f:loadBalancer", "f:ingress"]) {
                parts.insert("loadBalancer".to_owned(), json!({"ingress": null}));
            }
        }
        _ => {}
    }
    (!parts.is_empty()).then_some(parts.into())
}

/// Conditions of `part`, which is at `place`, without those that are ours; none if there is none.
fn conditions(owners: &Owners<'_>, place: &[&str], part: &Value) -> Option<Value> {
    let known = part["conditions"].as_array()?;
    let is_ours = |condition: &Value| {
        let key = key("type", &condition["type"]);
        owners.is_ours(&[place, &["f:conditions", &key]].concat())
    };
    let left: Vec<&Value> = known.iter().filter(|condition| !is_ours(condition)).collect();
    (left.len() < known.len()).then(|| json!(left))
}

/// Listeners without what is ours of them; none if nothing is.
fn listeners(owners: &Owners<'_>, status: &Value) -> Option<Value> {
    let known = status["listeners"].as_array()?;
    let mut changed = false;
    let left = known.iter().filter_map(|listener| {
        let key = key("name", &listener["name"]);
        let place = ["f:listeners", &key];
        if owners.is_ours(&place) {
            changed = true;
            return None;
        }
        let mut listener = listener.clone();
        if let Some(left) = conditions(owners, &place, &listener) {
            changed = true;
            listener["conditions"] = left;
        }
        Some(listener)
    });
    let left: Vec<Value> = left.collect();
    changed.then(|| left.into())
}

/// An entry of a list as `managedFields` names it.
fn key(field: &str, value: &Value) -> String {
    format!("k:{{\"{field}\":{value}}}")
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

impl<'o> Owners<'o> {
    fn of(managers: &'o [ManagedFieldsEntry], own: &str) -> Self {
        let of_status = managers.iter().filter(|entry| entry.subresource.as_deref() == Some("status"));
        let (ours, others): (Vec<_>, Vec<_>) = of_status.partition(|entry| entry.manager.as_deref() == Some(own));
        let fields = |entries: Vec<&'o ManagedFieldsEntry>| {
            entries
                .into_iter()
                .filter_map(|entry| entry.fields_v1.as_ref())
                .map(|fields| &fields.0["f:status"])
                .collect()
        };
        Self { ours: fields(ours), others: fields(others) }
    }

    /// Whether a place of the status was written by us, and no part of it by anybody else.
    fn is_ours(&self, place: &[&str]) -> bool {
        let has = |fields: &&Value| place.iter().try_fold(*fields, |fields, key| fields.get(key)).is_some();
        self.ours.iter().any(has) && !self.others.iter().any(has)
    }
}

#[cfg(test)]
mod tests;
