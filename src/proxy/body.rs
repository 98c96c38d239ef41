//! Bodies on their way: the client's, with its limits, and the answer, whose end closes the request's account.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;
use tokio::time::{Instant, Sleep};

use super::fault::Fault;
use super::ledger::Ledger;
use crate::upstream::Lease;

/// A body that ends before its end.
#[derive(Debug, Error)]
#[error("{0:?}")]
pub struct BodyError(pub Fault);

/// What the exchange learns from a request's body while it is being sent.
#[derive(Debug)]
pub struct Progress {
    fault: Cell<Option<Fault>>,
    last: Cell<Instant>,
}

impl Progress {
    /// A body that begins now.
    pub fn new() -> Rc<Self> {
        Rc::new(Self { fault: Cell::new(None), last: Cell::new(Instant::now()) })
    }

    /// What broke the body, if anything did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.get()
    }

    /// When its last piece came.
    pub fn last(&self) -> Instant {
        self.last.get()
    }
}

/// A timer that is made when something is first waited for.
#[derive(Default)]
struct Patience(Option<Pin<Box<Sleep>>>);

impl Patience {
    /// Ready once nothing has come for `limit`.
    fn poll(&mut self, limit: Duration, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        sleep.as_mut().poll(context)
    }

    /// Something came.
    fn reset(&mut self) {
        self.0 = None;
    }
}

/// The client's body on its way to an endpoint.
pub struct RequestBody {
    inner: Option<Incoming>,
    left: Option<u64>,
    /// None: a stream, which may be silent for as long as it likes.
    idle: Option<Duration>,
    patience: Patience,
    progress: Rc<Progress>,
}

impl RequestBody {
    /// The body of a client, of at most `limit` bytes.
    pub fn new(inner: Incoming, limit: Option<u64>, idle: Option<Duration>, progress: Rc<Progress>) -> Self {
        Self { inner: Some(inner), left: limit, idle, patience: Patience::default(), progress }
    }

    /// No body.
    pub fn empty() -> Self {
        Self { inner: None, left: None, idle: None, patience: Patience::default(), progress: Progress::new() }
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.progress.fault.set(Some(fault));
        self.inner = None;
        Poll::Ready(Some(Err(BodyError(fault))))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let frame = match Pin::new(inner).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let Some(idle) = this.idle else { return Poll::Pending };
                ready!(this.patience.poll(idle, context));
                return this.fail(Fault::ClientBody);
            }
        };
        this.patience.reset();
        this.progress.last.set(Instant::now());
        match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    strip_trailers(trailers);
                }
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match this.left {
                    Some(left) if length > left => return this.fail(Fault::BodyTooLarge),
                    Some(left) => this.left = Some(left - length),
                    None => {}
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(_)) => this.fail(Fault::ClientGone),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

/// The body of what the client gets.
pub enum ProxyBody {
    /// Made by the proxy.
    Own(Option<Bytes>),
    /// From an endpoint.
    Relay(Box<Relay>),
}

impl ProxyBody {
    /// Nothing.
    pub fn empty() -> Self {
        Self::Own(None)
    }

    /// A short text.
    pub fn text(text: String) -> Self {
        Self::Own(Some(text.into()))
    }
}

/// An endpoint's body on its way to the client.
pub struct Relay {
    inner: Incoming,
    ledger: Ledger,
    lease: Option<Lease<RequestBody>>,
    /// None: a stream, which may be silent for as long as it likes.
    idle: Option<Duration>,
    patience: Patience,
    grpc_status: Option<u8>,
    ended: bool,
}

impl Relay {
    /// The body of an answer; its end closes `ledger` and gives `lease` back.
    pub fn new(inner: Incoming, ledger: Ledger, lease: Lease<RequestBody>, idle: Option<Duration>) -> Self {
        Self { inner, ledger, lease: Some(lease), idle, patience: Patience::default(), grpc_status: None, ended: false }
    }

    /// A gRPC status that the head of the answer has already told.
    pub fn told(mut self, grpc_status: Option<u8>) -> Self {
        self.grpc_status = grpc_status;
        self
    }

    /// As a body. One that is empty, or that an answer of this status or method cannot have (RFC 9110 section 6.4.1:
    /// `bodiless`), is at its end at once, since nobody will poll it.
    pub fn into_body(mut self, bodiless: bool) -> ProxyBody {
        if bodiless || self.inner.is_end_stream() {
            self.end();
        }
        ProxyBody::Relay(Box::new(self))
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.ledger.complete(self.grpc_status);
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn broke(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.ended = true;
        self.lease = None;
        self.ledger.broke(fault);
        Poll::Ready(Some(Err(BodyError(fault))))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let Some(idle) = self.idle else { return Poll::Pending };
                ready!(self.patience.poll(idle, context));
                return self.broke(Fault::IdleTimeout);
            }
        };
        self.patience.reset();
        match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    strip_trailers(trailers);
                    self.grpc_status = grpc_status(trailers).or(self.grpc_status);
                    self.end();
                } else if self.inner.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(_)) => self.broke(Fault::Truncated),
            None => {
                self.end();
                Poll::Ready(None)
            }
        }
    }
}

/// Takes out of trailers what frames or routes a message (RFC 9110 section 6.5.1); HTTP/2 would not send the rest of it.
fn strip_trailers(trailers: &mut HeaderMap) {
    super::forward::strip_hop_by_hop(trailers);
    for name in [&header::TE, &header::CONTENT_LENGTH, &header::HOST, &header::TRAILER] {
        trailers.remove(name);
    }
}

/// The gRPC status in a head or in trailers; one that is no number is UNKNOWN (2).
pub fn grpc_status(headers: &HeaderMap) -> Option<u8> {
    let value = headers.get("grpc-status")?;
    Some(value.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(2))
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relay(relay) if relay.ended => Poll::Ready(None),
            Self::Relay(relay) => relay.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Relay(relay) => relay.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Relay(relay) => relay.inner.size_hint(),
        }
    }
}
