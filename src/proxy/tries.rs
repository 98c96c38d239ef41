//! Trying endpoints until one answers: what is repeated, where, and when it ends.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use super::attempt::{Answer, Failed, Outbound, unless_gone};
use super::client::Client;
use super::exchange::{Exchange, Served};
use super::fault::{Again, Fault};
use super::limits::{Limits, TryLimit};
use crate::decide::{self, Decision};
use crate::endpoint::Endpoint;
use crate::message::Request;
use crate::model::{RescueOn, Retry, RetryOn, Split};
use crate::record::{Ending, Reason};

/// Where a request goes on.
pub enum Moved {
    /// To an endpoint that was not tried.
    Retry,
    /// To the first version.
    Rescue,
    /// Nowhere, until an endpoint may take it.
    Hold,
}

impl Exchange {
    /// Tries endpoints until one answers, or nothing more may be tried.
    pub async fn tries(
        &mut self,
        client: &mut Client<'_>,
        request: &mut Request,
        outbound: &mut Outbound,
        split: &Split,
    ) -> Result<Answer, Failed> {
        let mut fresh = false;
        let mut limits = self.limits(split);
        loop {
            let endpoint = match split.limits.per_endpoint {
                Some(limit) => match self.admitted(client, limit, &mut limits).await? {
                    Some(endpoint) => endpoint,
                    None => continue,
                },
                None => self.begin_try(),
            };
            if split.retry.per_try.is_some() || split.rescue.is_some() {
                limits.attempt = self.try_limit(&split.retry, outbound, &limits);
            }
            if let Some(memo) = self.ledger.memo() {
                memo.tried(&self.snapshot, &self.decision);
            }
            let outcome = self.attempt(client, (request, outbound), (&endpoint, fresh), &limits).await;
            self.judge(&endpoint, &outcome);
            let moved = match outcome {
                Ok(mut answer) => match self.instead_of(&mut answer, &endpoint, outbound, &mut limits.left) {
                    Some(moved) => moved,
                    None => {
                        outbound.settles();
                        self.arrived_at_last();
                        return Ok(answer);
                    }
                },
                // A pooled connection may die on its own just before it is used; that says nothing about the endpoint.
                Err(failed) if !fresh && may_refresh(&failed, outbound, &split.retry) => {
                    self.ledger.retried(Reason::Stale);
                    fresh = true;
                    continue;
                }
                Err(failed) => match self.elsewhere(&endpoint, &failed, outbound, &mut limits) {
                    Some(moved) => moved,
                    None => return Err(failed),
                },
            };
            fresh = false;
            limits.go_on(outbound.progress, split.retry.anew);
            match moved {
                Moved::Retry if !split.retry.backoff.is_zero() => self.pause(client, &limits, split).await?,
                Moved::Retry | Moved::Rescue => {}
                Moved::Hold => {
                    // Boxed, since few do.
                    let held = Box::pin(self.hold(client)).await;
                    held.map_err(|fault| Failed::new(fault, "no endpoint takes it"))?;
                    limits.begun = Instant::now();
                }
            }
        }
    }

    fn limits(&self, split: &Split) -> Limits {
        Limits {
            begun: self.begun,
            timeouts: *split.timeouts,
            // A gRPC stream may be silent for as long as it likes, both ways: its deadlines are its own.
            unlimited: self.manner.grpc,
            attempt: None,
            left: split.retry.attempts,
        }
    }

    /// Begins a try where endpoints have a limit. None: the version is full, and another one takes over, since nothing was
    /// sent.
    async fn admitted(
        &mut self,
        client: &mut Client<'_>,
        limit: NonZeroU32,
        limits: &mut Limits,
    ) -> Result<Option<Arc<Endpoint>>, Failed> {
        limits.attempt = self.half(limits, RescueOn::ServerError);
        let failed = match self.admit(client, limit, limits).await {
            Ok(endpoint) => return Ok(Some(endpoint)),
            Err(failed) => failed,
        };
        let failure = failed.fault.ending(failed.fault.code(), None);
        let full = failed.fault == Fault::Overloaded && !limits.is_over();
        if full && self.rescued(RescueOn::ServerError, failure) { Ok(None) } else { Err(failed) }
    }

    /// The time of a try, if another can follow it: on this version by a retry, or on the first one by a rescue.
    fn try_limit(&self, retry: &Retry, outbound: &Outbound, limits: &Limits) -> Option<TryLimit> {
        if !outbound.may_be_repeated() {
            return None;
        }
        let rescue = self.half(limits, RescueOn::Timeout);
        let per_try = retry.per_try.filter(|_| rescue.is_some() || self.follows(limits.left));
        // Where it is the time of the request, too, both end at once, and it is the try that does.
        let begun = if retry.anew { limits.begun } else { Instant::now() };
        let given = per_try.map(|limit| TryLimit { begun, limit, fault: Fault::TryTimeout });
        given.into_iter().chain(rescue).min_by_key(|attempt| attempt.limit)
    }

