//! Bytes are moved through a pipe without a copy in memory of ours.

use std::os::fd::OwnedFd;

use anyhow::Result;
use rustix::io::Errno;
use rustix::pipe::{self, PipeFlags, SpliceFlags};

use crate::{Moved, Way};

/// As much as an unprivileged process may ask for.
const SIZE: usize = 1 << 20;
const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

/// A pipe with bytes on their way.
pub struct Pipe {
    write: OwnedFd,
    read: OwnedFd,
    held: usize,
}

impl Way for Pipe {
    type Shared = ();

    fn new() -> Result<Self> {
        let (read, write) = pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // The default holds less at a time, which is slower and no failure.
        pipe::fcntl_setpipe_size(&write, SIZE).ok();
        Ok(Self { write, read, held: 0 })
    }

    fn advance(&mut self, from: &OwnedFd, to: &OwnedFd, (): &mut ()) -> Moved {
        if self.held == 0 {
            match pipe::splice(from, None, &self.write, None, SIZE, FLAGS) {
                Ok(0) => return Moved::Ended,
                Ok(read) => self.held = read,
                Err(Errno::AGAIN) => return Moved::Drained,
                Err(_) => return Moved::Broken,
            }
        }
        while self.held > 0 {
            match pipe::splice(&self.read, None, to, None, self.held, FLAGS) {
                Ok(sent) => self.held -= sent,
                Err(Errno::AGAIN) => return Moved::Blocked,
                Err(_) => return Moved::Broken,
            }
        }
        Moved::Drained
    }
}
