//! Tables of a small set of keys that is not known beforehand: slots that are filled once and never move, so that the one
//! writer needs no lock and readers see whole slots.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::histogram::{Histogram, bump};

/// Counters by key.
#[derive(Default)]
pub struct Counts {
    slots: [Count; 8],
    more: OnceLock<Box<Counts>>,
}

#[derive(Default)]
struct Count {
    /// 0: free.
    key: AtomicU32,
    count: AtomicU64,
}

impl Counts {
    /// Counts one more of a key, which is never 0.
    pub fn add(&self, key: u32) {
        for slot in &self.slots {
            let known = slot.key.load(Relaxed);
            if known == key {
                return bump(&slot.count, 1);
            }
            if known == 0 {
                bump(&slot.count, 1);
                return slot.key.store(key, Release);
            }
        }
        self.more.get_or_init(Box::default).add(key);
    }

    /// Shows every key with its count.
    pub fn each(&self, mut see: impl FnMut(u32, u64)) {
        let mut counts = Some(self);
        while let Some(Counts { slots, more }) = counts {
            for slot in slots {
                let key = slot.key.load(Acquire);
                if key != 0 {
                    see(key, slot.count.load(Relaxed));
                }
            }
            counts = more.get().map(|more| &**more);
        }
    }
}

/// Histograms by key.
#[derive(Default)]
pub struct Timings {
    slots: [OnceLock<(u32, Box<Histogram>)>; 3],
    more: OnceLock<Box<Timings>>,
}

impl Timings {
    /// The histogram of a key.
    pub fn of(&self, key: u32) -> &Histogram {
        for slot in &self.slots {
            let (known, histogram) = slot.get_or_init(|| (key, Box::default()));
            if *known == key {
                return histogram;
            }
        }
        self.more.get_or_init(Box::default).of(key)
    }

    /// Shows every key with its histogram.
    pub fn each(&self, mut see: impl FnMut(u32, &Histogram)) {
        let mut timings = Some(self);
        while let Some(Timings { slots, more }) = timings {
            slots.iter().filter_map(OnceLock::get).for_each(|(key, histogram)| see(*key, histogram));
            timings = more.get().map(|more| &**more);
        }
    }
}
