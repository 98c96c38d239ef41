//! From a request's head to where it goes: checked, decided, its account opened, its head prepared for any endpoint.

use std::rc::Rc;
use std::sync::Arc;

use http::uri::Scheme;
use http::{Method, Version};
use tokio::time::Instant;

use super::super::attempt::Outbound;
use super::super::client::Client;
use super::super::fault::Fault;
use super::super::filter::{self, Original};
use super::super::forward::{self, Arrival, Target};
use super::super::hold::{Place, Wanted};
use super::super::ledger::Ledger;
use super::super::memo::Memo;
use super::super::refusal::{self, Manner};
use super::super::upgrade::{self, Upgrade};
use super::super::validate;
use super::super::worker::{Phase, Worker};
use super::{ConnectionInfo, Exchange, Going, Served};
use crate::decide::{self, Decision, Outcome, Refusal};
use crate::endpoint::{Clock, VersionId};
use crate::head::RequestHead;
use crate::io::Alarm;
use crate::message::{Field, FieldSection, Request, Response, Size, Span};
use crate::model::{Balance, PathRewrite, Split};
use crate::route::{Found, path};
use crate::snapshot::ListenerEntry;
use crate::upstream::balance::Tried;

/// A request that has arrived and is not decided yet.
pub(super) struct Arrived<'a> {
    pub(super) worker: &'a Rc<Worker>,
    pub(super) connection: &'a ConnectionInfo,
    pub(super) snapshot: Served,
    /// Index of the listener in the snapshot.
    pub(super) listener: usize,
    pub(super) started: Instant,
    /// Opened before it is decided, where it had to wait.
    pub(super) ledger: Option<Ledger>,
    /// Its place among those that wait.
    pub(super) place: Option<Box<Place>>,
    pub(super) manner: Manner,
    pub(super) memo: Option<Box<Memo>>,
    /// Places in the bytes of the request.
    pub(super) authority: Span,
    pub(super) host: Span,
    /// The path as it was received.
    pub(super) received: Span,
}

/// A request that goes nowhere, or not yet.
pub(super) enum Kept<'a> {
    /// The proxy answers it.
    Answered(Box<Own>),
    /// It waits for an endpoint.
    Waits(Box<Arrived<'a>>, Option<Upgrade>, Wanted),
}

/// A request that the proxy answers itself.
pub(super) enum Own {
    /// With what is wrong. `close`: the connection cannot be used again.
    Fault { ledger: Ledger, manner: Manner, fault: Fault, close: bool },
    /// With what was asked for.
    Answer { ledger: Ledger, response: Response },
}

/// Checks and decides a request, and prepares it for its endpoint.
pub(super) fn begin<'a>(
    worker: &'a Rc<Worker>,
    connection: &'a ConnectionInfo,
    request: &mut Request,
    going: &mut Option<Going>,
) -> Result<(), Kept<'a>> {
    let mut arrived = Arrived::check(worker, connection, request).map_err(Kept::Answered)?;
    let upgrade = upgrade::asked(request);
    if !arrived.has_one_path(request, upgrade.as_ref()) {
        return Err(Kept::Answered(Box::new(arrived.refuse(Fault::BadRequest))));
    }
    let outcome = arrived.decide(request, upgrade.as_ref());
    match arrived.waits(&outcome) {
        Some(wanted) => Err(Kept::Waits(Box::new(arrived), upgrade, wanted)),
        None => arrived.goes(outcome, upgrade, request, going).map_err(Kept::Answered),
    }
}

impl Kept<'_> {
    /// Answers it, or waits until it can go on.
    pub(super) async fn settle(self, client: &mut Client<'_>, request: &mut Request, going: &mut Option<Going>) {
        let own = match self {
            Self::Answered(own) => own,
            Self::Waits(mut arrived, upgrade, wanted) => {
                match arrived.hold(client, (request, upgrade.as_ref()), wanted).await {
                    Ok(outcome) => match arrived.goes(outcome, upgrade, request, going) {
                        Ok(()) => return,
                        Err(own) => own,
                    },
                    // Nobody is left to be told.
                    Err(Fault::ClientGone) => return client.abort().await,
                    Err(fault) => Box::new(arrived.refuse(fault)),
                }
            }
        };
        own.tell(client).await;
    }
}

impl Own {
    async fn tell(self, client: &mut Client<'_>) {
        match self {
            Self::Fault { mut ledger, manner, fault, close } => {
                refusal::refuse(client, &mut ledger, &manner, fault, close).await;
            }
            Self::Answer { mut ledger, response } => refusal::answer(client, &mut ledger, response).await,
        }
    }
}

