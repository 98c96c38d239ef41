//! The head of a request as decisions see it: a borrowed view that any codec can give.

use std::net::IpAddr;

use http::{HeaderName, Method, header};

/// Look-up of header fields, however a codec keeps them.
pub trait Fields {
    /// The value of the `n`-th field line (from 0) of that name, in the order received.
    fn nth(&self, name: &HeaderName, n: usize) -> Option<&[u8]>;
}

impl Fields for http::HeaderMap {
    fn nth(&self, name: &HeaderName, n: usize) -> Option<&[u8]> {
        if n == 0 {
            return self.get(name).map(http::HeaderValue::as_bytes);
        }
        self.get_all(name).iter().nth(n).map(http::HeaderValue::as_bytes)
    }
}

/// What a decision may look at.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// Index of the listener in the snapshot.
    pub listener: usize,
    /// Method (RFC 9110 section 9).
    pub method: &'a Method,
    /// Host in lower case, without a port.
    pub host: &'a str,
    /// Path as received, starting with `/`.
    pub path: &'a str,
    /// Query without `?`.
    pub query: Option<&'a str>,
    /// Header fields.
    pub fields: &'a dyn Fields,
    /// The client's address, as far as trusted proxies are believed.
    pub client: IpAddr,
    /// Whether the client speaks TLS, to the proxy or to a trusted one in front of it.
    pub secure: bool,
}

impl<'a> RequestHead<'a> {
    /// Every value of a header, in order.
    pub fn values(&self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.fields;
        (0..).map_while(move |n| fields.nth(name, n))
    }

    /// The value of the first cookie of that name (RFC 6265 section 5.4), over all `Cookie` lines: HTTP/2 may split them.
    pub fn cookie(&self, name: &str) -> Option<&'a [u8]> {
        let fields = self.fields;
        (0..).map_while(|n| fields.nth(&header::COOKIE, n)).find_map(|line| cookie_in(line, name))
    }
}

/// Finds one cookie in a `Cookie` header's value.
pub fn cookie_in<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    line.split(|b| *b == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::cookie_in;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let line = b"xbeta=0; beta2=1; beta=2;gamma=\"3\"; empty=";
        assert_eq!(cookie_in(line, "beta"), Some(&b"2"[..]));
        assert_eq!(cookie_in(line, "gamma"), Some(&b"3"[..]));
        assert_eq!(cookie_in(line, "empty"), Some(&b""[..]));
        assert_eq!(cookie_in(line, "delta"), None);
    }
}
