//! Who has read what.

use std::collections::HashMap;
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

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
pub struct Readers(HashMap<TopicKey, Units, FixedState>);

/// Nearly everything is read by one unit alone.
enum Units {
    One(u32),
    /// Sorted.
    Many(Box<Vec<u32>>),
}

impl Readers {
    /// A unit has read a topic.
    pub fn add(&mut self, topic: TopicKey, unit: u32) {
        let known = self.0.entry(topic).or_insert(Units::One(unit));
        match known {
            Units::One(only) if *only == unit => {}
            Units::One(only) => *known = Units::Many(Box::new(vec![unit.min(*only), unit.max(*only)])),
            Units::Many(units) => {
                if let Err(place) = units.binary_search(&unit) {
                    units.insert(place, unit);
                }
            }
        }
    }

    /// A unit no longer reads a topic.
    pub fn remove(&mut self, topic: TopicKey, unit: u32) {
        let Some(known) = self.0.get_mut(&topic) else { return };
        let gone = match known {
            Units::One(only) => *only == unit,
            Units::Many(units) => {
                if let Ok(place) = units.binary_search(&unit) {
                    units.remove(place);
                }
                units.is_empty()
            }
        };
        if gone {
            self.0.remove(&topic);
        }
    }

    /// The units that have read a topic.
    pub fn of(&self, topic: TopicKey) -> &[u32] {
        match self.0.get(&topic) {
            None => &[],
            Some(Units::One(only)) => std::slice::from_ref(only),
            Some(Units::Many(units)) => units,
        }
    }
}

#[cfg(test)]
mod tests;
