//! Events on objects: what an operator must know and no status can say.

use jiff::Timestamp;
use kube::api::{Api, PostParams};
use kube::core::DynamicObject;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use super::super::object::Id;
use super::super::report::Note;

/// The longest note that the API server takes, bytes (events.k8s.io/v1 `Event.note`).
const LONGEST: usize = 1000;

/// Longest part of an Event's name that is the object's.
const LONGEST_NAME: usize = 200;

/// The name of the Event of a note about an object: the same whoever tells it and however often, so that there is one.
fn name(id: &Id, uid: &str, note: &Note) -> String {
    let hash = xxh3_64([uid, note.reason, &note.message].join("\0").as_bytes());
    let readable = &id.name[..id.name.floor_char_boundary(LONGEST_NAME)];
    format!("{}.{hash:016x}", readable.trim_end_matches(['-', '.']))
}

/// Tells a note as an Event on the object, unless there is one already.
///
/// # Errors
///
/// What the API server says.
pub async fn tell(events: &Api<DynamicObject>, (id, uid): (&Id, &str), note: &Note, replica: &str) -> kube::Result<()> {
    let now = Timestamp::now();
    let resource = id.kind.resource();
    let mut message = note.message.clone();
    message.truncate(message.floor_char_boundary(LONGEST));
    let event = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name(id, uid, note)},
        "eventTime": format!("{now:.6}"),
        "reportingController": "weir.dev/proxy",
        "reportingInstance": replica,
        "action": "Translate",
        "reason": note.reason,
        "note": message,
        "type": if note.warning { "Warning" } else { "Normal" },
        "regarding": {
            "apiVersion": resource.api_version, "kind": resource.kind,
            "namespace": &*id.namespace, "name": &*id.name, "uid": uid,
        },
    });
    // Every field is one that an Event has, so this is no error of ours to meet.
    let event: DynamicObject = serde_json::from_value(event).map_err(kube::Error::SerdeError)?;
    match events.create(&PostParams::default(), &event).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        result => result.map(|_| ()),
    }
}

#[cfg(test)]
mod tests;
