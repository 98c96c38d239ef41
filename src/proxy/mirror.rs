//! Copies of requests for other versions (dark launches): sent beside the request, answered to nobody, and counted.
//!
//! A copy never delays its request: its body is kept while it goes to the endpoint, up to a limit, and the copy is sent by a
//! task of its own once the request is whole.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Method;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::attempt::MOST_INTERIM;
use super::client::Client;
use super::exchange::Exchange;
use super::fault::{Again, Fault};
use super::filter;
use super::forward::Target;
use super::ledger::Ledger;
use super::relay::grpc_status;
use super::worker::Worker;
use crate::decide;
use crate::endpoint::{Endpoint, VersionId};
use crate::io::{Pump, Ready, Sink, Source};
use crate::message::{Broken, Field, FieldSection, Request, Response, Size};
use crate::model::Timeouts;
use crate::upstream::{Demand, Lease, Outgoing, Upstream};

/// Copies in flight on a worker, and at an endpoint; a mirror that is slower than this many does not get the rest.
const MOST: u32 = 1024;

/// The copies of one request, until they are sent.
pub struct Tee {
    worker: Rc<Worker>,
    copies: Vec<Copy>,
    body: Vec<u8>,
    /// Bytes that the most patient copy takes.
    limit: u64,
    /// The body is larger than that.
    overflowed: bool,
    bodiless: bool,
}

/// One copy.
struct Copy {
    endpoint: Arc<Endpoint>,
    version: VersionId,
    /// Requests and copies that its endpoint may have in flight for it to go.
    most: u32,
    limit: u64,
    method: Method,
    path: Box<[u8]>,
    host: Box<[u8]>,
    fields: FieldSection,
    timeouts: Timeouts,
}

/// The copies that are to be made of a request; nearly always none.
pub fn tee(exchange: &Exchange, request: &Request, target: &Target) -> Option<Box<Tee>> {
    let rule = &exchange.decision.rule(&exchange.snapshot).body;
    if rule.mirrors.is_empty() {
        return None;
    }
    let chosen = decide::mirrors(&exchange.snapshot, &mut exchange.worker.cursors.borrow_mut(), &exchange.decision);
    let most = rule.split.limits.per_endpoint.map_or(MOST, |limit| limit.get().min(MOST));
    let announced = if let Size::Known(length) = request.size { length } else { 0 };
    let copies: Vec<Copy> = chosen
        .iter()
        .filter_map(|chosen| {
            let entry = rule.mirrors.get(chosen.mirror).filter(|entry| announced <= entry.body_limit)?;
            let mut fields = request.fields.clone();
            filter::edit(filter::request_edits(entry.filters(&rule.split)), &mut fields);
            fields.set(Field::XWeirVersion, entry.target.name.as_bytes());
            fields.set(Field::XWeirWhy, b"mirror");
            Some(Copy {
                endpoint: Arc::clone(entry.target.endpoints.get(chosen.endpoint)?),
                version: entry.target.id,
                most,
                limit: entry.body_limit,
                method: request.method.clone(),
                path: request.fields.bytes_at(target.path).into(),
                host: request.fields.bytes_at(target.host).into(),
                fields,
                timeouts: *rule.split.timeouts,
            })
        })
        .collect();
    let limit = copies.iter().map(|copy| copy.limit).max()?;
    let bodiless = request.size == Size::None;
    Some(Box::new(Tee {
        worker: Rc::clone(&exchange.worker),
        copies,
        body: Vec::new(),
        limit,
        overflowed: false,
        bodiless,
    }))
}

impl Tee {
    fn see(&mut self, data: &[u8]) {
        self.overflowed |= self.body.len() as u64 + data.len() as u64 > self.limit;
        if self.overflowed {
            self.body = Vec::new();
        } else {
            self.body.extend_from_slice(data);
        }
    }

    /// The request is whole: its copies go.
    fn send(self) {
        if self.overflowed {
            return;
        }
        let body: Rc<[u8]> = self.body.into();
        let size = if self.bodiless { Size::None } else { Size::Known(body.len() as u64) };
        for copy in self.copies.into_iter().filter(|copy| body.len() as u64 <= copy.limit) {
            let mut ledger = Ledger::open(&self.worker, copy.version, Instant::now());
            let room = self.worker.mirrors.get() < MOST as usize;
            let Some(place) = room.then(|| copy.endpoint.begin_copy(copy.most)).flatten() else {
                ledger.close(Fault::Refused.ending(Fault::Refused.code(), None));
                continue;
            };
            let (worker, body) = (Rc::clone(&self.worker), Rc::clone(&body));
            // Before the task runs: many may begin until it does.
            worker.mirrors.set(worker.mirrors.get() + 1);
            tokio::task::spawn_local(async move {
                if let Err(fault) = copy.run(&worker, &mut ledger, &body, size).await {
                    ledger.close(fault.ending(fault.code(), None));
                }
                worker.mirrors.set(worker.mirrors.get() - 1);
                drop(place);
            });
        }
    }
}

