//! The replicas of this proxy: who they are, and what they tell one another.
//!
//! Every replica listens, and follows every other one: `GET /v1/stream` answers with lines of JSON for as long as both
//! live. Whoever connects shows a token; whoever answers shows one, too, since it is the answer that is believed. A replica
//! that connects is told everything that is in force, then only changes, so that a broken stream loses nothing but
//! evidence of the time in which it was broken.

mod acknowledgements;
mod authenticate;
mod board;
mod follow;
mod frame;
mod hub;
mod judge;
mod serve;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};

pub use self::acknowledgements::{Acknowledgements, Applied, Standing, hash};
pub use self::authenticate::{Authenticate, Caller, NotAuthenticated};
use self::board::Board;
pub use self::board::Replicas;
use self::follow::Follower;
pub use self::frame::Frame;
use self::hub::Hub;
pub use self::judge::Judge;
use self::serve::Door;
use crate::rollout::shared::Records;

/// Other replicas that are followed, and that are told, at most.
pub const MOST_PEERS: usize = 64;
/// How often every stream says something.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a peer that says nothing is believed to be there.
pub const SILENCE: Duration = Duration::from_secs(5);
/// What was heard and nobody has looked at yet, frames.
const HEARD: usize = 64;

/// A replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name: that of its pod.
    pub name: Arc<str>,
    /// Where it listens for the others; port 0: on the same port as this one.
    pub address: SocketAddr,
    /// Whether it takes traffic.
    pub ready: bool,
}

/// How a replica is to be among the others.
pub struct Setup {
    /// Its own name.
    pub name: Arc<str>,
    /// Where it listens for the others.
    pub address: SocketAddr,
    /// File with the token that it shows, read anew each time.
    pub token: PathBuf,
    /// Who looks at the tokens of others.
    pub authenticate: Arc<dyn Authenticate>,
}

/// Why a replica cannot be among the others.
#[derive(Debug, Error)]
pub enum PeersError {
    /// The address cannot be listened on.
    #[error("peers cannot listen on {address}: {error}; give peers.address another port, or stop who has it")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What is wrong with it.
        error: io::Error,
    },
    /// There is nothing to show.
    #[error(
        "replicas do not find each other: {} cannot be read: {error}; mount a projected service account token of \
         audience weir-peers there, or leave peers away", path.display()
    )]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
}

/// This replica among the others; it leaves them when dropped.
pub struct Peers {
    name: Arc<str>,
    link: Option<Link>,
    hub: Arc<Hub>,
    board: Arc<Board>,
    members: Mutex<HashMap<Arc<str>, (SocketAddr, AbortHandle)>>,
}

/// What a replica needs to hear others and to be heard by them.
struct Link {
    token: PathBuf,
    authenticate: Arc<dyn Authenticate>,
    heard: mpsc::Sender<Frame>,
    address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Peers {
    /// A replica that neither tells others anything nor hears them, but knows how many there are.
    pub fn alone(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        let board = Arc::new(Board::new(Arc::clone(&name), false));
        Self { hub: Arc::new(Hub::new(Arc::clone(&name))), board, name, link: None, members: Mutex::default() }
    }

    /// Listens, and gives what others will have to say.
    ///
    /// # Errors
    ///
    /// See [`PeersError`].
    pub async fn start(setup: Setup) -> Result<(Self, mpsc::Receiver<Frame>), PeersError> {
        let Setup { name, address, token, authenticate } = setup;
        if let Err(error) = tokio::fs::read(&token).await {
            return Err(PeersError::Token { path: token, error });
        }
        let failed = |error| PeersError::Bind { address, error };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (hub, board) = (Arc::new(Hub::new(Arc::clone(&name))), Arc::new(Board::new(Arc::clone(&name), true)));
        let door = Door::new(Arc::clone(&hub), Arc::clone(&authenticate), token.clone());
        let tasks = [tokio::spawn(serve::accept(listener, door)), tokio::spawn(beat(Arc::clone(&hub)))];
        let (sender, heard) = mpsc::channel(HEARD);
        let link = Some(Link { token, authenticate, heard: sender, address, tasks });
        Ok((Self { name, link, hub, board, members: Mutex::default() }, heard))
    }

    /// Where it really listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.link.as_ref().map(|link| link.address)
    }

    /// All replicas as they are now, this one among them.
    pub fn set_members(&self, members: Vec<Member>) {
        let mut others: Vec<Member> = members.iter().filter(|member| member.name != self.name).cloned().collect();
        self.board.members(members);
        let Some(link) = &self.link else { return };
        for Member { address, .. } in others.iter_mut().filter(|member| member.address.port() == 0) {
            address.set_port(link.address.port());
        }
        let mut followed = lock(&self.members);
        followed.retain(|name, (address, task)| {
            let stays = others.iter().any(|member| member.name == *name && member.address == *address);
            if !stays {
                task.abort();
                self.board.lost(name);
            }
            stays
        });
        for Member { name, address, .. } in others {
            if followed.contains_key(&name) || followed.len() >= MOST_PEERS {
                continue;
            }
            let follower = Follower {
                peer: (Arc::clone(&name), address),
                token: link.token.clone(),
                authenticate: Arc::clone(&link.authenticate),
                board: Arc::clone(&self.board),
                heard: link.heard.clone(),
            };
            followed.insert(name, (address, tokio::spawn(follower.run()).abort_handle()));
        }
    }

    /// Objects that are in force here from now on, and such as no longer are.
    pub fn applied(&self, set: Vec<Applied>, gone: Vec<u64>) {
        self.board.told(&self.name, &set, &gone);
        self.hub.applied(set, gone);
    }

    /// Tells every peer that is there now.
    pub fn tell(&self, frame: &Frame) {
        self.hub.tell(frame);
    }

    /// Everything that is known about guards, and which of it has changed.
    pub fn tell_records(&self, all: Records, changed: Records) {
        self.hub.records(all, changed);
    }

    /// Whether this replica judges for all.
    pub fn tell_judging(&self, judges: bool) {
        self.hub.judging(judges);
    }

    /// Peers that are heard now, and whether each judges.
    pub fn heard(&self) -> Vec<(Arc<str>, bool)> {
        self.board.heard()
    }

    /// How many have connected to this replica since the start; none: nobody hears it now. Another number than before: somebody
    /// does not know what was said.
    pub fn audience(&self) -> Option<u64> {
        self.hub.audience()
    }

    /// This replica's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What is known of who serves what.
    pub fn replicas(&self) -> Replicas {
        Replicas::new(Arc::clone(&self.board))
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.link.iter().flat_map(|link| &link.tasks).for_each(JoinHandle::abort);
        lock(&self.members).values().for_each(|(_, task)| task.abort());
    }
}

async fn beat(hub: Arc<Hub>) {
    let mut interval = tokio::time::interval(HEARTBEAT);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        hub.beat();
    }
}

/// A mutex whose holder panicked still guards whole data here: every change is made in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
