//! HTTP/1.1 and WebSocket: one thread that waits for all connections at once.

use std::net::TcpListener;

use anyhow::Result;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use slab::Slab;
use weir_bench_rig::poll::{BOTH, Poll, READ};

use crate::Counts;
use crate::answers::Answers;
use crate::connection::Connection;

/// Numbers of the listeners; connections have theirs after them.
const LISTENERS: usize = 2;

/// The server of both versions.
pub struct Server {
    poll: Poll,
    listeners: [TcpListener; LISTENERS],
    connections: Slab<Connection>,
    answers: Answers,
    counts: Counts,
    buffer: Vec<u8>,
}

impl Server {
    /// A server that accepts from these.
    pub fn new(listeners: [TcpListener; LISTENERS], counts: Counts) -> Result<Self> {
        let poll = Poll::new()?;
        for (number, listener) in listeners.iter().enumerate() {
            poll.add(listener, number, READ)?;
        }
        let (connections, answers, buffer) = (Slab::new(), Answers::default(), vec![0; 256 * 1024]);
        Ok(Self { poll, listeners, connections, answers, counts, buffer })
    }

    /// Serves for as long as the process lives.
    pub fn run(mut self) -> Result<()> {
        let mut ready = Vec::new();
        loop {
            self.poll.wait(None, &mut ready)?;
            for (number, flags) in ready.drain(..) {
                match number.checked_sub(LISTENERS) {
                    None => self.accept(number)?,
                    Some(key) => self.serve(key, flags)?,
                }
            }
        }
    }

    fn accept(&mut self, version: usize) -> Result<()> {
        // A bound on how long the others wait; what is left is told again.
        for _ in 0..64 {
            let Ok((socket, _)) = self.listeners[version].accept() else { break };
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let entry = self.connections.vacant_entry();
            self.poll.add(&socket, LISTENERS + entry.key(), READ)?;
            entry.insert(Connection::new(socket, version));
        }
        Ok(())
    }

    fn serve(&mut self, key: usize, flags: EventFlags) -> Result<()> {
        let connection = &mut self.connections[key];
        let mut alive = !flags.intersects(EventFlags::ERR | EventFlags::HUP);
        if alive && flags.intersects(READ) {
            alive = match recv(&connection.socket, self.buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((_, 0)) => false,
                Ok((_, read)) => {
                    let count = &self.counts[connection.version];
                    let taken = connection.take(&self.buffer[..read], &mut self.answers, count);
                    taken.inspect_err(|error| eprintln!("backend: {error:#}")).is_ok()
                }
                Err(Errno::AGAIN) => true,
                Err(_) => false,
            };
        }
        if !(alive && connection.flush()) {
            self.connections.remove(key);
            return Ok(());
        }
        let blocked = connection.has_output();
        if blocked != connection.blocked {
            connection.blocked = blocked;
            self.poll.modify(&connection.socket, LISTENERS + key, if blocked { BOTH } else { READ })?;
        }
        Ok(())
    }
}