    /// The time of a try whose failure is rescued.
    fn half(&self, limits: &Limits, cause: RescueOn) -> Option<TryLimit> {
        if self.has_rescue(cause) { limits.half() } else { None }
    }

    /// Waits before a retry, but not beyond the time of the request, which then ends at once.
    async fn pause(&mut self, client: &mut Client<'_>, limits: &Limits, split: &Split) -> Result<(), Failed> {
        let end = limits.begun + split.timeouts.request;
        let pause = tokio::time::sleep_until(end.min(Instant::now() + split.retry.backoff));
        let waited = unless_gone(client, &mut self.alarm, None, pause).await;
        waited.map_err(|fault| Failed::new(fault, "the client has gone"))
    }

    /// Moves on for an answer that the client is not to get, if the request may be repeated. `left`: retries that are left.
    fn instead_of(
        &mut self,
        answer: &mut Answer,
        from: &Endpoint,
        outbound: &Outbound,
        left: &mut u8,
    ) -> Option<Moved> {
        let status = answer.response.status;
        // Only few answers are of interest here.
        if !status.is_server_error() && !status.is_client_error() || !outbound.is_repeatable() {
            return None;
        }
        let retry = &self.decision.rule(&self.snapshot).body.split.retry;
        if *left > 0 && retry.on.contains(&RetryOn::Status(status)) && self.is_in_time(retry) && self.may_retry() {
            *left -= 1;
            self.asked_again(from);
            return Some(Moved::Retry);
        }
        let refusals = *left > 0 && retry.on.contains(&RetryOn::Refused) && self.is_in_time(retry);
        if refusals && self.is_leaving(answer, from) {
            let moved = if self.moved_on(from, refusal()) { Some(Moved::Retry) } else { self.holds() };
            if moved.is_some() {
                *left -= 1;
                return moved;
            }
        }
        if !status.is_server_error() {
            return None;
        }
        self.ledger.answered(status);
        self.rescued(RescueOn::ServerError, Ending::of_answer(status, None)).then_some(Moved::Rescue)
    }

    /// Whether the answer is that of an endpoint which is going away: a 503 on a connection that it closes, or after it was
    /// taken out of its split. It has not worked on the request then.
    fn is_leaving(&self, answer: &mut Answer, from: &Endpoint) -> bool {
        if answer.response.status != StatusCode::SERVICE_UNAVAILABLE {
            return false;
        }
        if answer.lease.upstream.is_leaving(&answer.response) {
            return true;
        }
        let now = self.worker.snapshot();
        !Rc::ptr_eq(&now, &self.snapshot)
            && self.decision.renewed(&self.snapshot, &now).is_none_or(|decision| {
                let versions = &decision.rule(&now).body.versions;
                !versions.iter().any(|version| version.endpoints.iter().any(|endpoint| endpoint.id == from.id))
            })
    }

    /// Moves to another endpoint, or version, if the request may be repeated there.
    fn elsewhere(
        &mut self,
        from: &Endpoint,
        failed: &Failed,
        outbound: &Outbound,
        limits: &mut Limits,
    ) -> Option<Moved> {
        let retry = &self.decision.rule(&self.snapshot).body.split.retry;
        let allowed =
            failed.fault.retry_cause().is_some_and(|cause| retry.on.contains(&cause)) && self.is_in_time(retry);
        let repeatable = may_repeat(failed, outbound);
        let free = failed.fault.again() == Again::Safe;
        let failure = failed.fault.ending(failed.fault.status().as_u16(), None);
        if limits.left > 0 && allowed && repeatable && (free || self.may_retry()) && self.moved_on(from, failure) {
            limits.left -= 1;
            return Some(Moved::Retry);
        }
        // A version that is being tried out may have begun to work on it: that is what idempotent means.
        let rescuable = (repeatable || outbound.is_repeatable()) && !limits.is_over();
        let cause = failed.fault.rescue_cause().filter(|_| rescuable);
        if cause.is_some_and(|cause| self.rescued(cause, failure)) {
            return Some(Moved::Rescue);
        }
        // What may have been worked on is not tried for as long as it may wait.
        if !(allowed && repeatable && (free || limits.left > 0)) {
            return None;
        }
        let moved = self.holds()?;
        limits.left = limits.left.saturating_sub(u8::from(!free));
        Some(moved)
    }

