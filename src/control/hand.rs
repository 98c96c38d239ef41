//! Weights set by hand, which lie over the configuration's.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::events::lock;
use super::{Control, WeightsError, join, look, settle};
use crate::model::{Model, RouteKey, Weight};
use crate::snapshot::{PerVersion, WeightSource, Weights};

/// Weights set by hand.
pub struct Hand {
    /// What they are.
    pub weights: Vec<Weight>,
    /// What the configuration said when they were set.
    pub configured: Vec<(Arc<str>, Weight)>,
}

impl Control {
    /// Sets weights by hand; versions that are not named keep theirs.
    ///
    /// # Errors
    ///
    /// See [`WeightsError`]; nothing changes then.
    pub fn set_weights(&self, split: &str, asked: &BTreeMap<String, i64>) -> Result<(), WeightsError> {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let previous = self.served.load_full();
        let route = self.route(&previous, split)?;
        if !route.namespace.is_empty() {
            return Err(WeightsError::Owned { split: split.to_owned(), owner: route.kind.as_str() });
        }
        let rule = previous.rules_of(&route).map(|(_, rule)| rule).next();
        let rule = rule.ok_or_else(|| WeightsError::AllZero(split.to_owned()))?;
        let mut weights = rule.weights.desired.to_vec();
        for (name, weight) in asked {
            let version = rule.body.versions.iter().position(|version| *version.name == **name);
            let version = version.ok_or_else(|| WeightsError::NoVersion {
                split: split.to_owned(),
                asked: name.clone(),
                known: join(rule.body.versions.iter().map(|version| version.name.to_string())),
            })?;
            weights[version] = Weight::try_from(*weight)?;
        }
        if weights.iter().all(|weight| *weight == Weight::ZERO) {
            return Err(WeightsError::AllZero(split.to_owned()));
        }
        let configured = configured(&state.model, &route).unwrap_or_default();
        state.hand.insert(route.clone(), Hand { weights: weights.clone(), configured });
        let mut snapshot = (*previous).clone();
        for rule in snapshot.rules.iter_mut().filter(|rule| rule.body.route == route) {
            let desired: PerVersion<Weight> = weights.clone().into();
            rule.weights = Arc::new(Weights::new(state.interner.epoch(), desired, WeightSource::Hand));
            let before = previous.rules.iter().find(|before| before.body.split_id == rule.body.split_id);
            settle(rule, before, state);
            self.enter(rule, before, state);
        }
        self.publish(snapshot, &state.fleet);
        look(state, &previous, &self.served.load_full(), tokio::time::Instant::now());
        self.served.load().rules_of(&route).for_each(|(_, rule)| self.tell_weights(rule));
        Ok(())
    }
}

/// The versions of a route's splits with the weights that a model gives them.
pub fn configured(model: &Model, route: &RouteKey) -> Option<Vec<(Arc<str>, Weight)>> {
    let found = model.routes.iter().find(|known| known.key == *route)?;
    Some(
        found.rules.first()?.split.versions.iter().map(|version| (Arc::clone(&version.name), version.weight)).collect(),
    )
}

/// The model with weights set by hand in the place of its own.
pub fn with_hand<'m>(model: &'m Model, hand: impl Iterator<Item = (&'m RouteKey, &'m Hand)>) -> Cow<'m, Model> {
    let hand: HashMap<&RouteKey, &Hand> = hand.collect();
    if hand.is_empty() {
        return Cow::Borrowed(model);
    }
    let mut model = model.clone();
    for route in &mut model.routes {
        let Some(Hand { weights, .. }) = hand.get(&route.key) else { continue };
        let route = Arc::make_mut(route);
        for rule in &mut route.rules {
            let versions = &mut Arc::make_mut(&mut rule.split).versions;
            versions.iter_mut().zip(weights).for_each(|(version, weight)| version.weight = *weight);
        }
    }
    Cow::Owned(model)
}
