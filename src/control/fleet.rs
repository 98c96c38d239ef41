//! The workers as the control side sees them: what they listen on, and what they have in flight.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::model::{Listener, SocketKey};
use crate::proxy::{self, BindError, Command, WorkerHandle};

/// All workers.
pub struct Fleet {
    workers: Vec<WorkerHandle>,
    listening: Vec<Listening>,
}

/// A listener that the workers accept for.
#[derive(Clone)]
struct Listening {
    key: SocketKey,
    bound: SocketAddr,
}

/// Sockets for the listeners that a configuration adds.
pub struct Bound(Vec<(Listening, Vec<std::net::TcpListener>)>);

impl Fleet {
    /// A fleet that listens on nothing.
    pub fn new(workers: Vec<WorkerHandle>) -> Self {
        Self { workers, listening: Vec::new() }
    }

    /// Binds what `listeners` asks for and is not there yet. Nothing is accepted until [`Fleet::listen`].
    ///
    /// # Errors
    ///
    /// An address cannot be bound; what was bound meanwhile is let go.
    pub fn bind(&self, listeners: &[Arc<Listener>]) -> Result<Bound, BindError> {
        let missing = listeners.iter().filter(|listener| !self.listening.iter().any(|known| listener.is(&known.key)));
        let bound = missing.map(|listener| {
            let sockets = proxy::bind(&listener.name, listener.address, self.workers.len())?;
            let bound = sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(listener.address);
            Ok((Listening { key: listener.key(), bound }, sockets))
        });
        Ok(Bound(bound.collect::<Result<_, _>>()?))
    }

    /// Stops accepting for listeners that are not in `listeners`, and begins for what was bound.
    pub fn listen(&mut self, listeners: &[Arc<Listener>], bound: Bound) {
        let (kept, gone): (Vec<_>, Vec<_>) =
            self.listening.drain(..).partition(|known| listeners.iter().any(|listener| listener.is(&known.key)));
        self.listening = kept;
        for Listening { key, .. } in gone {
            self.tell(|| Command::Unlisten(key.clone()));
        }
        for (listening, sockets) in bound.0 {
            for (worker, socket) in self.workers.iter().zip(sockets) {
                // A worker that is gone accepts nothing; the process is ending then.
                let _ = worker.commands.send(Command::Listen(listening.key.clone(), socket));
            }
            self.listening.push(listening);
        }
    }

    /// Where a listener really listens.
    pub fn address(&self, listener: &Listener) -> Option<SocketAddr> {
        self.listening.iter().find(|listening| listener.is(&listening.key)).map(|listening| listening.bound)
    }

    /// Requests and tunnels in flight, over all workers.
    pub fn in_flight(&self) -> usize {
        self.workers.iter().map(|worker| worker.in_flight.count()).sum()
    }

    /// Stops accepting on every listener.
    pub fn stop_listening(&mut self) {
        for Listening { key, .. } in std::mem::take(&mut self.listening) {
            self.tell(|| Command::Unlisten(key.clone()));
        }
    }

    /// Lets the workers end.
    pub fn dismiss(&mut self) {
        self.workers.clear();
    }

    /// Tells every worker.
    pub fn tell(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            let _ = worker.commands.send(command());
        }
    }
}
