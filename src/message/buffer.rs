//! Buffers that are used again: each thread keeps the last ones that were given back, so that a message finds one that is
//! still in the processor's cache, and an idle connection holds none.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Capacity for what clients send, bytes.
pub const SMALL: usize = 32 * 1024;
/// Capacity for long bodies, bytes.
pub const LARGE: usize = 128 * 1024;
/// Capacity for the fields of a message, bytes. Not a power of two: the first bytes of many would have the same few places in a
/// processor's cache.
const HEAD: usize = 5 * 1024;
/// Buffers that a thread keeps of each capacity.
const KEPT: [(usize, usize); 3] = [(HEAD, 1024), (SMALL, 64), (LARGE, 16)];

thread_local! {
    static POOL: RefCell<[Vec<Vec<u8>>; 3]> = const { RefCell::new([const { Vec::new() }; 3]) };
}

/// Bytes in a buffer that goes back to its thread's pool.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    class: u8,
}

impl Buffer {
    /// No buffer: nothing is allocated.
    pub const fn none() -> Self {
        Self { bytes: Vec::new(), class: 0 }
    }

    /// An empty buffer for fields.
    pub fn head() -> Self {
        Self::take(0)
    }

    /// An empty buffer of [`SMALL`] or [`LARGE`] bytes.
    pub fn of(capacity: usize) -> Self {
        Self::take(if capacity > SMALL { 2 } else { 1 })
    }

    /// An empty buffer of the smallest kind that `length` bytes fit in, if there is one.
    pub fn fitting(length: usize) -> Self {
        Self::take(KEPT.iter().position(|(capacity, _)| length <= *capacity).unwrap_or(KEPT.len() - 1) as u8)
    }

    fn take(class: u8) -> Self {
        let index = usize::from(class);
        let kept = POOL.with_borrow_mut(|pool| pool[index].pop());
        Self { bytes: kept.unwrap_or_else(|| Vec::with_capacity(KEPT[index].0)), class }
    }

    /// Adds bytes; where there is no room for them, in a larger buffer.
    pub fn append(&mut self, bytes: &[u8]) {
        let length = self.bytes.len() + bytes.len();
        if length > self.bytes.capacity() {
            let mut larger = Self::fitting(length.max(2 * self.bytes.capacity()));
            larger.bytes.extend_from_slice(&self.bytes);
            *self = larger;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether there is no buffer.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.bytes.capacity() == 0
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if !self.is_none() {
            give_back(std::mem::take(&mut self.bytes), self.class);
        }
    }
}

/// Lets half of what the thread keeps go, that which was used longest ago.
pub fn trim() {
    POOL.with_borrow_mut(|pool| pool.iter_mut().for_each(halve));
}

/// Keeps the latter half of what a thread keeps, which was used last.
pub fn halve<T>(kept: &mut Vec<T>) {
    kept.drain(..kept.len().div_ceil(2));
    kept.shrink_to_fit();
}

fn give_back(mut bytes: Vec<u8>, class: u8) {
    let (capacity, most) = KEPT[usize::from(class)];
    // One that has grown out of its kind is not kept.
    if bytes.capacity() < capacity || bytes.capacity() >= 2 * capacity {
        return;
    }
    bytes.clear();
    // The thread may be ending.
    let _ = POOL.try_with(|pool| {
        let kept = &mut pool.borrow_mut()[usize::from(class)];
        if kept.len() < most {
            kept.push(bytes);
        }
    });
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_given_back_is_the_next_one_taken() {
        let mut first = Buffer::of(SMALL);
        first.extend_from_slice(b"secret");
        let place = first.as_ptr();
        drop(first);
        let second = Buffer::of(SMALL);
        assert_eq!((second.as_ptr(), second.len()), (place, 0));
    }

    #[test]
    fn a_thread_keeps_a_bounded_number() {
        let taken: Vec<Buffer> = (0..100).map(|_| Buffer::of(LARGE)).collect();
        drop(taken);
        assert_eq!(POOL.with_borrow(|pool| pool[2].len()), 16);
    }

    #[test]
    fn one_that_has_grown_is_not_kept() {
        let mut buffer = Buffer::head();
        buffer.extend_from_slice(&[0; 10_000]);
        let kept = POOL.with_borrow(|pool| pool[0].len());
        drop(buffer);
        assert_eq!(POOL.with_borrow(|pool| pool[0].len()), kept);
    }
}
