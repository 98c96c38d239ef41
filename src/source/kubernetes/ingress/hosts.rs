//! The names that an Ingress asks for, read from the object as it is: so Ingresses that ask for the same are found.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::annotations::{alias_names, asks};
use crate::source::kubernetes::object::Object;

/// Hosts of an Ingress, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Those of its rules; empty: every host.
    pub rules: BTreeSet<Arc<str>>,
    /// Its other names: `server-alias`, and what `from-to-www-redirect` answers for. Nobody else's requests may go there.
    pub others: BTreeSet<Arc<str>>,
}

impl Hosts {
    /// The hosts of an Ingress. Annotations count whatever their prefix: a name too many only makes two Ingresses be looked
    /// at together.
    pub fn of(object: &Object) -> Self {
        let Ok(spec) = object.spec::<Value>() else { return Self::default() };
        let rules = spec["rules"].as_array().map_or(&[][..], Vec::as_slice);
        let host = |rule: &Value| lower(rule["host"].as_str().unwrap_or_default());
        let mut hosts = Self { rules: rules.iter().map(host).collect(), others: BTreeSet::new() };
        if !spec["defaultBackend"].is_null() {
            hosts.rules.insert("".into());
        }
        for (name, value) in object.annotations() {
            match name.rsplit('/').next() {
                Some("server-alias") => hosts.others.extend(alias_names(value).map(lower)),
                Some(name @ "from-to-www-redirect") if asks(name, value) => {
                    let twins = hosts.rules.iter().filter(|host| !host.is_empty() && !host.starts_with('*'));
                    hosts.others.extend(twins.map(|host| twin(host).into()).collect::<Vec<_>>());
                }
                _ => {}
            }
        }
        hosts.others.retain(|host| !hosts.rules.contains(host));
        hosts
    }

    /// Whether an Ingress may have other names.
    pub fn has_others(object: &Object) -> bool {
        object.annotations().any(|(name, _)| name.ends_with("/server-alias") || name.ends_with("/from-to-www-redirect"))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rules.iter().chain(&self.others)
    }
}

/// A host with `www.`, or without it if it has that.
pub fn twin(host: &str) -> String {
    host.strip_prefix("www.").map_or_else(|| format!("www.{host}"), str::to_owned)
}

fn lower(host: &str) -> Arc<str> {
    host.to_ascii_lowercase().into()
}
