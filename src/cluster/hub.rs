//! What this replica tells: everything that is in force to who connects, and changes to all that are there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::broadcast;

use super::frame::{AT_ONCE, Frame};
use super::{Applied, lock};
use crate::rollout::shared::{Record, Records};

/// Lines that a peer may be behind. One that is further behind is cut off, comes back, and is told everything anew.
const BEHIND: usize = 256;

/// What is told.
pub struct Hub {
    name: Arc<str>,
    state: Mutex<State>,
    lines: broadcast::Sender<Bytes>,
    /// How many have connected since the start.
    connected: AtomicU64,
}

#[derive(Default)]
struct State {
    applied: HashMap<u64, (u64, i64)>,
    records: Records,
    judges: bool,
}

impl Hub {
    /// Nothing is in force.
    pub fn new(name: Arc<str>) -> Self {
        Self { name, state: Mutex::default(), lines: broadcast::Sender::new(BEHIND), connected: AtomicU64::new(0) }
    }

    /// Objects that are in force from now on, and such as no longer are.
    pub fn applied(&self, set: Vec<Applied>, gone: Vec<u64>) {
        let mut state = lock(&self.state);
        for object in &gone {
            state.applied.remove(object);
        }
        // Most changes are of endpoints: what is said already need not be said again.
        let fresh = |Applied(object, uid, generation): &Applied| {
            state.applied.insert(*object, (*uid, *generation)) != Some((*uid, *generation))
        };
        let set: Vec<Applied> = set.into_iter().filter(fresh).collect();
        // Told while the state is held: who connects meanwhile finds it either in the list or among what follows.
        self.send(applied_frames(&set, &gone));
    }

    /// All records, and those that changed.
    pub fn records(&self, all: Records, changed: Records) {
        let mut state = lock(&self.state);
        state.records = all;
        self.send(record_frames(&changed));
    }

    /// Whether this replica judges; told at once.
    pub fn judging(&self, judges: bool) {
        let mut state = lock(&self.state);
        if std::mem::replace(&mut state.judges, judges) != judges {
            self.send([Frame::Beat { judges }]);
        }
    }

    /// Tells that this replica lives.
    pub fn beat(&self) {
        let judges = lock(&self.state).judges;
        self.send([Frame::Beat { judges }]);
    }

    /// Tells all that are there.
    pub fn tell(&self, frame: &Frame) {
        self.send([frame]);
    }

    fn send<F: std::borrow::Borrow<Frame>>(&self, frames: impl IntoIterator<Item = F>) {
        if self.lines.receiver_count() == 0 {
            return;
        }
        for line in frames.into_iter().filter_map(|frame| frame.borrow().encode()) {
            // That the last one has just gone is no error.
            let _ = self.lines.send(line);
        }
    }

    /// How many have connected since the start; none: nobody is there now.
    pub fn audience(&self) -> Option<u64> {
        (self.lines.receiver_count() > 0).then(|| self.connected.load(Relaxed))
    }

    /// Everything that is in force, and what follows.
    pub fn connect(&self) -> (Vec<Bytes>, broadcast::Receiver<Bytes>) {
        let state = lock(&self.state);
        let set: Vec<Applied> = state.applied.iter().map(|(object, (uid, at))| Applied(*object, *uid, *at)).collect();
        let mut frames = vec![Frame::Hello { name: self.name.to_string() }, Frame::Beat { judges: state.judges }];
        frames.extend(record_frames(&state.records));
        frames.extend(applied_frames(&set, &[]));
        let lines = self.lines.subscribe();
        self.connected.fetch_add(1, Relaxed);
        (frames.iter().filter_map(Frame::encode).collect(), lines)
    }
}

fn applied_frames(set: &[Applied], gone: &[u64]) -> Vec<Frame> {
    let gone = gone.chunks(AT_ONCE).map(|gone| Frame::Applied { set: Vec::new(), gone: gone.to_vec() });
    let set = set.chunks(AT_ONCE).map(|set| Frame::Applied { set: set.to_vec(), gone: Vec::new() });
    gone.chain(set).collect()
}

fn record_frames(records: &Records) -> Vec<Frame> {
    let all: Vec<(&String, &Record)> = records.iter().collect();
    let frame = |part: &[(&String, &Record)]| Frame::Records {
        records: part.iter().map(|(name, record)| ((*name).clone(), (*record).clone())).collect(),
    };
    all.chunks(AT_ONCE).map(frame).collect()
}

#[cfg(test)]
mod tests;
