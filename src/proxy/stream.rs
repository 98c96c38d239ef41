//! A client's connection as bytes: plain or TLS, with what was read to find out its protocol put back in front.
//!
//! hyper's header timeout runs from the end of one request to the head of the next, so it can only be as long as a
//! client may idle. The time that a head may take once it has begun is watched here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

/// How long a request head may take from its first byte (slowloris).
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Marks a connection as busy for as long as it lives: from a request's head to the end of its answer.
pub struct Busy(Arc<AtomicBool>);

impl Busy {
    /// Marks it.
    pub fn new(flag: &Arc<AtomicBool>) -> Self {
        flag.store(true, Relaxed);
        Self(Arc::clone(flag))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

/// Plain or TLS.
pub enum Transport {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A client's connection.
pub struct ClientStream {
    transport: Transport,
    /// Read already, not yet given to the codec.
    ahead: Bytes,
    /// Whether a request is being worked on, so that what arrives is its body.
    busy: Arc<AtomicBool>,
    head: Option<Pin<Box<Sleep>>>,
    watched: bool,
}

impl ClientStream {
    /// A connection of which `ahead` has been read. `watched`: heads come one at a time (HTTP/1), and each must be quick.
    pub fn new(transport: Transport, ahead: Bytes, watched: bool) -> Self {
        Self { transport, ahead, busy: Arc::default(), head: None, watched }
    }

    /// To be marked with [`Busy`] while a request is being worked on.
    pub fn busy(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.busy)
    }

    fn poll_transport(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..length]);
            self.ahead.advance(length);
            return Poll::Ready(Ok(()));
        }
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let result = this.poll_transport(context, buffer);
        if !this.watched || this.busy.load(Relaxed) {
            this.head = None;
            return result;
        }
        match (result, &mut this.head) {
            (Poll::Ready(Ok(())), None) => {
                this.head = Some(Box::pin(tokio::time::sleep(HEAD_TIMEOUT)));
                Poll::Ready(Ok(()))
            }
            (Poll::Pending, Some(deadline)) => {
                deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            (result, _) => result,
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
