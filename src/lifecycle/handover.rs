//! Hand-over: a new process takes the listening sockets of a running one, and serves in its place (`upgrade.socket`).
//!
//! Both hold the same sockets for a while, with one queue of connections each, so no connection is refused or reset: the
//! new process accepts on all before the running one stops, and whoever accepts a connection serves it. A new process that
//! fails before it is ready changes nothing: the running one has gone on accepting.
//!
//! Over the socket file: `Offer` with every listening socket (SCM_RIGHTS), `Ready` from the new process once it accepts,
//! `Yours` as the running one begins to leave. By then the new process has the file.

mod give;
mod take;
mod wire;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};

use crate::admin::{Access, Admin};
use crate::model::SocketKey;

pub use give::Place;
pub use take::take;

/// New processes that wait for their turn.
const BACKLOG: i32 = 8;
/// Read and write for the owner, nothing for others.
const MODE: u32 = 0o600;

/// Why no hand-over came about.
#[derive(Debug, Error)]
pub enum HandoverError {
    /// Something else has the name.
    #[error("upgrade.socket: {} is there and is no socket: give another path", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The file cannot be made, or cannot be connected to.
    #[error("upgrade.socket: {}: {error}; its folder must exist and belong to the user that Weir runs as", path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// Another user's process.
    #[error(
        "upgrade.socket: the process at {} runs as user {theirs}, this one as {ours}: start it as the same user",
        path.display()
    )]
    Foreign {
        /// The path.
        path: PathBuf,
        /// Their user id.
        theirs: u32,
        /// Our user id.
        ours: u32,
    },
    /// The running process said no.
    #[error("the running process does not hand over: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The running process ended, or said what makes no sense.
    #[error("the hand-over broke off: {0}; the running process, if there still is one, serves on")]
    Broken(#[source] io::Error),
}

/// What a listening socket is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Traffic.
    Traffic(SocketKey),
    /// The admin listener, by the address that was asked for.
    Admin(SocketAddr),
    /// The ops listener, likewise.
    Ops(SocketAddr),
}

/// Listening sockets with what they are for.
pub type Sockets = Vec<(Purpose, TcpListener)>;

/// What the socket of an admin or ops listener is for.
pub fn purpose(admin: &Admin) -> Purpose {
    match admin.access() {
        Access::Admin => Purpose::Admin(admin.asked()),
        Access::Ops => Purpose::Ops(admin.asked()),
    }
}

/// Sockets that came from another process; those that nobody takes are closed, and the other process takes what waits there.
pub struct Inherited {
    /// For the workers.
    pub traffic: Vec<(SocketKey, TcpListener)>,
    /// For the admin and ops listeners.
    others: Sockets,
}

impl From<Sockets> for Inherited {
    fn from(sockets: Sockets) -> Self {
        let mut inherited = Self { traffic: Vec::new(), others: Vec::new() };
        for (purpose, socket) in sockets {
            match purpose {
                Purpose::Traffic(key) => inherited.traffic.push((key, socket)),
                Purpose::Admin(_) | Purpose::Ops(_) => inherited.others.push((purpose, socket)),
            }
        }
        inherited
    }
}

impl Inherited {
    /// The socket of a listener, if there is one at its address.
    pub fn take(&mut self, asked: SocketAddr, access: Access) -> Option<TcpListener> {
        let wanted = match access {
            Access::Admin => Purpose::Admin(asked),
            Access::Ops => Purpose::Ops(asked),
        };
        let index = self.others.iter().position(|(purpose, _)| *purpose == wanted)?;
        Some(self.others.swap_remove(index).1)
    }
}

/// The file by which a new process finds the running one; removed when dropped, if it is still this one.
struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    /// Listens at `path`, for processes of the same user alone.
    fn listen(path: &Path) -> io::Result<(Self, UnixListener)> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let file = Self { path: path.to_owned(), identity: identity(path)? };
        // Nobody can connect before it listens.
        fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
        socket.set_nonblocking(true)?;
        socket.listen(BACKLOG)?;
        Ok((file, UnixListener::from_std(socket.into())?))
    }

    /// Takes the place of whatever is at `path`.
    fn rename(&mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.path = path.to_owned();
        Ok(())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // It may have gone meanwhile, which is as well.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Who is at the other end, if that is the same user.
fn peer(stream: &UnixStream, path: &Path) -> Result<u32, HandoverError> {
    let credentials = stream.peer_cred().map_err(HandoverError::Broken)?;
    let (theirs, ours) = (credentials.uid(), rustix::process::geteuid().as_raw());
    if theirs != ours {
        return Err(HandoverError::Foreign { path: path.to_owned(), theirs, ours });
    }
    Ok(credentials.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0))
}

/// Whether something that is no socket has the name.
fn is_foreign(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.file_type().is_socket())
}

#[cfg(test)]
mod tests;
