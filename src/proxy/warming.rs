//! Connections that are opened before anybody needs them.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::worker::Worker;
use crate::endpoint::Endpoint;

/// An order to open connections. Who gave it is told when it is done, or dropped.
pub struct Warming {
    endpoints: Arc<[Arc<Endpoint>]>,
    /// Connections to each.
    count: u16,
    timeout: Duration,
    left: Arc<AtomicUsize>,
}

impl Warming {
    /// An order that is one of `left` until it is done.
    pub fn new(endpoints: Arc<[Arc<Endpoint>]>, count: u16, timeout: Duration, left: &Arc<AtomicUsize>) -> Self {
        left.fetch_add(1, Relaxed);
        Self { endpoints, count, timeout, left: Arc::clone(left) }
    }

    /// Opens them, all at once.
    pub async fn run(self, worker: Rc<Worker>) {
        let warm = |endpoint| worker.pool.warm(endpoint, usize::from(self.count), self.timeout);
        futures_util::future::join_all(self.endpoints.iter().map(warm)).await;
    }
}

impl Drop for Warming {
    fn drop(&mut self) {
        self.left.fetch_sub(1, Relaxed);
    }
}
