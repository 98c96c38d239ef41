//! A slow and plain reader of HTTP/1.1, written from the grammar of RFC 9112 and nothing else. Where the RFC lets a recipient
//! choose, it refuses, but for what is named as tolerated.

use super::{End, Fields, First, Message, Reading, text};

/// Reads a client's bytes.
pub fn requests(bytes: &[u8]) -> Reading {
    let mut reader = Reader { bytes, at: 0 };
    let mut messages = Vec::new();
    let end = loop {
        // Section 2.2: empty lines before a request line are ignored.
        while reader.rest().starts_with(b"\r\n") {
            reader.at += 2;
        }
        if reader.rest().is_empty() {
            break End::Between;
        }
        match reader.request(&mut messages) {
            Ok(true) => {}
            Ok(false) => break End::Last,
            Err(stop) => break stop.into(),
        }
    };
    Reading { messages, end, rest: None }
}

/// Reads what an endpoint sends until it closes, up to the end of the first final answer.
pub fn responses(bytes: &[u8], to_head: bool) -> Reading {
    let mut reader = Reader { bytes, at: 0 };
    let mut messages = Vec::new();
    let end = loop {
        if reader.rest().is_empty() {
            break End::Between;
        }
        match reader.response(&mut messages, to_head) {
            Ok(true) => {}
            Ok(false) => break End::Last,
            Err(stop) => break stop.into(),
        }
    };
    let rest = (end == End::Last).then(|| reader.rest().len());
    Reading { messages, end, rest }
}

/// Why reading stops.
enum Stop {
    /// More bytes would have to come.
    Short,
    Wrong(&'static str),
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Short => Self::Within,
            Stop::Wrong(why) => Self::Refused(why.to_owned()),
        }
    }
}

type Read<T> = Result<T, Stop>;

