//! Who has read what.

use std::collections::HashMap;
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use slab::Slab;

use super::Topic;

/// Stands for a topic. Two topics that come to share one only mean that a reader is translated once too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicKey(u64);

impl TopicKey {
    /// A key of something else that units have in common.
    pub fn new(hash: u64) -> Self {
        Self(hash)
    }

    /// What stands for a topic.
    pub fn of(topic: &Topic) -> Self {
        Self(FixedState::default().hash_one(topic))
    }
}

/// Units by what they have read, units being known by a number.
#[derive(Default)]
pub struct Readers {
    topics: HashMap<TopicKey, Units, FixedState>,
    /// What several units have read: their numbers, sorted.
    shared: Slab<Vec<u32>>,
}

/// Nearly everything is read by one unit alone.
#[derive(Clone, Copy)]
enum Units {
    One(u32),
    /// These of [`Readers::shared`].
    Shared(u32),
}

impl Readers {
    /// A unit has read a topic.
    pub fn add(&mut self, topic: TopicKey, unit: u32) {
        let known = self.topics.entry(topic).or_insert(Units::One(unit));
        match *known {
            Units::One(only) if only == unit => {}
            Units::One(only) => {
                let place = self.shared.insert(vec![unit.min(only), unit.max(only)]);
                *known = Units::Shared(place as u32);
            }
            Units::Shared(place) => {
                if let Some(units) = self.shared.get_mut(place as usize)
                    && let Err(place) = units.binary_search(&unit)
                {
                    units.insert(place, unit);
                }
            }
        }
    }

    /// A unit no longer reads a topic.
    pub fn remove(&mut self, topic: TopicKey, unit: u32) {
        match self.topics.get(&topic).copied() {
            None => {}
            Some(Units::One(only)) if only != unit => {}
            Some(Units::One(_)) => _ = self.topics.remove(&topic),
            Some(Units::Shared(place)) => {
                let Some(units) = self.shared.get_mut(place as usize) else { return };
                units.retain(|known| *known != unit);
                if units.is_empty() {
                    self.shared.remove(place as usize);
                    self.topics.remove(&topic);
                }
            }
        }
    }

    /// The units that have read a topic.
    pub fn of(&self, topic: TopicKey) -> &[u32] {
        match self.topics.get(&topic) {
            None => &[],
            Some(Units::One(only)) => std::slice::from_ref(only),
            Some(Units::Shared(place)) => self.shared.get(*place as usize).map_or(&[], Vec::as_slice),
        }
    }
}

#[cfg(test)]
mod tests;
