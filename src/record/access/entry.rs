//! What is noted of one request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, Version};

use crate::model::RouteKey;
use crate::record::{Ending, StreamProtocol};
use crate::split::Why;

/// A request, as far as it is known.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it arrived.
    pub time: SystemTime,
    /// Who sent it, as far as trusted proxies tell.
    pub client: IpAddr,
    /// Method; none: the head could not be read.
    pub method: Option<Method>,
    /// Version that the client spoke.
    pub version: Version,
    /// Host, then path and query, as the client sent them.
    pub target: Vec<u8>,
    /// Where the host ends in it.
    pub host_end: usize,
    /// Route that took it.
    pub route: Option<RouteKey>,
    /// Version that answered it, or failed it last, with its revision.
    pub served_by: Option<(Arc<str>, Arc<str>)>,
    /// Why that version.
    pub why: Option<Why>,
    /// Endpoint that was tried last.
    pub endpoint: Option<SocketAddr>,
    /// How often it was sent.
    pub tries: u32,
    /// How long it waited for a connection, over all tries; none: one was at hand each time.
    pub connect: Option<Duration>,
    /// Until the head of the answer.
    pub first_byte: Option<Duration>,
    /// Until its end.
    pub total: Duration,
    /// Bytes of the answer's body.
    pub bytes: Option<u64>,
    /// What kind of long-lived stream it was.
    pub stream: Option<StreamProtocol>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// The trace it belongs to (W3C Trace Context, `trace-id`).
    pub trace: Option<[u8; 32]>,
}

impl Entry {
    /// A request of which nothing is known but who sent it.
    pub fn new(client: IpAddr, method: Option<Method>, version: Version) -> Self {
        Self {
            time: SystemTime::now(),
            client,
            method,
            version,
            target: Vec::new(),
            host_end: 0,
            route: None,
            served_by: None,
            why: None,
            endpoint: None,
            tries: 0,
            connect: None,
            first_byte: None,
            total: Duration::ZERO,
            bytes: None,
            stream: None,
            ending: None,
            trace: None,
        }
    }

    /// Host, as the client sent it.
    pub fn host(&self) -> &[u8] {
        self.target.get(..self.host_end).unwrap_or_default()
    }

    /// Path and query, as the client sent them.
    pub fn path(&self) -> &[u8] {
        self.target.get(self.host_end..).unwrap_or_default()
    }
}
