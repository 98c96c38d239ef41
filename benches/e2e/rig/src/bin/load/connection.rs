//! A connection: one request or message at a time.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use weir_bench_rig::http1;

/// What answers a request.
#[derive(Clone)]
pub enum Answer {
    /// HTTP/1.1 of this status with a body of this many bytes.
    Http {
        /// The status.
        status: u16,
        /// Bytes of the body.
        body: usize,
    },
    /// These bytes.
    Exactly(Vec<u8>),
}

/// Where in an answer a connection is.
enum Place {
    /// None is awaited.
    Idle,
    /// In an HTTP head, or in bytes that are awaited as they are: what has come.
    Start(Vec<u8>),
    /// In an HTTP body.
    Body { left: usize },
}

/// What receiving has led to.
pub enum Progress {
    /// More is to come.
    Pending,
    /// The answer is complete, with as many bytes in its body.
    Answered(usize),
}

/// A connection.
pub struct Connection {
    /// Its socket.
    pub socket: TcpStream,
    /// When its request was due.
    pub since: Instant,
    /// Which request it sends.
    pub request: usize,
    sent: usize,
    place: Place,
}

/// Opens a connection; on a loopback device that takes no longer than the proxy's queue is full.
pub fn open(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

impl Connection {
    /// A connection that is idle.
    pub fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, since: Instant::now(), request: 0, sent: 0, place: Place::Idle })
    }

    /// Begins a request.
    pub fn start(&mut self, request: usize, since: Instant) {
        (self.request, self.since, self.sent, self.place) = (request, since, 0, Place::Start(Vec::new()));
    }

    /// Whether a request is under way.
    pub fn is_busy(&self) -> bool {
        !matches!(self.place, Place::Idle)
    }

    /// Sends what the socket takes of the request; whether all of it is sent.
    pub fn flush(&mut self, bytes: &[u8]) -> Result<bool> {
        while self.sent < bytes.len() {
            match send(&self.socket, &bytes[self.sent..], SendFlags::NOSIGNAL) {
                Ok(sent) => self.sent += sent,
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error).context("send"),
            }
        }
        Ok(true)
    }

    /// Receives what is there.
    pub fn receive(&mut self, buffer: &mut [u8], answer: &Answer) -> Result<Progress> {
        // A body's bytes are counted, not copied: the load is not to be what limits.
        let flags = if matches!(self.place, Place::Body { .. }) { RecvFlags::TRUNC } else { RecvFlags::empty() };
        let read = match recv(&self.socket, &mut *buffer, flags) {
            Ok((_, 0)) => bail!("closed"),
            Ok((_, read)) => read,
            Err(Errno::AGAIN) => return Ok(Progress::Pending),
            Err(error) => return Err(error).context("receive"),
        };
        match &mut self.place {
            Place::Idle => bail!("more than an answer"),
            Place::Body { left } => {
                ensure!(read <= *left, "more than an answer");
                *left -= read;
            }
            Place::Start(kept) => {
                kept.extend(&buffer[..read]);
                let kept = std::mem::take(kept);
                self.place = begin(kept, answer)?;
            }
        }
        if !matches!(self.place, Place::Body { left: 0 }) {
            return Ok(Progress::Pending);
        }
        self.place = Place::Idle;
        Ok(Progress::Answered(match answer {
            Answer::Http { body, .. } => *body,
            Answer::Exactly(bytes) => bytes.len(),
        }))
    }
}

/// Where an answer is that begins with these bytes, if it is the one that is awaited.
fn begin(kept: Vec<u8>, answer: &Answer) -> Result<Place> {
    match answer {
        Answer::Exactly(bytes) => {
            ensure!(bytes.starts_with(&kept), "another answer");
            Ok(if kept.len() == bytes.len() { Place::Body { left: 0 } } else { Place::Start(kept) })
        }
        Answer::Http { status, body } => {
            let Some(head) = http1::answer(&kept)? else { return Ok(Place::Start(kept)) };
            ensure!(head.status == *status, "status {}", head.status);
            ensure!(head.body == *body, "a body of {} bytes", head.body);
            let left = body.checked_sub(kept.len() - head.head).context("more than an answer")?;
            Ok(Place::Body { left })
        }
    }
}
