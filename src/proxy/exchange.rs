//! One request and its answer, whatever codec carries them.

mod held;

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use http::uri::Scheme;
use http::{Method, Version};
use tokio::time::Instant;

use super::attempt::Outbound;
use super::client::Client;
use super::fault::{Fault, Origin};
use super::filter::{self, Original};
use super::forward::{self, Arrival, Target, Told};
use super::goodbye::Messages;
use super::hold::Place;
use super::ledger::Ledger;
use super::memo::Memo;
use super::mirror;
use super::refusal::{self, Manner};
use super::relay;
use super::upgrade::{self, Upgrade};
use super::validate;
use super::worker::{Phase, Worker};
use crate::decide::{self, Decision, Outcome, Refusal};
use crate::drain::{Registered, Resident};
use crate::endpoint::{Clock, VersionId};
use crate::head::RequestHead;
use crate::io::Alarm;
use crate::message::{Field, FieldSection, Request, Response, Size, Span};
use crate::model::{Balance, Drain, PathRewrite, SocketKey, Split};
use crate::record::StreamProtocol;
use crate::route::Found;
use crate::snapshot::{ListenerEntry, Snapshot};
use crate::upstream::balance::Tried;

/// The connection that a request came on.
pub struct ConnectionInfo {
    /// The socket that accepted it.
    pub listener: SocketKey,
    /// The other end, as the PROXY protocol says where it is spoken.
    pub peer: IpAddr,
    /// The same as text, since every request is told.
    pub peer_text: Box<str>,
    /// This end.
    pub local: SocketAddr,
    /// Scheme.
    pub scheme: Scheme,
    /// The name that TLS was asked for, lower case.
    pub server_name: Option<Box<str>>,
    /// What its last request was told about where it came from.
    pub told: Told,
}

impl ConnectionInfo {
    /// Whether a request for `host` belongs on another connection.
    fn misdirects<'h>(&self, entry: &ListenerEntry, host: impl FnOnce() -> &'h str) -> bool {
        let names = self.server_name.as_deref().zip(entry.listener.tls.as_ref());
        names.is_some_and(|(server_name, tls)| tls.is_misdirected(server_name, host()))
    }
}

/// What is served, kept by one request; counted without touching what other workers count on.
pub type Served = Rc<Arc<Snapshot>>;

/// A request that has arrived and is not decided yet.
struct Arrived<'a> {
    worker: &'a Rc<Worker>,
    connection: &'a ConnectionInfo,
    snapshot: Served,
    /// Index of the listener in the snapshot.
    listener: usize,
    started: Instant,
    /// Opened before it is decided, where it had to wait.
    ledger: Option<Ledger>,
    /// Its place among those that wait.
    place: Option<Box<Place>>,
    manner: Manner,
    memo: Option<Box<Memo>>,
    /// Places in the bytes of the request.
    authority: Span,
    host: Span,
}

/// What an exchange knows once its request is decided.
pub struct Exchange {
    /// The worker it runs on.
    pub worker: Rc<Worker>,
    /// What is served; not kept beyond the head of the answer.
    pub snapshot: Served,
    /// Where the request goes.
    pub decision: Decision,
    /// Its account.
    pub ledger: Ledger,
    /// Endpoints that failed it.
    pub tried: Tried,
    /// When its time began: as it arrived, or when it had waited for an endpoint.
    pub begun: Instant,
    /// Its place among those that wait for an endpoint, until it has its answer.
    pub place: Option<Box<Place>>,
    /// How a refusal is told.
    pub manner: Manner,
    /// Its deadlines.
    pub alarm: Alarm,
    /// The client asked for a head alone.
    pub head_request: bool,
    /// The client takes trailers: on HTTP/1.1 it has to say so (RFC 9110 section 6.5.1).
    pub takes_trailers: bool,
    origin: Option<Vec<u8>>,
    secure: bool,
    /// Where the client came in.
    listener: SocketKey,
}

