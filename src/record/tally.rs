//! What the requests of a version came to, of all time or of a while.

use super::histogram::Distribution;
use super::outcome::{Classification, Ending, Timed};

/// Requests by how they ended, and how long they took; streams have no duration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Requests by how they ended.
    pub endings: Vec<(Ending, u64)>,
    /// Durations by classification and status.
    pub durations: Vec<(Timed, Distribution)>,
}

impl Tally {
    /// Requests of a classification.
    pub fn of(&self, classification: Classification) -> u64 {
        self.endings.iter().filter(|(ending, _)| ending.classification == classification).map(|(_, n)| n).sum()
    }

    /// Requests that were not left by their client.
    pub fn judged(&self) -> u64 {
        self.of(Classification::Success) + self.of(Classification::Failure)
    }

    /// Durations of those.
    pub fn judged_durations(&self) -> Distribution {
        let mut sum = Distribution::default();
        let judged = self.durations.iter().filter(|(timed, _)| timed.classification != Classification::ClientGone);
        judged.for_each(|(_, durations)| sum.add(durations));
        sum
    }

    /// Adds requests.
    pub fn add_ending(&mut self, ending: Ending, count: u64) {
        match self.endings.iter_mut().find(|(known, _)| *known == ending) {
            Some((_, sum)) => *sum += count,
            None => self.endings.push((ending, count)),
        }
    }

    /// The durations of a kind, to be added to.
    pub fn durations_mut(&mut self, timed: Timed) -> &mut Distribution {
        let place = self.durations.iter().position(|(known, _)| *known == timed).unwrap_or_else(|| {
            self.durations.push((timed, Distribution::default()));
            self.durations.len() - 1
        });
        &mut self.durations[place].1
    }
}
