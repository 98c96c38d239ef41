//! The bytes of an HTTP/1 connection as they arrive, looked at before the codec sees them.
//!
//! The codec forgives, and merges or drops what it forgives, so that nobody behind it can tell. What is forgiven here and
//! understood differently elsewhere is how requests are smuggled (RFC 9112 section 11.2). The gate follows the framing of
//! every request through a connection, pipelined ones too, and keeps one verdict per head, in order, for the exchange.

use std::collections::VecDeque;

use super::fault::Fault;

/// Longest head that is followed; the codec refuses it well before.
const LONGEST_HEAD: usize = 128 * 1024;

/// Follows the requests of one connection.
#[derive(Default)]
pub struct Gate {
    state: State,
    verdicts: VecDeque<Option<Fault>>,
}

#[derive(Default)]
enum State {
    /// Before a head.
    #[default]
    Idle,
    /// In a head, of which this has come.
    Head(Vec<u8>),
    /// In a body with this many bytes to come.
    Body(u64),
    /// In a chunked body.
    Chunked(Chunked),
    /// Nothing that follows can be told apart any more; the connection is closed after the answer, or is a tunnel.
    Lost,
}

/// Where in a chunked body (RFC 9112 section 7.1).
#[derive(Clone, Copy)]
enum Chunked {
    /// In the line that gives a chunk's size.
    Size { size: u64, extension: bool },
    /// In a chunk's data, with this much to come, the line end after it included.
    Data(u64),
    /// In the trailers; whether the line has anything on it yet.
    Trailer { empty: bool },
}

/// How a message's body is delimited.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
}

impl Gate {
    /// Takes note of bytes that arrive.
    pub fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = self.step(bytes);
            bytes = &bytes[used..];
        }
    }

    /// Whether the first byte of a head has come, and not its last.
    pub fn in_head(&self) -> bool {
        matches!(self.state, State::Head(_))
    }

    /// What is wrong with the head that the codec has just given; heads come in order. One that the gate has not seen is
    /// where the two understood the bytes differently, which is what no request may rest on.
    pub fn verdict(&mut self) -> Option<Fault> {
        self.verdicts.pop_front().unwrap_or(Some(Fault::BadRequest))
    }

    /// Stops looking: what follows is another protocol.
    pub fn open(&mut self) {
        self.state = State::Lost;
    }

    fn step(&mut self, bytes: &[u8]) -> usize {
        match &mut self.state {
            State::Idle => {
                // Empty lines before a request line are ignored (RFC 9112 section 2.2).
                let blank = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
                if blank == bytes.len() {
                    return blank;
                }
                match end_of_head(&bytes[blank..], 0) {
                    // The common case, a head in one piece, is not copied.
                    Some(end) => {
                        self.judge(&bytes[blank..blank + end]);
                        blank + end
                    }
                    None => {
                        self.state = State::Head(bytes[blank..].to_vec());
                        bytes.len()
                    }
                }
            }
            State::Head(head) => {
                let before = head.len();
                head.extend_from_slice(bytes);
                match end_of_head(head, before.saturating_sub(3)) {
                    Some(end) => {
                        let head = std::mem::take(head);
                        self.judge(&head[..end]);
                        end - before
                    }
                    None => {
                        if head.len() > LONGEST_HEAD {
                            self.state = State::Lost;
                        }
                        bytes.len()
                    }
                }
            }
            State::Body(left) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= used as u64;
                if *left == 0 {
                    self.state = State::Idle;
                }
                used
            }
            State::Chunked(chunked) => match chunked.step(bytes) {
                Some((used, Some(next))) => {
                    *chunked = next;
                    used
                }
                Some((used, None)) => {
                    self.state = State::Idle;
                    used
                }
                None => {
                    self.state = State::Lost;
                    bytes.len()
                }
            },
            State::Lost => bytes.len(),
        }
    }

    /// Judges a whole head and goes on to what it announces.
    fn judge(&mut self, head: &[u8]) {
        let (verdict, state) = match framing(head) {
            Ok(Framing::Length(0)) => (None, State::Idle),
            Ok(Framing::Length(length)) => (None, State::Body(length)),
            Ok(Framing::Chunked) => (None, State::Chunked(Chunked::Size { size: 0, extension: false })),
            Err(fault) => (Some(fault), State::Lost),
        };
        self.verdicts.push_back(verdict);
        self.state = state;
    }
}

impl Chunked {
    /// One step: the bytes used and what comes next, none at the end of the body; none at all for what is no chunk.
    fn step(self, bytes: &[u8]) -> Option<(usize, Option<Self>)> {
        let byte = *bytes.first()?;
        match self {
            Self::Size { size, extension } => match byte {
                b'\n' if size == 0 => Some((1, Some(Self::Trailer { empty: true }))),
                b'\n' => Some((1, Some(Self::Data(size.checked_add(2)?)))),
                b'\r' => Some((1, Some(Self::Size { size, extension: true }))),
                _ if extension => Some((1, Some(self))),
                b';' | b' ' | b'\t' => Some((1, Some(Self::Size { size, extension: true }))),
                digit => {
                    let digit = (digit as char).to_digit(16)?;
                    let size = size.checked_mul(16)?.checked_add(u64::from(digit))?;
                    Some((1, Some(Self::Size { size, extension: false })))
                }
            },
            Self::Data(left) => {
                let used = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let left = left - used as u64;
                let next = if left == 0 { Self::Size { size: 0, extension: false } } else { Self::Data(left) };
                Some((used, Some(next)))
            }
            Self::Trailer { empty } => match byte {
                b'\n' if empty => Some((1, None)),
                b'\n' => Some((1, Some(Self::Trailer { empty: true }))),
                b'\r' => Some((1, Some(self))),
                _ => Some((1, Some(Self::Trailer { empty: false }))),
            },
        }
    }
}

