//! SETTINGS (RFC 9113 section 6.5): what this side says, and what the other one has said.

use super::connection::{Failure, Role};
use super::hpack::TABLE;
use super::{Reason, frame, window};

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;
/// RFC 8441 section 3.
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// What this side allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Streams that the other side may have open.
    pub streams: u32,
    /// Longest head, bytes as section 6.5.2 counts them.
    pub head: usize,
    /// What may come on a stream before it is used, bytes.
    pub stream_window: u32,
    /// The same for all streams together.
    pub connection_window: u32,
}

impl Limits {
    /// Says so.
    pub fn write(&self, role: Role, out: &mut Vec<u8>) {
        let (window, head) = ((INITIAL_WINDOW_SIZE, self.stream_window), (MAX_HEADER_LIST_SIZE, self.head as u32));
        match role {
            Role::Server => {
                let streams = (MAX_CONCURRENT_STREAMS, self.streams);
                frame::settings(out, &[streams, window, head, (ENABLE_CONNECT_PROTOCOL, 1)]);
            }
            Role::Client => frame::settings(out, &[(ENABLE_PUSH, 0), window, head]),
        }
        frame::window_update(out, 0, self.connection_window - window::AT_FIRST);
    }
}

/// What the other side has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// It has said so.
    pub told: bool,
    /// Streams that it lets us open; none: as many as we like.
    pub streams: Option<u32>,
    /// Whether it takes extended CONNECT (RFC 8441 section 3).
    pub extended_connect: bool,
    pub(super) stream_window: u32,
    pub(super) table: u32,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            told: false,
            streams: None,
            extended_connect: false,
            stream_window: window::AT_FIRST,
            table: TABLE as u32,
        }
    }
}

impl Peer {
    /// Takes in what it says.
    ///
    /// # Errors
    ///
    /// It says what nobody may.
    pub fn hear(&mut self, payload: &[u8], role: Role) -> Result<(), Failure> {
        let (pairs, []) = payload.as_chunks::<6>() else {
            return Err(Failure::new(Reason::FRAME_SIZE_ERROR, "SETTINGS of a size that is no multiple of 6"));
        };
        let wrong = |message| Err(Failure::new(Reason::PROTOCOL_ERROR, message));
        for &[a, b, c, d, e, f] in pairs {
            let value = u32::from_be_bytes([c, d, e, f]);
            match u16::from_be_bytes([a, b]) {
                HEADER_TABLE_SIZE => self.table = value,
                // A server may not offer to be pushed to.
                ENABLE_PUSH if value > 1 || (value == 1 && role == Role::Client) => {
                    return wrong("SETTINGS_ENABLE_PUSH that is neither 0 nor 1");
                }
                MAX_CONCURRENT_STREAMS => self.streams = Some(value),
                INITIAL_WINDOW_SIZE if value >= 1 << 31 => {
                    return Err(Failure::new(Reason::FLOW_CONTROL_ERROR, "an initial window that is too large"));
                }
                INITIAL_WINDOW_SIZE => self.stream_window = value,
                MAX_FRAME_SIZE if !(16_384..1 << 24).contains(&value) => {
                    return wrong("SETTINGS_MAX_FRAME_SIZE out of its range");
                }
                ENABLE_CONNECT_PROTOCOL if value > 1 => {
                    return wrong("SETTINGS_ENABLE_CONNECT_PROTOCOL that is neither 0 nor 1");
                }
                ENABLE_CONNECT_PROTOCOL => self.extended_connect = value == 1,
                // Others are ignored (section 6.5.2); that of head lists is advice.
                _ => {}
            }
        }
        self.told = true;
        Ok(())
    }
}
