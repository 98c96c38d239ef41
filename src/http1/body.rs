//! Bodies: where their data is among the bytes that arrive (RFC 9112 sections 6 and 7).

use crate::message::{Broken, FieldSection};

/// Longest line of a chunk's size with its extensions, and longest trailers, bytes.
const LONGEST_SIZE_LINE: usize = 256;
const LONGEST_TRAILERS: usize = 8 * 1024;

/// How a body is read on.
#[derive(Debug)]
pub enum Body {
    /// At its end.
    Ended,
    /// So many bytes to come.
    Length(u64),
    /// In chunks.
    Chunked(Chunk),
    /// Until the connection is closed.
    UntilClosed,
}

/// Where in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Before the line that gives a chunk's size.
    Size,
    /// In a chunk, with so many bytes to come.
    Data(u64),
    /// After the data of a chunk, before its end of line.
    End,
    /// After the last chunk.
    Trailers,
}

/// What the bytes that have arrived mean.
#[derive(Debug)]
pub enum Step {
    /// So many of them, from the first on, are data.
    Data(usize),
    /// So many of them belong to the framing and can be forgotten.
    Skip(usize),
    /// More have to arrive.
    More,
    /// The body ended; so many of the bytes belonged to its end.
    End(usize, Option<FieldSection>),
}

impl Body {
    /// A body in chunks, from its beginning.
    pub const CHUNKED: Self = Self::Chunked(Chunk::Size);

    /// Whether nothing of it is to come.
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Ended | Self::Length(0))
    }

    /// What `bytes`, which follow what was used, mean.
    ///
    /// # Errors
    ///
    /// They are no chunks.
    pub fn step(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        let (step, next) = match self {
            Self::Ended | Self::Length(0) => (Step::End(0, None), Some(Self::Ended)),
            Self::Length(_) | Self::UntilClosed if bytes.is_empty() => (Step::More, None),
            Self::Length(left) => (Step::Data(at_most(*left, bytes)), None),
            Self::UntilClosed => (Step::Data(bytes.len()), None),
            Self::Chunked(chunk) => chunk.step(bytes)?,
        };
        if let Some(next) = next {
            *self = next;
        }
        Ok(step)
    }

    /// So many bytes of data were used.
    pub fn used(&mut self, count: usize) {
        match self {
            Self::Length(left) => *left = left.saturating_sub(count as u64),
            Self::Chunked(Chunk::Data(left)) => {
                *left = left.saturating_sub(count as u64);
                if *left == 0 {
                    *self = Self::Chunked(Chunk::End);
                }
            }
            Self::Ended | Self::Chunked(_) | Self::UntilClosed => {}
        }
    }

    /// Whether `data` bytes, the first of `bytes`, are all that is to come. False where it cannot be told yet.
    pub fn ends_with(&self, data: usize, bytes: &[u8]) -> bool {
        match self {
            Self::Length(left) => *left == data as u64,
            Self::Chunked(Chunk::Data(left)) => *left == data as u64 && bytes[data..].starts_with(b"\r\n0\r\n\r\n"),
            Self::Ended | Self::Chunked(_) | Self::UntilClosed => false,
        }
    }
}

impl Chunk {
    fn step(self, bytes: &[u8]) -> Result<(Step, Option<Body>), Broken> {
        let to = |next| Some(Body::Chunked(next));
        Ok(match self {
            Self::Size => match size_line(bytes)? {
                None => (Step::More, None),
                Some((used, 0)) => (Step::Skip(used), to(Self::Trailers)),
                Some((used, size)) => (Step::Skip(used), to(Self::Data(size))),
            },
            Self::Data(_) if bytes.is_empty() => (Step::More, None),
            Self::Data(left) => (Step::Data(at_most(left, bytes)), None),
            Self::End => match bytes {
                [b'\r', b'\n', ..] => (Step::Skip(2), to(Self::Size)),
                [] | [b'\r'] => (Step::More, None),
                _ => return Err(Broken::Malformed("a chunk is longer than it says")),
            },
            Self::Trailers => match bytes {
                [b'\r', b'\n', ..] => (Step::End(2, None), Some(Body::Ended)),
                [] | [b'\r'] => (Step::More, None),
                _ => match super::end_of_head(bytes, 0) {
                    Some(end) if end <= LONGEST_TRAILERS => {
                        let trailers = super::trailers(&bytes[..end])
                            .map_err(|_| Broken::Malformed("the trailers are no fields"))?;
                        (Step::End(end, Some(trailers)), Some(Body::Ended))
                    }
                    None if bytes.len() <= LONGEST_TRAILERS => (Step::More, None),
                    _ => return Err(Broken::Malformed("the trailers are too long")),
                },
            },
        })
    }
}

/// A chunk's size, and how many bytes its line takes; none: the line has not ended. Extensions are read over, not passed on
/// (RFC 9112 section 7.1.1).
fn size_line(bytes: &[u8]) -> Result<Option<(usize, u64)>, Broken> {
    let wrong = Broken::Malformed("a chunk does not begin with its size");
    let window = &bytes[..bytes.len().min(LONGEST_SIZE_LINE)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        let hopeless = window.len() == LONGEST_SIZE_LINE || !window.first().is_none_or(u8::is_ascii_hexdigit);
        return if hopeless { Err(wrong) } else { Ok(None) };
    };
    let Some(line) = window[..end].strip_suffix(b"\r") else { return Err(wrong) };
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let extension = &line[digits..];
    let blank = extension.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let fits = match extension.get(blank) {
        None => blank == 0,
        Some(b';') => extension.iter().all(|b| *b == b'\t' || (b' '..=b'~').contains(b)),
        Some(_) => false,
    };
    if digits == 0 || digits > 16 || !fits {
        return Err(wrong);
    }
    let text = std::str::from_utf8(&line[..digits]).unwrap_or_default();
    // Room for the end of the data, so that nothing that is added to it can overflow.
    let size = u64::from_str_radix(text, 16).ok().filter(|size| *size <= u64::MAX / 2);
    Ok(Some((end + 1, size.ok_or(wrong)?)))
}

fn at_most(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())
}

#[cfg(test)]
mod tests;
