//! One request and its answer, whatever codec carries them.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::{Scheme, Uri};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::attempt::{Answer, Outbound};
use super::body::{Progress, ProxyBody, Relay, RequestBody, grpc_status};
use super::fault::{Fault, Origin};
use super::filter::{self, Original};
use super::forward::{self, Arrival, Target};
use super::ledger::Ledger;
use super::refusal::{self, Manner};
use super::upgrade::{self, Upgrade};
use super::validate;
use super::worker::{Phase, Worker};
use crate::decide::{self, Decision, Outcome, Refusal};
use crate::endpoint::VersionId;
use crate::head::RequestHead;
use crate::model::{SocketKey, Split};
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
    /// This end.
    pub local: SocketAddr,
    /// Scheme.
    pub scheme: Scheme,
    /// The name that TLS was asked for, lower case.
    pub server_name: Option<Box<str>>,
}

impl ConnectionInfo {
    /// Whether a request for `host` belongs on another connection.
    fn misdirects(&self, entry: &ListenerEntry, host: &str) -> bool {
        let names = self.server_name.as_deref().zip(entry.listener.tls.as_ref());
        names.is_some_and(|(server_name, tls)| tls.is_misdirected(server_name, host))
    }
}

/// A request that has arrived and is not decided yet.
struct Arrived {
    worker: Rc<Worker>,
    connection: Rc<ConnectionInfo>,
    snapshot: Arc<Snapshot>,
    /// Index of the listener in the snapshot.
    listener: usize,
    started: Instant,
    manner: Manner,
    uri: Uri,
    authority: String,
    host: String,
}

/// What an exchange knows once its request is decided.
pub struct Exchange {
    /// The worker it runs on.
    pub worker: Rc<Worker>,
    /// What is served; not kept beyond the head of the answer.
    pub snapshot: Arc<Snapshot>,
    /// Where the request goes.
    pub decision: Decision,
    /// Its account.
    pub ledger: Ledger,
    /// Endpoints that failed it.
    pub tried: Tried,
    /// How a refusal is told.
    pub manner: Manner,
    head_request: bool,
    origin: Option<HeaderValue>,
    secure: bool,
}

/// Answers a request. `verdict`: what is wrong with how it arrived.
pub async fn exchange(
    worker: Rc<Worker>,
    connection: Rc<ConnectionInfo>,
    mut request: Request<Incoming>,
    verdict: Option<Fault>,
) -> Response<ProxyBody> {
    let upgrade = upgrade::asked(&mut request);
    let (mut parts, body) = request.into_parts();
    let arrived = match Arrived::check((worker, connection), &mut parts, upgrade.is_some(), verdict) {
        Ok(arrived) => arrived,
        Err(response) => return *response,
    };
    let decision = match arrived.decide(&parts, upgrade.as_ref()) {
        Outcome::Forward(decision) => decision,
        Outcome::Respond(found) => return arrived.answer_by_filter(found, &parts),
        Outcome::Reject(refusal) => return arrived.reject(refusal),
    };
    let split = Arc::clone(&decision.rule(&arrived.snapshot).body.split);
    let (exchange, target) = match arrived.begin(decision, &mut parts) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    match upgrade {
        Some(upgrade) => upgrade::run(exchange, upgrade, parts, target).await,
        None => exchange.run(parts, body, target, &split).await,
    }
}

impl Arrived {
    /// Takes a request that may be looked at; answers one that may not, or that is for the proxy itself.
    fn check(
        (worker, connection): (Rc<Worker>, Rc<ConnectionInfo>),
        parts: &mut Parts,
        upgrade: bool,
        verdict: Option<Fault>,
    ) -> Result<Self, Box<Response<ProxyBody>>> {
        let started = Instant::now();
        let snapshot = worker.snapshot();
        let manner = Manner::of(parts, &snapshot);
        let unrouted = || Ledger::open(&worker, VersionId::UNROUTED, started);
        let known = |entry: &ListenerEntry| entry.listener.is(&connection.listener);
        // A listener that has gone has no routes; its connections are on their way out.
        let listener = snapshot.listeners.iter().position(known);
        let (Some(listener), true) = (listener, worker.phase() < Phase::Refusing) else {
            return Err(Box::new(refusal::refuse(unrouted(), &manner, Fault::ShuttingDown, true)));
        };
        if let Some(fault) = verdict {
            return Err(Box::new(refusal::refuse(unrouted(), &manner, fault, true)));
        }
        let authority = validate::authority(parts, upgrade)
            .map_err(|refused| Box::new(refusal::refuse(unrouted(), &manner, refused.fault, refused.close)))?;
        if let Some(answer) = refusal::own_answer(parts) {
            return Err(Box::new(refusal::answer(unrouted(), answer)));
        }
        let host = validate::host_of(&authority);
        if connection.misdirects(&snapshot.listeners[listener], &host) {
            return Err(Box::new(refusal::refuse(unrouted(), &manner, Fault::Misdirected, false)));
        }
        Ok(Self { snapshot, listener, started, manner, uri: parts.uri.clone(), authority, host, worker, connection })
    }