impl<'a> Arrived<'a> {
    /// Takes a request that may be looked at; answers one that may not, or that is for the proxy itself.
    fn check(worker: &'a Rc<Worker>, connection: &'a ConnectionInfo, request: &mut Request) -> Result<Self, Box<Own>> {
        let started = Instant::now();
        let snapshot = worker.snapshot();
        let manner = Manner::of(request, &snapshot);
        let observer = worker.observer.as_ref();
        let memo = observer.and_then(|observer| observer.memo(connection.peer, request, &snapshot));
        let refused = |memo, fault, close| {
            let ledger = Ledger::open(worker, VersionId::UNROUTED, started).with(memo);
            Box::new(Own::Fault { ledger, manner, fault, close })
        };
        let known = |entry: &ListenerEntry| entry.listener.is(&connection.listener);
        // A listener that has gone has no routes; its connections are on their way out.
        let listener = snapshot.listeners.iter().position(known);
        let (Some(listener), true) = (listener, worker.phase() < Phase::Refusing) else {
            return Err(refused(memo, Fault::ShuttingDown, true));
        };
        let authority = match validate::authority(request) {
            Ok(authority) => authority,
            Err(error) => return Err(refused(memo, error.fault, error.close)),
        };
        if let Some(response) = refusal::own_answer(request) {
            let ledger = Ledger::open(worker, VersionId::UNROUTED, started).with(memo);
            return Err(Box::new(Own::Answer { ledger, response }));
        }
        let (authority, host) = (authority.whole, in_lower_case(request, authority.host));
        if connection.misdirects(&snapshot.listeners[listener], || request.fields.text_at(host)) {
            return Err(refused(memo, Fault::Misdirected, false));
        }
        let received = request.target.path;
        Ok(Self {
            snapshot,
            listener,
            started,
            ledger: None,
            place: None,
            manner,
            memo,
            authority,
            host,
            received,
            worker,
            connection,
        })
    }

    /// Brings the path into its normal form for rules and filters; whether everybody reads it so that it takes the same rule.
    fn has_one_path(&self, request: &mut Request, upgrade: Option<&Upgrade>) -> bool {
        if !self.snapshot.forwarding.normal_paths || !path::is_suspect(request.fields.bytes_at(request.target.path)) {
            return true;
        }
        if let Some(normal) = path::normal(request.path()) {
            request.target.path = request.fields.store(normal.as_bytes());
        }
        let other = path::other_reading(request.path());
        other.is_none_or(|other| decide::is_same_way(&self.snapshot, &self.head(request, upgrade), &other))
    }

    fn head<'r>(&'r self, request: &'r Request, upgrade: Option<&Upgrade>) -> RequestHead<'r> {
        let fields = &request.fields;
        RequestHead {
            listener: self.listener,
            // An extended CONNECT is what a GET with Upgrade is in HTTP/1.1, and takes the same route.
            method: upgrade.map_or(&request.method, |_| &Method::GET),
            host: fields.text_at(self.host),
            path: request.path(),
            query: request.query(),
            fields,
            client: forward::client_address(self.connection.peer, &self.snapshot.trusted_proxies, fields),
            secure: self.is_secure(fields),
        }
    }

    pub(super) fn decide(&self, request: &Request, upgrade: Option<&Upgrade>) -> Outcome {
        decide::decide(&self.snapshot, &mut self.worker.cursors.borrow_mut(), &self.head(request, upgrade))
    }

    /// The port that clients know the listener by.
    fn port(&self) -> u16 {
        let listener = self.snapshot.listeners.get(self.listener);
        listener.and_then(|entry| entry.listener.advertised_port).unwrap_or(self.connection.port)
    }

    fn is_secure(&self, fields: &FieldSection) -> bool {
        let trusted = self.snapshot.trusted_proxies.contains(self.connection.peer);
        forward::is_secure(&self.connection.scheme, trusted, fields)
    }

    fn original<'r>(&'r self, found: Found, request: &'r Request) -> Original<'r> {
        Original {
            secure: self.is_secure(&request.fields),
            scheme: &self.connection.scheme,
            host: request.fields.text_at(self.host),
            port: self.port(),
            path: request.path(),
            query: request.query(),
            prefix: found.prefix,
        }
    }

    fn answer_by_filter(&mut self, found: Found, request: &Request) -> Own {
        let mut ledger = self.account(VersionId::UNROUTED);
        if let Some(memo) = ledger.memo() {
            memo.routed(&self.snapshot.rules[found.rule], None);
        }
        let filters = &self.snapshot.rules[found.rule].body.filters;
        match filter::answer(filters, &self.original(found, request), request) {
            Some((status, fields)) => Own::Answer { ledger, response: Response { status, fields, size: Size::None } },
            None => Own::Fault { ledger, manner: self.manner, fault: Fault::BadRequest, close: false },
        }
    }

    /// Opens the account for a version, or takes it there.
    fn account(&mut self, version: VersionId) -> Ledger {
        match self.ledger.take() {
            Some(mut ledger) => {
                ledger.goes_to(version);
                ledger
            }
            None => Ledger::open(self.worker, version, self.started).with(self.memo.take()),
        }
    }

