//! As much of HTTP/1.1 as a backend and a client need that are on good terms with each other.

use anyhow::{Context, Result, bail, ensure};

/// No head is longer than this.
pub const HEAD_LIMIT: usize = 16 * 1024;

/// The head of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Bytes of the head.
    pub head: usize,
    /// Bytes of the body.
    pub body: usize,
    /// What is asked for.
    pub path: String,
    /// The connection ends with the answer.
    pub close: bool,
    /// The connection is to become a WebSocket; the key that it comes with.
    pub websocket: Option<String>,
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Bytes of the head.
    pub head: usize,
    /// Bytes of the body.
    pub body: usize,
    /// Its status.
    pub status: u16,
}

/// Reads a request's head; nothing if it is not complete.
pub fn request(bytes: &[u8]) -> Result<Option<Request>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = parsed.parse(bytes)? else {
        ensure!(bytes.len() < HEAD_LIMIT, "a head of more than {HEAD_LIMIT} bytes");
        return Ok(None);
    };
    let path = parsed.path.context("a request without a path")?.to_owned();
    let http10 = parsed.version == Some(0);
    let mut request = Request { head, body: 0, path, close: http10, websocket: None };
    for header in parsed.headers.iter() {
        let value = std::str::from_utf8(header.value)?;
        match header.name {
            name if name.eq_ignore_ascii_case("content-length") => request.body = value.parse()?,
            name if name.eq_ignore_ascii_case("transfer-encoding") => bail!("a request of unknown length"),
            name if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") => {
                request.close = true
            }
            name if name.eq_ignore_ascii_case("sec-websocket-key") => request.websocket = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(Some(request))
}

/// Reads an answer's head; nothing if it is not complete.
pub fn answer(bytes: &[u8]) -> Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = parsed.parse(bytes)? else {
        ensure!(bytes.len() < HEAD_LIMIT, "a head of more than {HEAD_LIMIT} bytes");
        return Ok(None);
    };
    let status = parsed.code.context("an answer without a status")?;
    let length = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body = match length {
        Some(length) => std::str::from_utf8(length.value)?.parse()?,
        None if status == 101 => 0,
        None => bail!("an answer without a length"),
    };
    Ok(Some(Answer { head, body, status }))
}

/// The bytes that a path asks for: `/1k`, `/10m`, `/200`, whatever comes after a further slash.
pub fn size(path: &str) -> Option<usize> {
    let name = path.trim_start_matches('/').split(['/', '?']).next()?;
    let (digits, unit) = match name.strip_suffix('k') {
        Some(digits) => (digits, 1 << 10),
        None => name.strip_suffix('m').map_or((name, 1), |digits| (digits, 1 << 20)),
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_from_paths() {
        let sizes = ["/1k", "/10m", "/200", "/1k/rest", "/1k?x=y", "/k", "/"].map(size);
        assert_eq!(sizes, [Some(1024), Some(10 << 20), Some(200), Some(1024), Some(1024), None, None]);
    }

    #[test]
    fn a_request_is_read() {
        let text = b"POST /1k HTTP/1.1\r\nhost: a\r\nContent-Length: 16\r\nConnection: close\r\n\r\nrest";
        let expected = Request { head: text.len() - 4, body: 16, path: "/1k".into(), close: true, websocket: None };
        assert_eq!(request(text).unwrap(), Some(expected));
        assert_eq!(request(&text[..40]).unwrap(), None);
        assert!(request(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn an_answer_is_read() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(answer(text).unwrap(), Some(Answer { head: text.len() - 3, body: 3, status: 200 }));
        assert_eq!(answer(&text[..20]).unwrap(), None);
        assert!(answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