    fn decide(&self, parts: &Parts, upgrade: Option<&Upgrade>) -> Outcome {
        let client = forward::client_address(self.connection.peer, &self.snapshot.trusted_proxies, &parts.headers);
        let head = RequestHead {
            listener: self.listener,
            // An extended CONNECT is what a GET with Upgrade is in HTTP/1.1, and takes the same route.
            method: upgrade.map_or(&parts.method, |_| &Method::GET),
            host: &self.host,
            path: self.uri.path(),
            query: self.uri.query(),
            fields: &parts.headers,
            client,
            secure: self.is_secure(&parts.headers),
        };
        decide::decide(&self.snapshot, &mut self.worker.cursors.borrow_mut(), &head)
    }

    /// The port that clients know the listener by.
    fn port(&self) -> u16 {
        let listener = self.snapshot.listeners.get(self.listener);
        listener.and_then(|entry| entry.listener.advertised_port).unwrap_or(self.connection.local.port())
    }

    fn is_secure(&self, headers: &HeaderMap) -> bool {
        let trusted = self.snapshot.trusted_proxies.contains(self.connection.peer);
        forward::is_secure(&self.connection.scheme, trusted, headers)
    }

    fn original(&self, found: Found, headers: &HeaderMap) -> Original<'_> {
        Original {
            secure: self.is_secure(headers),
            scheme: &self.connection.scheme,
            host: &self.host,
            port: self.port(),
            path: self.uri.path(),
            query: self.uri.query(),
            prefix: found.prefix,
        }
    }

    fn answer_by_filter(self, found: Found, request: &Parts) -> Response<ProxyBody> {
        let ledger = Ledger::open(&self.worker, VersionId::UNROUTED, self.started);
        match filter::answer(
            &self.snapshot.rules[found.rule].body.filters,
            &self.original(found, &request.headers),
            request,
        ) {
            Some((status, headers)) => {
                let mut response = Response::new(ProxyBody::empty());
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                refusal::answer(ledger, response)
            }
            None => refusal::refuse(ledger, &self.manner, Fault::BadRequest, false),
        }
    }

    fn reject(self, refused: Refusal) -> Response<ProxyBody> {
        let (version, fault) = match refused {
            Refusal::NoRoute => (None, Fault::NoRoute),
            Refusal::Forbidden => (None, Fault::Forbidden),
            Refusal::Closed => (None, Fault::Closed),
            Refusal::NoEndpoint { found, version } => {
                (self.snapshot.rules[found.rule].body.versions.get(version), Fault::NoEndpoint)
            }
            Refusal::Invalid { found, version } => {
                (self.snapshot.rules[found.rule].body.versions.get(version), Fault::InvalidBackend)
            }
        };
        let version = version.map_or(VersionId::UNROUTED, |version| version.id);
        refusal::refuse(Ledger::open(&self.worker, version, self.started), &self.manner, fault, false)
    }

    /// Opens the account and prepares the head for any endpoint.
    fn begin(self, decision: Decision, parts: &mut Parts) -> Result<(Exchange, Target), Box<Response<ProxyBody>>> {
        let ledger = Ledger::open(&self.worker, decision.version(&self.snapshot).id, self.started);
        ledger.decided(decision.why);
        let rule = &decision.rule(&self.snapshot).body;
        let original = self.original(decision.found, &parts.headers);
        let Some(target) = Target::rewritten(&rule.filters, &original, &self.authority) else {
            return Err(Box::new(refusal::refuse(ledger, &self.manner, Fault::BadRequest, false)));
        };
        if announces_too_much(&rule.split, &parts.headers) {
            return Err(Box::new(refusal::refuse(ledger, &self.manner, Fault::BodyTooLarge, true)));
        }
        let origin = parts.headers.get(header::ORIGIN).cloned();
        let arrival = Arrival {
            peer: self.connection.peer,
            port: self.port(),
            scheme: &self.connection.scheme,
            authority: &self.authority,
        };
        let rng = &mut self.worker.cursors.borrow_mut().rng;
        forward::prepare(&mut parts.headers, &arrival, &self.snapshot.trusted_proxies, rng);
        if self.snapshot.forwarding.via {
            forward::via(&mut parts.headers, parts.version);
        }
        filter::edit(filter::request_edits(&rule.filters), &mut parts.headers);
        let exchange = Exchange {
            worker: Rc::clone(&self.worker),
            ledger,
            tried: Tried::default(),
            head_request: parts.method == Method::HEAD,
            origin,
            secure: self.connection.scheme == Scheme::HTTPS,
            manner: self.manner,
            decision,
            snapshot: Arc::clone(&self.snapshot),
        };
        Ok((exchange, target))
    }
}

