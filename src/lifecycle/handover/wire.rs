//! What the two processes of a hand-over say: frames of JSON with their length before them, and sockets as SCM_RIGHTS.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;

use super::{Purpose, Sockets};
use crate::model::SocketKey;

/// Version of what is said here.
pub const VERSION: u32 = 1;
/// Sockets in one message; the kernel takes 253 (`SCM_MAX_FD`).
const BATCH: usize = 64;
/// Longest frame, bytes.
const LONGEST: u32 = 1 << 20;

/// What is said.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "say")]
pub enum Message {
    /// The running process: these sockets follow, in this order.
    Offer {
        /// [`VERSION`].
        version: u32,
        /// Its process id.
        pid: u32,
        /// What the sockets are for.
        sockets: Vec<Label>,
    },
    /// The running process: no.
    Refuse {
        /// Why.
        reason: String,
    },
    /// The new process: it accepts on everything.
    Ready,
    /// The running process: it stops accepting now.
    Yours,
}

/// What a socket is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    role: Role,
    /// As the configuration has it.
    address: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Role {
    Traffic,
    Admin,
    Ops,
}

impl From<&Purpose> for Label {
    fn from(purpose: &Purpose) -> Self {
        match purpose {
            Purpose::Traffic(key) => {
                Self { role: Role::Traffic, address: key.address(), name: key.name().map(str::to_owned) }
            }
            Purpose::Admin(address) => Self { role: Role::Admin, address: *address, name: None },
            Purpose::Ops(address) => Self { role: Role::Ops, address: *address, name: None },
        }
    }
}

impl From<Label> for Purpose {
    fn from(Label { role, address, name }: Label) -> Self {
        match role {
            Role::Traffic => Self::Traffic(SocketKey::new(address, name.map(Into::into))),
            Role::Admin => Self::Admin(address),
            Role::Ops => Self::Ops(address),
        }
    }
}

/// Says something.
pub async fn say(stream: &mut UnixStream, message: &Message) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).ok().filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| io::Error::other("too many listeners for one hand-over"))?;
    stream.write_all(&[&length.to_be_bytes()[..], &text].concat()).await
}

/// Hears what is said next.
pub async fn hear(stream: &mut UnixStream) -> io::Result<Message> {
    let length = stream.read_u32().await?;
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the other process speaks another language"));
    }
    // Read to the byte: what follows comes with sockets, which a longer read would lose.
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text).await?;
    serde_json::from_slice(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Sends sockets; the receiver knows how many.
pub async fn send(stream: &UnixStream, sockets: &Sockets) -> io::Result<()> {
    let sockets: Vec<BorrowedFd<'_>> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    for batch in sockets.chunks(BATCH) {
        let sent = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(batch)) {
                return Err(io::Error::other("too many sockets for one message"));
            }
            // Sockets travel with bytes only.
            rustix::net::sendmsg(stream, &[IoSlice::new(b".")], &mut control, SendFlags::NOSIGNAL)?;
            Ok(())
        };
        stream.async_io(Interest::WRITABLE, sent).await?;
    }
    Ok(())
}

/// Receives as many sockets as there are labels.
pub async fn receive(stream: &UnixStream, labels: Vec<Label>) -> io::Result<Sockets> {
    let mut received: Vec<OwnedFd> = Vec::with_capacity(labels.len());
    while received.len() < labels.len() {
        stream.async_io(Interest::READABLE, || receive_batch(stream, &mut received)).await?;
    }
    labels.into_iter().zip(received).map(|(label, socket)| Ok((label.into(), listening(socket)?))).collect()
}

fn receive_batch(stream: &UnixStream, received: &mut Vec<OwnedFd>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let message =
        rustix::net::recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let before = received.len();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(sockets) = message {
            received.extend(sockets);
        }
    }
    match message.bytes {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        // The kernel leaves out what is beyond the limit of open files.
        _ if received.len() == before => Err(io::Error::other("sockets got lost: raise the limit of open files")),
        _ => Ok(()),
    }
}

/// Takes a descriptor for a listening socket if it is one.
fn listening(socket: OwnedFd) -> io::Result<TcpListener> {
    let socket = socket2::Socket::from(socket);
    if !socket.is_listener()? {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no listening socket"));
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
