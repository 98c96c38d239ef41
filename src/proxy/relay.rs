//! The answer of an endpoint on its way to the client, while the rest of the request goes the other way.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::attempt::{Answer, Outbound, of_client};
use super::client::Client;
use super::exchange::{Exchange, is_turned_away};
use super::fault::Fault;
use super::forward;
use super::goodbye::Parting;
use super::refusal;
use super::worker::Phase;
use crate::drain::{Asked, Registered};
use crate::io::{Alarm, Pump, Side, Stopped};
use crate::message::{Broken, Field, FieldSection, Response, Size};
use crate::record::StreamProtocol;
use crate::upstream::Upstream;

/// A gRPC answer of one message that is not over after this long is that of a stream.
const A_CALL: Duration = Duration::from_secs(1);

/// Relays the answer to its end, and closes the account with what became of it.
pub async fn relay(exchange: &mut Exchange, client: &mut Client<'_>, answer: Answer, outbound: &mut Outbound) {
    let Answer { mut response, mut lease } = answer;
    exchange.ledger.answered(response.status);
    let grpc = exchange.manner.grpc;
    let told = grpc_status(&response.fields).filter(|_| grpc);
    let stream = stream_in(&response.fields);
    forward::strip(&mut response.fields);
    exchange.finish_head(&mut response.fields, lease.upstream.version());
    if exchange.worker.phase() >= Phase::Leaving {
        client.close();
    }
    let turned_away = is_turned_away(response.status);
    let bodiless = Response::is_bodiless(response.status, exchange.head_request);
    if client.begin(&response, bodiless).is_err() {
        return client.abort().await;
    }
    let idle = exchange.decision.rule(&exchange.snapshot).body.split.timeouts.idle;
    let mut relaying = Relaying {
        outbound,
        download: Pump::new(None),
        // Streams of gRPC have flow control for a client that wants nothing for now.
        idle: (!grpc).then_some(idle),
        silent: stream.is_some(),
        since: None,
        grpc_status: told,
        turned_away,
        resident: None,
        owed: false,
        parting: if grpc { Some(Parting::grpc()) } else { stream.map(|_| parting_of(&response)) },
    };
    drop(response);
    if let Some(protocol) = stream {
        exchange.ledger.streams(protocol);
        relaying.resident = Some(exchange.settle_in(protocol));
    }
    let ended = relaying.run(exchange, client, &mut lease.upstream, grpc).await;
    if let Some(memo) = exchange.ledger.memo() {
        memo.sent(relaying.download.moved());
    }
    match ended {
        Ok(()) => {
            client.complete();
            if relaying.outbound.upload.is_done() {
                lease.give_back();
            } else {
                client.abandon();
            }
        }
        Err(fault @ (Fault::Truncated | Fault::Protocol)) if client.take_back() => {
            // Boxed, since it is rare.
            Box::pin(refusal::refuse(client, &mut exchange.ledger, &exchange.manner, fault, false)).await;
        }
        Err(fault) => {
            // What is no body of HTTP has broken off where it was one.
            let fault = if fault == Fault::Protocol { Fault::Truncated } else { fault };
            // A client that has gone is recorded as such when its account is dropped.
            if fault != Fault::ClientGone {
                exchange.ledger.broke(fault);
            }
            client.abort().await;
        }
    }
}

/// Both bodies on their way.
struct Relaying<'e> {
    outbound: &'e mut Outbound,
    download: Pump,
    /// How long nothing may move; none: for as long as both sides like.
    idle: Option<Duration>,
    /// It is a stream: its endpoint may be silent for as long as it likes, but its client is to take what there is.
    silent: bool,
    /// When something last moved, as far as anybody had to wait.
    since: Option<Instant>,
    grpc_status: Option<u8>,
    /// By its status the endpoint has no room for it.
    turned_away: bool,
    /// Its place among the long-lived connections.
    resident: Option<Registered>,
    /// It was asked to end before its answer began, by when its client had said all: it is a call, and gets the first message.
    owed: bool,
    /// How it says goodbye; none: it ends by itself soon enough.
    parting: Option<Parting>,
}