impl Copy {
    /// Sends it, and reads the answer to its end.
    async fn run(&self, worker: &Worker, ledger: &mut Ledger, body: &Rc<[u8]>, size: Size) -> Result<(), Fault> {
        let answered = tokio::time::timeout(self.timeouts.request, self.asked(worker, body, size)).await;
        let Answered { response, mut lease, mut upload } = answered.unwrap_or(Err(Fault::RequestTimeout))?;
        ledger.answered(response.status);
        let mut status = grpc_status(&response.fields);
        let mut ends = |trailers: Option<&mut FieldSection>| {
            status = trailers.and_then(|trailers| grpc_status(trailers)).or(status);
        };
        let mut down = Pump::new(None);
        let upstream = &mut lease.upstream;
        // An endpoint that answers while it reads may end its answer only after the body.
        let ended = poll_fn(|context| {
            upload.poll(upstream, context);
            down.poll(upstream, &mut Nowhere, &mut ends, context)
        });
        match tokio::time::timeout(self.timeouts.idle, ended).await {
            Ok(Ok(())) => ledger.complete(status),
            Ok(Err(_)) => ledger.broke(Fault::Truncated),
            Err(_) => ledger.broke(Fault::IdleTimeout),
        }
        if upload.pump.is_done() && lease.upstream.has_read_all() {
            lease.give_back();
        }
        Ok(())
    }

    /// Sends it until there is the head of an answer, once more on a new connection if a pooled one had died.
    async fn asked(&self, worker: &Worker, body: &Rc<[u8]>, size: Size) -> Result<Answered, Fault> {
        let pooled = worker.pool.lease(&self.endpoint, Demand::Any, self.timeouts.connect).await;
        let pooled = pooled.map_err(|error| Fault::from(&error))?;
        let reused = pooled.reused;
        match self.ask(pooled, body, size).await {
            Err(fault) if reused && self.may_repeat(fault, size) => {}
            answered => return answered,
        }
        let fresh = worker.pool.fresh(&self.endpoint, Demand::Any, self.timeouts.connect).await;
        self.ask(fresh.map_err(|error| Fault::from(&error))?, body, size).await
    }

    /// Whether it may be sent once more after this failure, by the rules for requests.
    fn may_repeat(&self, fault: Fault, size: Size) -> bool {
        match fault.again() {
            Again::Never => false,
            Again::IfIdempotent => size == Size::None && self.method.is_idempotent(),
            // It has its body still.
            Again::Safe => true,
        }
    }

    async fn ask(&self, mut lease: Lease, body: &Rc<[u8]>, size: Size) -> Result<Answered, Fault> {
        let outgoing = Outgoing {
            method: &self.method,
            path: &self.path,
            host: &self.host,
            secure: self.endpoint.transport.tls.is_some(),
            fields: &self.fields,
            size,
            upgrade: None,
        };
        let upstream = &mut lease.upstream;
        upstream.send(&outgoing).await.map_err(|error| Fault::from(&error))?;
        let mut upload = Upload { pump: Pump::new(None), kept: Kept { body: Rc::clone(body), used: 0 } };
        let mut interim = 0;
        let answered = poll_fn(|context| {
            upload.poll(upstream, context);
            while interim <= MOST_INTERIM {
                match ready!(upstream.poll_head(context)) {
                    Ok(response) if response.status.is_informational() => interim += 1,
                    answered => return Poll::Ready(answered.map_err(|error| Fault::from(&error))),
                }
            }
            Poll::Ready(Err(Fault::Protocol))
        });
        let response = answered.await?;
        Ok(Answered { response, lease, upload })
    }
}

/// An answer to a copy, whose body is still to come.
struct Answered {
    response: Response,
    lease: Lease,
    upload: Upload,
}

/// The body of a copy on its way.
struct Upload {
    pump: Pump,
    kept: Kept,
}

impl Upload {
    /// Sends what can be sent. An endpoint that takes no more may answer all the same, and is judged by that.
    fn poll(&mut self, upstream: &mut Upstream, context: &mut Context<'_>) {
        let _ = self.pump.poll(&mut self.kept, upstream, &mut |_| {}, context);
    }
}

/// The client's body, seen by who copies it.
pub struct Teed<'a, 'c> {
    /// The client.
    pub client: &'a mut Client<'c>,
    /// Who copies.
    pub tee: &'a mut Option<Box<Tee>>,
}

impl Source for Teed<'_, '_> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        let ready = ready!(self.client.poll_ready(context))?;
        if ready == Ready::End
            && let Some(tee) = self.tee.take()
        {
            tee.send();
        }
        Poll::Ready(Ok(ready))
    }

    fn data(&self) -> (&[u8], bool) {
        self.client.data()
    }

    fn consume(&mut self, count: usize) {
        if let Some(tee) = self.tee.as_mut() {
            tee.see(&self.client.data().0[..count]);
        }
        self.client.consume(count);
    }

    fn has_ended(&self) -> bool {
        // Who copies has to hear of the end.
        self.tee.is_none() && self.client.has_ended()
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        self.client.trailers()
    }

    fn bare(&self) -> Option<(&TcpStream, u64)> {
        // What is copied has to be seen.
        if self.tee.is_some() { None } else { Source::bare(self.client) }
    }

    fn bypassed(&mut self, count: usize) {
        self.client.bypassed(count);
    }
}

/// A body that was kept.
struct Kept {
    body: Rc<[u8]>,
    used: usize,
}

impl Source for Kept {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        Poll::Ready(Ok(if self.used < self.body.len() { Ready::Data } else { Ready::End }))
    }

    fn data(&self) -> (&[u8], bool) {
        (&self.body[self.used..], true)
    }

    fn consume(&mut self, count: usize) {
        self.used += count;
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        None
    }
}

/// Where answers go that nobody waits for.
struct Nowhere;

impl Sink for Nowhere {
    fn poll_send(&mut self, data: &[u8], _: bool, _: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, _: &mut Option<FieldSection>, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }
}
