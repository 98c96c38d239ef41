//! Weighted selection of versions with low discrepancy: no prefix of the selections strays by a whole
//! request from the weights, and within that bound the order is random.
//!
//! The rule is the "chairman assignment" of Tijdeman (1980), in the form that Baruah, Cohen, Plaxton and
//! Varvel (1996) gave it as proportionate fairness: the `j`-th selection of a version (from 0) has a
//! window of slots, and the counts stay within 1 of the weights exactly when every selection falls
//! inside its window. With `W` slots in a block (the sum of the weights, divided by their common divisor)
//! and a weight `w`, the window of selection `j` is every slot `s` (from 0) that overlaps the stretch of
//! time from `j*W/w` to `(j+1)*W/w`. Windows never reach over the end of a block, so every block is exact.

#[cfg(test)]
mod tests;

/// The largest weight that counts; it keeps every product of the arithmetic within 64 bits.
const MAX_WEIGHT: u32 = 1_000_000;
/// Slots that are planned at once when there are three versions or more: the bound on the work of one
/// selection and on the memory of a schedule.
const CHUNK: usize = 1024;
/// How often the planned slots are shuffled. After one pass the place that the planner gave a selection
/// still shows; after two it does not.
const PASSES: usize = 2;
/// How many targets a selection tries in one pass. A target may be refused because of another version's
/// window; a single try would leave too many selections where the planner put them.
const TRIES: usize = 6;

/// The order in which one split hands requests to its versions, as seen by one worker.
///
/// Let `W` be the sum of the weights divided by their greatest common divisor. Since the last change of
/// `epoch`:
///
/// * after any number `n` of selections, a version of weight `w` (divided likewise) was selected `x`
///   times with `|x - n*w/W| < 1`;
/// * every block of `W` selections is exact: `x == w`;
/// * a weight of 0 is never selected;
/// * the order is random within these bounds, so that a client which asks at a fixed interval sees every
///   version. With two versions this holds for all weights. With three or more, a selection whose window
///   is longer than 1024 slots is only moved within about that distance of the place that its deadline
///   gives it.
///
/// A selection allocates nothing, except that three or more versions need a buffer which is allocated
/// once and reused.
#[derive(Debug, Default)]
pub struct Schedule {
    epoch: Option<u64>,
    plan: Plan,
    chunk: Chunk,
}

/// How the current weights are served.
#[derive(Debug, Default)]
enum Plan {
    /// No weight is positive.
    #[default]
    Nobody,
    /// One version takes everything: its index.
    Single(usize),
    /// Two versions: computed slot by slot.
    Pair(Pair),
    /// Three versions or more: planned in chunks.
    Many,
}

impl Schedule {
    /// A schedule that has selected nothing yet. Allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The index in `weights` of the version that takes the next request; `None` if no weight is positive.
    ///
    /// Weights are relative integers from 0 to 1 000 000; a larger one counts as 1 000 000. `epoch` names
    /// this set of weights: the schedule reads `weights` only when `epoch` differs from that of the
    /// previous call, and then starts a new block. The same seed of `rng` gives the same selections.
    pub fn next(&mut self, epoch: u64, weights: &[u32], rng: &mut fastrand::Rng) -> Option<usize> {
        if self.epoch != Some(epoch) {
            self.restart(weights);
            self.epoch = Some(epoch);
        }
        match &mut self.plan {
            Plan::Nobody => None,
            Plan::Single(index) => Some(*index),
            Plan::Pair(pair) => Some(pair.next(rng)),
            Plan::Many => self.chunk.next(rng),
        }
    }

    /// Takes over a new set of weights.
    fn restart(&mut self, weights: &[u32]) {
        let positive = || {
            let capped = weights.iter().map(|weight| u64::from(*weight.min(&MAX_WEIGHT)));
            capped.enumerate().filter(|(_, weight)| *weight > 0)
        };
        let divisor = positive().fold(0, |divisor, (_, weight)| gcd(divisor, weight)).max(1);
        let mut versions = positive().map(|(index, weight)| (index, weight / divisor));
        self.plan = match (versions.next(), versions.next(), versions.next()) {
            (None, ..) => Plan::Nobody,
            (Some((index, _)), None, _) => Plan::Single(index),
            (Some(first), Some(second), None) => Plan::Pair(Pair::new(first, second)),
            _ => {
                self.chunk.restart(positive().map(|(index, weight)| (index, weight / divisor)));
                Plan::Many
            }
        };
    }
}

/// The greatest common divisor; that of 0 and `b` is `b`.
fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Two versions. The counts of one follow from those of the other, so it is enough to put every
/// selection of the lighter one at a random place of its window: no slot is planned ahead and windows of
/// any length are covered evenly.
#[derive(Debug)]
struct Pair {
    light: usize,
    heavy: usize,
    /// Weight of the light version, and that of both together.
    weight: u64,
    total: u64,
    /// The next slot of the block.
    slot: u64,
    /// Selections of the light version that are placed in this block, and the slot of the last of them.
    placed: u64,
    target: Option<u64>,
}

impl Pair {
    fn new(first: (usize, u64), second: (usize, u64)) -> Self {
        let (light, heavy) = if first.1 <= second.1 { (first, second) } else { (second, first) };
        let total = light.1 + heavy.1;
        // A block that is already over makes the first selection begin a new one.
        Self { light: light.0, heavy: heavy.0, weight: light.1, total, slot: total, placed: 0, target: None }
    }

    fn next(&mut self, rng: &mut fastrand::Rng) -> usize {
        if self.slot >= self.total {
            (self.slot, self.placed) = (0, 0);
            self.place(rng);
        }
        let slot = self.slot;
        self.slot += 1;
        if self.target != Some(slot) {
            return self.heavy;
        }
        self.place(rng);
        self.light
    }

    /// Draws the slot of the light version's next selection. A slot that only partly lies in the window's
    /// stretch of time is drawn that much less often, because the neighbouring window claims the rest of
    /// it: that makes every slot of the block about equally likely.
    fn place(&mut self, rng: &mut fastrand::Rng) {
        // Two windows can share a slot, and the previous selection may have taken it.
        let from = (self.placed * self.total).max(self.slot * self.weight);
        let to = (self.placed + 1) * self.total;
        self.target = (self.placed < self.weight && from < to).then(|| rng.u64(from..to) / self.weight);
        self.placed += 1;
    }
}

/// Three versions or more: a stretch of slots, planned by earliest deadline and then shuffled.
#[derive(Debug, Default)]
struct Chunk {
    versions: Vec<Version>,
    total: u64,
    slots: Vec<Slot>,
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
struct Slot {
    version: usize,
    job: u64,
}

impl Chunk {
    fn restart(&mut self, versions: impl Iterator<Item = (usize, u64)>) {
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

    fn next(&mut self, rng: &mut fastrand::Rng) -> Option<usize> {
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
        self.slots.reserve(CHUNK.min((end - self.start) as usize));
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
