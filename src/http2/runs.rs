//! Field lines that come again and again: what a run of indices was decoded to is copied when the run comes once more and
//! the table has not changed, instead of being looked up, checked and put together line by line.

use super::head::{Head, Lines};

/// Runs that a connection remembers; each has its place by its ends and its length.
const PLACES: usize = 4;
/// Shortest and longest run that is remembered, lines.
const SHORTEST: usize = 2;
const LONGEST: usize = 24;

/// The runs of one connection.
#[derive(Default)]
pub struct Runs([Place; PLACES]);

#[derive(Default)]
struct Place {
    run: [u8; LONGEST],
    length: u8,
    /// Of the table, when it came last.
    changes: u64,
    /// What it means; none: it came once.
    lines: Option<Box<Lines>>,
}

impl Place {
    fn is(&self, run: &[u8], changes: u64) -> bool {
        self.changes == changes && self.run[..usize::from(self.length)] == *run
    }
}

#[cfg(test)]
impl Runs {
    /// Runs whose lines are kept.
    pub fn kept(&self) -> usize {
        self.0.iter().filter(|place| place.lines.is_some()).count()
    }
}

impl Runs {
    fn place(&mut self, run: &[u8]) -> Option<&mut Place> {
        let (first, last) = (run.first()?, run.last()?);
        let fits = (SHORTEST..=LONGEST).contains(&run.len());
        fits.then(|| &mut self.0[(usize::from(first ^ last) + run.len()) % PLACES])
    }

    /// Adds to a head what a run means, if that is known: `changes` of the table were made so far.
    pub fn recall(&mut self, run: &[u8], changes: u64, head: &mut Head) -> bool {
        let Some(place) = self.place(run).filter(|place| place.is(run, changes)) else { return false };
        place.lines.as_ref().is_some_and(|lines| head.add(lines))
    }

    /// Remembers a run that has just been decoded to `lines`; what these are is of interest only when it comes twice.
    pub fn learn(&mut self, run: &[u8], changes: u64, lines: impl FnOnce() -> Option<Lines>) {
        let Some(place) = self.place(run) else { return };
        if place.is(run, changes) {
            place.lines = lines().map(Box::new);
            return;
        }
        place.run[..run.len()].copy_from_slice(run);
        (place.length, place.changes, place.lines) = (run.len() as u8, changes, None);
    }
}
