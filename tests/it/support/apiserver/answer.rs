//! Answers to requests.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::state::{Place, State};
use super::watching::Watch;

pub type Body = UnsyncBoxBody<Bytes, Infallible>;

pub async fn answer(
    state: &Arc<Mutex<State>>,
    changed: &watch::Sender<u64>,
    request: Request<Incoming>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let query: HashMap<String, String> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let Some(place) = Place::of(parts.uri.path()) else { return failure(404, "the server has no such path") };
    let place = place.selected(query.get("fieldSelector"));
    let sent = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let sent: Value = serde_json::from_slice(&sent).unwrap_or_default();
    let mut known = state.lock().unwrap();
    let metadata_only =
        parts.headers.get("accept").is_some_and(|accept| accept.to_str().unwrap().contains("PartialObjectMetadata"));
    let about = if metadata_only { " of metadata" } else { "" };
    known.requests.push(format!("{} {}{about}", parts.method, parts.uri));
    if let Some((status, message)) = known.refusal(&place.resource, parts.method != Method::GET) {
        return failure(status, &message);
    }
    if !known.installed.contains(&place.resource) {
        return failure(404, "the server could not find the requested resource");
    }
    if parts.method == Method::GET && query.get("watch").map(String::as_str) == Some("true") {
        let from = query.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0);
        if from < known.oldest && !known.gone_by_event {
            return failure(410, "too old resource version");
        }
        let cut = known.cut;
        drop(known);
        let watch = Watch {
            state: Arc::clone(state),
            changed: changed.subscribe(),
            place,
            from,
            cut,
            metadata_only,
            over: false,
        };
        return watch.response();
    }
    let answer = write_or_read(&mut known, &parts.method, &place, sent, metadata_only);
    drop(known);
    changed.send_modify(|count| *count += 1);
    answer
}

fn write_or_read(
    state: &mut State,
    method: &Method,
    place: &Place,
    sent: Value,
    metadata_only: bool,
) -> Response<Body> {
    let existing = state.objects.get(&place.key()).cloned();
    match (method, &place.name, existing) {
        (&Method::GET, None, _) => {
            let shown = |object: Value| if metadata_only { metadata_of(&object) } else { object };
            let list = json!({
                "apiVersion": place.api_version,
                "kind": "List",
                "metadata": {"resourceVersion": state.version.to_string()},
                "items": state.items(place).into_iter().map(shown).collect::<Vec<_>>(),
            });
            reply(200, &list)
        }
        (&Method::GET, Some(_), Some(object)) => reply(200, &object),
        (&Method::POST, None, _) => {
            let mut object = sent;
            object["metadata"]["namespace"] = place.namespace.as_str().into();
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            if state.objects.contains_key(&(place.resource.clone(), place.namespace.clone(), name)) {
                return failure(409, "it exists already");
            }
            let made = state.put(&place.resource, object);
            reply(201, &made)
        }
        (&Method::PUT | &Method::PATCH, Some(_), Some(object)) => {
            let version = &sent["metadata"]["resourceVersion"];
            if !version.is_null() && *version != object["metadata"]["resourceVersion"] {
                return failure(409, "the object has been modified; please apply your changes to the latest version");
            }
            let mut next = if method == Method::PUT && !place.status { sent.clone() } else { object };
            match (method, place.status) {
                (_, true) if method == Method::PUT => next["status"] = sent["status"].clone(),
                (_, true) => merge(&mut next["status"], &sent["status"]),
                (&Method::PATCH, false) => merge(&mut next, &sent),
                _ => {}
            }
            let made = state.put(&place.resource, next);
            reply(200, &made)
        }
        // Server-side apply makes what is not there.
        (&Method::PATCH, Some(name), None) if !place.status => {
            let mut object = sent;
            object["metadata"]["name"] = name.as_str().into();
            object["metadata"]["namespace"] = place.namespace.as_str().into();
            let made = state.put(&place.resource, object);
            reply(201, &made)
        }
        (&Method::DELETE, Some(_), Some(object)) => {
            state.delete(&place.key());
            reply(200, &object)
        }
        (_, Some(name), _) => failure(404, &format!("{} \"{name}\" not found", place.resource)),
        _ => failure(405, "the server does not allow this method"),
    }
}

/// An object as it is shown to who asks for metadata.
pub fn metadata_of(object: &Value) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"]})
}

/// RFC 7386, which is what applying and merging come to where lists are replaced.
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

fn reply(status: u16, value: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(value.to_string())).boxed_unsync();
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

pub fn status(code: u16, message: &str) -> Value {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        _ => "InternalError",
    };
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message})
}

fn failure(code: u16, message: &str) -> Response<Body> {
    reply(code, &status(code, message))
}