/// How a body is delimited (section 6.3).
enum Framing {
    Nothing,
    Length(u64),
    Chunked,
    Silent,
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn rest(&self) -> &'b [u8] {
        &self.bytes[self.at..]
    }

    /// A line without its CRLF; neither CR nor LF stands in it.
    fn line(&mut self) -> Read<&'b [u8]> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).ok_or(Stop::Short)?;
        match &rest[end..] {
            [b'\r', b'\n', ..] => {
                self.at += end + 2;
                Ok(&rest[..end])
            }
            [b'\r'] => Err(Stop::Short),
            _ => Err(Stop::Wrong("a line does not end in CRLF")),
        }
    }

    /// Field lines up to an empty line (section 5).
    fn fields(&mut self) -> Read<Vec<(String, &'b [u8])>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(fields);
            }
            // field-line = field-name ":" OWS field-value OWS; an obs-fold has no name.
            let colon = line.iter().position(|byte| *byte == b':').ok_or(Stop::Wrong("a field without a colon"))?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            if !is_token(name) {
                return Err(Stop::Wrong("a field name is no token"));
            }
            // field-content: VCHAR, obs-text, SP and HTAB.
            if !value.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..)) {
                return Err(Stop::Wrong("a field value has a control character"));
            }
            let name: Vec<u8> = name.iter().map(|byte| byte.to_ascii_lowercase()).collect();
            fields.push((text(&name), without_ows(value)));
        }
    }

    /// True: another request may follow.
    fn request(&mut self, messages: &mut Vec<Message>) -> Read<bool> {
        // request-line = method SP request-target SP HTTP-version (section 3)
        let line = self.line()?;
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let [method, target, version] = words[..] else { return Err(Stop::Wrong("not a request line")) };
        if !is_token(method) {
            return Err(Stop::Wrong("the method is no token"));
        }
        let minor = minor(version)?;
        let (authority, path, query) = target_of(method, target)?;
        let fields = self.fields()?;
        let framing = framing(&fields, minor)?;
        let first = First::Request {
            method: text(method),
            authority: authority.map(text),
            path: text(path),
            query: query.map(text),
            minor,
        };
        messages.push(Message::begun(first, shown(&fields)));
        self.body(if matches!(framing, Framing::Silent) { Framing::Nothing } else { framing }, messages)?;
        Ok(persists(&fields, minor))
    }

    /// True: it was an interim answer.
    fn response(&mut self, messages: &mut Vec<Message>, to_head: bool) -> Read<bool> {
        // status-line = HTTP-version SP status-code SP [ reason-phrase ] (section 4)
        let line = self.line()?;
        let (version, after) = line.split_at_checked(8).ok_or(Stop::Wrong("not a status line"))?;
        let minor = minor(version)?;
        let [b' ', status @ ..] = after else { return Err(Stop::Wrong("no space after the version")) };
        let (status, reason) = status.split_at_checked(3).ok_or(Stop::Wrong("no status"))?;
        if !status.iter().all(u8::is_ascii_digit) || status[0] == b'0' {
            return Err(Stop::Wrong("the status is not three digits from 100 on"));
        }
        let status = status.iter().fold(0_u16, |status, digit| status * 10 + u16::from(digit - b'0'));
        match reason {
            // Tolerated: no space where no reason is. It moves nothing.
            [] => {}
            [b' ', reason @ ..] if reason.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..)) => {}
            _ => return Err(Stop::Wrong("the reason is none")),
        }
        let fields = self.fields()?;
        let framing = framing(&fields, minor)?;
        if status == 101 {
            return Err(Stop::Wrong("nobody asked for another protocol"));
        }
        messages.push(Message::begun(First::Response { status }, shown(&fields)));
        // Section 6.3, rule 1.
        let bodiless = to_head || status < 200 || status == 204 || status == 304;
        if bodiless {
            self.body(Framing::Nothing, messages)?;
            return Ok(status < 200);
        }
        self.body(framing, messages)?;
        Ok(false)
    }

    fn body(&mut self, framing: Framing, messages: &mut [Message]) -> Read<()> {
        let message = messages.last_mut().expect("a head was read");
        match framing {
            Framing::Nothing => {}
            Framing::Length(length) => self.data(length, message)?,
            Framing::Chunked => self.chunks(message)?,
            Framing::Silent => self.data(self.rest().len() as u64, message)?,
        }
        message.complete = true;
        Ok(())
    }

    fn data(&mut self, length: u64, message: &mut Message) -> Read<()> {
        let rest = self.rest();
        let here = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        message.body.push_str(&text(&rest[..here]));
        self.at += here;
        if here as u64 == length { Ok(()) } else { Err(Stop::Short) }
    }

    /// chunked-body = *chunk last-chunk trailer-section CRLF (section 7.1)
    fn chunks(&mut self, message: &mut Message) -> Read<()> {
        loop {
            let line = self.line()?;
            let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
            if digits == 0 {
                return Err(Stop::Wrong("a chunk without a size"));
            }
            let mut size = 0_u64;
            for digit in &line[..digits] {
                let digit = (*digit as char).to_digit(16).unwrap_or_default();
                size = size
                    .checked_mul(16)
                    .and_then(|size| size.checked_add(digit.into()))
                    .ok_or(Stop::Wrong("a chunk's size has no end"))?;
            }
            // chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ). Tolerated: whatever stands after the
            // `;`, of characters that end no line. It is not passed on.
            let extension = &line[digits..];
            let named = without_ows(extension);
            if !(extension.is_empty() || named.starts_with(b";"))
                || !extension.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e))
            {
                return Err(Stop::Wrong("a chunk's extension is none"));
            }
            if size == 0 {
                message.trailers = shown(&self.fields()?);
                return Ok(());
            }
            self.data(size, message)?;
            if !self.line()?.is_empty() {
                return Err(Stop::Wrong("a chunk is longer than its size"));
            }
        }
    }
}

fn shown(fields: &[(String, &[u8])]) -> Fields {
    fields.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// RFC 9110 section 5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    let tchar = |byte: &u8| {
        matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
            || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
            || matches!(byte, b'^' | b'_' | b'`' | b'|' | b'~')
    };
    !bytes.is_empty() && bytes.iter().all(tchar)
}

