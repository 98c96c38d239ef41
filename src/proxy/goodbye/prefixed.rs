//! Bytes in pieces that say at their beginning how long they are: frames of WebSocket, messages of gRPC.

/// What is written before each piece.
pub trait Form: Copy {
    /// Bytes of a head that begins so; more than there are, as long as it is not whole.
    fn head_length(head: &[u8]) -> usize;

    /// Bytes that follow a whole head.
    fn payload(head: &[u8]) -> u64;

    /// A whole head has gone.
    fn headed(&mut self, head: &[u8]) {
        let _ = head;
    }

    /// A piece has gone whole.
    fn ended(&mut self) {}

    /// Whether more pieces belong to what has gone.
    fn is_midway(&self) -> bool {
        false
    }
}

/// The longest head of any form, bytes.
const LONGEST: usize = 14;

/// Where the bytes of one direction stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefixed<F> {
    /// What the form remembers.
    pub form: F,
    head: [u8; LONGEST],
    /// Bytes of the head that have gone; 0 between two pieces.
    have: u8,
    /// Bytes of the payload that are to come.
    left: u64,
}

impl<F: Form> Prefixed<F> {
    /// Whether the last piece has gone whole.
    pub fn is_between(&self) -> bool {
        self.have == 0
    }

    /// How many bytes of `data` go until the last piece, and what belongs to it, has gone whole; none: more than there are.
    pub fn to_boundary(mut self, data: &[u8]) -> Option<usize> {
        let mut gone = 0;
        while !self.is_between() || self.form.is_midway() {
            match self.step(&data[gone..]) {
                0 => return None,
                count => gone += count,
            }
        }
        Some(gone)
    }

    /// `data` has gone.
    pub fn advance(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let count = self.step(data);
            data = &data[count..];
        }
    }

    /// Takes some of `data`: at most a byte of a head, or the rest of a payload.
    fn step(&mut self, data: &[u8]) -> usize {
        if data.is_empty() {
            return 0;
        }
        let count = if self.left > 0 {
            let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
            self.left -= count as u64;
            count
        } else {
            self.head[usize::from(self.have)] = data[0];
            self.have += 1;
            let head = &self.head[..usize::from(self.have)];
            if head.len() < F::head_length(head) {
                return 1;
            }
            self.left = F::payload(head);
            self.form.headed(head);
            1
        };
        if self.left == 0 {
            self.have = 0;
            self.form.ended();
        }
        count
    }
}
