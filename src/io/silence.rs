//! Whether anybody is at the other end of a connection: what the kernel knows of what was sent (tcp(7), `TCP_INFO`). An endpoint
//! that is merely slow has acknowledged its request; one that has vanished, or whose packets are dropped, acknowledges nothing.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Times that something was sent again in vain: one packet may be lost. Where packets take up to 100 ms that is 0.9 s after it
/// was first sent, at most.
const REPEATS: u8 = 2;

/// How long what was sent may stay unacknowledged. Longer than the time that bodies may stand still by default, since a peer
/// with a full buffer acknowledges nothing either.
pub const UNACKNOWLEDGED: Duration = Duration::from_secs(90);

/// How the kernel asks a peer that says nothing whether it is there (tcp(7), `TCP_KEEPIDLE` and its like).
#[derive(Clone, Copy, Debug)]
pub struct Probing {
    /// Silence after which it asks.
    pub silence: Duration,
    /// How long it waits for the answer, and how often it asks.
    pub interval: Duration,
    /// Questions without an answer after which the peer counts as gone; on Linux that is [`UNACKNOWLEDGED`] after its last word.
    pub count: u32,
}

/// Lets the kernel find out that the other end has gone without a word: by probes while nothing is said, and by what is
/// never acknowledged. A peer that merely reads nothing for so long counts as gone, too. What a listening socket accepts
/// inherits it.
///
/// # Errors
///
/// The system refuses an option.
pub fn find_dead(socket: &SockRef<'_>, probing: Probing) -> io::Result<()> {
    let Probing { silence, interval, count } = probing;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(silence).with_interval(interval).with_retries(count))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}

/// A socket that is asked about, by who does not own it; it is not kept open by this.
#[derive(Clone, Debug)]
pub struct Line(Rc<Cell<Option<RawFd>>>);

/// Held by who owns the socket: the number may be another one's afterwards.
#[derive(Debug)]
pub struct LineOwner(Line);

impl Line {
    /// Of a socket, until its owner drops the second.
    pub fn of(socket: &TcpStream) -> (Self, LineOwner) {
        let line = Self(Rc::new(Cell::new(Some(socket.as_raw_fd()))));
        (line.clone(), LineOwner(line))
    }

    /// See [`is_dead`]; false once the socket has gone.
    pub fn is_dead(&self) -> bool {
        self.0.get().and_then(told).is_some_and(Told::is_dead)
    }
}

impl Drop for LineOwner {
    fn drop(&mut self) {
        self.0.0.set(None);
    }
}

/// Whether something that was sent has been sent again and again, and nothing new is acknowledged. False where the kernel does
/// not tell.
pub fn is_dead(socket: &TcpStream) -> bool {
    told(socket.as_raw_fd()).is_some_and(Told::is_dead)
}

/// What the kernel tells.
#[derive(Clone, Copy)]
struct Told {
    /// Packets that were sent and are not acknowledged. None, where the other end has said that it has no room.
    unacknowledged: u32,
    /// Times that the kernel has waited in vain, and sent again, since something was acknowledged. That anything comes from
    /// there says nothing: it may be what is sent again, since nothing gets there.
    repeated: u8,
}

impl Told {
    fn is_dead(self) -> bool {
        self.unacknowledged > 0 && self.repeated >= REPEATS
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe crate asks for it")]
fn told(socket: RawFd) -> Option<Told> {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `info`, which has as many; a number that is no socket is an error.
    let asked = unsafe {
        libc::getsockopt(socket, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut length)
    };
    // SAFETY: it is made of integers, for which zeros are values, too.
    let info = unsafe { info.assume_init() };
    (asked == 0).then_some(Told { unacknowledged: info.tcpi_unacked, repeated: info.tcpi_retransmits })
}

#[cfg(not(target_os = "linux"))]
fn told(_: RawFd) -> Option<Told> {
    None
}

#[cfg(test)]
mod tests;
