//! One try of a request at one endpoint.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::StatusCode;
use tokio::time::Instant;

use super::client::Client;
use super::exchange::Exchange;
use super::fault::Fault;
use super::forward::{self, Target};
use super::goodbye::{Followed, Messages};
use super::limits::Limits;
use super::mirror::{Tee, Teed};
use super::replay::{Replay, Replayed, Room};
use super::upgrade::Upgrade;
use super::{filter, relay, upgrade};
use crate::drain::Registered;
use crate::endpoint::Endpoint;
use crate::io::{Alarm, Pump, Side, Sink as _, Stopped};
use crate::message::{Broken, FieldSection, Request, Response, Size};
use crate::model::Split;
use crate::upstream::{Demand, Lease, Outgoing, Upstream};

/// Informational answers that are passed on; an endpoint that sends more has lost its way.
pub const MOST_INTERIM: usize = 10;

/// A request on its way out, in a form that fits every endpoint.
pub struct Outbound {
    /// What the endpoint is asked for.
    pub target: Target,
    /// The client's body, as far as it has gone.
    pub upload: Pump,
    /// Copies that are made of it.
    pub tee: Option<Box<Tee>>,
    /// Its head is all there is of it.
    bodiless: bool,
    /// Whether it means the same if it is worked on twice (RFC 9110 section 9.2.2), or is told to be taken so.
    idempotent: bool,
    /// What is kept of the body for another try.
    kept: Option<Replay>,
    /// How much may be kept of it; 0: nothing.
    keeps: u64,
    /// The protocol that the client asks for.
    pub upgrade: Option<Upgrade>,
    /// When the client's body last got further.
    pub progress: Option<Instant>,
    /// When the try began, and when it is looked at next.
    pub look: Option<(Instant, Instant)>,
    /// Where the messages of a gRPC call stand.
    pub messages: Option<Messages>,
    /// Its place among the long-lived connections, where its answer takes long.
    pub resident: Option<Registered>,
}

/// An answer whose body is still to come.
pub struct Answer {
    /// Its head.
    pub response: Response,
    /// The connection, to be given back at the body's end.
    pub lease: Lease,
}

/// A try that failed.
#[derive(Debug)]
pub struct Failed {
    /// What went wrong.
    pub fault: Fault,
    /// The connection had been used before, so it may have died on its own.
    pub stale: bool,
    /// In words, for the log.
    pub message: String,
}

impl Failed {
    /// A failure that says nothing about the connection.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, stale: false, message: message.into() }
    }
}

impl Outbound {
    /// A request that has not begun.
    pub fn new(target: Target, upgrade: Option<Upgrade>) -> Self {
        let upload = Pump::new(None);
        Self {
            target,
            upload,
            tee: None,
            bodiless: false,
            idempotent: false,
            kept: None,
            keeps: 0,
            upgrade,
            progress: None,
            look: None,
            messages: None,
            resident: None,
        }
    }

    /// It begins.
    pub fn begins(&mut self, request: &Request, split: &Split) {
        self.upload = Pump::new(split.limits.request_body);
        // The handshake of a WebSocket is a GET (RFC 6455 section 4.1), also where it comes as an extended CONNECT (RFC 8441).
        let handshake = self.upgrade.as_ref().is_some_and(Upgrade::is_websocket);
        self.idempotent = request.method.is_idempotent() || handshake || split.retry.non_idempotent;
        self.bodiless = request.size == Size::None;
        if self.bodiless {
            return;
        }
        let limit = split.retry.body_limit;
        let fits = !matches!(request.size, Size::Known(length) if length > limit);
        let repeats = split.retry.attempts > 0 || split.rescue.is_some();
        self.keeps = if fits && repeats && self.upgrade.is_none() { limit } else { 0 };
    }

    /// Begins a try over this connection.
    fn goes(&mut self, upstream: &Upstream, room: &Room, begun: Instant) {
        self.look_from(begun);
        self.upload.restart();
        if let Some(kept) = &mut self.kept {
            return kept.restart();
        }
        // What was begun and is not idempotent is repeated only where the other side can say that it had not begun.
        if self.keeps > 0 && (self.idempotent || matches!(upstream, Upstream::Http2(_))) {
            self.kept = Some(Replay::new(self.keeps, room));
        }
    }

    /// It will not go anywhere else.
    pub fn settles(&mut self) {
        self.kept = None;
        self.keeps = 0;
    }

