//! A thread for what is not the proxy: versions and clients.

use std::io;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A running thread with a runtime; it ends when dropped.
pub struct Aside {
    handle: Handle,
    /// The thread runs until this is dropped.
    _running: oneshot::Sender<()>,
}

impl Aside {
    /// Starts it.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name("demo".to_owned()).spawn(move || {
            // An error is the end, too: the other side was dropped.
            _ = runtime.block_on(ended);
        })?;
        Ok(Self { handle, _running: running })
    }

    /// To put something into the thread.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}