/// Answers a request, or leaves the client without an answer where it has gone.
pub async fn exchange(worker: &Rc<Worker>, connection: &ConnectionInfo, mut client: Client<'_>, mut request: Request) {
    let client = &mut client;
    let mut arrived = match Arrived::check(worker, connection, &mut request) {
        Ok(arrived) => arrived,
        Err(refused) => return refused.tell(client).await,
    };
    let upgrade = upgrade::asked(&request);
    let mut outcome = arrived.decide(&request, upgrade.as_ref());
    if let Some(wanted) = arrived.waits(&outcome) {
        // Boxed, since few do.
        match Box::pin(arrived.hold(client, (&request, upgrade.as_ref()), wanted)).await {
            Ok(decided) => outcome = decided,
            // Nobody is left to be told.
            Err(Fault::ClientGone) => return client.abort().await,
            Err(fault) => return arrived.refuse(fault).tell(client).await,
        }
    }
    let decision = match outcome {
        Outcome::Forward(decision) => decision,
        Outcome::Hold { found, version } => {
            return arrived.reject(Refusal::NoEndpoint { found, version }).tell(client).await;
        }
        Outcome::Respond(found) => return arrived.answer_by_filter(found, &request).tell(client).await,
        Outcome::Reject(refusal) => return arrived.reject(refusal).tell(client).await,
    };
    let split = Arc::clone(&decision.rule(&arrived.snapshot).body.split);
    match arrived.begin(decision, &mut request) {
        Ok((mut exchange, target)) => {
            let mut outbound = Outbound::new(target, upgrade);
            exchange.run(client, &mut request, &mut outbound, &split).await;
        }
        Err(refused) => refused.tell(client).await,
    }
}

