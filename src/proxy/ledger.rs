//! The account of one request: opened when it is decided, closed exactly once, whatever happens to it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::fault::Fault;
use super::memo::Memo;
use super::worker::Worker;
use crate::endpoint::{Endpoint, InFlightGuard, Moment, VersionId};
use crate::record::{Cell, Classification, Ending, Reason, StreamProtocol};
use crate::split::Why;

/// Records in `Drop` at the latest: a request whose account nobody closed is one whose client has gone.
pub struct Ledger {
    worker: Rc<Worker>,
    cell: Arc<Cell>,
    started: Instant,
    first_byte: Option<Duration>,
    answered: Option<StatusCode>,
    stream: Option<StreamProtocol>,
    in_flight: Option<InFlightGuard>,
    /// Endpoints are told how long their answers take.
    timed: bool,
    /// When the try began that has no answer yet, where its endpoint is told.
    asked: Option<Instant>,
    open: bool,
    /// What is told of the request at its end.
    memo: Option<Box<Memo>>,
}

impl Ledger {
    /// Opens the account of a request that arrived at `started`, for a version.
    pub fn open(worker: &Rc<Worker>, version: VersionId, started: Instant) -> Self {
        let cell = worker.cell(version);
        cell.active(1);
        worker.exchange_began();
        Self {
            worker: Rc::clone(worker),
            cell,
            started,
            first_byte: None,
            answered: None,
            stream: None,
            in_flight: None,
            timed: false,
            asked: None,
            open: true,
            memo: None,
        }
    }

    /// Endpoints are told how long their answers take, since they are balanced by it.
    pub fn tell_latency(&mut self) {
        self.timed = true;
    }

    /// The account of a request of which something is to be told.
    pub fn with(mut self, memo: Option<Box<Memo>>) -> Self {
        self.memo = memo;
        self
    }

    /// What is told of the request at its end, where anybody asks.
    pub fn memo(&mut self) -> Option<&mut Memo> {
        self.memo.as_deref_mut()
    }

    /// When the request arrived.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Counts the decision.
    pub fn decided(&self, why: Why) {
        self.cell.decided(why);
    }

    /// A try at `endpoint` begins; it lasts until the next one or the end.
    pub fn trying(&mut self, endpoint: &Arc<Endpoint>) {
        self.try_ended();
        self.try_begun(endpoint.begin());
    }

    /// A try has begun.
    pub fn try_begun(&mut self, guard: InFlightGuard) {
        if self.timed {
            self.asked = Some(Instant::now());
        }
        self.in_flight = Some(guard);
    }

    /// The try that was going on has failed.
    pub fn try_ended(&mut self) {
        self.took(true);
        self.in_flight = None;
    }

    /// Tells the endpoint how long the try took, if it has not been told.
    fn took(&mut self, failed: bool) {
        let (Some(asked), Some(guard)) = (self.asked.take(), &self.in_flight) else { return };
        let latency = &guard.endpoint().latency;
        match failed {
            true => latency.penalize(asked.elapsed(), Moment::now()),
            false => latency.observe(asked.elapsed(), Moment::now()),
        }
    }

    /// Another endpoint of the same version is tried.
    pub fn retried(&self, reason: Reason) {
        self.cell.retried(reason);
    }

    /// It is at no endpoint for now.
    pub fn rests(&mut self) {
        self.in_flight = None;
    }

    /// It is not retried, since the budget is used up.
    pub fn denied(&self) {
        self.cell.denied();
    }

    /// The request goes to another version without having failed on its own: what its version runs has changed.
    pub fn goes_to(&mut self, version: VersionId) {
        let cell = self.worker.cell(version);
        if !Arc::ptr_eq(&cell, &self.cell) {
            self.streams_no_more();
            self.cell.active(-1);
            cell.active(1);
            self.cell = cell;
        }
    }

