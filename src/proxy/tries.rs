//! Trying endpoints until one answers: what is repeated, where, and when it ends.

use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use super::attempt::{Answer, Failed, Limits, Outbound, unless_gone};
use super::client::Client;
use super::exchange::Exchange;
use super::fault::Again;
use crate::decide;
use crate::endpoint::Endpoint;
use crate::message::Request;
use crate::model::{RescueOn, RetryOn, Split};
use crate::record::{Ending, Reason};

/// Where a request goes on.
pub enum Moved {
    /// To an endpoint that was not tried.
    Retry,
    /// To the first version.
    Rescue,
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
        let mut left = split.retry.attempts;
        let mut fresh = false;
        // A gRPC stream may be silent for as long as it likes, both ways: its deadlines are its own.
        let mut limits = Limits { begun: self.ledger.started(), timeouts: split.timeouts, unlimited: self.manner.grpc };
        loop {
            let endpoint = Arc::clone(self.decision.endpoint(&self.snapshot));
            self.ledger.trying(&endpoint);
            let moved = match self.attempt(client, (request, outbound), (&endpoint, fresh), limits).await {
                Ok(answer) => match self.instead_of(answer.response.status, &endpoint, outbound, &mut left) {
                    Some(moved) => moved,
                    None => return Ok(answer),
                },
                // A pooled connection may die on its own just before it is used; that says nothing about the endpoint.
                Err(failed) if failed.stale && !fresh && may_repeat(&failed, outbound) => {
                    fresh = true;
                    continue;
                }
                Err(failed) => match self.elsewhere(&endpoint, &failed, outbound, &mut left) {
                    Some(moved) => moved,
                    None => return Err(failed),
                },
            };
            fresh = false;
            match moved {
                // Not beyond the time of the request, which then ends at once.
                Moved::Retry if !split.retry.backoff.is_zero() => {
                    let end = limits.begun + split.timeouts.request;
                    let pause = tokio::time::sleep_until(end.min(Instant::now() + split.retry.backoff));
                    unless_gone(client, &mut self.alarm, None, pause)
                        .await
                        .map_err(|fault| Failed::new(fault, "the client has gone"))?;
                }
                Moved::Retry => {}
                Moved::Rescue => limits.begun = Instant::now(),
            }
        }
    }

    /// Moves on for an answer that the client is not to get, if the request may be repeated. `left`: retries that are left.
    fn instead_of(&mut self, status: StatusCode, from: &Endpoint, outbound: &Outbound, left: &mut u8) -> Option<Moved> {
        if !outbound.repeatable {
            return None;
        }
        let retry = &self.decision.rule(&self.snapshot).body.split.retry;
        if *left > 0 && retry.on.contains(&RetryOn::Status(status)) {
            *left -= 1;
            self.asked_again(from);
            return Some(Moved::Retry);
        }
        if !status.is_server_error() {
            return None;
        }
        self.ledger.answered(status);
        self.rescued(RescueOn::ServerError, Ending::of_answer(status, None)).then_some(Moved::Rescue)
    }

    /// Moves to another endpoint, or version, if the request may be repeated there. `left`: retries that are left.
    fn elsewhere(&mut self, from: &Endpoint, failed: &Failed, outbound: &Outbound, left: &mut u8) -> Option<Moved> {
        let retry = &self.decision.rule(&self.snapshot).body.split.retry;
        let allowed = failed.fault.retry_cause().is_some_and(|cause| retry.on.contains(&cause));
        let repeatable = may_repeat(failed, outbound);
        if *left > 0 && allowed && repeatable && self.moved_on(from, failed) {
            *left -= 1;
            return Some(Moved::Retry);
        }
        // A version that is being tried out may have begun to work on it: that is what idempotent means.
        let rescuable = repeatable || outbound.repeatable;
        let failure = failed.fault.ending(failed.fault.status().as_u16(), None);
        let cause = failed.fault.rescue_cause().filter(|_| rescuable)?;
        self.rescued(cause, failure).then_some(Moved::Rescue)
    }

    /// Moves to an endpoint that was not tried, of the same version if it has one.
    fn moved_on(&mut self, from: &Endpoint, failed: &Failed) -> bool {
        self.tried.add(from.id);
        let cursors = &mut self.worker.cursors.borrow_mut();
        let Some(decision) = decide::again(&self.snapshot, cursors, &self.decision, &self.tried) else { return false };
        if decision.version == self.decision.version {
            self.ledger.retried(failed.fault.reason());
        } else {
            let failure = failed.fault.ending(failed.fault.status().as_u16(), None);
            self.ledger.leave(failure, decision.version(&self.snapshot).id);
            self.ledger.decided(decision.why);
        }
        self.decision = decision;
        true
    }

    /// Moves to an endpoint of the same version that was not tried; without any, one that has answered is asked once more.
    fn asked_again(&mut self, from: &Endpoint) {
        self.tried.add(from.id);
        self.ledger.retried(Reason::Status);
        let cursors = &mut self.worker.cursors.borrow_mut();
        let decision = decide::again(&self.snapshot, cursors, &self.decision, &self.tried);
        if let Some(decision) = decision.filter(|decision| decision.version == self.decision.version) {
            self.decision = decision;
        }
    }

    /// Moves to the first version, if this one is to be rescued from such a failure.
    fn rescued(&mut self, cause: RescueOn, failure: Ending) -> bool {
        let rescue = self.decision.rule(&self.snapshot).body.split.rescue.as_ref();
        if !rescue.is_some_and(|rescue| rescue.from == self.decision.version && rescue.on.contains(&cause)) {
            return false;
        }
        let cursors = &mut self.worker.cursors.borrow_mut();
        let Some(decision) = decide::rescue(&self.snapshot, cursors, &self.decision, &self.tried) else { return false };
        self.ledger.leave(failure, decision.version(&self.snapshot).id);
        self.ledger.decided(decision.why);
        self.decision = decision;
        true
    }
}

/// Whether the request may be sent once more after this failure (RFC 9110 section 9.2.2).
fn may_repeat(failed: &Failed, outbound: &Outbound) -> bool {
    match failed.fault.again() {
        Again::Never => false,
        Again::IfIdempotent => outbound.repeatable,
        Again::Safe => outbound.is_untouched() || outbound.repeatable,
    }
}
