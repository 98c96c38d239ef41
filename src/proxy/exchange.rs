//! One request and its answer, whatever codec carries them.

mod arrived;
mod held;
mod openings;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::Version;
use http::uri::Scheme;
use tokio::time::Instant;

use super::attempt::Outbound;
use super::client::Client;
use super::fault::{Fault, Origin};
use super::filter;
use super::forward::{self, Told};
use super::goodbye::Messages;
use super::hold::Place;
use super::ledger::Ledger;
use super::mirror;
use super::refusal::{self, Manner};
use super::relay;
use super::upgrade;
use super::worker::Worker;
use crate::decide::Decision;
use crate::drain::{Registered, Resident, Visitor};
use crate::endpoint::Clock;
use crate::io::Alarm;
use crate::message::{Field, FieldSection, Request};
use crate::model::{Drain, SocketKey, Split};
use crate::record::StreamProtocol;
use crate::snapshot::{ListenerEntry, Snapshot};
use crate::upstream::balance::Tried;
use arrived::begin;
pub use openings::is_turned_away;

/// The connection that a request came on.
pub struct ConnectionInfo {
    /// The socket that accepted it.
    pub listener: SocketKey,
    /// The other end, as the PROXY protocol says where it is spoken.
    pub peer: IpAddr,
    /// The port of this end, as the PROXY protocol says where it is spoken.
    pub port: u16,
    /// Scheme.
    pub scheme: Scheme,
    /// The name that TLS was asked for, lower case.
    pub server_name: Option<Box<str>>,
    /// What its last request was told about where it came from.
    pub told: Told,
    /// What the registry knows of it.
    pub visitor: Rc<Visitor>,
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
pub async fn exchange(worker: &Rc<Worker>, connection: &ConnectionInfo, mut client: Client<'_>, request: &mut Request) {
    // Made where it stays, since it is large.
    let mut going = None;
    if let Err(kept) = begin(worker, connection, request, &mut going) {
        // Boxed, since few are kept.
        Box::pin(kept.settle(&mut client, request, &mut going)).await;
    }
    if let Some(going) = &mut going {
        going.run(&mut client, request).await;
    }
}

/// A request that goes to an endpoint.
struct Going {
    exchange: Exchange,
    outbound: Outbound,
    split: Arc<Split>,
}

impl Going {
    async fn run(&mut self, client: &mut Client<'_>, request: &mut Request) {
        let Self { exchange, outbound, split } = self;
        exchange.alarm = client.lend_alarm();
        exchange.run(client, request, outbound, split).await;
        client.return_alarm(std::mem::take(&mut exchange.alarm));
    }
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
                Ok(false) => {
                    if is_turned_away(answer.response.status) {
                        self.turned_away(request, outbound);
                    }
                    request.is_settled();
                    return relay::relay(self, client, answer, outbound).await;
                }
                Ok(true) => return upgrade::tunnel(self, client, answer, outbound).await,
                Err(failed) => failed,
            },
            Err(failed) => failed,
        };
        self.not_opened(request, outbound, failed.fault);
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
        // Calls are told of by their answers.
        if protocol != StreamProtocol::Grpc {
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
            version: Arc::clone(&self.decision.version(&self.snapshot).name),
            site: self.decision.endpoint(&self.snapshot).site,
            listener: self.listener.clone(),
            protocol,
            generation: self.snapshot.generation,
        })
    }

    /// What the proxy adds to the head of every answer of an endpoint, which came in this version of HTTP.
    pub fn finish_head(&mut self, fields: &mut FieldSection, version: Version) {
        let rule = self.decision.rule(&self.snapshot);
        let served_by = rule.body.split.versions.get(self.decision.version);
        filter::edit(filter::response_edits(&rule.body.filters), fields);
        filter::edit(filter::response_edits(served_by.map_or(&[], |version| &version.filters)), fields);
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
            forward::via(fields, version);
        }
    }
}
