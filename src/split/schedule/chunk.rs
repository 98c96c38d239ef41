//! Three versions or more.

/// Slots that are planned at once when there are three versions or more: the bound on the work of one
/// selection and on the memory of a schedule.
const CHUNK: usize = 1024;
/// How often the planned slots are shuffled. After one pass the place that the planner gave a selection
/// still shows; after two it does not.
const PASSES: usize = 2;
/// How many targets a selection tries in one pass. A target may be refused because of another version's
/// window; a single try would leave too many selections where the planner put them.
const TRIES: usize = 6;

/// A stretch of slots, planned by earliest deadline and then shuffled.
#[derive(Debug, Default)]
pub struct Chunk {
    versions: Vec<Version>,
    total: u64,
    pub(super) slots: Vec<Slot>,
    /// The place of `slots` within the block, in slots.
    start: u64,
    /// How many of `slots` are used up.
    used: usize,
}

/// A version of positive weight.
#[derive(Debug)]
struct Version {
    index: usize,
    weight: u64,
    /// Selections that are planned in this block.
    planned: u64,
    /// First and last slot of the window of the next selection.
    release: u64,
    deadline: u64,
}

impl Version {
    /// Counts `planned` selections as made.
    fn advance(&mut self, planned: u64, total: u64) {
        self.planned = planned;
        self.release = planned * total / self.weight;
        self.deadline = ((planned + 1) * total - 1) / self.weight;
    }
}

/// One planned slot: which of `Chunk::versions` it is for, and which selection of that version it is,
/// counted from the beginning of the block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    version: usize,
    job: u64,
}

impl Chunk {
    /// Begins anew, with these versions and their weights.
    pub fn restart(&mut self, versions: impl Iterator<Item = (usize, u64)>) {
        self.versions.clear();
        self.versions.extend(versions.map(|(index, weight)| Version {
            index,
            weight,
            planned: 0,
            release: 0,
            deadline: 0,
        }));
        self.total = self.versions.iter().map(|version| version.weight).sum();
        self.slots.clear();
        self.used = 0;
        // As if a block had just ended: the first refill begins a new one.
        self.start = self.total;
    }

    /// The version of the next slot.
    pub fn next(&mut self, rng: &mut fastrand::Rng) -> Option<usize> {
        if self.used >= self.slots.len() {
            self.refill(rng);
        }
        let slot = self.slots.get(self.used)?;
        self.used += 1;
        self.versions.get(slot.version).map(|version| version.index)
    }

    /// Plans the next stretch of the block; a block that fits is planned as a whole.
    fn refill(&mut self, rng: &mut fastrand::Rng) {
        self.start += self.slots.len() as u64;
        if self.start >= self.total {
            self.start = 0;
            let total = self.total;
            self.versions.iter_mut().for_each(|version| version.advance(0, total));
        }
        // No selection moves over the end of a chunk. In a long block that end is drawn, so that it is
        // not the same slots of every block which suffer from it.
        let most = if self.total <= CHUNK as u64 { CHUNK } else { rng.usize(CHUNK / 2..=CHUNK) };
        let end = self.total.min(self.start + most as u64);
        self.used = 0;
        self.slots.clear();
        // For all of them: the next ones may be longer.
        self.slots.reserve(self.total.min(CHUNK as u64) as usize);
        for slot in self.start..end {
            let Some(planned) = self.earliest(slot, rng) else {
                return;
            };
            self.slots.push(planned);
        }
        self.shuffle(rng);
    }

    /// Gives `slot` to the version whose open window closes first, with ties drawn. The jobs take one
    /// slot each and their windows admit a solution, so this order meets every deadline.
    fn earliest(&mut self, slot: u64, rng: &mut fastrand::Rng) -> Option<Slot> {
        let mut best = None;
        let mut ties = 0;
        for (at, version) in self.versions.iter().enumerate().filter(|(_, version)| version.release <= slot) {
            match best {
                Some((_, deadline)) if version.deadline > deadline => continue,
                Some((_, deadline)) if version.deadline == deadline => ties += 1,
                _ => ties = 1,
            }
            if ties == 1 || rng.usize(..ties) == 0 {
                best = Some((at, version.deadline));
            }
        }
        let at = best?.0;
        let total = self.total;
        let version = self.versions.get_mut(at)?;
        let job = version.planned;
        version.advance(job + 1, total);
        Some(Slot { version: at, job })
    }

