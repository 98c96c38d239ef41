//! The answer of an endpoint on its way to the client, while the rest of the request goes the other way.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::attempt::{Answer, Outbound, of_client};
use super::client::Client;
use super::exchange::Exchange;
use super::fault::Fault;
use super::forward;
use super::ledger::Ledger;
use super::worker::Phase;
use crate::io::{Alarm, Pump, Side};
use crate::message::{Field, FieldSection, Response};
use crate::record::StreamProtocol;
use crate::upstream::Upstream;

/// Relays the answer to its end, and closes the account with what became of it.
pub async fn relay(exchange: &mut Exchange, client: &mut Client<'_>, answer: Answer, outbound: &mut Outbound) {
    let Answer { mut response, mut lease } = answer;
    exchange.ledger.answered(response.status);
    let grpc = exchange.manner.grpc;
    let told = grpc_status(&response.fields).filter(|_| grpc);
    let stream = stream_in(&response.fields);
    if let Some(protocol) = stream {
        exchange.ledger.streams(protocol);
    }
    forward::strip(&mut response.fields, |_, _| false);
    exchange.finish_head(&mut response.fields);
    if exchange.worker.phase() >= Phase::Leaving {
        client.close();
    }
    let bodiless = Response::is_bodiless(response.status, exchange.head_request);
    if client.begin(&response, bodiless).is_err() {
        return client.abort().await;
    }
    drop(response);
    let idle = exchange.decision.rule(&exchange.snapshot).body.split.timeouts.idle;
    let Exchange { ledger, alarm, takes_trailers, .. } = exchange;
    let mut relaying = Relaying {
        ledger,
        outbound,
        download: Pump::new(None),
        idle: (stream.is_none() && !grpc).then_some(idle),
        since: None,
        grpc_status: told,
        takes_trailers: *takes_trailers,
    };
    let relayed = poll_fn(|context| relaying.poll(client, &mut lease.upstream, alarm, context)).await;
    if let Some(memo) = relaying.ledger.memo() {
        memo.sent(relaying.download.moved());
    }
    match relayed {
        Ok(()) => {
            client.complete();
            if relaying.outbound.upload.is_done() {
                lease.give_back();
            } else {
                client.abandon();
            }
        }
        Err(fault) => {
            // A client that has gone is recorded as such when its account is dropped.
            if fault != Fault::ClientGone {
                relaying.ledger.broke(fault);
            }
            client.abort().await;
        }
    }
}

/// Both bodies on their way.
struct Relaying<'e> {
    ledger: &'e mut Ledger,
    outbound: &'e mut Outbound,
    download: Pump,
    /// How long nothing may move; none: a stream, which may be silent for as long as it likes.
    idle: Option<Duration>,
    /// When something last moved, as far as anybody had to wait.
    since: Option<Instant>,
    grpc_status: Option<u8>,
    takes_trailers: bool,
}

impl Relaying<'_> {
    fn poll(
        &mut self,
        client: &mut Client<'_>,
        upstream: &mut Upstream,
        alarm: &mut Alarm,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        if !self.outbound.upload.is_done() {
            match self.outbound.move_body(client, upstream, context) {
                // It has answered, and takes no more: the answer counts.
                Poll::Ready(Err(stopped)) if stopped.side == Side::Sink => self.outbound.upload.stop(),
                Poll::Ready(Err(stopped)) => return Poll::Ready(Err(of_client(&stopped))),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        let Self { ledger, grpc_status: status, takes_trailers, .. } = self;
        // A client that has its answer finds it counted, so the account is closed before the last bytes go.
        let mut ends = |trailers: Option<&mut FieldSection>| {
            if let Some(trailers) = trailers {
                forward::strip_trailers(trailers);
                *status = grpc_status(trailers).or(*status);
                if !*takes_trailers {
                    trailers.clear();
                }
            }
            ledger.complete(*status);
        };
        match self.download.poll(upstream, client, &mut ends, context) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(stopped)) => {
                let fault = if stopped.side == Side::Source { Fault::Truncated } else { Fault::ClientGone };
                return Poll::Ready(Err(fault));
            }
            Poll::Pending => {}
        }
        if client.poll_gone(context).is_ready() {
            return Poll::Ready(Err(Fault::ClientGone));
        }
        self.wait(alarm, context)
    }

    /// Limits how long nothing moves: an endpoint that stalls, or a client that takes nothing.
    fn wait(&mut self, alarm: &mut Alarm, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Some(idle) = self.idle else { return Poll::Pending };
        if self.download.has_moved() | self.outbound.upload.has_moved() {
            self.since = None;
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