    /// The request leaves its version, which failed it, for another: the failure stays with the version that it left.
    pub fn leave(&mut self, failure: Ending, to: VersionId) {
        self.streams_no_more();
        self.cell.rescued(failure.reason);
        self.cell.ended(failure, Some(self.started.elapsed()), self.first_byte.take());
        self.cell.active(-1);
        self.cell = self.worker.cell(to);
        self.cell.active(1);
        self.answered = None;
        self.try_ended();
    }

    /// The head of the answer has come.
    pub fn answered(&mut self, status: StatusCode) {
        self.first_byte = Some(self.started.elapsed());
        self.answered = Some(status);
        self.took(status.is_server_error());
    }

    /// The answer is a long-lived stream, whose lifetime is no request duration.
    pub fn streams(&mut self, protocol: StreamProtocol) {
        if self.stream.is_none() {
            self.stream = Some(protocol);
            self.cell.stream_began(protocol);
        }
    }

    /// The stream goes elsewhere, and is another one there.
    fn streams_no_more(&mut self) {
        if let Some(protocol) = self.stream.take() {
            self.cell.stream_ended(protocol, self.started.elapsed());
        }
    }

    /// Closes the account.
    pub fn close(&mut self, ending: Ending) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        let elapsed = self.started.elapsed();
        if let Some(memo) = &mut self.memo {
            memo.ended(ending, Some(elapsed), (self.first_byte, self.stream));
        }
        match self.stream {
            Some(protocol) => {
                self.cell.ended(ending, None, None);
                self.cell.stream_ended(protocol, elapsed);
            }
            None => self.cell.ended(ending, Some(elapsed), self.first_byte),
        }
        self.cell.active(-1);
        // A client that does not wait any longer says only that it is slow.
        self.took(ending.classification == Classification::Failure);
        self.in_flight = None;
    }

    /// Closes the account with an answer of the endpoint that came to its end.
    pub fn complete(&mut self, grpc_status: Option<u8>) {
        let status = self.answered.unwrap_or(StatusCode::OK);
        self.close(Ending::of_answer(status, grpc_status));
    }

    /// Closes the account of a stream that ended because its endpoint drains.
    pub fn drained(&mut self, grpc_status: Option<u8>) {
        let code = self.answered.map_or(0, |status| status.as_u16());
        self.close(Ending { code, grpc_status, classification: Classification::Success, reason: Reason::Drained });
    }

    /// How long ago the head of the answer came.
    pub fn answered_for(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.first_byte.unwrap_or_default())
    }

    /// Turns the account of a request that was granted its upgrade into that of a tunnel: the request ends here, its
    /// connection goes on.
    pub fn become_tunnel(&mut self, status: StatusCode, protocol: StreamProtocol) -> Tunnel {
        self.open = false;
        let ending = Ending::of_answer(status, None);
        if let Some(memo) = &mut self.memo {
            // It goes on, and is told of at its end.
            memo.ended(ending, None, (Some(self.started.elapsed()), Some(protocol)));
        }
        self.cell.ended(ending, None, None);
        self.cell.active(-1);
        self.cell.stream_began(protocol);
        Tunnel { cell: Arc::clone(&self.cell), since: Instant::now(), protocol, _in_flight: self.in_flight.take() }
    }

    /// Closes the account with a fault, after an answer had begun.
    pub fn broke(&mut self, fault: Fault) {
        let code = self.answered.map_or(0, |status| status.as_u16());
        self.close(fault.ending(code, None));
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let code = self.answered.map_or(0, |status| status.as_u16());
        self.close(Ending {
            code,
            grpc_status: None,
            classification: Classification::ClientGone,
            reason: Reason::ClientGone,
        });
        if let Some((memo, observer)) = self.memo.take().zip(self.worker.observer.as_ref()) {
            memo.tell(observer, self.started.elapsed());
        }
        // Not before the last bytes are out: a process that ends waits for this.
        self.worker.exchange_ended();
    }
}

/// The account of a long-lived connection after an upgrade; closed in `Drop`.
pub struct Tunnel {
    cell: Arc<Cell>,
    since: Instant,
    protocol: StreamProtocol,
    _in_flight: Option<InFlightGuard>,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.cell.stream_ended(self.protocol, self.since.elapsed());
    }
}
