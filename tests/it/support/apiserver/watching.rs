//! Watches.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::answer::{Body, metadata_of, status};
use super::state::{Place, State};

/// A watch that is open.
pub struct Watch {
    pub state: Arc<Mutex<State>>,
    pub changed: watch::Receiver<u64>,
    pub place: Place,
    pub from: u64,
    pub cut: u64,
    pub metadata_only: bool,
    pub over: bool,
}

impl Watch {
    pub fn response(self) -> Response<Body> {
        let lines = stream::unfold(self, |mut watch| async move {
            let lines = watch.next().await?;
            Some((Ok(Frame::data(Bytes::from(lines))), watch))
        });
        Response::builder()
            .header("content-type", "application/json")
            .body(StreamBody::new(lines).boxed_unsync())
            .unwrap()
    }

    /// What is told next, as lines of JSON.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.over {
                return None;
            }
            self.changed.borrow_and_update();
            if let Some(lines) = self.now() {
                return Some(lines);
            }
            if self.over || self.changed.changed().await.is_err() {
                return None;
            }
        }
    }

    fn now(&mut self) -> Option<String> {
        let state = self.state.lock().unwrap();
        if self.from < state.oldest {
            self.over = true;
            let gone = json!({"type": "ERROR", "object": status(410, "too old resource version")});
            // A watch that was open is cut; only one that asks is told.
            return (self.cut == state.cut).then(|| format!("{gone}\n"));
        }
        if self.cut != state.cut {
            self.over = true;
            return None;
        }
        if state.stalled.contains(&self.place.resource) {
            return None;
        }
        let here = |(version, resource, namespace, event): &&(u64, String, String, Value)| {
            *version > self.from
                && *resource == self.place.resource
                && (self.place.namespace.is_empty() || *namespace == self.place.namespace)
                && self.place.selects(&event["object"])
        };
        let mut lines: String =
            state.log.iter().filter(here).map(|(_, _, _, event)| format!("{}\n", self.shown(event))).collect();
        if lines.is_empty() {
            return None;
        }
        self.from = state.version;
        let bookmark =
            json!({"metadata": {"resourceVersion": state.version.to_string()}, "kind": "Bookmark", "apiVersion": "v1"});
        lines.push_str(&format!("{}\n", json!({"type": "BOOKMARK", "object": bookmark})));
        Some(lines)
    }

    fn shown(&self, event: &Value) -> Value {
        let mut event = event.clone();
        if self.metadata_only {
            event["object"] = metadata_of(&event["object"]);
        }
        event
    }
}
