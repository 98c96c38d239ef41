//! What a path means, however it is written: a request must not slip past the rule of `/admin` as `//admin`, `/x/../admin`
//! or `/%61dmin` when the backend takes these for the same.
//!
//! Pure. Paths begin with `/`; all else is left alone.

/// Whether a path can mean something else than its text: it has an empty element, one that begins with a dot, an escape or a
/// parameter. Nearly no path has; for the others this is all that is looked at.
pub fn is_suspect(path: &[u8]) -> bool {
    let pairs = path.iter().zip(path.get(1..).unwrap_or_default());
    // Without a branch for each byte, so that many are looked at at once.
    let found = pairs.fold(false, |found, (one, next)| {
        found | (*one == b'/' && (*next == b'/' || *next == b'.')) | (*next == b'%') | (*next == b';')
    });
    found && path.first() == Some(&b'/')
}

/// The path in its normal form, if that is another text: escapes of unreserved characters are read (RFC 3986 section
/// 6.2.2.2), dot segments removed (section 5.2.4), adjacent slashes merged, as nginx does it. `%2F` stays.
pub fn normal(path: &str) -> Option<String> {
    let read = read(path, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'));
    let normal = without_dots(&read);
    (normal != path).then_some(normal)
}

/// What a backend may understand that reads escaped slashes and backslashes as slashes and lets go of parameters (`;x=y`), if
/// that is another path than the one given, which is normal.
pub fn other_reading(path: &str) -> Option<String> {
    if !path.bytes().any(|byte| matches!(byte, b'%' | b';')) {
        return None;
    }
    let read = read(path, |byte| b"!$&'()*+,:=@;/\\".contains(&byte)).replace('\\', "/");
    let elements: Vec<&str> = read.split('/').map(|e| e.split_once(';').map_or(e, |(element, _)| element)).collect();
    let other = without_dots(&elements.join("/"));
    (other != path).then_some(other)
}

/// With the escapes of some ASCII characters as these.
fn read(path: &str, reads: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|byte| reads(*byte));
        match byte {
            Some(byte) => {
                text.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            None => {
                text.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    text + rest
}

/// Without dot segments and empty elements; a slash at the end stays.
fn without_dots(path: &str) -> String {
    let mut elements: Vec<&str> = Vec::new();
    let mut open = false;
    for element in path.split('/').skip(1) {
        open = matches!(element, "" | "." | "..");
        match element {
            "" | "." => {}
            ".." => _ = elements.pop(),
            other => elements.push(other),
        }
    }
    let mut text = String::with_capacity(path.len());
    for element in &elements {
        text.push('/');
        text.push_str(element);
    }
    if open || elements.is_empty() {
        text.push('/');
    }
    text
}

#[cfg(test)]
mod tests;
