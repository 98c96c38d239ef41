//! The running process's side: offers its sockets to whoever comes, until one has taken them.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::wire::{self, Label, Message, VERSION};
use super::{SocketFile, Sockets, peer};

/// How long a new process may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// The file by which this process can be found, before it is in use.
pub struct Giver {
    file: SocketFile,
    listener: UnixListener,
}

/// The place of this process, which another one may take. It can be found no more when this is dropped.
pub struct Place(Option<Giving>);

struct Giving {
    task: JoinHandle<()>,
    taken: oneshot::Receiver<u32>,
    _file: SocketFile,
}

/// Where a hand-over stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    /// A process with this id is about to take over.
    Offered(u32),
    /// It has.
    Taken(u32),
}

/// What the connections of new processes share.
struct Shared {
    stage: Mutex<Stage>,
    sockets: Box<dyn Fn() -> io::Result<Sockets> + Send + Sync>,
    taken: Mutex<Option<oneshot::Sender<u32>>>,
}

impl Giver {
    pub(super) fn new(file: SocketFile, listener: UnixListener) -> Self {
        Self { file, listener }
    }

    /// Begins to offer what `sockets` gives.
    pub fn give(self, sockets: impl Fn() -> io::Result<Sockets> + Send + Sync + 'static) -> Place {
        let Self { file, listener } = self;
        let (taken, takes) = oneshot::channel();
        let shared = Arc::new(Shared {
            stage: Mutex::new(Stage::Serving),
            sockets: Box::new(sockets),
            taken: Mutex::new(Some(taken)),
        });
        let path = file.path.clone();
        let task = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => match peer(&stream, &path) {
                        Ok(pid) => drop(tokio::spawn(Arc::clone(&shared).meet(stream, pid))),
                        Err(error) => tracing::warn!(%error, "nothing was handed over"),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "accepting at upgrade.socket failed");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        });
        Place(Some(Giving { task, taken: takes, _file: file }))
    }
}

impl Place {
    /// A place that nobody can take.
    pub fn fixed() -> Self {
        Self(None)
    }

    /// The id of the process that has taken it, once one has.
    pub async fn taken(&mut self) -> u32 {
        let taken = self.0.as_mut().map(|giving| &mut giving.taken);
        match taken {
            // Its task goes with this.
            Some(taken) => match taken.await {
                Ok(pid) => pid,
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

impl Drop for Giving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Meets a new process.
    async fn meet(self: Arc<Self>, mut stream: UnixStream, pid: u32) {
        if let Err(reason) = self.begin(pid) {
            let refused = wire::say(&mut stream, &Message::Refuse { reason }).await;
            return tracing::info!(pid, told = refused.is_ok(), "refused a second process that would take over");
        }
        tracing::info!(pid, "a new process takes over");
        match self.hand_over(&mut stream).await {
            Ok(()) => {
                self.set(Stage::Taken(pid));
                let sender = self.taken.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(sender) = sender {
                    // Nobody listens any more in a process that ends.
                    let _ = sender.send(pid);
                }
            }
            Err(error) => {
                self.set(Stage::Serving);
                tracing::warn!(pid, %error, "the new process did not become ready, or has gone: this one serves on");
            }
        }
    }

    /// A new process that cannot be told that the place is its own has gone, or has given up: this one must not leave for it.
    async fn hand_over(&self, stream: &mut UnixStream) -> io::Result<()> {
        self.offer(stream).await?;
        wire::say(stream, &Message::Yours).await
    }

    async fn offer(&self, stream: &mut UnixStream) -> io::Result<()> {
        let sockets = (self.sockets)()?;
        let labels = sockets.iter().map(|(purpose, _)| Label::from(purpose)).collect();
        let offer = Message::Offer { version: VERSION, pid: std::process::id(), sockets: labels };
        let ready = async {
            wire::say(stream, &offer).await?;
            wire::send(stream, &sockets).await?;
            // What is only held here would keep a socket open that this process closes meanwhile.
            drop(sockets);
            match wire::hear(stream).await? {
                Message::Ready => Ok(()),
                message => Err(io::Error::other(format!("it said {message:?}"))),
            }
        };
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("it was not ready within {PATIENCE:?}"));
        timeout(PATIENCE, ready).await.unwrap_or_else(|_| Err(late()))
    }

    /// Begins a hand-over, if none is on its way.
    fn begin(&self, pid: u32) -> Result<(), String> {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match *stage {
            Stage::Serving => {
                *stage = Stage::Offered(pid);
                Ok(())
            }
            Stage::Offered(other) => Err(format!("process {other} is about to take over: try again once it has")),
            Stage::Taken(other) => Err(format!("process {other} has just taken over: try again")),
        }
    }

    fn set(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }
}
