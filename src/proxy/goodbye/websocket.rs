//! WebSocket: a Close frame between two messages, or between two frames where that takes too long (RFC 6455 sections 5.4 and 7).
//! Control frames may stand between the fragments of a message and are never compressed, so that the end of any frame is a place
//! for one; but nothing follows a Close frame, and some clients take a message that was begun for a broken one.

use super::prefixed::{Form, Prefixed};

/// Where the frames of one direction stand.
pub type Frames = Prefixed<Frame>;

/// Opcode of a Close frame.
const CLOSE: u8 = 0x8;

/// A frame (section 5.2).
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame {
    closed: bool,
    /// More fragments of a message are to come.
    fragments: bool,
    /// They are not waited for.
    hurried: bool,
}

impl Form for Frame {
    fn head_length(head: &[u8]) -> usize {
        let Some(second) = head.get(1) else { return 2 };
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        mask + match second & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn payload(head: &[u8]) -> u64 {
        let long = |bytes: &[u8]| bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        match head[1] & 0x7f {
            126 => long(&head[2..4]),
            127 => long(&head[2..10]),
            short => u64::from(short),
        }
    }

    fn headed(&mut self, head: &[u8]) {
        let (last, opcode) = (head[0] & 0x80 != 0, head[0] & 0x0f);
        self.closed |= opcode == CLOSE;
        if opcode < CLOSE {
            self.fragments = !last;
        }
    }

    fn is_midway(&self) -> bool {
        self.fragments && !self.hurried && !self.closed
    }
}

impl Frames {
    /// Whether a Close frame has gone; nothing follows it (section 5.5.1).
    pub fn is_closed(&self) -> bool {
        self.form.closed && self.is_between()
    }

    /// A message need not go whole.
    pub fn hurry(&mut self) {
        self.form.hurried = true;
    }
}

/// A Close frame of a server, which does not mask (section 5.1).
pub fn close(code: u16) -> [u8; 4] {
    let [high, low] = code.to_be_bytes();
    [0x80 | CLOSE, 2, high, low]
}

#[cfg(test)]
mod tests;
