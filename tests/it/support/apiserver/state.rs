//! Objects, and what has happened to them.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

/// An object: resource, namespace, name.
pub type Key = (String, String, String);

pub struct State {
    pub objects: BTreeMap<Key, Value>,
    /// Every change with its version: resource, namespace, and what a watch is told.
    pub log: Vec<(u64, String, String, Value)>,
    pub version: u64,
    /// Watches from before this version are forgotten.
    pub oldest: u64,
    pub installed: HashSet<String>,
    /// Status codes that resources answer with.
    pub refused: HashMap<String, (u16, String)>,
    /// The same for writes only.
    pub refused_writes: HashMap<String, (u16, String)>,
    /// Writes of resources that meet a conflict before one succeeds.
    pub conflicts: HashMap<String, usize>,
    /// Watches of these resources are open and tell nothing.
    pub stalled: HashSet<String>,
    /// How a watch is told that its version is forgotten: by its status, or by an event.
    pub gone_by_event: bool,
    /// Requests so far: method and path with query.
    pub requests: Vec<String>,
    /// Grows when all watches are to end.
    pub cut: u64,
}

impl State {
    /// How a request is refused, if it is.
    pub fn refusal(&mut self, resource: &str, writes: bool) -> Option<(u16, String)> {
        if let Some(left) = self.conflicts.get_mut(resource).filter(|left| writes && **left > 0) {
            *left -= 1;
            return Some((
                409,
                "the object has been modified; please apply your changes to the latest version".to_owned(),
            ));
        }
        let written = self.refused_writes.get(resource).filter(|_| writes);
        self.refused.get(resource).or(written).cloned()
    }

    pub fn put(&mut self, resource: &str, mut object: Value) -> Value {
        self.version += 1;
        let metadata = &object["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let key = (resource.to_owned(), text(&metadata["namespace"]), text(&metadata["name"]));
        let before = self.objects.get(&key);
        let generation = before.map_or(0, |before| before["metadata"]["generation"].as_i64().unwrap_or(0));
        let same_spec = before.is_some_and(|before| before["spec"] == object["spec"]);
        object["metadata"]["generation"] = (if same_spec { generation } else { generation + 1 }).into();
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        if object["metadata"]["creationTimestamp"].is_null() {
            object["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = format!("uid-{}", key.2).into();
        }
        let kind = if before.is_some() { "MODIFIED" } else { "ADDED" };
        self.log.push((self.version, key.0.clone(), key.1.clone(), json!({"type": kind, "object": object})));
        self.objects.insert(key, object.clone());
        object
    }

    pub fn delete(&mut self, key: &Key) -> Option<Value> {
        let mut object = self.objects.remove(key)?;
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.log.push((self.version, key.0.clone(), key.1.clone(), json!({"type": "DELETED", "object": object})));
        Some(object)
    }

    pub fn items(&self, at: &Place) -> Vec<Value> {
        let here =
            |(key, _): &(&Key, &Value)| key.0 == at.resource && (at.namespace.is_empty() || key.1 == at.namespace);
        let selected = self.objects.iter().filter(here).filter(|(_, object)| at.selects(object));
        selected.map(|(_, object)| object.clone()).collect()
    }
}

/// What a path means.
#[derive(Clone)]
pub struct Place {
    pub api_version: String,
    pub resource: String,
    pub namespace: String,
    pub name: Option<String>,
    pub status: bool,
    /// The field selector: a field as a JSON pointer, and its value.
    pub field: Option<(String, String)>,
}

impl Place {
    /// The same for objects that the `fieldSelector` of a query means, which knows one field.
    pub fn selected(mut self, selector: Option<&String>) -> Self {
        let pair = selector.and_then(|selector| selector.split_once("%3D"));
        self.field = pair.map(|(field, value)| (format!("/{}", field.replace('.', "/")), value.to_owned()));
        self
    }

    /// Whether the field selector means an object.
    pub fn selects(&self, object: &Value) -> bool {
        let is = |(field, value): &(String, String)| object.pointer(field).is_some_and(|known| *known == **value);
        self.field.as_ref().is_none_or(is)
    }

    /// `/api/v1/...`, `/apis/GROUP/VERSION/...`, then `[namespaces/NS/]RESOURCE[/NAME[/status]]`.
    pub fn of(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/');
        let api_version = match parts.next()? {
            "api" => parts.next()?.to_owned(),
            "apis" => format!("{}/{}", parts.next()?, parts.next()?),
            _ => return None,
        };
        let rest: Vec<&str> = parts.collect();
        let (namespace, rest) = match rest[..] {
            ["namespaces", namespace, _, ..] => (namespace, &rest[2..]),
            _ => ("", &rest[..]),
        };
        let resource = (*rest.first()?).to_owned();
        let name = rest.get(1).map(|name| (*name).to_owned());
        Some(Self {
            api_version,
            resource,
            namespace: namespace.to_owned(),
            name,
            status: rest.get(2) == Some(&"status"),
            field: None,
        })
    }

    pub fn key(&self) -> Key {
        (self.resource.clone(), self.namespace.clone(), self.name.clone().unwrap_or_default())
    }
}
