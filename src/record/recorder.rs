//! Where all cells are: workers take theirs once, readers add them up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dashmap::DashMap;

use super::cell::{Cell, Glance, Totals};
use super::outcome::Reason;
use super::tally::Tally;
use crate::endpoint::{Incidents, VersionId};

/// The cells of every version on every worker.
#[derive(Default)]
pub struct Recorder {
    cells: DashMap<VersionId, Vec<Arc<Cell>>>,
    /// What was found out about endpoints.
    pub incidents: Incidents,
    /// Requests that wait for an endpoint, over all versions.
    holding: AtomicUsize,
}

impl Recorder {
    /// A cell of its own for a worker to write into.
    fn cell(&self, version: VersionId) -> Arc<Cell> {
        let cell = Arc::new(Cell::default());
        self.cells.entry(version).or_default().push(Arc::clone(&cell));
        cell
    }

    /// What a version's cells add up to.
    pub fn totals(&self, version: VersionId) -> Totals {
        let mut totals = Totals::default();
        if let Some(cells) = self.cells.get(&version) {
            cells.iter().for_each(|cell| cell.add_to(&mut totals));
        }
        totals
    }

    /// The same at a glance.
    pub fn glance(&self, version: VersionId) -> Glance {
        let mut glance = Glance::default();
        if let Some(cells) = self.cells.get(&version) {
            cells.iter().for_each(|cell| cell.add_to_glance(&mut glance));
        }
        glance
    }

    /// Takes a place among the requests that wait for an endpoint, if fewer than `most` do.
    pub fn hold(&self, most: usize) -> bool {
        self.holding.fetch_update(Relaxed, Relaxed, |count| (count < most).then_some(count + 1)).is_ok()
    }

    /// Gives such a place back.
    pub fn let_go(&self) {
        self.holding.fetch_sub(1, Relaxed);
    }

    /// Requests that wait for an endpoint.
    pub fn holding(&self) -> usize {
        self.holding.load(Relaxed)
    }

    /// Those that wait for an endpoint of this version.
    pub fn holding_for(&self, version: VersionId) -> usize {
        let holding = self.cells.get(&version).map_or(0, |cells| cells.iter().map(|cell| cell.holding()).sum());
        usize::try_from(holding).unwrap_or(0)
    }

    /// The versions that requests left for another, with how many did, by cause, since the start.
    pub fn rescues(&self) -> Vec<(VersionId, Vec<(Reason, u64)>)> {
        let rescues = |cells: &Vec<Arc<Cell>>| {
            let mut sums = Vec::new();
            cells.iter().for_each(|cell| cell.add_rescues(&mut sums));
            sums
        };
        let all = self.cells.iter().map(|cells| (*cells.key(), rescues(cells.value())));
        all.filter(|(_, sums)| !sums.is_empty()).collect()
    }

    /// The versions that had a request.
    pub fn versions(&self) -> Vec<VersionId> {
        self.cells.iter().map(|cells| *cells.key()).collect()
    }

    /// What a version's requests came to.
    pub fn tally(&self, version: VersionId) -> Tally {
        self.tally_unless(version, &Tally::default()).unwrap_or_default()
    }

    /// What a version's requests came to; nothing if they still come to as many as in `known`.
    pub fn tally_unless(&self, version: VersionId, known: &Tally) -> Option<Tally> {
        let cells = self.cells.get(&version)?;
        let mut tally = Tally::default();
        cells.iter().for_each(|cell| cell.add_endings(&mut tally));
        if tally.endings == known.endings {
            return None;
        }
        cells.iter().for_each(|cell| cell.add_durations(&mut tally));
        Some(tally)
    }

    /// Forgets what a version has counted.
    pub fn forget(&self, version: VersionId) {
        self.cells.remove(&version);
    }
}

/// A worker's way to its cells.
pub struct Shard {
    recorder: Arc<Recorder>,
    cells: Vec<Option<Arc<Cell>>>,
}

impl Shard {
    /// A shard without cells; each is made when a version has its first request.
    pub fn new(recorder: Arc<Recorder>) -> Self {
        Self { recorder, cells: Vec::new() }
    }

    /// Where its cells are.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The worker's cell of a version that has had a request.
    pub fn known(&self, version: VersionId) -> Option<&Arc<Cell>> {
        self.cells.get(version.index())?.as_ref()
    }

    /// The worker's cell of a version.
    pub fn cell(&mut self, version: VersionId) -> &Arc<Cell> {
        let index = version.index();
        if self.cells.len() <= index {
            self.cells.resize(index + 1, None);
        }
        let recorder = &self.recorder;
        self.cells[index].get_or_insert_with(|| recorder.cell(version))
    }
}
