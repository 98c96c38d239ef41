//! Bytes are received into memory and sent from there.

use std::os::fd::OwnedFd;

use anyhow::Result;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::{Moved, Way};

/// What the receiver did not take.
pub struct Copy {
    left: Vec<u8>,
}

impl Way for Copy {
    /// A buffer that all connections use, so that it stays in the cache.
    type Shared = Vec<u8>;

    fn new() -> Result<Self> {
        Ok(Self { left: Vec::new() })
    }

    fn advance(&mut self, from: &OwnedFd, to: &OwnedFd, buffer: &mut Vec<u8>) -> Moved {
        if !self.left.is_empty() {
            return match send(to, &self.left, SendFlags::NOSIGNAL) {
                Ok(sent) if sent == self.left.len() => {
                    self.left = Vec::new();
                    Moved::Drained
                }
                Ok(sent) => {
                    self.left.drain(..sent);
                    Moved::Blocked
                }
                Err(Errno::AGAIN) => Moved::Blocked,
                Err(_) => Moved::Broken,
            };
        }
        let read = match recv(from, buffer.as_mut_slice(), RecvFlags::empty()) {
            Ok((_, 0)) => return Moved::Ended,
            Ok((_, read)) => read,
            Err(Errno::AGAIN) => return Moved::Drained,
            Err(_) => return Moved::Broken,
        };
        match send(to, &buffer[..read], SendFlags::NOSIGNAL) {
            Ok(sent) if sent == read => Moved::Drained,
            Ok(sent) => {
                self.left.extend(&buffer[sent..read]);
                Moved::Blocked
            }
            Err(Errno::AGAIN) => {
                self.left.extend(&buffer[..read]);
                Moved::Blocked
            }
            Err(_) => Moved::Broken,
        }
    }
}