    /// Moves the client's body on, past who copies it.
    pub fn move_body(
        &mut self,
        client: &mut Client<'_>,
        upstream: &mut Upstream,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Stopped>> {
        // Who copies it, or follows its messages, wants to see the end. What follows an upgrade that was not granted is for nobody: an
        // endpoint on HTTP/1.1 would take it for requests.
        if self.bodiless && self.tee.is_none() && self.messages.is_none() || self.upgrade.is_some() {
            self.upload.ends();
        }
        let rest = Followed { messages: &mut self.messages, rest: Teed { client, tee: &mut self.tee } };
        let mut body = Replayed { kept: &mut self.kept, rest };
        self.upload.poll(&mut body, upstream, &mut relay::clean, context)
    }

    /// Whether all of it is still there to be sent.
    pub fn is_whole(&self) -> bool {
        self.kept.is_some() || self.upload.is_untouched()
    }

    /// Whether no more of it has gone than had before.
    pub fn repeats(&self) -> bool {
        self.kept.as_ref().is_some_and(Replay::repeats)
    }

    /// Whether it may be repeated, as far as is known before it goes.
    pub fn may_be_repeated(&self) -> bool {
        self.idempotent && (self.is_whole() || self.keeps > 0)
    }

    /// Whether it may be sent once more though it may have been worked on.
    pub fn is_repeatable(&self) -> bool {
        self.idempotent && self.is_whole()
    }
}

impl Exchange {
    /// Sends the request to `endpoint` and waits for the head of the answer. `fresh`: on a new connection.
    pub async fn attempt(
        &mut self,
        client: &mut Client<'_>,
        (request, outbound): (&mut Request, &mut Outbound),
        (endpoint, fresh): (&Arc<Endpoint>, bool),
        limits: &Limits,
    ) -> Result<Answer, Failed> {
        let demand = if outbound.upgrade.is_some() { Demand::Upgrade } else { Demand::Any };
        let kept = if fresh || demand == Demand::Upgrade { None } else { self.worker.pool.ready(endpoint) };
        let mut lease = match kept {
            Some(lease) => lease,
            // Boxed, since it is large, and few have to.
            None => Box::pin(self.connect(client, demand, (endpoint, fresh), limits)).await?,
        };
        let stale = lease.reused;
        let failed = |(fault, message)| Failed { fault, stale: stale && dies_unseen(fault), message };
        let edited = self.edited(request, outbound);
        let outgoing = Outgoing {
            method: &request.method,
            path: request.fields.bytes_at(outbound.target.path),
            host: request.fields.bytes_at(outbound.target.host),
            secure: endpoint.transport.tls.is_some(),
            fields: edited.as_ref().unwrap_or(&request.fields),
            size: if outbound.upgrade.is_some() { Size::None } else { request.size },
            upgrade: outbound.upgrade.as_ref().map(Upgrade::token),
        };
        client.shares(matches!(lease.upstream, Upstream::Http2(_)));
        match &mut lease.upstream {
            Upstream::Http1(http1) => http1.send(&outgoing),
            upstream @ Upstream::Http2(_) => {
                let sent = unless_gone(client, &mut self.alarm, limits.deadline(), upstream.send(&outgoing)).await;
                has_sent(sent, limits).map_err(failed)?;
            }
        }
        outbound.goes(&lease.upstream, &self.worker.replays, limits.begun);
        let answered = self.converse(client, outbound, (endpoint, &mut lease.upstream), limits).await;
        answered.map(|response| Answer { response, lease }).map_err(failed)
    }

    async fn connect(
        &mut self,
        client: &mut Client<'_>,
        demand: Demand,
        (endpoint, fresh): (&Arc<Endpoint>, bool),
        limits: &Limits,
    ) -> Result<Lease, Failed> {
        let pool = &self.worker.pool;
        let (timeout, since) = (self.connect_timeout(limits), Instant::now());
        let connecting = async {
            match fresh {
                true => pool.fresh(endpoint, demand, timeout).await,
                false => pool.lease(endpoint, demand, timeout).await,
            }
        };
        let connected = unless_gone(client, &mut self.alarm, limits.deadline(), connecting).await;
        if let Some(memo) = self.ledger.memo() {
            memo.connected(since.elapsed());
        }
        match connected {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(error)) => Err(Failed::new((&error).into(), error.to_string())),
            Err(fault) => Err(limits.late(fault)).map_err(|(fault, message)| Failed::new(fault, message)),
        }
    }

    /// Tells the request what was decided; gives its fields anew where this version gets others than the next one would.
    fn edited(&self, request: &mut Request, outbound: &Outbound) -> Option<FieldSection> {
        let version = self.decision.version(&self.snapshot);
        forward::tell_decision(&mut request.fields, &version.name, self.decision.why);
        let configured = self.decision.rule(&self.snapshot).body.split.versions.get(self.decision.version);
        let filters = configured.map_or(&[][..], |version| &version.filters);
        if filter::request_edits(filters).next().is_none() && outbound.upgrade.is_none() {
            return None;
        }
        let mut fields = request.fields.clone();
        filter::edit(filter::request_edits(filters), &mut fields);
        if let Some(upgrade) = &outbound.upgrade {
            upgrade::add_key(upgrade, &mut fields);
        }
        Some(fields)
    }

