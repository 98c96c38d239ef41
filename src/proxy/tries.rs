//! Trying endpoints until one answers: what is repeated, where, and when it ends.

use std::rc::Rc;

use http::StatusCode;
use tokio::time::Instant;

use super::attempt::{Answer, Failed, Outbound, unless_gone};
use super::client::Client;
use super::exchange::{Exchange, Served};
use super::fault::Again;
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
                Some(limit) => self.admit(client, limit, &limits).await?,
                None => self.begin_try(),
            };
            if split.retry.per_try.is_some() {
                limits.attempt = try_limit(&split.retry, outbound, limits.left);
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
                Err(failed) if failed.stale && !fresh && may_repeat(&failed, outbound) => {
                    fresh = true;
                    continue;
                }
                Err(failed) => match self.elsewhere(&endpoint, &failed, outbound, &mut limits.left) {
                    Some(moved) => moved,
                    None => return Err(failed),
                },
            };
            fresh = false;
            match moved {
                Moved::Retry if !split.retry.backoff.is_zero() => self.pause(client, &limits, split).await?,
                Moved::Retry => {}
                Moved::Rescue => limits.begun = Instant::now(),
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
            timeouts: split.timeouts,
            // A gRPC stream may be silent for as long as it likes, both ways: its deadlines are its own.
            unlimited: self.manner.grpc,
            attempt: None,
            left: split.retry.attempts,
        }
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
        if *left > 0 && retry.on.contains(&RetryOn::Status(status)) && self.may_retry() {
            *left -= 1;
            self.asked_again(from);
            return Some(Moved::Retry);
        }
        let refusals = *left > 0 && retry.on.contains(&RetryOn::Refused);
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

    /// Moves to another endpoint, or version, if the request may be repeated there. `left`: retries that are left.
    fn elsewhere(&mut self, from: &Endpoint, failed: &Failed, outbound: &Outbound, left: &mut u8) -> Option<Moved> {
        let retry = &self.decision.rule(&self.snapshot).body.split.retry;
        let allowed = failed.fault.retry_cause().is_some_and(|cause| retry.on.contains(&cause));
        let repeatable = may_repeat(failed, outbound);
        let free = failed.fault.again() == Again::Safe;
        let failure = failed.fault.ending(failed.fault.status().as_u16(), None);
        if *left > 0 && allowed && repeatable && (free || self.may_retry()) && self.moved_on(from, failure) {
            *left -= 1;
            return Some(Moved::Retry);
        }
        // A version that is being tried out may have begun to work on it: that is what idempotent means.
        let rescuable = repeatable || outbound.is_repeatable();
        let cause = failed.fault.rescue_cause().filter(|_| rescuable);
        if cause.is_some_and(|cause| self.rescued(cause, failure)) {
            return Some(Moved::Rescue);
        }
        // What may have been worked on is not tried for as long as it may wait.
        if !(allowed && repeatable && (free || *left > 0)) {
            return None;
        }
        let moved = self.holds()?;
        *left = left.saturating_sub(u8::from(!free));
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

/// The time of a try, if another can follow it.
fn try_limit(retry: &Retry, outbound: &Outbound, left: u8) -> Option<TryLimit> {
    let limit = retry.per_try.filter(|_| left > 0 && outbound.may_be_repeated())?;
    Some(TryLimit { begun: Instant::now(), limit })
}

/// What an endpoint that is going away makes of a request: it refuses it.
fn refusal() -> Ending {
    Ending { reason: Reason::Refused, ..Ending::of_answer(StatusCode::SERVICE_UNAVAILABLE, None) }
}

/// Whether the request may be sent once more after this failure (RFC 9110 section 9.2.2).
fn may_repeat(failed: &Failed, outbound: &Outbound) -> bool {
    match failed.fault.again() {
        Again::Never => false,
        Again::IfIdempotent => outbound.is_repeatable(),
        Again::Safe => outbound.is_whole(),
    }
}
