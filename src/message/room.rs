//! Room for sections of fields that is used again, as buffers are: the bytes and the lines of one go together.

use std::cell::RefCell;

use super::buffer::halve;
use super::fields::Line;

/// Room for the bytes of a section, and for its lines; what has grown is kept up to twice that. Not a power of two: the first
/// bytes of many would have the same few places in a processor's cache.
const BYTES: usize = 5 * 1024;
const LINES: usize = 32;
/// Rooms that a thread keeps.
const KEPT: usize = 1024;

thread_local! {
    static POOL: RefCell<Vec<Room>> = const { RefCell::new(Vec::new()) };
}

/// What a section is made of, and later another one.
pub(super) struct Room {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: Vec<Line>,
}

impl Room {
    /// Room with nothing in it.
    pub(super) fn take() -> Self {
        let kept = POOL.with_borrow_mut(Vec::pop);
        kept.unwrap_or_else(|| Self { bytes: Vec::with_capacity(BYTES), lines: Vec::with_capacity(LINES) })
    }

    /// Keeps it for the next section; one that is not of the usual size is not kept.
    pub(super) fn give_back(mut self) {
        if self.bytes.capacity() < BYTES || self.bytes.capacity() >= 2 * BYTES || self.lines.capacity() < LINES {
            return;
        }
        self.bytes.clear();
        self.lines.clear();
        // The thread may be ending.
        let _ = POOL.try_with(|pool| {
            let mut kept = pool.borrow_mut();
            if kept.len() < KEPT {
                kept.push(self);
            }
        });
    }
}

/// Lets half of what the thread keeps go, that which was used longest ago.
pub(super) fn trim() {
    POOL.with_borrow_mut(halve);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_given_back_is_the_next_one_taken_with_nothing_in_it() {
        let mut first = Room::take();
        first.bytes.extend_from_slice(b"secret");
        let place = first.bytes.as_ptr();
        first.give_back();
        let second = Room::take();
        assert_eq!((second.bytes.as_ptr(), second.bytes.len(), second.lines.len()), (place, 0, 0));
    }

    #[test]
    fn one_that_has_grown_is_not_kept() {
        let mut room = Room::take();
        room.bytes.extend_from_slice(&[0; 10_000]);
        room.give_back();
        assert!(POOL.with_borrow(Vec::is_empty));
    }
}
