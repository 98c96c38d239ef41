//! What this replica knows about all of them, and who wants to be told of changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::{Acknowledgements, Applied, Member, Standing, lock};

/// What is known about all replicas.
pub struct Board {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    /// Whether others are heard at all.
    hears: bool,
}

struct State {
    acknowledgements: Acknowledgements,
    /// Peers whose streams stand, and whether each judges.
    heard: BTreeMap<Arc<str>, bool>,
}

impl Board {
    /// Nothing is known yet.
    pub fn new(own: Arc<str>, hears: bool) -> Self {
        let state = State { acknowledgements: Acknowledgements::new(own), heard: BTreeMap::new() };
        Self { state: Mutex::new(state), changed: watch::Sender::new(0), hears }
    }

    /// All replicas as they are now.
    pub fn members(&self, members: Vec<Member>) {
        if lock(&self.state).acknowledgements.members(&members) {
            self.tell();
        }
    }

    /// A peer's stream stands, and begins with everything.
    pub fn begins(&self, peer: &Arc<str>) {
        let mut state = lock(&self.state);
        state.acknowledgements.forget(peer);
        state.heard.insert(Arc::clone(peer), false);
    }

    /// A peer's stream has ended.
    pub fn lost(&self, peer: &str) {
        let mut state = lock(&self.state);
        state.acknowledgements.forget(peer);
        state.heard.remove(peer);
        drop(state);
        self.tell();
    }

    /// What a replica serves.
    pub fn told(&self, replica: &Arc<str>, set: &[Applied], gone: &[u64]) {
        lock(&self.state).acknowledgements.told(replica, set, gone);
        self.tell();
    }

    /// A peer lives, and judges or does not.
    pub fn beat(&self, peer: &Arc<str>, judges: bool) {
        lock(&self.state).heard.insert(Arc::clone(peer), judges);
    }

    /// Peers whose streams stand.
    pub fn heard(&self) -> Vec<(Arc<str>, bool)> {
        lock(&self.state).heard.iter().map(|(name, judges)| (Arc::clone(name), *judges)).collect()
    }

    fn tell(&self) {
        self.changed.send_modify(|changes| *changes = changes.wrapping_add(1));
    }
}

/// Who serves what, for who waits for it.
pub struct Replicas {
    board: Arc<Board>,
    changed: watch::Receiver<u64>,
}

impl Replicas {
    /// Changes are told from now on.
    pub fn new(board: Arc<Board>) -> Self {
        Self { changed: board.changed.subscribe(), board }
    }

    /// Who serves an object; none if nobody can tell: there are others, and they are not heard.
    pub fn standing(&self, object: &Applied) -> Option<Standing> {
        let state = lock(&self.board.state);
        let known = self.board.hears || state.acknowledgements.ready() == 1;
        known.then(|| state.acknowledgements.standing(object))
    }

    /// Returns when something may have changed.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