/// Without the optional white space around it (RFC 9110 section 5.6.3).
fn without_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', inner @ ..] | [inner @ .., b' ' | b'\t'] = value {
        value = inner;
    }
    value
}

fn minor(version: &[u8]) -> Read<u8> {
    match version {
        b"HTTP/1.0" => Ok(0),
        b"HTTP/1.1" => Ok(1),
        _ => Err(Stop::Wrong("another version")),
    }
}

type Target<'t> = (Option<&'t [u8]>, &'t [u8], Option<&'t [u8]>);

/// Section 3.2. What an authority may be is for who judges Host.
fn target_of<'t>(method: &[u8], target: &'t [u8]) -> Read<Target<'t>> {
    // unreserved, sub-delims, `%`, `:`, `@`, `/` and `?` (RFC 3986). Tolerated: what browsers leave as it is.
    let uri = |byte: &u8| {
        byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:@/?".contains(byte) || b"\"[]^{|}\\`".contains(byte)
    };
    if target.is_empty() || !target.iter().all(uri) {
        return Err(Stop::Wrong("the target has a character that no URI has"));
    }
    if method == b"CONNECT" {
        return Ok((Some(target), b"", None));
    }
    let split = |text: &'t [u8]| match text.iter().position(|byte| *byte == b'?') {
        Some(mark) => (&text[..mark], Some(&text[mark + 1..])),
        None => (text, None),
    };
    let checked = |path: &'t [u8]| {
        // Servers take one for `/` or for an end.
        if path.iter().any(|byte| matches!(byte, b'\\' | b'`')) {
            Err(Stop::Wrong("a path with `\\`"))
        } else {
            Ok(path)
        }
    };
    if target == b"*" {
        return if method == b"OPTIONS" { Ok((None, target, None)) } else { Err(Stop::Wrong("an asterisk")) };
    }
    if target[0] == b'/' {
        let (path, query) = split(target);
        return Ok((None, checked(path)?, query));
    }
    let colon = target.iter().position(|byte| *byte == b':').ok_or(Stop::Wrong("the target has no form"))?;
    let scheme = target[..colon].to_ascii_lowercase();
    if scheme != b"http" && scheme != b"https" {
        return Err(Stop::Wrong("a scheme that is not of HTTP"));
    }
    let [b'/', b'/', hierarchy @ ..] = &target[colon + 1..] else { return Err(Stop::Wrong("no authority")) };
    let (before, query) = split(hierarchy);
    let slash = before.iter().position(|byte| *byte == b'/').unwrap_or(before.len());
    let (authority, path) = before.split_at(slash);
    let path: &[u8] = match (path, method, query) {
        // Section 3.2.4: the last proxy asks for `*` then.
        ([], b"OPTIONS", None) => b"*",
        ([], ..) => b"/",
        (path, ..) => checked(path)?,
    };
    Ok((Some(checked(authority)?), path, query))
}

/// Section 6.3, refusing all that is said twice.
fn framing(fields: &[(String, &[u8])], minor: u8) -> Read<Framing> {
    let all = |wanted: &str| -> Vec<&[u8]> {
        fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| *value).collect()
    };
    match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Ok(Framing::Silent),
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && minor == 1 => Ok(Framing::Chunked),
        ([length], []) if !length.is_empty() => length
            .iter()
            .try_fold(0_u64, |sum, digit| match digit {
                b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
                _ => None,
            })
            .map(Framing::Length)
            .ok_or(Stop::Wrong("the length is no number")),
        _ => Err(Stop::Wrong("the length is said in doubt")),
    }
}

/// Section 9.3.
fn persists(fields: &[(String, &[u8])], minor: u8) -> bool {
    let has = |wanted: &[u8]| {
        fields
            .iter()
            .filter(|(name, _)| name == "connection")
            .flat_map(|(_, value)| value.split(|byte| *byte == b','))
            .any(|option| without_ows(option).to_ascii_lowercase() == wanted)
    };
    !has(b"close") && (minor == 1 || has(b"keep-alive"))
}