    /// Moves every selection to a random slot of its window, as far as the windows of the others allow.
    /// The heaviest version is only moved by the others, which is enough: its windows are the shortest.
    fn shuffle(&mut self, rng: &mut fastrand::Rng) {
        let weights = self.versions.iter().map(|version| version.weight).enumerate();
        let Some((heaviest, _)) = weights.max_by_key(|(_, weight)| *weight) else {
            return;
        };
        for _ in 0..PASSES {
            self.mingle(heaviest, rng);
            for version in (0..self.versions.len()).filter(|version| *version != heaviest) {
                self.spread(version, rng);
            }
        }
    }

    /// Swaps neighbours among the selections that are not the heaviest version's, each with a chance of
    /// one half. Where the windows of the heaviest version keep the others apart, a move to a drawn slot
    /// would seldom hit the one slot that changes their order.
    fn mingle(&mut self, heaviest: usize, rng: &mut fastrand::Rng) {
        let mut previous: Option<usize> = None;
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots.get(at).filter(|slot| slot.version != heaviest).copied() else {
                continue;
            };
            if let Some(previous) = previous
                && rng.bool()
                && self.fits(slot, at, previous)
            {
                self.exchange(at, previous);
            }
            previous = Some(at);
        }
    }

    /// Moves every selection of one version once.
    fn spread(&mut self, version: usize, rng: &mut fastrand::Rng) {
        // A selection that was moved forward is met again; its number tells.
        let mut next_job = 0;
        for at in 0..self.slots.len() {
            match self.slots.get(at) {
                Some(slot) if slot.version == version && slot.job >= next_job => {
                    next_job = slot.job + 1;
                    self.relocate(at, *slot, rng);
                }
                _ => {}
            }
        }
    }

    /// Moves one selection to a slot that is drawn from the part of its window inside the chunk.
    fn relocate(&mut self, at: usize, slot: Slot, rng: &mut fastrand::Rng) {
        let Some(weight) = self.versions.get(slot.version).map(|version| version.weight) else {
            return;
        };
        let end = self.start + self.slots.len() as u64;
        let from = (slot.job * self.total).max(self.start * weight);
        let to = ((slot.job + 1) * self.total).min(end * weight);
        if from >= to {
            return;
        }
        for _ in 0..TRIES {
            let target = (rng.u64(from..to) / weight - self.start) as usize;
            if target == at || self.exchange(at, target) {
                return;
            }
        }
    }

    /// Swaps the selection at `at` with the one at `target`, a slot of its window; false if they are of
    /// the same version or if the other version would leave a window.
    fn exchange(&mut self, at: usize, target: usize) -> bool {
        let (Some(mover), Some(other)) = (self.slots.get(at).copied(), self.slots.get(target).copied()) else {
            return false;
        };
        // The mover's own selections need no look: two of its windows share one slot at most, hence none
        // of them lies between two slots of one window.
        if mover.version == other.version || !self.fits(other, target, at) {
            return false;
        }
        let mut job = other.job;
        for slot in between(target, at) {
            if let Some(slot) = self.slots.get_mut(slot).filter(|slot| slot.version == other.version) {
                std::mem::swap(&mut slot.job, &mut job);
            }
        }
        if let Some(slot) = self.slots.get_mut(target) {
            *slot = mover;
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = Slot { version: other.version, job };
        }
        true
    }

    /// Whether the selections of a version stay within their windows when the one at `from` goes to `to`:
    /// those in between keep their slots, but each takes over the number, and the window, of the one
    /// before it on the way.
    fn fits(&self, moved: Slot, from: usize, to: usize) -> bool {
        let Some(weight) = self.versions.get(moved.version).map(|version| version.weight) else {
            return false;
        };
        let in_window = |job: u64, slot: usize| {
            let slot = self.start + slot as u64;
            job * self.total < (slot + 1) * weight && slot * weight < (job + 1) * self.total
        };
        let mut job = moved.job;
        for slot in between(from, to) {
            match self.slots.get(slot) {
                Some(met) if met.version == moved.version => {
                    if !in_window(job, slot) {
                        return false;
                    }
                    job = met.job;
                }
                _ => {}
            }
        }
        in_window(job, to)
    }
}

/// The slots strictly between two others, in the order of the way from the one to the other.
fn between(from: usize, to: usize) -> impl Iterator<Item = usize> {
    (1..from.abs_diff(to)).map(move |step| if to < from { from - step } else { from + step })
}
