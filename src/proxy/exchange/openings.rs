//! What drains hear of how long-lived connections are opened: where those find a place that are asked to go.
//!
//! All of it is looked at only where a request is refused, or opens a connection that lives long, or is a call of gRPC; and only
//! while something drains on the worker.

use http::StatusCode;

use super::super::attempt::Outbound;
use super::super::fault::{Fault, Origin};
use super::super::upgrade::Upgrade;
use super::Exchange;
use super::arrived::Arrived;
use crate::message::{Field, Request};
use crate::snapshot::Rule;

/// Whether an endpoint that answers so has no room for who comes: other refusals are about the request.
pub fn is_turned_away(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Whether a request asks for a stream of events, as browsers do it (HTML standard, section 9.2.3).
fn wants_events(request: &Request) -> bool {
    request.fields.elements(Field::Accept).any(|kind| kind.starts_with(b"text/event-stream"))
}

impl Exchange {
    /// Tells drains of this route whether a long-lived connection found a place.
    pub(super) fn opened(&self, ok: bool) {
        if self.worker.registry.is_draining() {
            let decided = (&self.decision.rule(&self.snapshot).body.route, self.snapshot.generation);
            self.worker.registry.opened(decided, ok, self.ledger.started().elapsed());
        }
    }

    /// Tells them of a call of gRPC that was answered. `open`: its client has more to say, so that it is a stream.
    pub fn called(&self, ok: bool, open: bool) {
        if open {
            self.opened(ok);
        } else if self.worker.registry.is_draining() {
            let decided = (&self.decision.rule(&self.snapshot).body.route, self.snapshot.generation);
            self.worker.registry.called(decided, ok);
        }
    }

    /// The endpoint has no room for a request. Calls of gRPC are looked at when their status has come.
    #[cold]
    pub(super) fn turned_away(&self, request: &Request, outbound: &Outbound) {
        if outbound.upgrade.is_some() || !self.manner.grpc && wants_events(request) {
            self.opened(false);
        }
    }

    /// No endpoint has answered a request.
    #[cold]
    pub(super) fn not_opened(&self, request: &Request, outbound: &Outbound, fault: Fault) {
        if outbound.upgrade.is_some() {
            return self.opened(false);
        }
        // A client that leaves, or is asked to, says nothing of where it would have gone.
        if fault.origin() == Origin::Client || fault == Fault::Drained {
            return;
        }
        match self.manner.grpc {
            true => self.called(false, outbound.is_open_call()),
            false => self.turned_away(request, outbound),
        }
    }
}

impl Arrived<'_> {
    /// There is no endpoint for a request of this rule: it is refused, or waits for one.
    #[cold]
    pub(super) fn not_opened(&self, rule: Option<&Rule>, request: &Request, upgrade: Option<&Upgrade>) {
        let registry = &self.worker.registry;
        let Some(rule) = rule.filter(|_| registry.is_draining()) else { return };
        let decided = (&rule.body.route, self.snapshot.generation);
        if self.manner.grpc {
            registry.called(decided, false);
        } else if upgrade.is_some() || wants_events(request) {
            registry.opened(decided, false, self.started.elapsed());
        }
    }
}
