//! An object as it is read from the API server: what is used of any kind, and no more. What is not named here is skipped
//! without being kept for a moment; of what nearly every object has that is most (`metadata.managedFields`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope, ObjectMeta};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An object of any kind.
#[derive(Clone, Debug, Deserialize)]
pub struct Told {
    /// Metadata, as far as they are used.
    #[serde(deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// What nearly every kind has.
    #[serde(default)]
    pub spec: Value,
    /// What others say.
    #[serde(default)]
    pub status: Value,
    /// Secrets.
    #[serde(default)]
    pub data: Value,
    /// EndpointSlices.
    #[serde(default)]
    pub endpoints: Value,
    /// EndpointSlices.
    #[serde(default)]
    pub ports: Value,
    /// HTTPRouteGroups of versions that had no spec.
    #[serde(default)]
    pub matches: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    generation: Option<i64>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let known = Metadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: known.name,
        namespace: known.namespace,
        uid: known.uid,
        generation: known.generation,
        resource_version: known.resource_version,
        creation_timestamp: known.creation_timestamp,
        labels: known.labels,
        annotations: known.annotations,
        owner_references: known.owner_references,
        ..ObjectMeta::default()
    })
}

impl Resource for Told {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(kind: &ApiResource) -> Cow<'_, str> {
        kind.kind.as_str().into()
    }

    fn group(kind: &ApiResource) -> Cow<'_, str> {
        kind.group.as_str().into()
    }

    fn version(kind: &ApiResource) -> Cow<'_, str> {
        kind.version.as_str().into()
    }

    fn api_version(kind: &ApiResource) -> Cow<'_, str> {
        kind.api_version.as_str().into()
    }

    fn plural(kind: &ApiResource) -> Cow<'_, str> {
        kind.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