    /// Where a request goes that no endpoint takes.
    fn holds(&self) -> Option<Moved> {
        self.patience().map(|_| Moved::Hold)
    }

    /// An endpoint has answered.
    fn arrived_at_last(&mut self) {
        if let Some(place) = self.place.take() {
            place.succeeded(self.decision.rule(&self.snapshot).body.split_id);
        }
    }

    /// Whether another try may still begin.
    fn is_in_time(&self, retry: &Retry) -> bool {
        retry.within.is_none_or(|within| self.begun.elapsed() < within)
    }

    /// Whether the budget of the split has a retry left, which is then taken.
    fn may_retry(&self) -> bool {
        let body = &self.decision.rule(&self.snapshot).body;
        let allowed = self.worker.may_retry(body);
        if !allowed {
            self.ledger.denied();
        }
        allowed
    }

    /// What is served by now, and the decision in its terms; both as they were where the version has gone.
    pub fn renewed(&self) -> (Served, Decision) {
        let now = self.worker.snapshot();
        match self.decision.renewed(&self.snapshot, &now).filter(|_| !Rc::ptr_eq(&now, &self.snapshot)) {
            Some(decision) => (now, decision),
            None => (Rc::clone(&self.snapshot), self.decision.clone()),
        }
    }

    /// Moves to an endpoint that was not tried, of the same version if it has one.
    fn moved_on(&mut self, from: &Endpoint, failure: Ending) -> bool {
        self.tried.add(from.id);
        let (snapshot, before) = self.renewed();
        let cursors = &mut self.worker.cursors.borrow_mut();
        let Some(decision) = decide::again(&snapshot, cursors, &before, &self.tried) else { return false };
        let version = decision.version(&snapshot).id;
        if decision.version == before.version {
            self.ledger.retried(failure.reason);
            self.ledger.goes_to(version);
        } else {
            self.ledger.leave(failure, version);
            self.ledger.decided(decision.why);
        }
        (self.snapshot, self.decision) = (snapshot, decision);
        true
    }

    /// Moves to an endpoint of the same version that was not tried; without any, one that has answered is asked once more.
    fn asked_again(&mut self, from: &Endpoint) {
        self.tried.add(from.id);
        self.ledger.retried(Reason::Status);
        let (snapshot, before) = self.renewed();
        let cursors = &mut self.worker.cursors.borrow_mut();
        let decision = decide::again(&snapshot, cursors, &before, &self.tried);
        if let Some(decision) = decision.filter(|decision| decision.version == before.version) {
            self.ledger.goes_to(decision.version(&snapshot).id);
            (self.snapshot, self.decision) = (snapshot, decision);
        }
    }

    /// Moves to the first version, if this one is to be rescued from such a failure.
    fn rescued(&mut self, cause: RescueOn, failure: Ending) -> bool {
        let rescue = self.decision.rule(&self.snapshot).body.split.rescue.as_ref();
        if !rescue.is_some_and(|rescue| rescue.from == self.decision.version && rescue.on.contains(&cause)) {
            return false;
        }
        let (snapshot, before) = self.renewed();
        let cursors = &mut self.worker.cursors.borrow_mut();
        let Some(decision) = decide::rescue(&snapshot, cursors, &before, &self.tried) else { return false };
        self.ledger.leave(failure, decision.version(&snapshot).id);
        self.ledger.decided(decision.why);
        (self.snapshot, self.decision) = (snapshot, decision);
        true
    }
}

/// What an endpoint that is going away makes of a request: it refuses it.
fn refusal() -> Ending {
    Ending { reason: Reason::Refused, ..Ending::of_answer(StatusCode::SERVICE_UNAVAILABLE, None) }
}

/// Whether the request may be sent once more to its endpoint, over a new connection. It takes none of the retries and nothing
/// of their budget, since there are no more of these than connections in the pool; but where nothing is to be sent twice, what
/// was sent is not.
fn may_refresh(failed: &Failed, outbound: &Outbound, retry: &Retry) -> bool {
    let unsent = failed.fault.again() == Again::Safe;
    failed.stale && may_repeat(failed, outbound) && (unsent || retry.attempts > 0)
}

/// Whether the request may be sent once more after this failure (RFC 9110 section 9.2.2).
fn may_repeat(failed: &Failed, outbound: &Outbound) -> bool {
    match failed.fault.again() {
        Again::Never => false,
        Again::IfIdempotent => outbound.is_repeatable(),
        Again::Safe => outbound.is_whole(),
    }
}
