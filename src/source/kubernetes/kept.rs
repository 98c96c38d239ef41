//! A text that outlives all replicas: a ConfigMap in the namespace of the proxy.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ObjectMeta, PostParams};

use super::connection::Connection;

/// Name of the ConfigMap.
const NAME: &str = "weir-trips";
/// Key of the text.
const KEY: &str = "trips.json";

/// Where the text is kept.
pub struct Kept {
    maps: Api<ConfigMap>,
}

impl Kept {
    /// In this namespace.
    pub fn new(connection: &Connection, namespace: &str) -> Self {
        Self { maps: Api::namespaced(connection.client(), namespace) }
    }

    /// The text; none if nothing was kept yet.
    ///
    /// # Errors
    ///
    /// What the API server says.
    pub async fn load(&self) -> kube::Result<Option<String>> {
        Ok(self.maps.get_opt(NAME).await?.and_then(|map| map.data).and_then(|mut data| data.remove(KEY)))
    }

    /// Keeps what `text` makes of what is kept now; false if it makes nothing of it.
    ///
    /// # Errors
    ///
    /// What the API server says; also that somebody else has just written: then nothing is lost by trying again.
    pub async fn store(&self, text: impl FnOnce(Option<String>) -> Option<String>) -> kube::Result<bool> {
        let params = PostParams::default();
        match self.maps.get_opt(NAME).await? {
            Some(mut map) => {
                let data = map.data.get_or_insert_default();
                let before = data.get(KEY).cloned();
                let Some(now) = text(before.clone()) else { return Ok(false) };
                if before.as_ref() == Some(&now) {
                    return Ok(true);
                }
                data.insert(KEY.to_owned(), now);
                // The resource version goes along.
                self.maps.replace(NAME, &params, &map).await?;
            }
            None => {
                let Some(now) = text(None) else { return Ok(false) };
                let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
                let data = Some(BTreeMap::from([(KEY.to_owned(), now)]));
                self.maps.create(&params, &ConfigMap { metadata, data, ..ConfigMap::default() }).await?;
            }
        }
        Ok(true)
    }
}
