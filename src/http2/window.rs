//! Flow control (RFC 9113 section 5.2): how much may be sent, and how much may come.

use super::frame;

/// Largest window, bytes (section 6.9.1).
const LARGEST: i64 = (1 << 31) - 1;
/// What a connection's window is before anything is said (section 6.9.2), bytes.
pub const AT_FIRST: u32 = 65_535;

/// How much may be sent. Below zero where the other side has made it smaller than what was under way.
#[derive(Clone, Copy, Debug)]
pub struct SendWindow(i64);

impl SendWindow {
    /// A window of so many bytes.
    pub fn new(size: u32) -> Self {
        Self(i64::from(size))
    }

    /// Bytes that may be sent.
    pub fn room(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// So many bytes are sent.
    pub fn take(&mut self, count: usize) {
        self.0 -= count as i64;
    }

    /// It changes by so many bytes; false where it would be larger than a window may be.
    pub fn change(&mut self, by: i64) -> bool {
        self.0 += by;
        self.0 <= LARGEST
    }
}

/// How much may come, and how much of that was used and not given back.
#[derive(Clone, Copy, Debug)]
pub struct ReceiveWindow {
    left: u32,
    used: u32,
    size: u32,
}

impl ReceiveWindow {
    /// A window of so many bytes.
    pub fn new(size: u32) -> Self {
        Self { left: size, used: 0, size }
    }

    /// So many bytes have come; false where there was no room for them.
    pub fn take(&mut self, count: usize) -> bool {
        match self.left.checked_sub(count as u32) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// So many bytes were used. Tells the other side once it is half of the window.
    pub fn release(&mut self, count: usize, stream: u32, out: &mut Vec<u8>) {
        self.used += count as u32;
        if self.used >= self.size / 2 {
            frame::window_update(out, stream, self.used);
            self.left += self.used;
            self.used = 0;
        }
    }
}
