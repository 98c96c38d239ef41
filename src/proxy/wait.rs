//! While an endpoint has not answered: how long it may take, whether it is there at all, and streams that are asked to end
//! before their answer has come.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::attempt::Outbound;
use super::exchange::Exchange;
use super::fault::Fault;
use super::goodbye::Messages;
use super::limits::{Limits, TryLimit};
use crate::drain::Asked;
use crate::endpoint::Endpoint;
use crate::model::{RescueOn, RetryOn, Timeouts};
use crate::record::StreamProtocol;
use crate::upstream::Upstream;

/// How long an endpoint that drops packets may hold up a request that can go elsewhere.
const HASTE: Duration = Duration::from_secs(1);

/// After how long without an answer it is looked whether the endpoint is there, and whether a call is a stream; again whenever
/// the wait has doubled.
const LOOK: Duration = Duration::from_millis(900);

/// Why no answer is waited for any longer.
type Reason = (Fault, String);

impl Outbound {
    /// A try begins; the first one with the request.
    pub fn look_from(&mut self, begun: Instant) {
        let since = if self.look.is_none() { begun } else { Instant::now() };
        self.look = Some((since, since + LOOK));
        self.resident = None;
        if let Some(messages) = &mut self.messages {
            *messages = Messages::default();
        }
    }

    /// Whether the client of a call may send more messages: one that will not is owed its answer.
    pub fn is_open_call(&self) -> bool {
        !self.upload.is_done() && self.messages.as_ref().is_some_and(Messages::is_between)
    }

    /// What follows from what a stream was told before its answer has come.
    fn asked(&mut self, context: &Context<'_>) -> Option<Reason> {
        let resident = self.resident.as_ref()?;
        if self.upload.has_moved() {
            resident.moved();
        }
        let ends = match resident.asked(context)? {
            Asked::ToEnd(_) => self.is_open_call(),
            Asked::Cut => true,
        };
        ends.then(|| (Fault::Drained, "it was asked to end before its answer".to_owned()))
    }
}

impl Exchange {
    /// Limits the wait for the head of an answer.
    pub fn wait<T>(
        &mut self,
        outbound: &mut Outbound,
        (endpoint, upstream): (&Arc<Endpoint>, &Upstream),
        limits: Limits,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, Reason>> {
        let deadline = if limits.unlimited { None } else { Some(deadline(outbound, limits)) };
        loop {
            if let Some(reason) = outbound.asked(context) {
                return Poll::Ready(Err(reason));
            }
            let (since, look) = outbound.look.unwrap_or((limits.begun, limits.begun + LOOK));
            let next = deadline.as_ref().map_or(look, |(deadline, _)| look.min(*deadline));
            if self.alarm.poll(next, context).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if let Some((_, late)) = deadline.as_ref().filter(|(deadline, _)| now >= *deadline) {
                return Poll::Ready(Err(late.told(limits)));
            }
            outbound.look = Some((since, now + now.duration_since(since)));
            if let Some(reason) = self.look(outbound, (endpoint, upstream), limits) {
                return Poll::Ready(Err(reason));
            }
        }
    }

    /// Looks after a try that waits for long.
    fn look(
        &mut self,
        outbound: &mut Outbound,
        (endpoint, upstream): (&Arc<Endpoint>, &Upstream),
        limits: Limits,
    ) -> Option<Reason> {
        if self.manner.grpc && outbound.resident.is_none() {
            if outbound.is_open_call() {
                self.ledger.streams(StreamProtocol::Grpc);
            }
            outbound.resident = Some(self.resident(StreamProtocol::Grpc));
        }
        if !upstream.is_dead() {
            return None;
        }
        self.vanished(endpoint);
        let goes = outbound.is_repeatable()
            && (self.goes_elsewhere((RetryOn::Reset, RescueOn::Connect), limits.left) || self.waits(limits.left));
        goes.then(|| (Fault::Vanished, "the endpoint acknowledges nothing".to_owned()))
    }

    /// How long a connection may take: not long where there is somewhere else to go.
    pub fn connect_timeout(&self, limits: &Limits) -> Duration {
        let elsewhere = self.goes_elsewhere((RetryOn::Connect, RescueOn::Connect), limits.left);
        if !elsewhere {
            return limits.timeouts.connect;
        }
        let half = limits.half().map_or(HASTE, |half| half.limit);
        limits.timeouts.connect.min(HASTE).min(half)
    }

    /// Whether a request that may be repeated after such a failure finds another endpoint at once. `left`: retries that are
    /// left.
    pub fn goes_elsewhere(&self, (retry, rescue): (RetryOn, RescueOn), left: u8) -> bool {
        let on = &self.decision.rule(&self.snapshot).body.split.retry.on;
        let retried = left > 0 && on.contains(&retry) && self.decision.has_other(&self.snapshot, &self.tried);
        retried || self.has_rescue(rescue)
    }

    /// Whether the first version takes over what fails so on this one.
    pub fn has_rescue(&self, cause: RescueOn) -> bool {
        let rescue = self.decision.rule(&self.snapshot).body.split.rescue.as_ref();
        rescue.is_some_and(|rescue| rescue.from == self.decision.version && rescue.on.contains(&cause))
            && self.decision.reaches(&self.snapshot, 0, &self.tried)
    }

    /// Whether a request whose endpoint has gone may wait for one.
    fn waits(&self, left: u8) -> bool {
        self.may_wait(RetryOn::Reset, left)
    }

    /// Whether another try follows one that takes too long.
    pub fn follows(&self, left: u8) -> bool {
        self.goes_elsewhere((RetryOn::Timeout, RescueOn::Timeout), left) || self.may_wait(RetryOn::Timeout, left)
    }

    fn may_wait(&self, cause: RetryOn, left: u8) -> bool {
        let on = &self.decision.rule(&self.snapshot).body.split.retry.on;
        left > 0 && on.contains(&cause) && self.patience().is_some()
    }
}

/// What it is that takes too long.
enum Late {
    Attempt(TryLimit),
    Body,
    Answer,
}

impl Late {
    fn told(&self, limits: Limits) -> Reason {
        match self {
            Self::Attempt(attempt) => attempt.over(),
            Self::Body => (Fault::ClientBody, "the client's body stands still".to_owned()),
            Self::Answer => (Fault::RequestTimeout, format!("no answer within {:?}", limits.timeouts.request)),
        }
    }
}

/// When the wait is over. While the client's body still arrives the answer's time has not begun; a body that stands still has
/// a limit of its own.
fn deadline(outbound: &mut Outbound, limits: Limits) -> (Instant, Late) {
    if outbound.upload.has_moved() && !outbound.repeats() {
        outbound.progress = Some(Instant::now());
    }
    let Timeouts { request, idle, .. } = limits.timeouts;
    let since = outbound.progress.map_or(limits.begun, |progress| progress.max(limits.begun));
    let answer = since + request;
    let body = since + idle;
    let (deadline, late) = match outbound.upload.is_starved() && body <= answer {
        true => (body, Late::Body),
        false => (answer, Late::Answer),
    };
    // What cannot be repeated any more, since too much of its body has gone, is followed by no other try.
    match limits
        .attempt
        .filter(|_| outbound.is_repeatable())
        .map(|attempt| (since.max(attempt.begun) + attempt.limit, attempt))
    {
        Some((end, attempt)) if end <= deadline => (end, Late::Attempt(attempt)),
        _ => (deadline, late),
    }
}
