//! `HTTPRouteGroup` (specs.smi-spec.io, v1alpha1 to v1alpha4): requests that a TrafficSplit divides, by path, method and headers.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, Method};
use serde::Deserialize;

use crate::model::{Also, HeaderMatch, Match, Pattern, ValueMatch};
use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::{Id, ObjectKind};

/// The versions of the API that are understood. `v1alpha3` put the matches into a spec, `v1alpha4` made the headers a map.
pub const VERSIONS: [&str; 4] = ["v1alpha4", "v1alpha3", "v1alpha2", "v1alpha1"];

/// A group as a TrafficSplit names it.
#[derive(Debug, Deserialize)]
pub struct Reference {
    kind: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Spec {
    #[serde(default)]
    matches: Option<Vec<Wire>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    path_regex: Option<String>,
    #[serde(default)]
    methods: Vec<String>,
    headers: Option<Headers>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Headers {
    All(BTreeMap<String, String>),
    Each(Vec<BTreeMap<String, String>>),
}

/// Requests: all of it must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition(Arc<Also>);

/// The requests that a TrafficSplit's `matches` mean, each of them on its own; `trouble` has what of them leads nowhere.
pub fn conditions(
    reader: &Reader<'_>,
    namespace: &Arc<str>,
    references: &[Reference],
    trouble: &mut Vec<String>,
) -> Vec<Condition> {
    let mut all = Vec::new();
    for reference in references {
        match of(reader, namespace, reference) {
            Ok(conditions) => all.extend(conditions),
            Err(message) => trouble.push(message),
        }
    }
    all
}

fn of(reader: &Reader<'_>, namespace: &Arc<str>, reference: &Reference) -> Result<Vec<Condition>, String> {
    let kind = reference.kind.as_deref().unwrap_or("HTTPRouteGroup");
    if kind != "HTTPRouteGroup" {
        return Err(format!("matches of kind {kind} are not carried: use an HTTPRouteGroup"));
    }
    let id = Id::new(ObjectKind::HttpRouteGroup, Arc::clone(namespace), reference.name.as_deref().unwrap_or_default());
    let group = reader.object(&id).ok_or_else(|| match reader.malformed(&id) {
        Some(why) => format!("{id} cannot be understood: {why}"),
        None => format!("there is no {id}, or its CustomResourceDefinition is not installed"),
    })?;
    let spec: Spec = group.spec().map_err(|error| format!("{id} cannot be understood: {error}"))?;
    spec.matches
        .iter()
        .flatten()
        .map(condition)
        .collect::<Result<_, String>>()
        .map_err(|error| format!("{id}: {error}"))
}

fn condition(wire: &Wire) -> Result<Condition, String> {
    let whole =
        |text: &str| Pattern::whole(text).map_err(|error| format!("{text:?} is no regular expression: {error}"));
    let any = wire.methods.iter().any(|method| method == "*");
    let method =
        |method: &String| Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method:?} is no method"));
    let pairs: Vec<(&String, &String)> = match &wire.headers {
        None => Vec::new(),
        Some(Headers::All(headers)) => headers.iter().collect(),
        Some(Headers::Each(headers)) => headers.iter().flatten().collect(),
    };
    let header = |(name, value): (&String, &String)| {
        let name: HeaderName = name.parse().map_err(|_| format!("{name:?} is no header name"))?;
        Ok(HeaderMatch { name, value: ValueMatch::Regex(whole(value)?) })
    };
    let path = wire.path_regex.as_deref().filter(|text| !matches!(*text, "" | ".*" | "/.*"));
    Ok(Condition(Arc::new(Also {
        path: path.map(whole).transpose()?,
        methods: if any { Vec::new() } else { wire.methods.iter().map(method).collect::<Result<_, String>>()? },
        headers: pairs.into_iter().map(header).collect::<Result<_, String>>()?,
    })))
}

impl Condition {
    /// The requests of `known`, a condition of a rule, that this means, too; none if there are none.
    pub fn within(&self, known: &Match) -> Option<Match> {
        let Self(also) = self;
        let never =
            known.method.as_ref().is_some_and(|method| !also.methods.is_empty() && !also.methods.contains(method));
        (!never).then(|| Match { also: Some(Arc::clone(also)), ..known.clone() })
    }
}

#[cfg(test)]
mod tests;