    /// Sends the client's body and waits for the head of the answer, whichever comes first.
    async fn converse(
        &mut self,
        client: &mut Client<'_>,
        outbound: &mut Outbound,
        (endpoint, upstream): (&Arc<Endpoint>, &mut Upstream),
        limits: &Limits,
    ) -> Result<Response, (Fault, String)> {
        let mut interim = 0;
        let mut refused: Option<Broken> = None;
        poll_fn(|context| {
            loop {
                if refused.is_none() {
                    refused = upload(client, upstream, outbound, context)?;
                }
                match upstream.poll_head(context) {
                    Poll::Ready(Ok(response)) if is_interim(&response) => {
                        interim += 1;
                        if interim > MOST_INTERIM {
                            return failed(Fault::Protocol, "more informational answers than are passed on");
                        }
                        pass_on(client, response);
                    }
                    Poll::Ready(Ok(response)) => return Poll::Ready(Ok(response)),
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Err(unanswered(&error, refused.as_ref(), !upstream.has_sent())));
                    }
                    Poll::Pending => break,
                }
            }
            if client.poll_gone(context).is_ready() {
                return failed(Fault::ClientGone, "the client has gone");
            }
            self.wait(outbound, (endpoint, upstream), *limits, context)
        })
        .await
    }
}

/// What became of a head that had to be waited for.
fn has_sent(sent: Result<Result<(), Broken>, Fault>, limits: &Limits) -> Result<(), (Fault, String)> {
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err((unsent(&error), error.to_string())),
        Err(fault) => Err(limits.late(fault)),
    }
}

/// Whether a connection that was used before may break so by itself, which says nothing about its endpoint.
fn dies_unseen(fault: Fault) -> bool {
    !matches!(fault, Fault::TryTimeout | Fault::Vanished | Fault::Drained)
}

/// What it means that a head could not be sent: another endpoint may get it, unless it cannot carry what is asked for.
fn unsent(error: &Broken) -> Fault {
    if matches!(error, Broken::Malformed(_)) { Fault::UpgradeFailed } else { Fault::Refused }
}

/// Waits for `work`, unless the client leaves or the deadline comes.
pub async fn unless_gone<T>(
    client: &mut Client<'_>,
    alarm: &mut Alarm,
    deadline: Option<Instant>,
    work: impl Future<Output = T>,
) -> Result<T, Fault> {
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        if client.poll_gone(context).is_ready() {
            return Poll::Ready(Err(Fault::ClientGone));
        }
        match deadline {
            Some(deadline) => alarm.poll(deadline, context).map(|()| Err(Fault::RequestTimeout)),
            None => Poll::Pending,
        }
    })
    .await
}

fn failed<T>(fault: Fault, message: &str) -> Poll<Result<T, (Fault, String)>> {
    Poll::Ready(Err((fault, message.to_owned())))
}

/// Moves the client's body on. Some: the endpoint takes no more of it, but may have answered all the same.
fn upload(
    client: &mut Client<'_>,
    upstream: &mut Upstream,
    outbound: &mut Outbound,
    context: &mut Context<'_>,
) -> Result<Option<Broken>, (Fault, String)> {
    if outbound.upgrade.is_some() {
        // What the client sends is for the other protocol.
        return Ok(match upstream.poll_flush(context) {
            Poll::Ready(Err(error)) => Some(error),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        });
    }
    match outbound.move_body(client, upstream, context) {
        Poll::Ready(Err(Stopped { side: Side::Sink, error })) => Ok(Some(error)),
        Poll::Ready(Err(stopped)) => Err((of_client(&stopped), stopped.error.to_string())),
        Poll::Ready(Ok(())) | Poll::Pending => Ok(None),
    }
}

/// What it means that the client's body did not come to its end.
pub fn of_client(stopped: &Stopped) -> Fault {
    match (stopped.side, &stopped.error) {
        (Side::Limit, _) => Fault::BodyTooLarge,
        (_, Broken::Malformed(_)) => Fault::BadRequest,
        _ => Fault::ClientGone,
    }
}

/// What it means that no answer will come.
fn unanswered(error: &Broken, refused: Option<&Broken>, unsent: bool) -> (Fault, String) {
    let fault = match refused {
        Some(Broken::Refused) => Fault::Refused,
        // Not a byte of it was taken.
        Some(Broken::Io(_)) if unsent => Fault::Refused,
        _ => error.into(),
    };
    (fault, error.to_string())
}

fn is_interim(response: &Response) -> bool {
    response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS
}

/// Passes an informational answer on. The one that asks for the body is for the proxy, which sends it anyway.
fn pass_on(client: &mut Client<'_>, mut response: Response) {
    if response.status != StatusCode::CONTINUE {
        forward::strip(&mut response.fields);
        client.inform(&response);
    }
}
