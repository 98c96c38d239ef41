//! The workers as the control side sees them: what they listen on, and what they have in flight.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::drain::Census;
use crate::model::{Listener, SocketKey};
use crate::proxy::{self, BindError, Command, WorkerHandle};

/// All workers.
pub struct Fleet {
    workers: Vec<WorkerHandle>,
    listening: Vec<Listening>,
    /// Sockets of the process whose place this one takes, until the first configuration says which it wants.
    inherited: Vec<(SocketKey, TcpListener)>,
    /// Nothing is listened on any more, whatever a configuration says: the process is ending.
    closed: bool,
}

/// A listener that the workers accept for.
struct Listening {
    key: SocketKey,
    bound: SocketAddr,
    /// Its sockets, for a process that takes over. As long as one of them is held here, the kernel takes connections for it.
    sockets: Vec<TcpListener>,
}

/// Sockets for the listeners that a configuration adds.
pub struct Bound(Vec<(Listening, Vec<TcpListener>)>);

impl Fleet {
    /// A fleet that listens on nothing.
    pub fn new(workers: Vec<WorkerHandle>) -> Self {
        Self::inheriting(workers, Vec::new())
    }

    /// A fleet that takes over these sockets, as far as its first configuration has them, and lets go of the others.
    pub fn inheriting(workers: Vec<WorkerHandle>, inherited: Vec<(SocketKey, TcpListener)>) -> Self {
        Self { workers, listening: Vec::new(), inherited, closed: false }
    }

    /// Binds what `listeners` asks for and is not there yet. Nothing is accepted until [`Fleet::listen`].
    ///
    /// # Errors
    ///
    /// An address cannot be bound; what was bound meanwhile is let go.
    pub fn bind(&self, listeners: &[Arc<Listener>]) -> Result<Bound, BindError> {
        let wanted = if self.closed { &[][..] } else { listeners };
        let missing = wanted.iter().filter(|listener| !self.listening.iter().any(|known| listener.is(&known.key)));
        let bound = missing.map(|listener| {
            let failed = |error| BindError { listener: listener.name.to_string(), address: listener.address, error };
            let inherited = duplicates(self.inherited.iter().filter(|(key, _)| listener.is(key)).map(|(_, s)| s));
            let sockets = proxy::bind(listener, self.workers.len(), inherited.map_err(failed)?)?;
            let bound = sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(listener.address);
            let kept = duplicates(sockets.iter()).map_err(failed)?;
            Ok((Listening { key: listener.key(), bound, sockets: kept }, sockets))
        });
        Ok(Bound(bound.collect::<Result<_, _>>()?))
    }

    /// Stops accepting for listeners that are not in `listeners`, which it returns, and begins for what was bound.
    pub fn listen(&mut self, listeners: &[Arc<Listener>], bound: Bound) -> Vec<SocketKey> {
        let (kept, gone): (Vec<_>, Vec<_>) =
            self.listening.drain(..).partition(|known| listeners.iter().any(|listener| listener.is(&known.key)));
        self.listening = kept;
        self.inherited.clear();
        let keys = gone.iter().map(|listening| listening.key.clone()).collect();
        self.unlisten(gone);
        for (listening, sockets) in bound.0 {
            // A process that had more workers has left more sockets.
            for (worker, socket) in self.workers.iter().cycle().zip(sockets) {
                // A worker that is gone accepts nothing; the process is ending then.
                let _ = worker.commands.send(Command::Listen(listening.key.clone(), socket));
            }
            self.listening.push(listening);
        }
        keys
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// The sockets of all listeners, for another process.
    ///
    /// # Errors
    ///
    /// No more files can be open.
    pub fn sockets(&self) -> io::Result<Vec<(SocketKey, TcpListener)>> {
        let all = self.listening.iter().flat_map(|known| known.sockets.iter().map(|socket| (&known.key, socket)));
        all.map(|(key, socket)| Ok((key.clone(), socket.try_clone()?))).collect()
    }

    /// What is told as soon as every worker has done all it was told so far.
    pub fn caught_up(&self) -> Vec<oneshot::Receiver<()>> {
        let tell = |worker: &WorkerHandle| {
            let (done, told) = oneshot::channel();
            let _ = worker.commands.send(Command::Tell(done));
            told
        };
        self.workers.iter().map(tell).collect()
    }

    /// What every worker is going to say of its connections.
    pub fn count(&self) -> Vec<oneshot::Receiver<Census>> {
        let ask = |worker: &WorkerHandle| {
            let (done, counted) = oneshot::channel();
            let _ = worker.commands.send(Command::Count(done));
            counted
        };
        self.workers.iter().map(ask).collect()
    }

    /// Where a listener really listens.
    pub fn address(&self, listener: &Listener) -> Option<SocketAddr> {
        self.listening.iter().find(|listening| listener.is(&listening.key)).map(|listening| listening.bound)
    }

    /// Requests and tunnels in flight, over all workers.
    pub fn in_flight(&self) -> usize {
        self.workers.iter().map(|worker| worker.in_flight.count()).sum()
    }

    /// Tells the workers that something else is served: requests may wait for it.
    pub fn look(&self) {
        self.tell(|| Command::Look);
    }

    /// Connections of clients, over all workers.
    pub fn connections(&self) -> usize {
        self.workers.iter().map(|worker| worker.in_flight.connections()).sum()
    }

    /// Stops accepting on every listener, for good.
    pub fn stop_listening(&mut self) {
        self.closed = true;
        let all = std::mem::take(&mut self.listening);
        self.unlisten(all);
    }

    fn unlisten(&self, gone: Vec<Listening>) {
        for Listening { key, sockets, .. } in gone {
            // First, so that nothing is queued any more once the workers have taken what is.
            drop(sockets);
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

fn duplicates<'s>(sockets: impl Iterator<Item = &'s TcpListener>) -> io::Result<Vec<TcpListener>> {
    sockets.map(TcpListener::try_clone).collect()
}
