//! What must hold between three readers of the same bytes: the codec, hyper, and an oracle written from RFC 9112.
//!
//! The codec may refuse what others take, never take what others refuse or understand otherwise: such a message is how
//! requests are smuggled (RFC 9112 section 11.2). Used by the tests and by `fuzz`.

pub mod corpus;
pub mod hyper;
pub mod oracle;
pub mod ours;

use std::fmt::Write as _;

/// Names in lower case and values, in the order of their lines, as escaped text.
pub type Fields = Vec<(String, String)>;

/// The first line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// A request line; the target taken apart.
    Request { method: String, authority: Option<String>, path: String, query: Option<String>, minor: u8 },
    /// A status line. The reason says nothing.
    Response { status: u16 },
}

/// A message as a reader understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub first: First,
    pub fields: Fields,
    /// What of the body was handed on, as escaped text.
    pub body: String,
    pub trailers: Fields,
    /// The body came to its end.
    pub complete: bool,
}

impl Message {
    /// A message of which the head was read.
    pub fn begun(first: First, fields: Fields) -> Self {
        Self { first, fields, body: String::new(), trailers: Fields::new(), complete: false }
    }
}

/// How a reader came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Between two messages.
    Between,
    /// Within a message.
    Within,
    /// After the last message that the connection may carry, or the answer that was waited for.
    Last,
    /// It took no more.
    Refused(String),
}

/// What a reader made of the bytes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub messages: Vec<Message>,
    pub end: End,
    /// Answers: bytes after the message. Hyper does not tell.
    pub rest: Option<usize>,
}

/// Bytes as text; no two are the same text.
pub fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// What is wrong with how the codec reads a client's bytes, beside the others.
///
/// # Errors
///
/// Says what, with the bytes.
pub fn requests(bytes: &[u8]) -> Result<Reading, String> {
    let ours = ours::requests(&[bytes]);
    let judged = within(&ours, &oracle::requests(bytes), "oracle", |_| None)
        .and_then(|()| within(&ours, &hyper::requests(bytes), "hyper", not_for_hyper));
    judged.map_err(|wrong| format!("{wrong}\nbytes: {}", text(bytes))).map(|()| ours)
}

/// The same of an endpoint's bytes, all that it sends before it closes; `to_head`: the request was a HEAD.
///
/// # Errors
///
/// Says what, with the bytes.
pub fn responses(bytes: &[u8], to_head: bool) -> Result<Reading, String> {
    let ours = ours::responses(&[bytes], to_head);
    let judged = within(&ours, &oracle::responses(bytes, to_head), "oracle", |_| None)
        .and_then(|()| within(&ours, &hyper::responses(bytes, to_head), "hyper", not_for_hyper));
    judged.map_err(|wrong| format!("{wrong}\nbytes (to HEAD: {to_head}): {}", text(bytes))).map(|()| ours)
}

/// That the codec reads the same wherever the bytes are cut: at each place of `cuts`, which wraps around the length.
///
/// # Errors
///
/// Says how it differs, with the bytes.
pub fn cuts(bytes: &[u8], cuts: &[usize]) -> Result<(), String> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    for place in places.into_iter().chain([bytes.len()]) {
        pieces.push(&bytes[start..place]);
        start = place;
    }
    let differs = |whole: Reading, cut: Reading, what: &str| {
        let same = whole.messages == cut.messages && whole.rest == cut.rest && alike(&whole.end, &cut.end);
        let pieces: Vec<String> = pieces.iter().map(|piece| text(piece)).collect();
        if same { Ok(()) } else { Err(format!("{what} in pieces {pieces:?}\nwhole: {whole:?}\ncut: {cut:?}")) }
    };
    differs(ours::requests(&[bytes]), ours::requests(&pieces), "requests")?;
    differs(ours::responses(&[bytes], false), ours::responses(&pieces, false), "responses")
}

/// Refused is refused, whatever the words. What can never become a head is refused at once where it comes as a whole, and
/// may be waited for where it comes in pieces; nothing of it is handed on.
fn alike(one: &End, other: &End) -> bool {
    one == other || matches!((one, other), (End::Refused(_), End::Refused(_) | End::Within))
}

