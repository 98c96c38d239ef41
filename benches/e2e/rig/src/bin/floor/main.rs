//! The floor: relays bytes between a client and a backend, one backend connection for each client, and reads none of
//! them. What the
//! kernel charges for that, a proxy pays in any case. Prints its port, and ends with its standard input.

mod copy;
mod splice;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

use anyhow::Result;
use clap::Parser;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use slab::Slab;
use weir_bench_rig::poll::{NONE, Poll, READ, WRITE};

/// Relays bytes.
#[derive(Parser)]
struct Arguments {
    /// Where they go.
    #[arg(long)]
    to: SocketAddr,
    /// Move them within the kernel.
    #[arg(long)]
    splice: bool,
    /// Keep connections to the backend when clients leave, which they must do between two requests.
    #[arg(long)]
    pool: bool,
}

/// What became of an attempt to move bytes on.
pub enum Moved {
    /// There is nothing more to read for now.
    Drained,
    /// The receiver takes no more for now.
    Blocked,
    /// The sender has ended.
    Ended,
    /// The connection is broken.
    Broken,
}

/// Moves bytes one way and holds what the receiver did not take.
pub trait Way: Sized {
    /// What all connections share.
    type Shared;
    /// A way without bytes.
    fn new() -> Result<Self>;
    /// Moves what there is.
    fn advance(&mut self, from: &OwnedFd, to: &OwnedFd, shared: &mut Self::Shared) -> Moved;
}

/// One end of a relay: its socket, and the way that leads out of it.
struct End<W> {
    socket: OwnedFd,
    way: W,
    /// Whether the other end does not take what came from this one.
    blocked: bool,
    /// What the socket is waited for.
    wanted: EventFlags,
}

/// A connection to the backend and, unless it is kept for the next one, its client.
struct Relay<W> {
    client: Option<End<W>>,
    backend: End<W>,
}

/// Relay n's client has the number 2n + 1, its backend 2n + 2; the listener's is 0.
struct Floor<W: Way> {
    poll: Poll,
    listener: OwnedFd,
    to: SocketAddr,
    pool: bool,
    relays: Slab<Relay<W>>,
    /// Relays without a client, the last one used last.
    kept: Vec<usize>,
    shared: W::Shared,
}

impl<W: Way> Floor<W> {
    fn run(mut self) -> Result<()> {
        let mut ready = Vec::new();
        loop {
            self.poll.wait(None, &mut ready)?;
            for (number, flags) in ready.drain(..) {
                match number.checked_sub(1) {
                    None => self.accept()?,
                    Some(end) => self.serve(end / 2, end % 2, flags)?,
                }
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        for _ in 0..64 {
            let client = match net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(client) => client,
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            };
            sockopt::set_tcp_nodelay(&client, true)?;
            let key = match self.kept.pop() {
                Some(key) => key,
                None => self.connect()?,
            };
            self.poll.add(&client, 1 + 2 * key, READ)?;
            self.relays[key].client = Some(End::new(client)?);
        }
        Ok(())
    }

    /// Makes a relay that has no client yet.
    fn connect(&mut self) -> Result<usize> {
        // On a loopback device this does not wait for the backend.
        let backend = TcpStream::connect(self.to)?;
        backend.set_nonblocking(true)?;
        backend.set_nodelay(true)?;
        let entry = self.relays.vacant_entry();
        let key = entry.key();
        self.poll.add(&backend, 2 + 2 * key, READ)?;
        entry.insert(Relay { client: None, backend: End::new(backend.into())? });
        Ok(key)
    }

    fn serve(&mut self, key: usize, end: usize, flags: EventFlags) -> Result<()> {
        // The relay may have ended in the same round, or its client have left.
        let Some(relay) = self.relays.get_mut(key) else { return Ok(()) };
        let Some(client) = relay.client.as_mut() else {
            if end == 1 {
                self.relays.remove(key);
                self.kept.retain(|kept| *kept != key);
            }
            return Ok(());
        };
        let ends = [client, &mut relay.backend];
        // An end that can be written to lets the other end's bytes go on.
        let ways = [(flags.contains(WRITE), 1 - end), (flags.intersects(!WRITE), end)];
        for (_, from) in ways.into_iter().filter(|(ready, _)| *ready) {
            let moved = ends[from].way.advance(&ends[from].socket, &ends[1 - from].socket, &mut self.shared);
            ends[from].blocked = matches!(moved, Moved::Blocked);
            if matches!(moved, Moved::Ended | Moved::Broken) {
                self.end(key, self.pool && from == 0 && matches!(moved, Moved::Ended));
                return Ok(());
            }
        }
        let blocked = [ends[0].blocked, ends[1].blocked];
        for (n, end) in ends.into_iter().enumerate() {
            let read = if blocked[n] { NONE } else { READ };
            let wanted = if blocked[1 - n] { read | WRITE } else { read };
            if wanted != end.wanted {
                end.wanted = wanted;
                self.poll.modify(&end.socket, 1 + 2 * key + n, wanted)?;
            }
        }
        Ok(())
    }

    /// Ends a relay, or keeps its connection to the backend if nothing is left to be moved from there.
    fn end(&mut self, key: usize, keep: bool) {
        if keep && !self.relays[key].backend.blocked {
            self.relays[key].client = None;
            self.kept.push(key);
        } else {
            self.relays.remove(key);
        }
    }
}

impl<W: Way> End<W> {
    fn new(socket: OwnedFd) -> Result<Self> {
        Ok(Self { socket, way: W::new()?, blocked: false, wanted: READ })
    }
}

fn start<W: Way>(arguments: &Arguments, shared: W::Shared) -> Result<()> {
    let listener = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
    net::bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    net::listen(&listener, 4096)?;
    let address = SocketAddr::try_from(net::getsockname(&listener)?)?;
    println!("{}", serde_json::json!({ "port": address.port() }));
    weir_bench_rig::life::ends_with_stdin();
    let poll = Poll::new()?;
    poll.add(&listener, 0, READ)?;
    let (to, pool) = (arguments.to, arguments.pool);
    Floor::<W> { poll, listener, to, pool, relays: Slab::new(), kept: Vec::new(), shared }.run()
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.splice {
        return start::<splice::Pipe>(&arguments, ());
    }
    start::<copy::Copy>(&arguments, vec![0; 128 * 1024])
}
