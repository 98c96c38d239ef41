//! What an Argo Rollout says about weights, without a traffic router: its steps, and how far it is.

use serde::Deserialize;

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
    traffic_routing: Option<TrafficRouting>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TrafficRouting {
    max_traffic_weight: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Step {
    set_weight: Option<u32>,
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
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WeightDestination {
    weight: u32,
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
}

impl RolloutSpec {
    /// The Service that its configuration says is the stable one.
    pub fn stable_service(&self) -> Option<&str> {
        let canary = self.strategy.canary.as_ref().and_then(|canary| canary.stable_service.as_deref());
        canary.or_else(|| self.strategy.blue_green.as_ref().and_then(|blue_green| blue_green.active_service.as_deref()))
    }

    /// The Service that its configuration says is that of the new version.
    pub fn canary_service(&self) -> Option<&str> {
        let canary = self.strategy.canary.as_ref().and_then(|canary| canary.canary_service.as_deref());
        canary
            .or_else(|| self.strategy.blue_green.as_ref().and_then(|blue_green| blue_green.preview_service.as_deref()))
    }

    /// Where the Rollout stands.
    pub fn shares(&self, status: &RolloutStatus) -> Shares {
        if self.strategy.blue_green.is_some() {
            let active = or(&status.blue_green.active_selector, &status.current_pod_hash);
            let preview = or(&status.blue_green.preview_selector, &status.current_pod_hash);
            return Shares { stable: active.to_owned(), canary: preview.to_owned(), weights: Some((1, 0)) };
        }
        // Before the first version is stable, there is only the current one.
        let stable = or(&status.stable_rs, &status.current_pod_hash);
        let (stable, canary) = (stable.to_owned(), status.current_pod_hash.clone());
        let weights = if stable == canary { Some((1, 0)) } else { self.weights(status) };
        Shares { stable, canary, weights }
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