    fn reject(&mut self, refused: Refusal) -> Own {
        let version = |found: Found, version: usize| self.snapshot.rules[found.rule].body.versions.get(version);
        let (version, fault) = match refused {
            Refusal::NoRoute => (None, Fault::NoRoute),
            Refusal::Forbidden => (None, Fault::Forbidden),
            Refusal::Closed => (None, Fault::Closed),
            Refusal::NoEndpoint { found, version: index } => (version(found, index), Fault::NoEndpoint),
            Refusal::Invalid { found, version: index } => (version(found, index), Fault::InvalidBackend),
        };
        let version = version.map_or(VersionId::UNROUTED, |version| version.id);
        let mut ledger = self.account(version);
        let taken = match refused {
            Refusal::NoEndpoint { found, version } | Refusal::Invalid { found, version } => Some((found, version)),
            Refusal::NoRoute | Refusal::Forbidden | Refusal::Closed => None,
        };
        if let Some((memo, (found, version))) = ledger.memo().zip(taken) {
            memo.routed(&self.snapshot.rules[found.rule], Some(version));
        }
        Own::Fault { ledger, manner: self.manner, fault, close: false }
    }

    /// Prepares a request that is decided, if it is to go anywhere.
    fn goes(
        &mut self,
        outcome: Outcome,
        upgrade: Option<Upgrade>,
        request: &mut Request,
        going: &mut Option<Going>,
    ) -> Result<(), Box<Own>> {
        if let Outcome::Hold { found, .. } | Outcome::Reject(Refusal::NoEndpoint { found, .. }) = &outcome {
            self.not_opened(Some(&self.snapshot.rules[found.rule]), request, upgrade.as_ref());
        }
        match outcome {
            Outcome::Forward(decision) => self.begin(decision, upgrade, request, going),
            Outcome::Hold { found, version } => Err(Box::new(self.reject(Refusal::NoEndpoint { found, version }))),
            Outcome::Respond(found) => Err(Box::new(self.answer_by_filter(found, request))),
            Outcome::Reject(refusal) => Err(Box::new(self.reject(refusal))),
        }
    }

    /// Opens the account and prepares the head for any endpoint.
    fn begin(
        &mut self,
        decision: Decision,
        upgrade: Option<Upgrade>,
        request: &mut Request,
        going: &mut Option<Going>,
    ) -> Result<(), Box<Own>> {
        let mut ledger = self.account(decision.version(&self.snapshot).id);
        ledger.decided(decision.why);
        let site = decision.endpoint(&self.snapshot).site;
        self.connection.visitor.went_to(decision.version(&self.snapshot).id, site);
        let rule = &decision.rule(&self.snapshot).body;
        if rule.split.balance == Balance::Ewma {
            ledger.tell_latency();
        }
        if decision.home.is_some() {
            decision.settle(&self.snapshot, Clock::Real);
        }
        if let Some(memo) = ledger.memo() {
            memo.routed(decision.rule(&self.snapshot), Some(decision.version));
        }
        let refused = |ledger, fault, close| Err(Box::new(Own::Fault { ledger, manner: self.manner, fault, close }));
        let rewrite =
            |to: &PathRewrite, request: &Request| filter::rewritten(to, &self.original(decision.found, request));
        let Some(target) = Target::rewritten(&rule.filters, rewrite, [self.authority, self.received], request) else {
            return refused(ledger, Fault::BadRequest, false);
        };
        if announces_too_much(&rule.split, request) {
            return refused(ledger, Fault::BodyTooLarge, true);
        }
        let origin = filter::cors(&rule.filters).and_then(|_| request.fields.first(Field::Origin));
        let origin = origin.map(<[u8]>::to_vec);
        let arrival = Arrival {
            peer: self.connection.peer,
            port: self.port(),
            scheme: &self.connection.scheme,
            authority: self.authority,
            told: &self.connection.told,
        };
        let rng = &mut self.worker.cursors.borrow_mut().rng;
        forward::prepare(&mut request.fields, &arrival, &self.snapshot.trusted_proxies, rng);
        if self.snapshot.forwarding.via {
            forward::via(&mut request.fields, request.version);
        }
        filter::edit(filter::request_edits(&rule.filters), &mut request.fields);
        if let Some(memo) = ledger.memo() {
            memo.traced(&request.fields);
        }
        let split = Arc::clone(&rule.split);
        let exchange = Exchange {
            worker: Rc::clone(self.worker),
            ledger,
            tried: Tried::default(),
            begun: if self.place.is_some() { Instant::now() } else { self.started },
            place: self.place.take(),
            alarm: Alarm::default(),
            head_request: request.method == Method::HEAD,
            takes_trailers: request.version == Version::HTTP_2 || request.fields.has(Field::Te),
            origin,
            secure: self.connection.scheme == Scheme::HTTPS,
            listener: self.connection.listener.clone(),
            manner: self.manner,
            decision,
            snapshot: Rc::clone(&self.snapshot),
        };
        *going = Some(Going { exchange, outbound: Outbound::new(target, upgrade), split });
        Ok(())
    }
}

/// The host of an authority, in lower case, where routes find it.
fn in_lower_case(request: &mut Request, host: Span) -> Span {
    let text = request.fields.bytes_at(host);
    if text.iter().any(u8::is_ascii_uppercase) {
        let lower = text.to_ascii_lowercase();
        return request.fields.store(&lower);
    }
    host
}

/// A body that says itself that it is too large need not be received to be refused.
fn announces_too_much(split: &Split, request: &Request) -> bool {
    matches!((request.size, split.limits.request_body), (Size::Known(length), Some(limit)) if length > limit)
}
