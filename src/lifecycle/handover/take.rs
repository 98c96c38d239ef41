//! The new process's side: takes the sockets, and the running one's place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::give::Giver;
use super::wire::{self, Message, VERSION};
use super::{HandoverError, SocketFile, Sockets, is_foreign, peer};

/// How long the running process may take for each thing that it says.
const PATIENCE: Duration = Duration::from_secs(10);

/// A hand-over on its way; dropped, the running process serves on.
pub struct Taking {
    path: PathBuf,
    /// None: nobody was there.
    running: Option<UnixStream>,
    /// Under a name of its own until the other one is ours.
    file: SocketFile,
    listener: UnixListener,
}

/// Asks the process that listens at `path` for its sockets; without one there are none.
///
/// # Errors
///
/// See [`HandoverError`].
pub async fn take(path: &Path) -> Result<(Taking, Sockets), HandoverError> {
    let failed = |error| HandoverError::File { path: path.to_owned(), error };
    if is_foreign(path) {
        return Err(HandoverError::NotASocket { path: path.to_owned() });
    }
    let running = match UnixStream::connect(path).await {
        Ok(stream) => Some(stream),
        // None yet, or one that a process left that was killed.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => None,
        Err(error) => return Err(failed(error)),
    };
    let (running, sockets) = match running {
        None => (None, Sockets::new()),
        Some(mut stream) => {
            let pid = peer(&stream, path)?;
            let sockets = offered(&mut stream).await?;
            tracing::info!(pid, sockets = sockets.len(), "taking over from the running process");
            (Some(stream), sockets)
        }
    };
    let own = own_name(path);
    // Left by a process of the same id that was killed.
    if let Err(error) = fs::remove_file(&own)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(failed(error));
    }
    let (file, listener) = SocketFile::listen(&own).map_err(failed)?;
    Ok((Taking { path: path.to_owned(), running, file, listener }, sockets))
}

/// A name that no other process uses.
fn own_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}

async fn offered(stream: &mut UnixStream) -> Result<Sockets, HandoverError> {
    let broken = |message: &str| HandoverError::Broken(io::Error::new(io::ErrorKind::InvalidData, message));
    let labels = match patiently(wire::hear(stream)).await? {
        Message::Offer { version: VERSION, sockets, .. } => sockets,
        Message::Offer { version, .. } => {
            return Err(broken(&format!("it hands over in version {version}, this one knows {VERSION}")));
        }
        Message::Refuse { reason } => return Err(HandoverError::Refused { reason }),
        Message::Ready | Message::Yours => return Err(broken("it said what makes no sense")),
    };
    patiently(wire::receive(stream, labels)).await
}

async fn patiently<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, HandoverError> {
    let waited = || io::Error::new(io::ErrorKind::TimedOut, format!("it said nothing for {PATIENCE:?}"));
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(waited())).map_err(HandoverError::Broken)
}

impl Taking {
    /// This process accepts on everything: the running one is told to leave, and its place is taken.
    ///
    /// # Errors
    ///
    /// The running process does not answer; it serves on.
    pub async fn finish(self) -> Result<Giver, HandoverError> {
        let Self { path, running, mut file, listener } = self;
        if let Some(mut stream) = running {
            let told = async {
                wire::say(&mut stream, &Message::Ready).await?;
                wire::hear(&mut stream).await
            };
            match patiently(told).await {
                Ok(Message::Yours) => {}
                Ok(Message::Refuse { reason }) => return Err(HandoverError::Refused { reason }),
                Ok(_) => return Err(HandoverError::Broken(io::ErrorKind::InvalidData.into())),
                // It was told to end, or died: its sockets are here.
                Err(HandoverError::Broken(error)) if error.kind() != io::ErrorKind::TimedOut => {
                    tracing::warn!(%error, "the running process ended during the hand-over");
                }
                Err(error) => return Err(error),
            }
        }
        // Nobody else serves by now, so this process must not end for it.
        if let Err(error) = file.rename(&path) {
            let found_at = file.path.display();
            tracing::error!(%error, "{} cannot be taken: the next process finds this one at {found_at}", path.display());
        }
        Ok(Giver::new(file, listener))
    }
}
