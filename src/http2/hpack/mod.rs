//! The compression of fields in HTTP/2 (RFC 7541): blocks of bytes to field lines and back.
//!
//! Both sides keep a dynamic table that grows only with what is in it, so that an idle connection costs little, and
//! neither allocates for a block once its table has its size.

mod decode;
mod encode;
mod huffman;
mod table;

pub use decode::Decoder;
pub use encode::Encoder;

use thiserror::Error;

use crate::message::Field;

/// Size of a dynamic table where no setting says another, bytes (RFC 9113 section 6.5.2).
pub const TABLE: usize = 4096;

/// A field line of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'e> {
    /// The field; [`Field::Other`] for a pseudo-header field, an unknown name, and a name that is not in lower case. So the
    /// name of any other one is right.
    pub field: Field,
    /// The pseudo-header field. Where there is none, `name` may still begin with a colon, and is unknown.
    pub pseudo: Option<Pseudo>,
    /// Its name as it came: neither its characters nor their case are checked.
    pub name: &'e [u8],
    /// Its value as it came, unchecked.
    pub value: &'e [u8],
    /// It came as one that is never indexed, and must be passed on as such (section 7.1.3).
    pub sensitive: bool,
}

/// A pseudo-header field (RFC 9113 section 8.3, RFC 8441 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Pseudo {
    /// `:authority`.
    Authority,
    /// `:method`.
    Method,
    /// `:path`.
    Path,
    /// `:scheme`.
    Scheme,
    /// `:status`.
    Status,
    /// `:protocol`.
    Protocol,
}

impl Pseudo {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 6] = [Self::Authority, Self::Method, Self::Path, Self::Scheme, Self::Status, Self::Protocol];

    /// Its name, with the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authority => ":authority",
            Self::Method => ":method",
            Self::Path => ":path",
            Self::Scheme => ":scheme",
            Self::Status => ":status",
            Self::Protocol => ":protocol",
        }
    }

    /// The one of that name.
    fn of(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|pseudo| pseudo.name().as_bytes() == name)
    }
}

/// Why a block cannot be decoded: a connection error of type COMPRESSION_ERROR (RFC 9113 section 4.3).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HpackError {
    /// It ends within a field line.
    #[error("a header block ends within a field")]
    Truncated,
    /// An integer of more than four bytes after its prefix (section 5.1).
    #[error("a header block has an integer that is too long")]
    Integer,
    /// Index 0, or one that neither table has (sections 2.3.3 and 6.1).
    #[error("a header block has an index that is in no table")]
    Index,
    /// A symbol that is cut off, EOS, or padding that is longer than 7 bits or not all ones (section 5.2).
    #[error("a header block has a string that is not in the Huffman code")]
    Huffman,
    /// A table size update above the setting, or after a field line (sections 4.2 and 6.3).
    #[error("a header block has a table size update that is too large or not at its start")]
    Resize,
}

/// What a line's name is known as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    field: Field,
    pseudo: Option<Pseudo>,
}

impl Key {
    const fn field(field: Field) -> Self {
        Self { field, pseudo: None }
    }

    const fn pseudo(pseudo: Pseudo) -> Self {
        Self { field: Field::Other, pseudo: Some(pseudo) }
    }

    /// Of a name. One that is not in lower case is an unknown one (RFC 9113 section 8.2.1).
    fn of(name: &[u8]) -> Self {
        if name.first() == Some(&b':') {
            return Self { field: Field::Other, pseudo: Pseudo::of(name) };
        }
        let field = Field::of(name);
        Self::field(if field.name().as_bytes() == name { field } else { Field::Other })
    }

    /// Whether it says the name.
    fn is_known(self) -> bool {
        self.pseudo.is_some() || self.field != Field::Other
    }
}

#[cfg(test)]
mod tests;
