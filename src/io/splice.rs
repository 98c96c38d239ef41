//! Long bodies between two plain sockets without passing through the program: the kernel moves pages from one to the other
//! by way of a pipe (splice(2)).

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Bodies from which on it pays, bytes.
pub const LEAST: u64 = 32 * 1024;
/// What a pipe holds, bytes.
const CAPACITY: usize = 256 * 1024;
/// Pipes that a thread keeps.
const KEPT: usize = 16;

thread_local! {
    static POOL: RefCell<Vec<[OwnedFd; 2]>> = const { RefCell::new(Vec::new()) };
}

/// A pipe, with what is in it.
#[derive(Debug)]
pub struct Pipe {
    /// Where it is read and where it is written.
    ends: Option<[OwnedFd; 2]>,
    held: usize,
}

impl Pipe {
    /// An empty pipe.
    ///
    /// # Errors
    ///
    /// The process has no file descriptors left.
    pub fn new() -> io::Result<Self> {
        if let Some(ends) = POOL.with_borrow_mut(Vec::pop) {
            return Ok(Self { ends: Some(ends), held: 0 });
        }
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        // It is smaller where the system does not allow it, and works all the same.
        let _ = fcntl_setpipe_size(&write, CAPACITY);
        Ok(Self { ends: Some([read, write]), held: 0 })
    }

    /// Bytes in it.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes at most `most` bytes from a socket; 0 at its end.
    ///
    /// # Errors
    ///
    /// The socket failed.
    pub fn poll_fill(&mut self, from: &TcpStream, most: u64, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some([_, write]) = &self.ends else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(CAPACITY);
        loop {
            let moved = from.try_io(Interest::READABLE, || {
                Ok(splice(from, None, write, None, most, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?)
            });
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(from.poll_read_ready(context))?,
                moved => {
                    self.held += *moved.as_ref().unwrap_or(&0);
                    return Poll::Ready(moved);
                }
            }
        }
    }

    /// Gives what it holds to a socket, until nothing is left.
    ///
    /// # Errors
    ///
    /// The socket failed.
    pub fn poll_empty(&mut self, to: &TcpStream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some([read, _]) = &self.ends else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        while self.held > 0 {
            let moved = to.try_io(Interest::WRITABLE, || {
                Ok(splice(read, None, to, None, self.held, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?)
            });
            match moved {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(moved) => self.held -= moved,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(to.poll_write_ready(context))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // One that holds somebody's bytes is nobody else's.
        let Some(ends) = self.ends.take().filter(|_| self.held == 0) else { return };
        // The thread may be ending.
        let _ = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut()
                && pool.len() < KEPT
            {
                pool.push(ends);
            }
        });
    }
}
