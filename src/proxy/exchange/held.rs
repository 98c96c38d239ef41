//! A request that waits for an endpoint.

use std::rc::Rc;

use super::super::client::Client;
use super::super::fault::Fault;
use super::super::hold::{Because, Place, Wanted};
use super::super::ledger::Ledger;
use super::super::upgrade::Upgrade;
use super::super::worker::Phase;
use super::Exchange;
use super::arrived::{Arrived, Own};
use crate::decide::{self, Decision, Outcome};
use crate::endpoint::VersionId;
use crate::io::Alarm;
use crate::message::Request;
use crate::model::OnEmpty;
use crate::route::Found;
use crate::snapshot::{Rule, Snapshot};
use crate::upstream::balance::Tried;

impl Arrived<'_> {
    /// What a request with this outcome waits for: an endpoint, or those that came before it.
    pub(super) fn waits(&self, outcome: &Outcome) -> Option<Wanted> {
        match outcome {
            Outcome::Hold { found, version } => Some(empty(&self.snapshot, *found, *version)),
            Outcome::Forward(decision) => self.queues(decision),
            Outcome::Respond(_) | Outcome::Reject(_) => None,
        }
    }

    fn queues(&self, decision: &Decision) -> Option<Wanted> {
        let body = &decision.rule(&self.snapshot).body;
        if !matches!(body.split.on_empty, OnEmpty::Hold(_)) {
            return None;
        }
        let because = self.worker.queue.keeps(body.split_id, decision.version)?;
        Some(wanted(&self.snapshot, decision.found, decision.version, because))
    }

    /// Waits, and decides anew.
    ///
    /// # Errors
    ///
    /// It has waited too long, too many do, or its client has gone.
    pub(super) async fn hold(
        &mut self,
        client: &mut Client<'_>,
        (request, upgrade): (&Request, Option<&Upgrade>),
        mut wanted: Wanted,
    ) -> Result<Outcome, Fault> {
        let rule = self.snapshot.rules.iter().find(|rule| rule.body.split_id == wanted.split);
        self.not_opened(rule, request, upgrade);
        let version = rule.and_then(|rule| rule.body.versions.get(wanted.version));
        let version = version.map_or(VersionId::UNROUTED, |version| version.id);
        let OnEmpty::Hold(timeout) = rule.map_or(OnEmpty::Reject, |rule| rule.body.split.on_empty) else {
            return Err(Fault::NoEndpoint);
        };
        if let Some((memo, rule)) = self.memo.as_mut().zip(rule) {
            memo.routed(rule, Some(wanted.version));
        }
        self.ledger = Some(Ledger::open(self.worker, version, self.started).with(self.memo.take()));
        let place = self.worker.queue.enter(self.worker.cell(version), timeout).ok_or(Fault::HoldFull)?;
        let mut place = Box::new(place);
        let mut alarm = Alarm::default();
        loop {
            place.wait(wanted, |context| client.poll_left(context), &mut alarm).await?;
            self.renew()?;
            if is_still_ill(&self.snapshot, wanted) {
                // Deciding anew would give its place in the weights to another version.
                continue;
            }
            let outcome = self.decide(request, upgrade);
            let Outcome::Hold { found, version } = outcome else {
                self.place = Some(place);
                return Ok(outcome);
            };
            wanted = empty(&self.snapshot, found, version);
        }
    }

    /// What is served now.
    fn renew(&mut self) -> Result<(), Fault> {
        self.snapshot = self.worker.snapshot();
        let known = |entry: &crate::snapshot::ListenerEntry| entry.listener.is(&self.connection.listener);
        let listener = self.snapshot.listeners.iter().position(known);
        self.listener = listener.filter(|_| self.worker.phase() < Phase::Refusing).ok_or(Fault::ShuttingDown)?;
        Ok(())
    }

    /// The end of a request that waited in vain.
    pub(super) fn refuse(mut self, fault: Fault) -> Own {
        let ledger = self.ledger.take();
        let memo = self.memo.take();
        let opened = || Ledger::open(self.worker, VersionId::UNROUTED, self.started).with(memo);
        let ledger = ledger.unwrap_or_else(opened);
        Own::Fault { ledger, manner: self.manner, fault, close: fault == Fault::ShuttingDown }
    }
}

fn wanted(snapshot: &Snapshot, found: Found, version: usize, because: Because) -> Wanted {
    let rule = &snapshot.rules[found.rule];
    Wanted { split: rule.body.split_id, version, epoch: rule.weights.epoch, because }
}

/// What a request waits for whose version has no endpoint, or none that is of use: whether that has changed is looked at
/// now and then.
fn empty(snapshot: &Snapshot, found: Found, version: usize) -> Wanted {
    let entry = snapshot.rules[found.rule].body.versions.get(version);
    let named = entry.is_some_and(|entry| !entry.endpoints.is_empty());
    wanted(snapshot, found, version, if named { Because::Unreachable } else { Because::Empty })
}

/// Whether the version that the request was decided for is named, but still unhealthy as a whole.
fn is_still_ill(snapshot: &Snapshot, wanted: Wanted) -> bool {
    let same = |rule: &&Rule| rule.body.split_id == wanted.split && rule.weights.epoch == wanted.epoch;
    let version = snapshot.rules.iter().find(same).and_then(|rule| rule.body.versions.get(wanted.version));
    version.is_some_and(|version| !version.endpoints.is_empty() && version.is_empty())
}

impl Exchange {
    /// How long the request may wait for an endpoint, if it may.
    pub fn patience(&self) -> Option<std::time::Duration> {
        match self.decision.rule(&self.snapshot).body.split.on_empty {
            OnEmpty::Hold(timeout) => Some(timeout),
            OnEmpty::Sibling | OnEmpty::Reject => None,
        }
    }

    /// Waits, after every endpoint has failed it, until one may take it.
    ///
    /// # Errors
    ///
    /// It has waited too long, too many do, or its client has gone.
    pub async fn hold(&mut self, client: &mut Client<'_>) -> Result<(), Fault> {
        let timeout = self.patience().ok_or(Fault::NoEndpoint)?;
        self.ledger.rests();
        let mut place = match self.place.take() {
            Some(place) => place,
            None => Box::new(self.enter(timeout)?),
        };
        loop {
            let (snapshot, before) = self.renewed();
            let wanted = empty(&snapshot, before.found, before.version);
            place.wait(wanted, |context| client.poll_left(context), &mut self.alarm).await?;
            if self.worker.phase() >= Phase::Refusing {
                return Err(Fault::ShuttingDown);
            }
            let (snapshot, before) = self.renewed();
            self.tried = Tried::default();
            let decision = decide::again(&snapshot, &mut self.worker.cursors.borrow_mut(), &before, &self.tried);
            if let Some(decision) = decision {
                self.ledger.goes_to(decision.version(&snapshot).id);
                (self.snapshot, self.decision) = (snapshot, decision);
                self.place = Some(place);
                return Ok(());
            }
        }
    }

    fn enter(&self, timeout: std::time::Duration) -> Result<Place, Fault> {
        let cell = self.worker.cell(self.decision.version(&self.snapshot).id);
        Rc::clone(&self.worker.queue).enter(cell, timeout).ok_or(Fault::HoldFull)
    }
}
