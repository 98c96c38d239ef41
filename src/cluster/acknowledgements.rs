//! Which replicas serve which generation of an object.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{MOST_PEERS, Member};

/// Objects of a replica that are remembered. Beyond, it counts as lagging.
const MOST_OBJECTS: usize = 1 << 17;

/// An object at a generation, by the hashes of its name and of its uid: that keeps what is known of thousands of objects on
/// every peer small. All replicas hash alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied(pub u64, pub u64, pub i64);

/// The hash of a name or uid.
pub fn hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

impl Applied {
    /// An object at a generation.
    pub fn new(name: &str, uid: &str, generation: i64) -> Self {
        Self(hash(name), hash(uid), generation)
    }
}

/// Who serves an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Replicas that take traffic.
    pub ready: usize,
    /// Those of them that serve it, at this generation or a later one.
    pub programmed: usize,
    /// The others, by name.
    pub lagging: Vec<Arc<str>>,
}

impl Standing {
    /// Whether every ready replica serves it.
    pub fn is_complete(&self) -> bool {
        self.lagging.is_empty()
    }
}

/// What every replica has said that it serves.
pub struct Acknowledgements {
    own: Arc<str>,
    ready: Vec<Arc<str>>,
    /// By replica and object: its uid, and the generation.
    served: HashMap<Arc<str>, HashMap<u64, (u64, i64)>>,
}

impl Acknowledgements {
    /// Nothing is known but this replica, which counts as ready: what it serves is what it speaks of.
    pub fn new(own: Arc<str>) -> Self {
        Self { ready: vec![Arc::clone(&own)], own, served: HashMap::new() }
    }

    /// All replicas as they are now; whether this changes who is ready.
    pub fn members(&mut self, members: &[Member]) -> bool {
        let mut ready: Vec<Arc<str>> = members.iter().filter(|m| m.ready).map(|m| Arc::clone(&m.name)).collect();
        ready.push(Arc::clone(&self.own));
        ready.sort();
        ready.dedup();
        self.served.retain(|name, _| *name == self.own || members.iter().any(|member| member.name == *name));
        std::mem::replace(&mut self.ready, ready) != self.ready
    }

    /// A replica's list begins anew, or nobody hears it any more.
    pub fn forget(&mut self, replica: &str) {
        self.served.remove(replica);
    }

    /// A replica serves these objects, and no longer those.
    pub fn told(&mut self, replica: &Arc<str>, set: &[Applied], gone: &[u64]) {
        if !self.served.contains_key(replica) && self.served.len() > MOST_PEERS {
            return;
        }
        let served = self.served.entry(Arc::clone(replica)).or_default();
        for object in gone {
            served.remove(object);
        }
        for Applied(object, uid, generation) in set {
            if served.len() < MOST_OBJECTS || served.contains_key(object) {
                served.insert(*object, (*uid, *generation));
            }
        }
    }

    /// Who serves an object at this generation.
    pub fn standing(&self, Applied(object, uid, generation): &Applied) -> Standing {
        let serves = |name: &&Arc<str>| {
            let served = self.served.get(*name).and_then(|served| served.get(object));
            served.is_some_and(|(known, at)| known == uid && at >= generation)
        };
        let (programmed, lagging): (Vec<&Arc<str>>, Vec<&Arc<str>>) = self.ready.iter().partition(serves);
        Standing {
            ready: self.ready.len(),
            programmed: programmed.len(),
            lagging: lagging.into_iter().cloned().collect(),
        }
    }

    /// How many replicas take traffic.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }
}

#[cfg(test)]
mod tests;
