//! The canary's way from a few requests to all of them.

use std::time::Duration;

/// The canary's weights, of 100.
pub const STEPS: [u32; 4] = [5, 25, 50, 100];

/// A ramp on its way.
#[derive(Clone, Debug)]
pub struct Ramp {
    span: Duration,
    step: usize,
    stopped: bool,
}

impl Ramp {
    /// A ramp at its first step; all steps get the same part of `span`.
    pub fn new(span: Duration) -> Self {
        Self { span, step: 0, stopped: false }
    }

    /// The step that it is at, as an index into [`STEPS`].
    pub fn step(&self) -> usize {
        self.step
    }

    /// Whether it was stopped before its end.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Stops it for good.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// How long until the next step; none: there is none.
    pub fn until_next(&self, elapsed: Duration) -> Option<Duration> {
        let next = u32::try_from(self.step + 1).ok().filter(|_| !self.stopped && self.step + 1 < STEPS.len())?;
        Some((self.span * next / STEPS.len() as u32).saturating_sub(elapsed))
    }

    /// The weight to set now, if a step is due. Whatever else happens, nothing gets all traffic that was not judged:
    /// `judged` tells whether the guard has seen enough, and the last step waits for that.
    pub fn advance(&mut self, elapsed: Duration, judged: impl FnOnce() -> bool) -> Option<u32> {
        let due = self.until_next(elapsed)?.is_zero();
        let last = self.step + 2 == STEPS.len();
        if !due || (last && !judged()) {
            return None;
        }
        self.step += 1;
        STEPS.get(self.step).copied()
    }
}

#[cfg(test)]
mod tests;
