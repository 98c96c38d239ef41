//! Two versions.

/// The counts of one follow from those of the other, so it is enough to put every
/// selection of the lighter one at a random place of its window: no slot is planned ahead and windows of
/// any length are covered evenly.
#[derive(Debug)]
pub struct Pair {
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
    /// Two versions and their weights, divided by their common divisor.
    pub fn new(first: (usize, u64), second: (usize, u64)) -> Self {
        let (light, heavy) = if first.1 <= second.1 { (first, second) } else { (second, first) };
        let total = light.1 + heavy.1;
        // A block that is already over makes the first selection begin a new one.
        Self { light: light.0, heavy: heavy.0, weight: light.1, total, slot: total, placed: 0, target: None }
    }

    /// The version of the next slot.
    pub fn next(&mut self, rng: &mut fastrand::Rng) -> usize {
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