/// A request that the proxy answers itself.
enum Own {
    /// With what is wrong. `close`: the connection cannot be used again.
    Fault { ledger: Ledger, manner: Manner, fault: Fault, close: bool },
    /// With what was asked for.
    Answer { ledger: Ledger, response: Response },
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
        let host = host(request, authority);
        if connection.misdirects(&snapshot.listeners[listener], || request.fields.text_at(host)) {
            return Err(refused(memo, Fault::Misdirected, false));
        }
        let (ledger, place) = (None, None);
        Ok(Self { snapshot, listener, started, ledger, place, manner, memo, authority, host, worker, connection })
    }

    fn decide(&self, request: &Request, upgrade: Option<&Upgrade>) -> Outcome {
        let fields = &request.fields;
        let head = RequestHead {
            listener: self.listener,
            // An extended CONNECT is what a GET with Upgrade is in HTTP/1.1, and takes the same route.
            method: upgrade.map_or(&request.method, |_| &Method::GET),
            host: fields.text_at(self.host),
            path: request.path(),
            query: request.query(),
            fields,
            client: forward::client_address(self.connection.peer, &self.snapshot.trusted_proxies, fields),
            secure: self.is_secure(fields),
        };
        decide::decide(&self.snapshot, &mut self.worker.cursors.borrow_mut(), &head)
    }

    /// The port that clients know the listener by.
    fn port(&self) -> u16 {
        let listener = self.snapshot.listeners.get(self.listener);
        listener.and_then(|entry| entry.listener.advertised_port).unwrap_or(self.connection.local.port())
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

    fn answer_by_filter(mut self, found: Found, request: &Request) -> Own {
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

    fn reject(mut self, refused: Refusal) -> Own {
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

    /// Opens the account and prepares the head for any endpoint.
    fn begin(mut self, decision: Decision, request: &mut Request) -> Result<(Exchange, Target), Box<Own>> {
        let mut ledger = self.account(decision.version(&self.snapshot).id);
        ledger.decided(decision.why);
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
        let Some(target) = Target::rewritten(&rule.filters, rewrite, self.authority, request) else {
            return refused(ledger, Fault::BadRequest, false);
        };
        if announces_too_much(&rule.split, request) {
            return refused(ledger, Fault::BodyTooLarge, true);
        }
        let origin = filter::cors(&rule.filters).and_then(|_| request.fields.first(Field::Origin));
        let origin = origin.map(<[u8]>::to_vec);
        let arrival = Arrival {
            peer: self.connection.peer,
            peer_text: &self.connection.peer_text,
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
        Ok((exchange, target))
    }
}

/// The host that an authority names, in lower case, where routes find it.
fn host(request: &mut Request, authority: Span) -> Span {
    let text = request.fields.text_at(authority);
    let host = validate::host_in(text);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let lower = host.to_ascii_lowercase();
        return request.fields.store(lower.as_bytes());
    }
    Span::new(authority.start(), authority.start() + host.len())
}

/// A body that says itself that it is too large need not be received to be refused.
fn announces_too_much(split: &Split, request: &Request) -> bool {
    matches!((request.size, split.limits.request_body), (Size::Known(length), Some(limit)) if length > limit)
}

impl Exchange {
    async fn run(&mut self, client: &mut Client<'_>, request: &mut Request, outbound: &mut Outbound, split: &Split) {
        outbound.begins(request, split);
        outbound.messages = self.manner.grpc.then(Messages::default);
        if outbound.upgrade.is_none() {
            outbound.tee = mirror::tee(self, request, &outbound.target);
        }
        let failed = match self.tries(client, request, outbound, split).await {
            Ok(answer) => match upgrade::agreed(outbound, &answer) {
                Ok(false) => return relay::relay(self, client, answer, outbound).await,
                Ok(true) => return upgrade::tunnel(self, client, answer, outbound).await,
                Err(failed) => failed,
            },
            Err(failed) => failed,
        };
        if outbound.upgrade.is_some() && self.worker.registry.is_draining() {
            self.opened(false);
        }
        if failed.fault == Fault::ClientGone {
            // Nobody is left to be told.
            return client.abort().await;
        }
        if failed.fault != Fault::Drained {
            self.worker.complain(self, &failed);
        }
        let close = failed.fault.origin() == Origin::Client;
        refusal::refuse(client, &mut self.ledger, &self.manner, failed.fault, close).await;
    }

    /// How its connection is let go, if it lives long.
    pub fn drain(&self) -> Drain {
        self.decision.rule(&self.snapshot).body.split.drain()
    }

    /// Makes its connection known as one that lives long. What it was decided by is given up: it is not kept for as long.
    pub fn settle_in(&mut self, protocol: StreamProtocol) -> Registered {
        if self.worker.registry.is_draining() {
            self.opened(true);
        }
        let registered = self.resident(protocol);
        self.leave_snapshot();
        registered
    }

    /// Gives up what it was decided by.
    pub fn leave_snapshot(&mut self) {
        self.snapshot = self.worker.nothing();
    }

    /// Makes its connection known as one that may live long.
    pub fn resident(&self, protocol: StreamProtocol) -> Registered {
        self.worker.registry.register(Resident {
            route: self.decision.rule(&self.snapshot).body.route.clone(),
            version: self.decision.version(&self.snapshot).id,
            endpoint: self.decision.endpoint(&self.snapshot).id,
            listener: self.listener.clone(),
            protocol,
            generation: self.snapshot.generation,
        })
    }

    /// Tells drains of this route whether a long-lived connection found a place.
    fn opened(&self, ok: bool) {
        let route = &self.decision.rule(&self.snapshot).body.route;
        self.worker.registry.opened(route, ok, self.ledger.started().elapsed());
    }

    /// What the proxy adds to the head of every answer of an endpoint.
    pub fn finish_head(&mut self, fields: &mut FieldSection) {
        let rule = self.decision.rule(&self.snapshot);
        let version = rule.body.split.versions.get(self.decision.version);
        filter::edit(filter::response_edits(&rule.body.filters), fields);
        filter::edit(filter::response_edits(version.map_or(&[], |version| &version.filters)), fields);
        filter::share(&rule.body.filters, self.origin.as_deref(), fields);
        if let Some(cookie) = self.decision.cookie.take().and_then(|cookie| cookie.header(self.secure)) {
            // Perhaps elsewhere than where it was first meant to be.
            self.decision.settle(&self.snapshot, Clock::Real);
            fields.append(Field::SetCookie, cookie.as_bytes());
        }
        if self.snapshot.forwarding.decision_headers {
            forward::tell_decision(fields, &self.decision.version(&self.snapshot).name, self.decision.why);
        }
        if self.snapshot.forwarding.via {
            forward::via(fields, Version::HTTP_11);
        }
    }
}
