//! Server-sent events end after a blank line (HTML standard, section 9.2.5): what the client has got of a later event by then
//! would be lost. The client comes back by itself, and says what it got last.

/// Where the bytes stand, known by the last ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Events {
    tail: [u8; 4],
    any: bool,
}

impl Events {
    /// Whether the last event has gone whole.
    pub fn is_between(&self) -> bool {
        let blank = [&b"\n\n"[..], b"\r\r", b"\n\r\n", b"\n\r"];
        !self.any || blank.iter().any(|blank| self.tail.ends_with(blank))
    }

    /// How many bytes of `data` go until the last event has gone whole; none: more than there are.
    pub fn to_boundary(mut self, data: &[u8]) -> Option<usize> {
        let mut gone = 0;
        while !self.is_between() {
            self.advance(data.get(gone..=gone)?);
            gone += 1;
        }
        Some(gone)
    }

    /// `data` has gone.
    pub fn advance(&mut self, data: &[u8]) {
        for byte in &data[data.len().saturating_sub(4)..] {
            self.tail.rotate_left(1);
            self.tail[3] = *byte;
        }
        self.any |= !data.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_a_blank_line_of_any_line_ending() {
        for text in ["data: a\n\n", "data: a\r\n\r\n", "data: a\r\r", ": hi\n\ndata: a\nid: 1\n\n"] {
            let mut events = Events::default();
            assert!(events.is_between());
            events.advance(&text.as_bytes()[..text.len() - 3]);
            assert!(!events.is_between(), "{text:?}");
            let left = events.to_boundary(&text.as_bytes()[text.len() - 3..]);
            assert!(left.is_some_and(|left| left >= 2), "{text:?}");
            events.advance(&text.as_bytes()[text.len() - 3..]);
            assert!(events.is_between(), "{text:?}");
        }
    }

    #[test]
    fn a_line_that_has_ended_is_no_event_that_has_ended() {
        let mut events = Events::default();
        events.advance(b"data: a\n");
        assert!(!events.is_between());
        assert_eq!(events.to_boundary(b"data: b\n"), None);
        assert_eq!(events.to_boundary(b"\ndata: b\n"), Some(1));
        assert_eq!(events.to_boundary(b"data: b\n\ndata: c"), Some(9));
    }

    #[test]
    fn nothing_is_lost_of_what_comes_byte_by_byte() {
        let mut events = Events::default();
        b"data: a\n\n".iter().for_each(|byte| events.advance(&[*byte]));
        assert!(events.is_between());
    }
}
