//! What replicas say, line by line.

use bytes::{Buf as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Applied;
use crate::rollout::shared::{Draining, Evidence, Figures, Finding, Records};

/// The longest line that is read, bytes.
pub const LONGEST: usize = 1 << 20;
/// Entries of a list that go into one line: lists of thousands then never make a line that is too long, nor one that keeps
/// all behind it waiting.
pub const AT_ONCE: usize = 256;

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "camelCase")]
pub enum Frame {
    /// The first of a stream: who speaks.
    Hello {
        /// Its name.
        name: String,
    },
    /// Objects that are in force, and such as no longer are.
    Applied {
        /// In force.
        set: Vec<Applied>,
        /// No longer.
        gone: Vec<u64>,
    },
    /// What is known about guards.
    Records {
        /// By version.
        records: Records,
    },
    /// What was counted in the last second.
    Evidence {
        /// Of guarded versions.
        of: Vec<Evidence>,
    },
    /// What the replica that judges has found.
    Findings {
        /// Of guarded versions.
        of: Vec<Finding>,
    },
    /// What drains there now; nothing is said for as long as nothing does.
    Drains {
        /// The replica.
        from: String,
        /// By version.
        of: Vec<Draining>,
    },
    /// What was counted of versions, of those of which it is something else than what was said.
    Figures {
        /// The replica.
        from: String,
        /// By version.
        of: Vec<Figures>,
    },
    /// Nothing but that it lives.
    Beat {
        /// Whether it judges.
        judges: bool,
    },
    /// Something that a later version of the proxy says.
    #[serde(other)]
    Unknown,
}

/// A line that cannot be read.
#[derive(Debug, Error)]
pub enum FrameError {
    /// It has no end.
    #[error("a line is longer than {LONGEST} bytes")]
    TooLong,
    /// It says nothing that is known.
    #[error("a line cannot be understood: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Frame {
    /// The line; none if it would be too long to be read.
    pub fn encode(&self) -> Option<Bytes> {
        // Maps with text keys and numbers: nothing that JSON cannot say.
        let mut line = serde_json::to_vec(self).ok()?;
        line.push(b'\n');
        (line.len() <= LONGEST).then(|| line.into())
    }
}

/// Lines out of pieces.
#[derive(Default)]
pub struct Lines {
    buffer: BytesMut,
    /// Bytes of it that were looked through already.
    seen: usize,
}

impl Lines {
    /// Takes a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole line.
    ///
    /// # Errors
    ///
    /// See [`FrameError`]; the stream is of no use then.
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let end = self.buffer[self.seen..].iter().position(|byte| *byte == b'\n').map(|at| self.seen + at);
        if end.unwrap_or(self.buffer.len()) > LONGEST {
            return Err(FrameError::TooLong);
        }
        let Some(end) = end else {
            self.seen = self.buffer.len();
            return Ok(None);
        };
        let line = self.buffer.split_to(end);
        self.buffer.advance(1);
        self.seen = 0;
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

#[cfg(test)]
mod tests;
