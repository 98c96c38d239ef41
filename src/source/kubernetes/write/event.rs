//! Events on objects: what an operator must know and no status can say.

use jiff::Timestamp;
use kube::api::{Api, PostParams};
use kube::core::DynamicObject;
use serde_json::json;

use super::super::object::Id;
use super::super::report::Note;

/// The longest note that the API server takes, bytes (events.k8s.io/v1 `Event.note`).
const LONGEST: usize = 1000;

/// Tells a note as an Event on the object.
///
/// # Errors
///
/// What the API server says.
pub async fn tell(events: &Api<DynamicObject>, (id, uid): (&Id, &str), note: &Note, replica: &str) -> kube::Result<()> {
    let now = Timestamp::now();
    let resource = id.kind.resource();
    let name = format!("{}.{:x}", id.name.chars().take(200).collect::<String>(), now.as_nanosecond());
    let mut message = note.message.clone();
    message.truncate(message.floor_char_boundary(LONGEST));
    let event = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name},
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
    events.create(&PostParams::default(), &event).await.map(|_| ())
}
