//! The side of the client: what its codec gives an exchange, and takes from it.

mod http1;
mod http2;

pub use http1::{CLIENT_IDLE, HEAD_TIMEOUT, Http1Client, serve as serve_http1};
pub use http2::{Http2Client, serve as serve_http2};

use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::exchange::ConnectionInfo;
use super::fault::Fault;
use super::ledger::Ledger;
use super::refusal::{self, Manner};
use super::worker::Worker;
use crate::endpoint::VersionId;
use crate::io::{Alarm, Ready, Sink, Source};
use crate::message::{Broken, FieldSection, Response};

/// Answers a head that cannot be read; over HTTP/1.1 nothing after it can be trusted.
async fn refuse(worker: &Rc<Worker>, info: &ConnectionInfo, client: &mut Client<'_>, fault: Fault) {
    let manner = Manner { grpc: false, reason_header: worker.snapshot().forwarding.reason_header };
    let memo = worker.observer.as_ref().and_then(|observer| observer.memo_unread(info.peer));
    let mut ledger = Ledger::open(worker, VersionId::UNROUTED, Instant::now()).with(memo);
    refusal::refuse(client, &mut ledger, &manner, fault, true).await;
}

/// Longest head of a request, bytes.
const LONGEST_HEAD: usize = 32 * 1024;

/// A client that waits for the answer to its request.
pub enum Client<'c> {
    /// On HTTP/1.0 or 1.1.
    Http1(&'c mut Http1Client),
    /// On a stream of HTTP/2.
    Http2(&'c mut Http2Client),
}

impl Client<'_> {
    /// Begins the answer. `bodiless`: nothing follows its head, whatever that says.
    ///
    /// # Errors
    ///
    /// The client has gone.
    pub fn begin(&mut self, response: &Response, bodiless: bool) -> Result<(), Broken> {
        match self {
            Self::Http1(client) => {
                client.begin(response, bodiless);
                Ok(())
            }
            Self::Http2(client) => client.begin(response, bodiless),
        }
    }

    /// Passes on an informational answer (RFC 9110 section 15.2).
    pub fn inform(&mut self, response: &Response) {
        match self {
            Self::Http1(client) => client.inform(response),
            Self::Http2(client) => client.inform(response),
        }
    }

    /// Ready once the client has gone, or broken its request off.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1(client) => client.poll_gone(context),
            Self::Http2(client) => client.poll_gone(context),
        }
    }

    /// The same while the request waits and its body is not read: so much is read ahead as is needed to notice.
    pub fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1(client) => client.poll_left(context),
            Self::Http2(client) => client.poll_gone(context),
        }
    }

    /// The answer came to its end.
    pub fn complete(&mut self) {
        if let Self::Http1(client) = self {
            client.complete();
        }
    }

    /// Takes an answer back of which nothing has gone out, so that another can be given; false where the client may have some
    /// of it.
    pub fn take_back(&mut self) -> bool {
        match self {
            Self::Http1(client) => client.take_back_answer(),
            // Its head is with the connection already.
            Self::Http2(_) => false,
        }
    }

    /// The answer breaks off, and the client must not take it for whole.
    pub async fn abort(&mut self) {
        match self {
            Self::Http1(client) => client.close(),
            Self::Http2(client) => {
                // A reset would throw away what the connection has not written yet, and the head with it.
                tokio::task::yield_now().await;
                client.abort();
            }
        }
    }

    /// The connection is not used for another request.
    pub fn close(&mut self) {
        if let Self::Http1(client) = self {
            client.close();
        }
    }

    /// The client's request is not read on: the answer does not wait for it. A connection on which much of it would still
    /// come is closed.
    pub fn abandon(&mut self) {
        if let Self::Http1(client) = self {
            client.abandon();
        }
    }

    /// Whether the answer is to be a head alone.
    pub fn asked_for_head(&self) -> bool {
        match self {
            Self::Http1(client) => client.head_request,
            Self::Http2(client) => client.head_request,
        }
    }

    /// The alarm of its connection, or of who carries its request, for as long as that is carried.
    pub fn lend_alarm(&mut self) -> Alarm {
        match self {
            Self::Http1(client) => std::mem::take(&mut client.alarm),
            Self::Http2(client) => std::mem::take(&mut client.alarm),
        }
    }

    /// Takes it back.
    pub fn return_alarm(&mut self, alarm: Alarm) {
        match self {
            Self::Http1(client) => client.alarm = alarm,
            Self::Http2(client) => client.alarm = alarm,
        }
    }

    /// Its request goes over a connection to an endpoint that others share, or over one of its own; likely so do its next ones.
    pub fn shares(&self, shares: bool) {
        if let Self::Http2(client) = self {
            client.body.session().begins_at_once(shares);
        }
    }

    /// What follows, both ways, is another protocol.
    pub fn become_tunnel(&mut self) {
        if let Self::Http1(client) = self {
            client.become_tunnel();
        }
    }
}

impl Source for Client<'_> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        match self {
            Self::Http1(client) => client.poll_ready(context),
            Self::Http2(client) => client.poll_ready(context),
        }
    }

    fn data(&self) -> (&[u8], bool) {
        match self {
            Self::Http1(client) => client.body.data(),
            Self::Http2(client) => client.body.data(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Http1(client) => client.body.consume(count),
            Self::Http2(client) => client.body.consume(count),
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Http1(client) => client.body.has_ended(),
            Self::Http2(client) => client.body.has_ended(),
        }
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        match self {
            Self::Http1(client) => client.body.trailers(),
            Self::Http2(client) => client.body.trailers(),
        }
    }

    fn bare(&self) -> Option<(&TcpStream, u64)> {
        match self {
            // A client that waits to be asked for its body has to be asked.
            Self::Http1(client) if client.expects() => None,
            Self::Http1(client) => Source::bare(&client.body),
            Self::Http2(_) => None,
        }
    }

    fn bypassed(&mut self, count: usize) {
        if let Self::Http1(client) = self {
            client.body.bypassed(count);
        }
    }
}

impl Sink for Client<'_> {
    fn poll_send(&mut self, data: &[u8], last: bool, context: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        match self {
            Self::Http1(client) => client.body.poll_send(data, last, context),
            Self::Http2(client) => client.body.poll_send(data, last, context),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        match self {
            Self::Http1(client) => client.body.poll_flush(context),
            Self::Http2(client) => client.body.poll_flush(context),
        }
    }

    fn poll_finish(
        &mut self,
        trailers: &mut Option<FieldSection>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        match self {
            Self::Http1(client) => client.body.poll_finish(trailers, context),
            Self::Http2(client) => client.body.poll_finish(trailers, context),
        }
    }

    fn bare(&self) -> Option<&TcpStream> {
        match self {
            Self::Http1(client) => Sink::bare(&client.body),
            Self::Http2(_) => None,
        }
    }
}
