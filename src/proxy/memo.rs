//! What is told of a request at its end: a line of the access log, and spans. Where nobody asks for either, nothing is noted.
//!
//! Spans are those of `tracing`, at level debug, with the target `weir::request`: `exchange` for the request, and an
//! `attempt` in it for each try, which lasts until the next one or the end.

use std::net::IpAddr;
use std::time::Duration;

use http::Version;
use tracing::field::{Empty, display};
use tracing::{Level, Span};

use super::forward;
use crate::decide::Decision;
use crate::message::{Field, FieldSection, Request};
use crate::record::access::{Entry, Pen};
use crate::record::{Ending, StreamProtocol};
use crate::snapshot::{Rule, Snapshot};

/// Who is told of the requests of a worker.
pub struct Observer {
    pen: Option<Pen>,
    /// Somebody listens to spans.
    traced: bool,
}

/// What is known of a request.
pub struct Memo {
    entry: Entry,
    logged: bool,
    spans: Option<Spans>,
}

struct Spans {
    exchange: Span,
    attempt: Option<Span>,
}

impl Observer {
    /// An observer, if there is anybody to tell: the access log, or who listens to spans by now.
    pub fn new(pen: Option<Pen>) -> Option<Self> {
        let traced = tracing::enabled!(target: "weir::request", Level::DEBUG);
        (pen.is_some() || traced).then_some(Self { pen, traced })
    }

    /// Begins a memo of a request that came from `peer`; none: this one is of no interest.
    pub fn memo(&self, peer: IpAddr, request: &Request, snapshot: &Snapshot) -> Option<Box<Memo>> {
        let logged = self.is_logged()?;
        let client = forward::client_address(peer, &snapshot.trusted_proxies, &request.fields);
        let mut entry = Entry::new(client, Some(request.method.clone()), request.version);
        let host = request.authority().or_else(|| request.fields.first(Field::Host)).unwrap_or_default();
        entry.target.extend_from_slice(host);
        entry.host_end = host.len();
        entry.target.extend_from_slice(request.path().as_bytes());
        if let Some(query) = request.query() {
            entry.target.push(b'?');
            entry.target.extend_from_slice(query.as_bytes());
        }
        Some(Box::new(Memo { spans: self.traced.then(|| Spans::new(&entry)), entry, logged }))
    }

    /// The same for a request whose head could not be read.
    pub fn memo_unread(&self, peer: IpAddr) -> Option<Box<Memo>> {
        let logged = self.is_logged()?;
        let entry = Entry::new(peer.to_canonical(), None, Version::HTTP_11);
        Some(Box::new(Memo { spans: self.traced.then(|| Spans::new(&entry)), entry, logged }))
    }

    /// Whether the next request gets a line; none: nor a span.
    fn is_logged(&self) -> Option<bool> {
        let logged = self.pen.as_ref().is_some_and(Pen::takes);
        (logged || self.traced).then_some(logged)
    }
}

impl Memo {
    /// A rule took it, and a version by its index.
    pub fn routed(&mut self, rule: &Rule, version: Option<usize>) {
        self.entry.route = Some(rule.body.route.clone());
        self.serve(rule, version);
    }

    fn serve(&mut self, rule: &Rule, version: Option<usize>) {
        let version = version.and_then(|version| rule.body.versions.get(version));
        self.entry.served_by = version.map(|version| (version.name.clone(), version.revision.clone()));
    }

    /// It belongs to a trace, by now at the latest.
    pub fn traced(&mut self, fields: &FieldSection) {
        let id = fields.first(Field::Traceparent).and_then(forward::trace_id);
        if let (Some(spans), Some(id)) = (&self.spans, id.as_ref().and_then(|id| std::str::from_utf8(id).ok())) {
            spans.exchange.record("trace", id);
        }
        self.entry.trace = id;
    }

    /// It is tried where the decision says.
    pub fn tried(&mut self, snapshot: &Snapshot, decision: &Decision) {
        self.serve(decision.rule(snapshot), Some(decision.version));
        let entry = &mut self.entry;
        entry.why = Some(decision.why);
        entry.endpoint = Some(decision.endpoint(snapshot).address);
        entry.tries += 1;
        if let Some(Spans { exchange, attempt }) = &mut self.spans {
            // The one before ends first.
            drop(attempt.take());
            *attempt = Some(tracing::debug_span!(
                target: "weir::request",
                parent: &*exchange,
                "attempt",
                number = entry.tries,
                version = %decision.version(snapshot).name,
                why = decision.why.as_str(),
                endpoint = %decision.endpoint(snapshot).address,
            ));
        }
    }

    /// It waited so long for a connection.
    pub fn connected(&mut self, took: Duration) {
        self.entry.connect = Some(self.entry.connect.unwrap_or_default() + took);
    }

    /// So much of the answer's body has gone to the client.
    pub fn sent(&mut self, bytes: u64) {
        self.entry.bytes = Some(bytes);
    }

    /// It has ended, or, without a duration, become a tunnel.
    pub fn ended(
        &mut self,
        ending: Ending,
        total: Option<Duration>,
        (first_byte, stream): (Option<Duration>, Option<StreamProtocol>),
    ) {
        let entry = &mut self.entry;
        entry.ending = Some(ending);
        entry.total = total.unwrap_or_default();
        entry.first_byte = first_byte;
        entry.stream = stream;
    }

    /// Nothing more will be known of it.
    pub fn tell(self, observer: &Observer, elapsed: Duration) {
        let Self { mut entry, logged, spans } = self;
        if entry.total.is_zero() {
            entry.total = elapsed;
        }
        if let Some(spans) = spans {
            spans.end(&entry);
        }
        if let Some(pen) = observer.pen.as_ref().filter(|_| logged) {
            pen.write(entry);
        }
    }
}

impl Spans {
    fn new(entry: &Entry) -> Self {
        let exchange = tracing::debug_span!(
            target: "weir::request",
            parent: None,
            "exchange",
            client = %entry.client,
            method = entry.method.as_ref().map(display),
            host = printable(entry.host()),
            path = printable(entry.path()),
            trace = Empty,
            route = Empty,
            status = Empty,
            grpc = Empty,
            classification = Empty,
            reason = Empty,
        );
        Self { exchange, attempt: None }
    }

    /// Both end now.
    fn end(self, entry: &Entry) {
        let Self { exchange, attempt } = self;
        drop(attempt);
        if let Some(route) = &entry.route {
            exchange.record("route", display(route));
        }
        if let Some(ending) = entry.ending {
            exchange.record("status", ending.code);
            exchange.record("classification", ending.classification.as_str());
            exchange.record("reason", ending.reason.as_str());
            ending.grpc_status.into_iter().for_each(|status| _ = exchange.record("grpc", status));
        }
    }
}

/// What a client sent, for logs that show bytes as they are.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().to_string()
}
