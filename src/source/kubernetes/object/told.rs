//! An object as it is read from the API server: what is used of any kind, and no more. What is not named here is skipped
//! without being kept for a moment; of what nearly every object has that is most (`metadata.managedFields`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope, ObjectMeta};
use serde::{Deserialize, Deserializer};

use super::text::Text;

/// An object of any kind, or its metadata alone, which is then all that the server is asked for.
#[derive(Clone, Debug, Deserialize)]
pub struct Told<const METADATA_ONLY: bool = false> {
    /// Metadata, as far as they are used.
    #[serde(deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// What nearly every kind has.
    #[serde(default)]
    pub spec: Text,
    /// What others say.
    #[serde(default)]
    pub status: Text,
    /// Secrets.
    #[serde(default)]
    pub data: Text,
    /// EndpointSlices.
    #[serde(default)]
    pub endpoints: Text,
    /// EndpointSlices.
    #[serde(default)]
    pub ports: Text,
    /// HTTPRouteGroups of versions that had no spec.
    #[serde(default)]
    pub matches: Text,
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

impl<const METADATA_ONLY: bool> Resource for Told<METADATA_ONLY> {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn metadata_api() -> bool {
        METADATA_ONLY
    }

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
