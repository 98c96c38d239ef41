//! WebSocket: a Close frame between two frames (RFC 6455 sections 5.4 and 7). Control frames may stand between the fragments
//! of a message and are never compressed, so that the end of any frame is a place for one.

/// Where the bytes of one direction stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frames {
    head: [u8; 14],
    /// Bytes of the head that have gone.
    have: u8,
    /// Bytes of the payload that are to come.
    left: u64,
    closed: bool,
}

/// Opcode of a Close frame.
const CLOSE: u8 = 0x8;

impl Frames {
    /// Whether a Close frame has gone; nothing follows it (section 5.5.1).
    pub fn is_closed(&self) -> bool {
        self.closed && self.is_between()
    }

    /// Whether the last frame has gone whole.
    pub fn is_between(&self) -> bool {
        self.have == 0
    }

    /// How many bytes of `data` go until the last frame has gone whole; none: more than there are.
    pub fn to_boundary(mut self, data: &[u8]) -> Option<usize> {
        let mut gone = 0;
        while !self.is_between() {
            match self.step(&data[gone..]) {
                0 => return None,
                count => gone += count,
            }
        }
        Some(gone)
    }

    /// `data` has gone.
    pub fn advance(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let count = self.step(data);
            data = &data[count..];
        }
    }

    /// Takes some of `data`: at most the rest of a head, or of a payload.
    fn step(&mut self, data: &[u8]) -> usize {
        if data.is_empty() {
            return 0;
        }
        if self.left > 0 {
            let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
            self.left -= count as u64;
            if self.left == 0 {
                self.have = 0;
            }
            return count;
        }
        self.head[usize::from(self.have)] = data[0];
        self.have += 1;
        if self.have == 1 {
            self.closed |= data[0] & 0x0f == CLOSE;
        }
        if usize::from(self.have) == self.head_length() {
            self.left = self.payload();
            if self.left == 0 {
                self.have = 0;
            }
        }
        1
    }

    fn head_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        mask + match self.head[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn payload(&self) -> u64 {
        match self.head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([self.head[2], self.head[3]])),
            127 => self.head[2..10].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
            short => u64::from(short),
        }
    }
}

/// A Close frame of a server, which does not mask (section 5.1).
pub fn close(code: u16) -> [u8; 4] {
    let [high, low] = code.to_be_bytes();
    [0x80 | CLOSE, 2, high, low]
}

#[cfg(test)]
mod tests;
