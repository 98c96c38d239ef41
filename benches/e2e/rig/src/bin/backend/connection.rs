//! A client of the backend: bytes in, answers out.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use weir_bench_rig::http1::{self, Request};
use weir_bench_rig::websocket::{self, Frame};

use crate::answers::{self, Answers, Bytes};

/// What the next bytes are.
enum Expect {
    Head,
    Body { left: usize, request: Request },
    Frames,
}

/// A connection, of any version.
pub struct Connection {
    /// Its socket.
    pub socket: TcpStream,
    /// Which version it belongs to.
    pub version: usize,
    /// Whether the socket is waited for to be written to.
    pub blocked: bool,
    expect: Expect,
    /// The beginning of a head or frame.
    kept: Vec<u8>,
    out: VecDeque<(Bytes, usize)>,
    closing: bool,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(socket: TcpStream, version: usize) -> Self {
        let (expect, kept, out) = (Expect::Head, Vec::new(), VecDeque::new());
        Self { socket, version, blocked: false, expect, kept, out, closing: false }
    }

    /// Takes what was received, and answers what is complete.
    pub fn take(&mut self, received: &[u8], answers: &mut Answers, count: &AtomicU64) -> Result<()> {
        if self.kept.is_empty() {
            let used = self.consume(received, answers, count)?;
            self.kept.extend(&received[used..]);
            return Ok(());
        }
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend(received);
        let used = self.consume(&kept, answers, count)?;
        kept.drain(..used);
        self.kept = kept;
        Ok(())
    }

    /// How many of these bytes were used.
    fn consume(&mut self, bytes: &[u8], answers: &mut Answers, count: &AtomicU64) -> Result<usize> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            match &mut self.expect {
                Expect::Head => {
                    let Some(request) = (if rest.is_empty() { None } else { http1::request(rest)? }) else { break };
                    used += request.head;
                    self.expect = Expect::Body { left: request.body, request };
                }
                Expect::Body { left, .. } if *left > 0 => {
                    let taken = rest.len().min(*left);
                    *left -= taken;
                    used += taken;
                    if *left > 0 {
                        break;
                    }
                }
                Expect::Body { .. } => self.answer(answers, count)?,
                Expect::Frames => match websocket::read(rest) {
                    Frame::Partial => break,
                    Frame::Message(message, length) => {
                        self.out.push_back((websocket::plain(&message).into(), 0));
                        used += length;
                    }
                    Frame::End => {
                        self.closing = true;
                        return Ok(bytes.len());
                    }
                },
            }
        }
        Ok(used)
    }

    fn answer(&mut self, answers: &mut Answers, count: &AtomicU64) -> Result<()> {
        let Expect::Body { request, .. } = std::mem::replace(&mut self.expect, Expect::Head) else { return Ok(()) };
        self.closing |= request.close;
        let answer = match (&*request.path, request.websocket) {
            ("/count", _) => answers::text(&count.load(Ordering::Relaxed).to_string()),
            (_, Some(key)) => {
                ensure!(key == websocket::KEY, "a WebSocket of somebody else's client");
                self.expect = Expect::Frames;
                count.fetch_add(1, Ordering::Relaxed);
                answers::upgraded()
            }
            (path, None) => {
                count.fetch_add(1, Ordering::Relaxed);
                answers.sized(path)
            }
        };
        self.out.push_back((answer, 0));
        Ok(())
    }

    /// Sends what the socket takes; false once the connection is over.
    pub fn flush(&mut self) -> bool {
        while let Some((bytes, sent)) = self.out.front_mut() {
            match send(&self.socket, &bytes[*sent..], SendFlags::NOSIGNAL) {
                Ok(more) => *sent += more,
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
            if *sent == bytes.len() {
                self.out.pop_front();
            }
        }
        !self.closing
    }

    /// Whether there is more to send.
    pub fn has_output(&self) -> bool {
        !self.out.is_empty()
    }
}
