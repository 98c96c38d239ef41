//! The floor: relays bytes between a client and a backend, one connection for each, and reads none of them. What the
//! kernel charges for that, a proxy pays in any case. Prints its port, and ends with its standard input.

mod copy;
mod splice;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

use anyhow::Result;
use clap::Parser;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, Shutdown, SocketFlags, SocketType, sockopt};
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

/// A relay's ends have the numbers 2n and 2n + 1 after the listener's.
struct Floor<W: Way> {
    poll: Poll,
    listener: OwnedFd,
    to: SocketAddr,
    relays: Slab<[End<W>; 2]>,
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
            // On a loopback device this does not wait for the backend.
            let backend = TcpStream::connect(self.to)?;
            backend.set_nonblocking(true)?;
            backend.set_nodelay(true)?;
            let entry = self.relays.vacant_entry();
            let number = 1 + 2 * entry.key();
            let backend = OwnedFd::from(backend);
            self.poll.add(&client, number, READ)?;
            self.poll.add(&backend, number + 1, READ)?;
            let end = |socket| Ok::<_, anyhow::Error>(End { socket, way: W::new()?, blocked: false, wanted: READ });
            entry.insert([end(client)?, end(backend)?]);
        }
        Ok(())
    }

    fn serve(&mut self, key: usize, end: usize, flags: EventFlags) -> Result<()> {
        // The other end may have ended this relay in the same round.
        let Some(relay) = self.relays.get_mut(key) else { return Ok(()) };
        let mut alive = true;
        // An end that can be written to lets the other end's bytes go on.
        for from in [(flags.contains(WRITE), 1 - end), (flags.intersects(!WRITE), end)] {
            if let (true, from) = from {
                alive = alive && advance(relay, from, &mut self.shared);
            }
        }
        if !alive {
            for end in relay {
                net::shutdown(&end.socket, Shutdown::Both).ok();
            }
            self.relays.remove(key);
            return Ok(());
        }
        let blocked = [relay[0].blocked, relay[1].blocked];
        for (n, end) in relay.iter_mut().enumerate() {
            let read = if blocked[n] { NONE } else { READ };
            let wanted = if blocked[1 - n] { read | WRITE } else { read };
            if wanted != end.wanted {
                end.wanted = wanted;
                self.poll.modify(&end.socket, 1 + 2 * key + n, wanted)?;
            }
        }
        Ok(())
    }
}

/// Moves bytes out of one end; false once the relay is over.
fn advance<W: Way>(relay: &mut [End<W>; 2], from: usize, shared: &mut W::Shared) -> bool {
    let [first, second] = relay;
    let (source, target) = if from == 0 { (first, second) } else { (second, first) };
    let moved = source.way.advance(&source.socket, &target.socket, shared);
    source.blocked = matches!(moved, Moved::Blocked);
    matches!(moved, Moved::Blocked | Moved::Drained)
}

fn start<W: Way>(to: SocketAddr, shared: W::Shared) -> Result<()> {
    let listener = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
    net::bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    net::listen(&listener, 4096)?;
    let address = SocketAddr::try_from(net::getsockname(&listener)?)?;
    println!("{}", serde_json::json!({ "port": address.port() }));
    weir_bench_rig::life::ends_with_stdin();
    let poll = Poll::new()?;
    poll.add(&listener, 0, READ)?;
    Floor::<W> { poll, listener, to, relays: Slab::new(), shared }.run()
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.splice {
        return start::<splice::Pipe>(arguments.to, ());
    }
    start::<copy::Copy>(arguments.to, vec![0; 128 * 1024])
}
