//! A connection of HTTP/1.1: its stream, what was read and not yet used, and what is to be written.
//!
//! Both hold a buffer only while there are bytes in it, so that an idle connection costs its socket and little more.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use super::Stream;
use crate::message::{Buffer, LARGE, SMALL};

/// Pieces of a body that need not be written each by itself, and what of them waits at most, bytes.
const SHORT: usize = 512;
const HELD: usize = 4096;

/// A connection.
pub struct Wire {
    /// Where bytes come from and go to.
    pub stream: Stream,
    /// Read, and not yet used.
    pub inbox: Inbox,
    /// To be written before anything else.
    pub outbox: Outbox,
}

impl Wire {
    /// A connection of which nothing has been read.
    pub fn new(stream: Stream) -> Self {
        Self { stream, inbox: Inbox::default(), outbox: Outbox::default() }
    }

    /// Reads more; 0 at the end.
    pub fn poll_fill(&mut self, capacity: usize, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.inbox.poll_fill(&mut self.stream, capacity, context)
    }

    /// Writes what waits.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        flush(&mut self.stream, &mut self.outbox, context)
    }

    /// Writes what waits in another outbox.
    pub fn poll_flush_of(&mut self, outbox: &mut Outbox, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        flush(&mut self.stream, outbox, context)
    }

    /// Whether the other side, which has nothing to say now, is still there and silent.
    pub fn is_quiet(&mut self) -> bool {
        if !self.inbox.unread().is_empty() {
            return false;
        }
        match self.stream.plain() {
            // Nobody needs to be woken.
            Some(socket) => self.inbox.receive(socket, SMALL).is_none(),
            None => self.poll_fill(SMALL, &mut Context::from_waker(std::task::Waker::noop())).is_pending(),
        }
    }
}

fn flush(stream: &mut Stream, outbox: &mut Outbox, context: &mut Context<'_>) -> Poll<io::Result<()>> {
    while !outbox.is_empty() {
        ready!(outbox.poll_write(stream, [&[], &[]], context))?;
    }
    Pin::new(stream).poll_flush(context)
}

/// Bytes that were read, and not yet used.
#[derive(Default)]
pub struct Inbox {
    buffer: Buffer,
    start: usize,
}

impl Inbox {
    /// They.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The first `count` of them were used.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start >= self.buffer.len() {
            *self = Self::default();
        }
    }

    fn poll_fill(
        &mut self,
        stream: &mut Stream,
        capacity: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Some(socket) = stream.plain() {
            loop {
                if let Some(received) = self.receive(socket, capacity) {
                    return Poll::Ready(received);
                }
                ready!(socket.poll_read_ready(context))?;
            }
        }
        self.make_room(capacity);
        let result = poll_read_buf(Pin::new(stream), context, &mut *self.buffer);
        self.give_back();
        result
    }

    /// Reads what has arrived, with a buffer only if something may have; none: nothing has.
    fn receive(&mut self, socket: &TcpStream, capacity: usize) -> Option<io::Result<usize>> {
        let mut received = None;
        // What it says is in `received`; an error clears what the socket was known to be ready for.
        let _ = socket.try_io(Interest::READABLE, || {
            self.make_room(capacity);
            let room = self.buffer.capacity() - self.buffer.len();
            let result = rustix::net::recv(socket, spare_capacity(&mut self.buffer), RecvFlags::empty());
            self.give_back();
            // What is empty now is not asked again before it says that there is more.
            let more =
                !matches!(result, Ok((count, _)) if count > 0 && count < room) && result != Err(Errno::WOULDBLOCK);
            received = match result {
                Err(Errno::WOULDBLOCK) => None,
                Ok((count, _)) => Some(Ok(count)),
                Err(error) => Some(Err(error.into())),
            };
            if more { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        });
        received
    }

    fn give_back(&mut self) {
        if self.buffer.is_empty() {
            *self = Self::default();
        }
    }

    fn make_room(&mut self, capacity: usize) {
        if self.buffer.is_none() {
            self.buffer = Buffer::of(capacity);
        } else if self.buffer.len() == self.buffer.capacity() {
            self.enlarge(capacity);
        }
    }

    /// Moves what is unread to the front; where there is no room even so, to a larger buffer.
    fn enlarge(&mut self, capacity: usize) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        if self.buffer.capacity() - self.buffer.len() < capacity / 4 {
            let mut larger = Buffer::of(capacity.max(self.buffer.capacity() * 2));
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
    }
}

/// Bytes that are to be written.
#[derive(Default)]
pub struct Outbox {
    buffer: Buffer,
    start: usize,
    written: bool,
}

