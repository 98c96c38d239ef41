//! One try of a request at one endpoint.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::uri::Scheme;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use super::body::{Progress, RequestBody};
use super::fault::Fault;
use super::filter;
use super::forward::Target;
use super::worker::Worker;
use crate::endpoint::Endpoint;
use crate::model::HeaderEdit;
use crate::upstream::{Connection, Demand, Lease};

/// A request that can be sent, in a form that fits every endpoint.
pub struct Outbound {
    /// Method and headers.
    pub parts: Parts,
    /// The body; absent once it has gone.
    pub body: Option<RequestBody>,
    /// What the endpoint is asked for.
    pub target: Target,
    /// Changes that are for the version that is tried only.
    pub edits: Vec<HeaderEdit>,
    /// What the body has to tell.
    pub progress: Rc<Progress>,
    /// Whether it may be sent twice: idempotent, and without a body.
    pub repeatable: bool,
}

/// An answer whose body is still to come.
pub struct Answer {
    /// The answer.
    pub response: Response<Incoming>,
    /// The connection, to be given back at the body's end.
    pub lease: Lease<RequestBody>,
}

/// A try that failed.
pub struct Failed {
    /// What went wrong.
    pub fault: Fault,
    /// The connection had been used before, so it may have died on its own.
    pub stale: bool,
    /// In words, for the log.
    pub message: String,
}

impl Outbound {
    fn request(&mut self, connection: &Connection<RequestBody>, scheme: Scheme) -> Request<RequestBody> {
        let mut parts = self.parts.clone();
        filter::edit(self.edits.iter().cloned(), &mut parts.headers);
        match connection {
            Connection::H1(_) => self.target.http1(&mut parts),
            Connection::H2(_) => self.target.http2(&mut parts, scheme),
        }
        Request::from_parts(parts, self.body.take().unwrap_or_else(RequestBody::empty))
    }
}

/// Sends the request to `endpoint` and waits for the head of the answer.
pub async fn attempt(
    worker: &Worker,
    endpoint: &Arc<Endpoint>,
    outbound: &mut Outbound,
    connect: Duration,
    fresh: bool,
) -> Result<Answer, Failed> {
    let leased = if fresh {
        worker.pool.fresh(endpoint, Demand::Any, connect).await
    } else {
        worker.pool.lease(endpoint, Demand::Any, connect).await
    };
    let mut lease =
        leased.map_err(|error| Failed { fault: (&error).into(), stale: false, message: error.to_string() })?;
    let stale = lease.reused;
    let request = outbound.request(&lease.connection, scheme_of(endpoint));
    let sent = match &mut lease.connection {
        Connection::H1(sender) => sender.try_send_request(request).await,
        Connection::H2(connection) => connection.sender.try_send_request(request).await,
    };
    match sent {
        // Nobody asked for another protocol, so the client must not believe that there is one.
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => Err(Failed {
            fault: Fault::Protocol,
            stale: false,
            message: "the endpoint switched protocols without being asked".to_owned(),
        }),
        Ok(response) => Ok(Answer { response, lease }),
        Err(mut error) => {
            let unsent = error.take_message();
            let returned = unsent.is_some();
            if let Some(request) = unsent {
                outbound.body = Some(request.into_body());
            }
            let error = error.into_error();
            let fault = outbound.progress.fault().unwrap_or_else(|| fault_of(&error, returned));
            Err(Failed { fault, stale, message: describe(&error) })
        }
    }
}

/// The scheme towards an endpoint.
pub fn scheme_of(endpoint: &Endpoint) -> Scheme {
    if endpoint.transport.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
}

/// What an error of hyper means for the request.
pub fn fault_of(error: &hyper::Error, unsent: bool) -> Fault {
    if unsent || refused(error) {
        Fault::Refused
    } else if error.is_parse() {
        Fault::Protocol
    } else {
        Fault::Reset
    }
}

/// HTTP/2 says when a stream was not begun: REFUSED_STREAM, or beyond the last id of a GOAWAY (RFC 9113 section 8.7).
fn refused(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(h2) = inner.downcast_ref::<h2::Error>() {
            return h2.reason() == Some(h2::Reason::REFUSED_STREAM)
                || (h2.is_go_away() && h2.is_remote() && h2.reason() == Some(h2::Reason::NO_ERROR));
        }
        source = inner.source();
    }
    false
}

/// An error with its causes.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
