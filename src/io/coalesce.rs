//! The writes of an HTTP/2 connection, gathered: the codec writes frame by frame, and what it wrote while it was polled goes
//! out in one call.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::message::{Buffer, LARGE};

/// Bytes that may wait before the codec has to.
const MOST: usize = LARGE;

struct Gathered<S> {
    stream: S,
    waiting: Buffer,
    start: usize,
}

/// The stream, as the codec sees it.
pub struct Coalesced<S> {
    shared: Rc<RefCell<Gathered<S>>>,
    ahead: Bytes,
    heard: Rc<Cell<bool>>,
}

/// The other handle, for whoever polls the codec.
pub struct Drain<S>(Rc<RefCell<Gathered<S>>>);

impl<S: AsyncRead + AsyncWrite + Unpin> Coalesced<S> {
    /// Gathers the writes to `stream`, of which `ahead` has been read, and notes in `heard` when something arrives.
    pub fn new(stream: S, ahead: Bytes, heard: Rc<Cell<bool>>) -> (Self, Drain<S>) {
        let shared = Rc::new(RefCell::new(Gathered { stream, waiting: Buffer::none(), start: 0 }));
        (Self { shared: Rc::clone(&shared), ahead, heard }, Drain(shared))
    }
}

impl<S: AsyncWrite + Unpin> Drain<S> {
    /// Writes what waits. To be called after each poll of the codec; true if the codec may have waited for room.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut gathered = self.0.borrow_mut();
        let was_full = gathered.waiting.len() - gathered.start >= MOST;
        ready!(gathered.poll_write_out(context))?;
        Poll::Ready(Ok(was_full))
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    fn poll_write_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.start < self.waiting.len() {
            let rest = &self.waiting[self.start..];
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.start += written,
            }
        }
        self.waiting = Buffer::none();
        self.start = 0;
        Pin::new(&mut self.stream).poll_flush(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Coalesced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.shared.borrow_mut().stream).poll_read(context, buffer);
        if result.is_ready() {
            self.heard.set(true);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Coalesced<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut gathered = self.shared.borrow_mut();
        if gathered.waiting.len() - gathered.start >= MOST {
            ready!(gathered.poll_write_out(context))?;
        }
        if gathered.waiting.is_none() {
            gathered.waiting = Buffer::of(LARGE);
        }
        gathered.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What waits is written once the codec has been polled.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.shared.borrow_mut();
        ready!(gathered.poll_write_out(context))?;
        Pin::new(&mut gathered.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