impl Relaying<'_> {
    async fn run(
        &mut self,
        exchange: &mut Exchange,
        client: &mut Client<'_>,
        upstream: &mut Upstream,
        grpc: bool,
    ) -> Result<(), Fault> {
        // Known for as long as the endpoint takes what the client says.
        let open = grpc && self.outbound.is_open_call();
        if grpc {
            // Most calls are over at once; one that has to be waited for may be a stream.
            let first = poll_fn(|context| Poll::Ready(self.poll(exchange, client, upstream, context))).await;
            if let Poll::Ready(ended) = first {
                exchange.called(!self.is_turned_away(&ended), open);
                return ended;
            }
            self.resident = Some(match self.outbound.resident.take() {
                Some(known) => {
                    self.owed = known.is_asked() && self.outbound.upload.is_done();
                    exchange.leave_snapshot();
                    known
                }
                None => {
                    exchange.called(true, open);
                    exchange.settle_in(StreamProtocol::Grpc)
                }
            });
        }
        let ended = poll_fn(|context| self.poll(exchange, client, upstream, context)).await;
        if let Some(resident) = self.resident.as_ref().filter(|_| grpc && self.is_turned_away(&ended)) {
            resident.was_turned_away(open);
        }
        ended
    }

    /// Whether a call has ended so that a stream in its place would have found no room: without a message, with RESOURCE_EXHAUSTED,
    /// UNAVAILABLE, or a status of HTTP that means the like, which is not the proxy's own goodbye.
    fn is_turned_away(&self, ended: &Result<(), Fault>) -> bool {
        if self.parting.as_ref().is_some_and(|parting| parting.messages() > 0 || parting.is_said()) {
            return false;
        }
        match ended {
            Ok(()) => self.turned_away || matches!(self.grpc_status, Some(8 | 14)),
            Err(fault) => matches!(fault, Fault::Truncated | Fault::Protocol),
        }
    }

    fn poll(
        &mut self,
        exchange: &mut Exchange,
        client: &mut Client<'_>,
        upstream: &mut Upstream,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        match self.resident.as_ref().and_then(|resident| resident.asked(context)) {
            None => {}
            Some(Asked::ToEnd(_)) if self.is_owed() => {}
            Some(Asked::ToEnd(code)) => self.parting.iter_mut().for_each(|parting| parting.ask(code)),
            Some(Asked::Cut) => return Poll::Ready(Err(Fault::Drained)),
        }
        if let Some(parting) = self.parting.as_ref().filter(|parting| self.resident.is_some() && parting.is_grpc())
            && (parting.messages() > 1 || exchange.ledger.answered_for() > A_CALL)
        {
            exchange.ledger.streams(StreamProtocol::Grpc);
        }
        if !self.outbound.upload.is_done() {
            match self.outbound.move_body(client, upstream, context) {
                // It has answered, and takes no more: the answer counts.
                Poll::Ready(Err(stopped)) if stopped.side == Side::Sink => self.outbound.upload.stop(),
                Poll::Ready(Err(stopped)) => return Poll::Ready(Err(of_client(&stopped))),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        match self.download(exchange, client, upstream, context) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(stopped)) => {
                return Poll::Ready(Err(match (stopped.side, stopped.error) {
                    (Side::Source, Broken::Malformed(_)) => Fault::Protocol,
                    (Side::Source, _) => Fault::Truncated,
                    _ => Fault::ClientGone,
                }));
            }
            Poll::Pending => {}
        }
        if client.poll_gone(context).is_ready() {
            return Poll::Ready(Err(Fault::ClientGone));
        }
        let moved = self.download.has_moved() | self.outbound.upload.has_moved();
        if let Some(resident) = self.resident.as_ref().filter(|_| moved) {
            resident.moved();
        }
        self.wait(moved, &mut exchange.alarm, context)
    }

    /// Whether the first message is still to come that the client is owed.
    fn is_owed(&self) -> bool {
        self.owed && self.parting.as_ref().is_some_and(|parting| parting.messages() == 0)
    }

    fn download(
        &mut self,
        exchange: &mut Exchange,
        client: &mut Client<'_>,
        upstream: &mut Upstream,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Stopped>> {
        let Self { grpc_status: status, download, parting, .. } = self;
        let Exchange { ledger, takes_trailers, .. } = exchange;
        let parted = Cell::new(false);
        // A client that has its answer finds it counted, so the account is closed before the last bytes go.
        let mut ends = |trailers: Option<&mut FieldSection>| {
            if let Some(trailers) = trailers {
                forward::strip_trailers(trailers);
                *status = grpc_status(trailers).or(*status);
                if !*takes_trailers {
                    trailers.clear();
                }
            }
            if parted.get() { ledger.drained(*status) } else { ledger.complete(*status) }
        };
        match parting {
            None => download.poll(upstream, client, &mut ends, context),
            Some(parting) => download.poll(&mut parting.speak(upstream, &parted), client, &mut ends, context),
        }
    }

    /// Limits how long nothing moves: an endpoint that stalls, or a client that takes nothing.
    fn wait(&mut self, moved: bool, alarm: &mut Alarm, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Some(idle) = self.idle else { return Poll::Pending };
        let silent = self.silent && self.download.is_starved();
        if moved || silent {
            self.since = None;
        }
        if silent {
            return Poll::Pending;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let fault = if self.download.is_starved() { Fault::IdleTimeout } else { Fault::ClientGone };
        alarm.poll(since + idle, context).map(|()| Err(fault))
    }
}

/// Cleans the trailers of a request.
pub fn clean(trailers: Option<&mut FieldSection>) {
    if let Some(trailers) = trailers {
        forward::strip_trailers(trailers);
    }
}

/// The gRPC status in a head or in trailers; one that is no number is UNKNOWN (2).
pub fn grpc_status(fields: &FieldSection) -> Option<u8> {
    let value = fields.first(Field::GrpcStatus)?;
    Some(std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(2))
}

/// Server-sent events are a stream by their type (HTML standard, section 9.2).
fn stream_in(fields: &FieldSection) -> Option<StreamProtocol> {
    fields.first(Field::ContentType)?.starts_with(b"text/event-stream").then_some(StreamProtocol::Sse)
}

/// How a stream of events says goodbye: not where its length was announced, nor where its events cannot be told apart.
fn parting_of(response: &Response) -> Parting {
    let plain = response.size == Size::Unknown && !response.fields.has(Field::ContentEncoding);
    if plain { Parting::events() } else { Parting::foreign() }
}
