//! A client's connection as bytes: plain or TLS, with what was read to find out its protocol put back in front.
//!
//! hyper's header timeout runs from the end of one request to the head of the next, so it can only be as long as a
//! client may idle. The time that a head may take once it has begun is watched here.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use super::gate::Gate;

/// How long a request head may take from its first byte (slowloris).
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// What arrives is looked at; shared with who asks for its verdicts.
    gate: Option<Arc<Mutex<Gate>>>,
    /// When the head that has begun must have ended.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl ClientStream {
    /// A connection of which `ahead` has been read; HTTP/1 passes a `gate`.
    pub fn new(transport: Transport, ahead: Bytes, gate: Option<Arc<Mutex<Gate>>>) -> Self {
        Self { transport, ahead, gate, deadline: None }
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
        let before = buffer.filled().len();
        let result = this.poll_transport(context, buffer);
        let Some(gate) = &this.gate else { return result };
        if let Poll::Ready(Ok(())) = result {
            let mut gate = lock(gate);
            gate.see(&buffer.filled()[before..]);
            match (gate.in_head(), &this.deadline) {
                (false, _) => this.deadline = None,
                (true, None) => this.deadline = Some(Box::pin(tokio::time::sleep(HEAD_TIMEOUT))),
                (true, Some(_)) => {}
            }
        }
        match (&result, &mut this.deadline) {
            (Poll::Pending, Some(deadline)) => {
                deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            _ => result,
        }
    }
}

/// The gate. A connection lives on one thread, so nobody ever waits; a panic while it was held leaves it whole.
pub fn lock(gate: &Mutex<Gate>) -> MutexGuard<'_, Gate> {
    gate.lock().unwrap_or_else(PoisonError::into_inner)
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