/// Why hyper need not take a message that ours takes. Nothing here is about where a message ends.
fn not_for_hyper(message: &Message) -> Option<&'static str> {
    if let First::Request { authority: Some(authority), .. } = &message.first
        && authority.parse::<http::uri::Authority>().is_err()
    {
        // The codec hands it on and the proxy refuses it (proxy/validate.rs), since Host is judged in the same place.
        return Some("an authority that is none");
    }
    if let First::Request { query: Some(query), .. } = &message.first
        && query.contains("\\\"")
    {
        // Clients that are no browsers send JSON in a query; nobody takes a `"` for the end of a target.
        return Some("a quotation mark in the query");
    }
    let length = message.fields.iter().find(|(name, _)| name == "content-length");
    if length.is_some_and(|(_, length)| length.parse::<u64>().is_ok_and(|length| length > u64::MAX - 2)) {
        // The two highest numbers mean something else inside hyper.
        return Some("a length that hyper has no room for");
    }
    None
}

/// Checks what the codec made of the bytes against what another reader did.
fn within(
    ours: &Reading,
    other: &Reading,
    name: &str,
    excused: impl Fn(&Message) -> Option<&'static str>,
) -> Result<(), String> {
    let strict = name == "oracle";
    let wrong = |what: &str| {
        let mut text = String::new();
        _ = write!(text, "{name}: {what}\nours: {ours:?}\n{name}: {other:?}");
        Err(text)
    };
    for (nth, mine) in ours.messages.iter().enumerate() {
        if excused(mine).is_some() {
            return Ok(());
        }
        let Some(theirs) = other.messages.get(nth) else { return wrong("takes fewer messages") };
        if !same_head(mine, theirs, strict) {
            return wrong("reads another head");
        }
        if mine.complete {
            if !theirs.complete {
                return wrong("sees no end of the body");
            }
            if mine.body != theirs.body || !same_fields(&mine.trailers, &theirs.trailers, strict) {
                return wrong("reads another body");
            }
        } else if !theirs.body.starts_with(&mine.body) {
            return wrong("reads another beginning of the body");
        } else if theirs.complete && !matches!(ours.end, End::Refused(_)) {
            return wrong("sees an end of the body");
        }
    }
    let more = other.messages.len() > ours.messages.len();
    match ours.end {
        // What is refused is not passed on.
        End::Refused(_) => Ok(()),
        // Hyper overlooks `close` beside bytes outside ASCII; who closes the earlier is on the safe side.
        End::Last if strict && (other.end != End::Last || more || ours.rest != other.rest) => {
            wrong("sees another end of the connection")
        }
        End::Last => Ok(()),
        End::Between | End::Within if more => wrong("takes more messages"),
        End::Between if strict && other.end != End::Between => wrong("is not between messages"),
        End::Between | End::Within => Ok(()),
    }
}

fn same_head(mine: &Message, theirs: &Message, strict: bool) -> bool {
    let mut first = mine.first.clone();
    if let (
        First::Request { method, authority, path, query, .. },
        First::Request { authority: their_authority, path: their_path, query: their_query, .. },
    ) = (&mut first, &theirs.first)
    {
        if method == "CONNECT" {
            // Which requests CONNECT asks for is of no matter: the proxy refuses them all (proxy/validate.rs).
            authority.clone_from(their_authority);
            path.clone_from(their_path);
            query.clone_from(their_query);
        } else if !strict && authority.is_some() && path == "*" {
            // Ours has the `*` already that the last proxy asks with (RFC 9112 section 3.2.4); hyper, `/` for no path.
            "/".clone_into(path);
        }
    }
    first == theirs.first && same_fields(&mine.fields, &theirs.fields, strict)
}

/// Hyper keeps fields by name: their order is that of the lines of one name only.
fn same_fields(mine: &Fields, theirs: &Fields, in_order: bool) -> bool {
    if in_order {
        return mine == theirs;
    }
    let grouped = |fields: &Fields| {
        let mut fields = fields.clone();
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        fields
    };
    grouped(mine) == grouped(theirs)
}