impl Outbox {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Whether any was written since `forget`.
    pub fn has_written(&self) -> bool {
        self.written
    }

    /// Another message begins.
    pub fn forget(&mut self) {
        self.written = false;
    }

    /// Where more are added.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        if self.buffer.is_none() {
            self.buffer = Buffer::head();
        }
        &mut self.buffer
    }

    /// Bytes that it holds.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Bytes of its buffer that are taken: what it holds, and what has gone of it.
    pub fn taken(&self) -> usize {
        self.buffer.len()
    }

    /// Where more are added, with room for so many, as far as buffers go.
    pub fn bytes_with(&mut self, room: usize) -> &mut Vec<u8> {
        if self.buffer.is_none() {
            self.buffer = Buffer::of(room);
        } else if self.buffer.len() + room > self.buffer.capacity() && self.buffer.capacity() < LARGE {
            let mut larger = Buffer::of(LARGE);
            larger.extend_from_slice(&self.buffer[self.start..]);
            self.buffer = larger;
            self.start = 0;
        }
        &mut self.buffer
    }

    /// Holds no buffer where there is nothing in it.
    pub fn give_back(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = Buffer::none();
        }
    }

    /// Writes what it holds, of which the last `data` bytes and what follows them have just been added: they are taken,
    /// whether they go out now or later.
    fn poll_copied(&mut self, stream: &mut Stream, data: usize, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match poll_send(stream, &self.buffer[self.start..], context) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(written)) => {
                self.written = true;
                self.start += written;
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending if data == 0 => return Poll::Pending,
            Poll::Pending => {}
        }
        if self.start == self.buffer.len() {
            self.buffer = Buffer::none();
            self.start = 0;
        }
        Poll::Ready(Ok(data))
    }

    /// Holds `data` and what follows it beside what it holds already, if they are short and that is not much; false: they are not held.
    pub fn keep(&mut self, [data, after]: [&[u8]; 2]) -> bool {
        let few = self.buffer.len() + data.len() + after.len() <= HELD;
        let keeps = !self.buffer.is_empty() && data.len() <= SHORT && few;
        if keeps {
            self.buffer.extend_from_slice(data);
            self.buffer.extend_from_slice(after);
        }
        keeps
    }

    /// Writes what it holds, then `data`, in one call if the stream can. Gives how many bytes of `data` were written, with
    /// what follows it taken for written, too: the rest of that goes out first the next time.
    pub fn poll_write(
        &mut self,
        stream: &mut Stream,
        [data, after]: [&[u8]; 2],
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let room = self.buffer.capacity() - self.buffer.len();
        if self.start < self.buffer.len() && data.len() + after.len() <= room {
            // One part is cheaper to write than several.
            self.buffer.extend_from_slice(data);
            self.buffer.extend_from_slice(after);
            return self.poll_copied(stream, data.len(), context);
        }
        let held = self.buffer.len() - self.start;
        let parts = [&self.buffer[self.start..], data, after];
        let mut slices = [IoSlice::new(&[]); 3];
        let mut count = 0;
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            slices[count] = IoSlice::new(part);
            count += 1;
        }
        let written = match count {
            0 => return Poll::Ready(Ok(0)),
            1 => ready!(poll_send(stream, &slices[0], context))?,
            _ => ready!(Pin::new(stream).poll_write_vectored(context, &slices[..count]))?,
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.written = true;
        if written < held {
            self.start += written;
            return Poll::Ready(Ok(0));
        }
        self.buffer = Buffer::none();
        self.start = 0;
        let written = written - held;
        if written < data.len() {
            return Poll::Ready(Ok(written));
        }
        let rest = &after[written - data.len()..];
        if !rest.is_empty() {
            self.bytes().extend_from_slice(rest);
        }
        Poll::Ready(Ok(data.len()))
    }
}

fn would_block<T>(result: &io::Result<T>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Writes. What is short is not counted against the task's budget: nobody can send much of it before it has to wait.
fn poll_send(stream: &mut Stream, bytes: &[u8], context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let Some(socket) = stream.plain().filter(|_| bytes.len() < SMALL) else {
        return Pin::new(stream).poll_write(context, bytes);
    };
    loop {
        let mut sent = None;
        let tried = socket.try_io(Interest::WRITABLE, || {
            let count = rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?;
            sent = Some(count);
            // What is full is not asked again before it says that there is room.
            if count < bytes.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(0) }
        });
        match sent.map_or(tried, Ok) {
            sent if would_block(&sent) => ready!(socket.poll_write_ready(context))?,
            sent => return Poll::Ready(sent),
        }
    }
}
