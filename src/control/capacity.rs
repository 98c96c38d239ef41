//! The gate: a version gets no larger share of the traffic than its ready endpoints can carry, so that whoever scales it can
//! keep up with a change of its weight.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::smallvec;

use super::{Control, EventKind, State};
use crate::endpoint::SplitId;
use crate::snapshot::{PerVersion, Rule, VersionEntry, Weights};

/// What shares are expressed in where the gate changes them.
const SCALE: f64 = 10_000.0;
/// What is left after a second of a load that has gone.
const FADES: f64 = 0.9;
/// Loads are told apart in steps of so much, or weights would change all the time.
const STEP: f64 = 1.1;

/// Requests in flight of each split that is gated: the most of the last seconds.
pub type Loads = HashMap<SplitId, f64>;

impl Control {
    /// Looks at the load of every split that is gated, and changes their weights; to be called every second.
    pub(super) fn look_at_loads(&self, state: &mut State) {
        let snapshot = self.served.load_full();
        let gated = |rule: &&Rule| rule.body.split.limits.gate;
        if !snapshot.rules.iter().any(|rule| gated(&rule)) {
            return;
        }
        for rule in snapshot.rules.iter().filter(gated) {
            let active = |id| f64::from(u32::try_from(self.recorder.glance(id).active_requests).unwrap_or(0));
            let waiting = |line: &crate::endpoint::Line| line.waiting() as f64;
            let now: f64 =
                rule.body.versions.iter().map(|v| active(v.id) + v.line.as_deref().map_or(0.0, waiting)).sum();
            let load = state.loads.entry(rule.body.split_id).or_default();
            *load = now.max(*load * FADES);
        }
        let mut next = (*snapshot).clone();
        let mut changed = false;
        for rule in next.rules.iter_mut().filter(|rule| rule.body.split.limits.gate) {
            changed |= self.hold_to_capacity(rule, state);
        }
        if changed {
            self.publish(next, &state.fleet);
        }
    }

    /// Holds the weights of a rule down to what its endpoints can carry; says whether that changes them.
    pub(super) fn hold_to_capacity(&self, rule: &mut Rule, state: &mut State) -> bool {
        let limits = *rule.body.split.limits;
        let limit = limits.per_endpoint.filter(|_| limits.gate).map(|limit| f64::from(limit.get()));
        // A gate that was switched off lets go of what it held down.
        if limit.is_none() && !rule.weights.gated.contains(&true) {
            return false;
        }
        let asked = state.asked(rule);
        let load = state.loads.get(&rule.body.split_id).copied().filter(|_| limit.is_some()).unwrap_or(0.0);
        let carries = |version: &VersionEntry| version.ready() as f64 * limit.unwrap_or(f64::INFINITY);
        let capacities: Vec<f64> = rule.body.versions.iter().map(carries).collect();
        let (current, gated) = hold_down(&asked, &capacities, load);
        if current == rule.weights.current && gated == rule.weights.gated {
            return false;
        }
        for (i, version) in rule.body.versions.iter().enumerate() {
            let before = rule.weights.gated.get(i).copied().unwrap_or(false);
            let message = match (before, gated[i]) {
                (false, true) => format!(
                    "gets less than its weight: {} ready endpoints carry {} of the {load:.0} requests in flight",
                    version.ready(),
                    capacities[i]
                ),
                (true, false) if limit.is_none() => "gets its weight again: there is no gate any more".to_owned(),
                (true, false) => "gets its weight again: its endpoints can carry it".to_owned(),
                _ => continue,
            };
            self.events.tell(EventKind::WeightGated, &rule.body.route.to_string(), &version.name, message);
        }
        // The same weights go on where they are.
        let same = current == rule.weights.current;
        let epoch = if same { rule.weights.epoch } else { state.interner.epoch() };
        rule.weights = Arc::new(Weights { epoch, current, gated, ..(*rule.weights).clone() });
        !same
    }
}

