//! What a peer may do that only costs: frames that carry nothing, and streams that it gives up before they are answered
//! (RFC 9113 section 10.5).

/// So often in excess of what it did that had a use. Each costs a request at most.
const MOST: u32 = 2_000;

/// An account of it.
#[derive(Debug, Default)]
pub struct Calm(u32);

impl Calm {
    /// Something that only costs; false once it was too often.
    #[must_use]
    pub fn costs(&mut self) -> bool {
        self.0 += 1;
        self.0 <= MOST
    }

    /// Something that has a use.
    pub fn pays(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    /// Time has gone by.
    pub fn forgives(&mut self) {
        self.0 /= 2;
    }
}
