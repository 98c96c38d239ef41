//! What an Argo Rollout says about weights, without a traffic router: its steps, and how far it is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::managed::{self, HeaderRoute, Managed, MirrorRoute};

/// The part of a Rollout's spec that is read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutSpec {
    strategy: Strategy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Strategy {
    canary: Option<Canary>,
    blue_green: Option<BlueGreen>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Canary {
    steps: Vec<Step>,
    stable_service: Option<String>,
    canary_service: Option<String>,
    ping_pong: Option<PingPong>,
    traffic_routing: Option<TrafficRouting>,
}

/// Two Services that take turns in being the stable one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PingPong {
    ping_service: String,
    pong_service: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TrafficRouting {
    max_traffic_weight: Option<u32>,
    /// Routers by their names, and settings of them all.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Step {
    set_weight: Option<u32>,
    pub(super) set_header_route: Option<HeaderRoute>,
    pub(super) set_mirror_route: Option<MirrorRoute>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BlueGreen {
    active_service: Option<String>,
    preview_service: Option<String>,
}

/// The part of a Rollout's status that is read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    #[serde(rename = "stableRS")]
    stable_rs: String,
    current_pod_hash: String,
    current_step_index: Option<usize>,
    abort: bool,
    canary: CanaryStatus,
    blue_green: BlueGreenStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CanaryStatus {
    weights: Option<TrafficWeights>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TrafficWeights {
    canary: WeightDestination,
    stable: WeightDestination,
    additional: Vec<WeightDestination>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WeightDestination {
    weight: u32,
    service_name: String,
    pod_template_hash: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BlueGreenStatus {
    active_selector: String,
    preview_selector: String,
}

/// Shares of the two versions of a Rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Hash of the pods of the stable version.
    pub stable: String,
    /// Hash of the pods of the version on its way; the same as `stable` at rest.
    pub canary: String,
    /// Their weights; none: in proportion to their pods, as a rolling update has it.
    pub weights: Option<(u32, u32)>,
    /// Shares of others, such as the pods of an experiment.
    pub others: Vec<Share>,
}

/// The share of pods that are neither stable nor canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Hash of the pods.
    pub hash: String,
    /// Their weight.
    pub weight: u32,
}

impl RolloutSpec {
    /// The Service that its configuration says is the stable one.
    pub fn stable_service(&self) -> Option<&str> {
        let canary = self.strategy.canary.as_ref().and_then(Canary::stable_service);
        canary.or_else(|| self.strategy.blue_green.as_ref().and_then(|blue_green| blue_green.active_service.as_deref()))
    }

    /// The Service that its configuration says is that of the new version.
    pub fn canary_service(&self) -> Option<&str> {
        let canary = self.strategy.canary.as_ref().and_then(Canary::canary_service);
        canary
            .or_else(|| self.strategy.blue_green.as_ref().and_then(|blue_green| blue_green.preview_service.as_deref()))
    }

    /// Services of experiments that have a share.
    pub fn other_services<'s>(&self, status: &'s RolloutStatus) -> impl Iterator<Item = &'s str> + use<'s> {
        let additional = status.canary.weights.iter().flat_map(|weights| &weights.additional);
        additional.map(|other| &*other.service_name).filter(|name| !name.is_empty())
    }

    /// What else steers the traffic of its pods: names of traffic routers.
    pub fn routers(&self) -> Vec<String> {
        let routing = self.strategy.canary.as_ref().and_then(|canary| canary.traffic_routing.as_ref());
        let others = routing.into_iter().flat_map(|routing| &routing.others).filter(|(_, value)| !value.is_null());
        let names = others.filter(|(key, _)| *key != "managedRoutes").map(|(key, value)| match value.as_object() {
            Some(plugins) if key == "plugins" => plugins.keys().cloned().collect::<Vec<_>>().join(", "),
            _ => key.clone(),
        });
        names.filter(|name| !name.is_empty()).collect()
    }

    /// Routes of their own that steps up to the present one have set; none when the rollout is over or aborted, as the
    /// controller removes them then.
    pub fn managed(&self, status: &RolloutStatus) -> Managed {
        let steps = self.strategy.canary.as_ref().map_or(&[][..], |canary| &canary.steps);
        if status.abort || status.stable_rs == status.current_pod_hash {
            return Managed::default();
        }
        let reached = status.current_step_index.unwrap_or(0).saturating_add(1).min(steps.len());
        managed::of(&steps[..reached])
    }

    /// Where the Rollout stands.
    pub fn shares(&self, status: &RolloutStatus) -> Shares {
        if self.strategy.blue_green.is_some() {
            let active = or(&status.blue_green.active_selector, &status.current_pod_hash);
            let preview = or(&status.blue_green.preview_selector, &status.current_pod_hash);
            return Shares {
                stable: active.to_owned(),
                canary: preview.to_owned(),
                weights: Some((1, 0)),
                others: Vec::new(),
            };
        }
        // Before the first version is stable, there is only the current one.
        let stable = or(&status.stable_rs, &status.current_pod_hash);
        // The weights say whose they are: on the way back from an update that is one which is no longer wanted.
        let told = status.canary.weights.as_ref();
        let of_canary =
            told.filter(|weights| weights.canary.weight > 0).map(|weights| &*weights.canary.pod_template_hash);
        let canary = or(of_canary.unwrap_or_default(), &status.current_pod_hash);
        let others = told.into_iter().flat_map(|weights| &weights.additional);
        let others = others.filter(|other| !other.pod_template_hash.is_empty());
        let others: Vec<Share> =
            others.map(|other| Share { hash: other.pod_template_hash.clone(), weight: other.weight }).collect();
        let weights = if stable == canary && others.is_empty() { Some((1, 0)) } else { self.weights(status) };
        Shares { stable: stable.to_owned(), canary: canary.to_owned(), weights, others }
    }

    fn weights(&self, status: &RolloutStatus) -> Option<(u32, u32)> {
        let canary = self.strategy.canary.as_ref()?;
        if let Some(weights) = &status.canary.weights {
            return Some((weights.stable.weight, weights.canary.weight));
        }
        let total = canary.traffic_routing.as_ref().and_then(|routing| routing.max_traffic_weight).unwrap_or(100);
        let asked = if status.abort { Some(0) } else { canary.asked(status.current_step_index) };
        asked.map(|asked| (total.saturating_sub(asked), asked.min(total)))
    }
}

impl Canary {
    fn stable_service(&self) -> Option<&str> {
        let ping = self.ping_pong.as_ref().map(|services| &*services.ping_service);
        self.stable_service.as_deref().or(ping)
    }

    fn canary_service(&self) -> Option<&str> {
        let pong = self.ping_pong.as_ref().map(|services| &*services.pong_service);
        self.canary_service.as_deref().or(pong)
    }

    /// The weight of the step that was reached: that of the last `setWeight` up to it, 0 before the first, and all after
    /// the last step (argo-rollouts, `replicaset.GetCurrentSetWeight`). None without steps.
    fn asked(&self, index: Option<usize>) -> Option<u32> {
        let total = self.traffic_routing.as_ref().and_then(|routing| routing.max_traffic_weight).unwrap_or(100);
        if self.steps.is_empty() {
            return None;
        }
        let index = index.unwrap_or(0);
        if index >= self.steps.len() {
            return Some(total);
        }
        Some(self.steps[..=index].iter().rev().find_map(|step| step.set_weight).unwrap_or(0))
    }
}

fn or<'a>(first: &'a str, second: &'a str) -> &'a str {
    if first.is_empty() { second } else { first }
}

#[cfg(test)]
mod tests;