/// Where a head ends: after an empty line, however its lines end. Looks from `from` on.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let newlines = bytes.iter().enumerate().skip(from).filter(|(_, b)| **b == b'\n').map(|(at, _)| at);
    newlines.map(|at| at + 1).find(|end| bytes[..*end].ends_with(b"\n\r\n") || bytes[..*end].ends_with(b"\n\n"))
}

/// How the body after a head is delimited (RFC 9112 section 6.3).
///
/// # Errors
///
/// Lines that do not end in CRLF, folded lines, and every way to say it twice or in an unknown way.
fn framing(head: &[u8]) -> Result<Framing, Fault> {
    let mut length = None;
    let mut chunked = false;
    for (number, line) in head.split_inclusive(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r\n").ok_or(Fault::BadRequest)?;
        if line.contains(&b'\r')
            || line.contains(&0)
            || (number > 0 && line.first().is_some_and(|b| b" \t".contains(b)))
        {
            return Err(Fault::BadRequest);
        }
        let Some(colon) = line.iter().position(|b| *b == b':').filter(|_| number > 0) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
            let number = number.filter(|_| length.is_none()).ok_or(Fault::BadRequest)?;
            length = Some(number);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::UnknownCoding);
            }
            chunked = true;
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err(Fault::BadRequest),
        (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
        (None, true) => Ok(Framing::Chunked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the gate says about a connection that arrives in pieces of every size.
    fn verdicts(text: &str) -> Vec<Option<Fault>> {
        let whole = all(text.as_bytes(), usize::MAX);
        for size in 1..12 {
            assert_eq!(all(text.as_bytes(), size), whole, "in pieces of {size}: {text:?}");
        }
        whole
    }

    fn all(bytes: &[u8], size: usize) -> Vec<Option<Fault>> {
        let mut gate = Gate::default();
        bytes.chunks(size.min(bytes.len())).for_each(|piece| gate.see(piece));
        gate.verdicts.into_iter().collect()
    }

    #[test]
    fn requests_are_told_apart_by_their_framing() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 29\r\n\r\nGET /not HTTP/1.1\r\nHost: a\r\n\r\n";
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n1d;x=\"\r\nGET /not HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\nA: b\r\n\r\n";
        assert_eq!(verdicts(&format!("{get}{post}\r\n{chunked}{get}")), [None; 4]);
    }

    #[test]
    fn a_length_said_twice_is_refused() {
        for lengths in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1\r\ncontent-length: 2",
            "Content-Length: 1, 1",
            "Content-Length: +1",
            "Content-Length:",
            "Content-Length: 0x1",
            "Content-Length: 99999999999999999999",
        ] {
            assert_eq!(
                verdicts(&format!("POST / HTTP/1.1\r\n{lengths}\r\n\r\nx")),
                [Some(Fault::BadRequest)],
                "{lengths}"
            );
        }
    }

    #[test]
    fn a_length_beside_a_coding_is_refused() {
        for (a, b) in
            [("Content-Length: 5", "Transfer-Encoding: chunked"), ("Transfer-Encoding: chunked", "Content-Length: 5")]
        {
            assert_eq!(verdicts(&format!("POST / HTTP/1.1\r\n{a}\r\n{b}\r\n\r\n0\r\n\r\n")), [Some(Fault::BadRequest)]);
        }
    }

    #[test]
    fn a_coding_other_than_one_chunked_is_refused() {
        for coding in
            ["gzip, chunked", "chunked, chunked", ",chunked", "identity", "chunked\r\nTransfer-Encoding: chunked"]
        {
            let request = format!("POST / HTTP/1.1\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
            assert_eq!(verdicts(&request), [Some(Fault::UnknownCoding)], "{coding}");
        }
    }

    #[test]
    fn lines_end_in_crlf_and_are_not_folded() {
        for request in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        ] {
            assert_eq!(verdicts(request), [Some(Fault::BadRequest)], "{request:?}");
        }
    }

    #[test]
    fn what_follows_a_refusal_or_an_upgrade_is_no_request() {
        let refused = "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n";
        assert_eq!(verdicts(&format!("{refused}{refused}")), [Some(Fault::BadRequest)]);
        let mut gate = Gate::default();
        gate.open();
        gate.see(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(gate.verdict(), Some(Fault::BadRequest));
    }

    #[test]
    fn a_head_that_only_the_codec_found_is_refused() {
        let mut gate = Gate::default();
        gate.see(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(gate.verdict(), None);
        gate.see(b"zz\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(gate.verdict(), Some(Fault::BadRequest));
    }

    #[test]
    fn it_knows_when_a_head_has_begun() {
        let mut gate = Gate::default();
        assert!(!gate.in_head());
        gate.see(b"\r\n");
        assert!(!gate.in_head());
        gate.see(b"GET / HT");
        assert!(gate.in_head());
        gate.see(b"TP/1.1\r\n\r\n");
        assert!(!gate.in_head());
    }
}
