//! A set of sockets to wait for, level-triggered.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{Errno, Result};

/// A socket has something to read, or its peer is gone.
pub const READ: EventFlags = EventFlags::IN.union(EventFlags::RDHUP);
/// As `READ`; and can be written to.
pub const BOTH: EventFlags = READ.union(EventFlags::OUT);
/// A socket can be written to.
pub const WRITE: EventFlags = EventFlags::OUT;
/// Nothing but failures.
pub const NONE: EventFlags = EventFlags::empty();

/// A set of sockets, each known by a number.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    /// An empty set.
    pub fn new() -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(512) })
    }

    /// Adds a socket.
    pub fn add(&self, socket: impl AsFd, number: usize, flags: EventFlags) -> Result<()> {
        epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), flags)
    }

    /// Changes what is waited for.
    pub fn modify(&self, socket: impl AsFd, number: usize, flags: EventFlags) -> Result<()> {
        epoll::modify(&self.epoll, socket, EventData::new_u64(number as u64), flags)
    }

    /// Waits, and appends who is ready and for what.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<(usize, EventFlags)>) -> Result<()> {
        let timeout = timeout.map(|timeout| Timespec::try_from(timeout).unwrap_or_default());
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        ready.extend(self.events.iter().map(|event| (event.data.u64() as usize, event.flags)));
        Ok(())
    }
}
