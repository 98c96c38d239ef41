//! What commands do in a cluster: with the rights of whoever runs them, by the kubeconfig that `kubectl` uses.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};
use thiserror::Error;

use super::object::ObjectKind;

/// Why a command cannot do in a cluster what it was asked for.
#[derive(Debug, Error)]
pub enum CommandError {
    /// Nothing says where the API server is.
    #[error("no way to an API server: {0}; set KUBECONFIG, or run in a pod with a service account")]
    Config(#[from] kube::config::InferConfigError),
    /// The API server.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// The weights are somebody else's.
    #[error("the weights of Split {split} are those of {owner}: change them there")]
    Owned {
        /// The Split.
        split: String,
        /// Who owns them.
        owner: String,
    },
    /// No such version.
    #[error("Split {split} has no version {asked:?}; it has: {known}")]
    NoVersion {
        /// The Split.
        split: String,
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
}

async fn client() -> Result<Client, CommandError> {
    Ok(Client::try_from(kube::Config::infer().await?)?)
}

/// Every Ingress of the cluster, or of a namespace, and every IngressClass.
///
/// # Errors
///
/// No way to the API server, or it refuses.
pub async fn ingresses(namespace: Option<&str>) -> Result<(Vec<Ingress>, Vec<IngressClass>), CommandError> {
    let client = client().await?;
    let api: Api<Ingress> =
        namespace.map_or_else(|| Api::all(client.clone()), |name| Api::namespaced(client.clone(), name));
    let all = ListParams::default();
    let ingresses = api.list(&all).await?.items;
    Ok((ingresses, Api::<IngressClass>::all(client).list(&all).await?.items))
}

/// Sets weights in the spec of a Split; versions that are not named keep theirs.
///
/// # Errors
///
/// See [`CommandError`]; nothing changes then.
pub async fn set_weights(namespace: &str, name: &str, weights: &BTreeMap<String, i64>) -> Result<(), CommandError> {
    let splits: Api<DynamicObject> = Api::namespaced_with(client().await?, namespace, &ObjectKind::Split.resource());
    let mut split = splits.get(name).await?;
    with_weights(&format!("{namespace}/{name}"), &mut split.data["spec"], weights)?;
    // Its resource version goes along, so that nobody's change is lost.
    splits.replace(name, &PostParams::default(), &split).await?;
    Ok(())
}

fn with_weights(split: &str, spec: &mut Value, weights: &BTreeMap<String, i64>) -> Result<(), CommandError> {
    if let Some(target) = spec.get("targetRef") {
        let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
        let owner = format!("{} {}", text("kind"), text("name"));
        return Err(CommandError::Owned { split: split.to_owned(), owner });
    }
    let versions = spec["versions"].as_array_mut().map_or(&mut [][..], |versions| versions);
    let known: Vec<String> = versions.iter().filter_map(|v| v["name"].as_str().map(str::to_owned)).collect();
    for (asked, weight) in weights {
        let version = versions.iter_mut().find(|version| version["name"].as_str() == Some(asked));
        let version = version.ok_or_else(|| CommandError::NoVersion {
            split: split.to_owned(),
            asked: asked.clone(),
            known: known.join(", "),
        })?;
        version["weight"] = json!(weight);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
        pairs.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect()
    }

    #[test]
    fn versions_that_are_not_named_keep_their_weights() {
        let mut spec = json!({"versions": [{"name": "stable", "weight": 9}, {"name": "canary", "weight": 1}]});
        with_weights("shop/shop", &mut spec, &weights(&[("canary", 5)])).unwrap();
        assert_eq!(spec["versions"][0]["weight"], 9);
        assert_eq!(spec["versions"][1]["weight"], 5);
    }

    #[test]
    fn weights_of_somebody_else_are_refused_naming_the_owner() {
        let mut spec = json!({"targetRef": {"kind": "Rollout", "name": "shop"}, "versions": []});
        let error = with_weights("shop/shop", &mut spec, &weights(&[("canary", 5)])).unwrap_err();
        assert_eq!(error.to_string(), "the weights of Split shop/shop are those of Rollout shop: change them there");
    }

    #[test]
    fn an_unknown_version_is_refused_naming_those_there_are() {
        let mut spec = json!({"versions": [{"name": "stable"}, {"name": "canary"}]});
        let error = with_weights("shop/shop", &mut spec, &weights(&[("kanary", 5)])).unwrap_err();
        assert!(error.to_string().ends_with("it has: stable, canary"), "{error}");
    }
}