/// Weights whose shares of `load` requests in flight fit into what each version carries, and which versions got less than
/// `asked` for. What does not fit goes to the other versions that were asked for, then to those that were not, the first one
/// first; what fits nowhere stays where it was asked for.
fn hold_down(asked: &[u32], capacities: &[f64], load: f64) -> (PerVersion<u32>, PerVersion<bool>) {
    let total: f64 = asked.iter().map(|weight| f64::from(*weight)).sum();
    let unchanged = || (asked.into(), smallvec![false; asked.len()]);
    if total == 0.0 || load < 1.0 {
        return unchanged();
    }
    let load = STEP.powf(load.log(STEP).ceil());
    let shares: Vec<f64> = asked.iter().map(|weight| f64::from(*weight) / total).collect();
    let limits: Vec<f64> = capacities.iter().map(|capacity| capacity / load).collect();
    if shares.iter().zip(&limits).all(|(share, limit)| share <= limit) {
        return unchanged();
    }
    let mut given: Vec<f64> = shares.iter().zip(&limits).map(|(share, limit)| share.min(*limit)).collect();
    let gated = given.iter().zip(&shares).map(|(given, share)| given < share).collect();
    let mut left = 1.0 - given.iter().sum::<f64>();
    let room: Vec<f64> = limits.iter().zip(&given).map(|(limit, given)| limit - given).collect();
    let wanted: f64 = room.iter().zip(asked).filter(|(_, weight)| **weight > 0).map(|(room, _)| room).sum();
    let part = if wanted > 0.0 { (left / wanted).min(1.0) } else { 0.0 };
    for i in (0..given.len()).filter(|i| asked[*i] > 0) {
        given[i] += room[i] * part;
    }
    left -= wanted * part;
    for i in (0..given.len()).filter(|i| asked[*i] == 0) {
        let more = room[i].min(left);
        given[i] += more;
        left -= more;
    }
    let weight = |(given, share): (&f64, &f64)| ((given + share * left.max(0.0)) * SCALE).round() as u32;
    (given.iter().zip(&shares).map(weight).collect(), gated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(asked: &[u32], capacities: &[f64], load: f64) -> (Vec<u32>, Vec<bool>) {
        let (weights, gated) = hold_down(asked, capacities, load);
        (weights.to_vec(), gated.to_vec())
    }

    /// A load that is a step by itself.
    fn steps(count: i32) -> f64 {
        STEP.powi(count) - 1e-6
    }

    #[test]
    fn what_fits_stays_as_it_was_asked_for() {
        assert_eq!(held(&[95, 5], &[1000.0, 10.0], 100.0), (vec![95, 5], vec![false, false]));
        assert_eq!(held(&[0, 1], &[0.0, 0.0], 0.0), (vec![0, 1], vec![false, false]), "nothing is in flight");
    }

    #[test]
    fn what_does_not_fit_goes_to_who_has_room() {
        let load = steps(50);
        let (weights, gated) = held(&[50, 50], &[1000.0, load * 0.1], load);
        assert_eq!((weights, gated), (vec![9000, 1000], vec![false, true]));
    }

    #[test]
    fn a_switch_waits_for_the_new_version_although_the_old_one_is_asked_for_nothing() {
        let load = steps(50);
        let (weights, gated) = held(&[0, 100], &[1000.0, load * 0.25], load);
        assert_eq!((weights, gated), (vec![7500, 2500], vec![false, true]));
    }

    #[test]
    fn what_fits_nowhere_stays_where_it_was_asked_for() {
        let load = steps(50);
        let (weights, gated) = held(&[50, 50], &[load * 0.2, load * 0.2], load);
        assert_eq!((weights, gated), (vec![5000, 5000], vec![true, true]));
        assert_eq!(held(&[0, 100], &[0.0, 0.0], load).0, [0, 10_000]);
    }
}