/// A body that says itself that it is too large need not be received to be refused.
fn announces_too_much(split: &Split, headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    matches!((length, split.limits.request_body), (Some(length), Some(limit)) if length > limit)
}

impl Exchange {
    async fn run(mut self, parts: Parts, body: Incoming, target: Target, split: &Split) -> Response<ProxyBody> {
        let progress = Progress::new();
        // A gRPC stream may be silent for as long as it likes, both ways.
        let idle = (!self.manner.grpc).then_some(split.timeouts.idle);
        let body = RequestBody::new(body, split.limits.request_body, idle, Rc::clone(&progress));
        let repeatable = parts.method.is_idempotent() && http_body::Body::is_end_stream(&body);
        let mut outbound = Outbound { parts, body: Some(body), target, edits: Vec::new(), progress, repeatable };
        match self.tries(&mut outbound, split).await {
            Ok(answer) => self.answer(answer),
            Err(failed) => {
                self.worker.complain(&self, &failed);
                let close = failed.fault.origin() == Origin::Client;
                refusal::refuse(self.ledger, &self.manner, failed.fault, close)
            }
        }
    }

    /// The answer of an endpoint, on its way to the client.
    pub fn answer(mut self, answer: Answer) -> Response<ProxyBody> {
        let (mut parts, body) = answer.response.into_parts();
        self.ledger.answered(parts.status);
        let told = grpc_status(&parts.headers).filter(|_| self.manner.grpc);
        let stream = stream_in(&parts.headers);
        if let Some(protocol) = stream {
            self.ledger.streams(protocol);
        }
        forward::strip_hop_by_hop(&mut parts.headers);
        self.finish_head(&mut parts.headers);
        let bodiless = self.head_request || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let idle = self.decision.rule(&self.snapshot).body.split.timeouts.idle;
        let idle = (stream.is_none() && !self.manner.grpc).then_some(idle);
        parts.version = Version::default();
        let relay = Relay::new(body, self.ledger, answer.lease, idle).told(told);
        Response::from_parts(parts, relay.into_body(bodiless))
    }

    /// What the proxy adds to the head of every answer of an endpoint.
    pub fn finish_head(&mut self, headers: &mut HeaderMap) {
        let rule = self.decision.rule(&self.snapshot);
        let version = rule.body.split.versions.get(self.decision.version);
        filter::edit(filter::response_edits(&rule.body.filters), headers);
        filter::edit(filter::response_edits(version.map_or(&[], |version| &version.filters)), headers);
        filter::share(&rule.body.filters, self.origin.as_ref(), headers);
        if let Some(cookie) = self.decision.cookie.take().and_then(|cookie| cookie.header(self.secure)) {
            headers.append(header::SET_COOKIE, cookie);
        }
        if self.snapshot.forwarding.decision_headers {
            forward::tell_decision(headers, &self.decision.version(&self.snapshot).name, self.decision.why);
        }
        if self.snapshot.forwarding.via {
            forward::via(headers, Version::HTTP_11);
        }
        if self.worker.phase() >= Phase::Leaving && self.manner.http1 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Server-sent events are a stream by their type (HTML standard, section 9.2).
fn stream_in(headers: &HeaderMap) -> Option<StreamProtocol> {
    let kind = headers.get(header::CONTENT_TYPE)?.as_bytes();
    kind.starts_with(b"text/event-stream").then_some(StreamProtocol::Sse)
}
