//! What a request must look like for a rule: host, path, method, headers, query parameters.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, Method};
use regex::Regex;
use thiserror::Error;

/// A host that a route answers for (RFC 9110 section 7.2; wildcards as in the Gateway API's `Hostname`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// One name, in lower case.
    Exact(Arc<str>),
    /// `*.example.com`: any name with one or more labels before this suffix (`example.com`, lower case).
    Wildcard(Arc<str>),
}

/// Why a text is no host pattern.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no host name: use letters, digits, '-' and '.', with '*.' only at the start and no port")]
pub struct HostError(String);

impl HostPattern {
    /// Parses `example.com`, `*.example.com` or an IP address literal.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let lower = text.trim_end_matches('.').to_ascii_lowercase();
        let (name, wildcard) = match lower.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (lower.as_str(), false),
        };
        let label = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        let address = !wildcard && name.starts_with('[') && name.ends_with(']');
        if !address && (name.len() > 253 || !name.split('.').all(label)) {
            return Err(HostError(text.to_owned()));
        }
        let name: Arc<str> = name.into();
        Ok(if wildcard { Self::Wildcard(name) } else { Self::Exact(name) })
    }

    /// Whether `host` (lower case, without a port) is meant.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *host,
            Self::Wildcard(suffix) => {
                host.strip_suffix(&**suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// A regular expression that remembers its text; linear in its input (the `regex` crate).
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles an expression that may match anywhere in the value.
    pub fn search(text: &str) -> Result<Self, regex::Error> {
        regex::RegexBuilder::new(text).size_limit(1 << 20).build().map(Self)
    }

    /// Compiles an expression that must match the whole value.
    pub fn whole(text: &str) -> Result<Self, regex::Error> {
        // The text on its own first, so that an error points into what the operator wrote.
        Self::search(text)?;
        Self::search(&format!("^(?:{text})$"))
    }

    /// Whether `value` matches.
    pub fn is_match(&self, value: &str) -> bool {
        self.0.is_match(value)
    }

    /// `replacement` with the groups of the first match in it (`${1}`), instead of the whole text; none without a match.
    pub fn rewrite(&self, text: &str, replacement: &str) -> Option<String> {
        let mut rewritten = String::new();
        self.0.captures(text)?.expand(replacement, &mut rewritten);
        Some(rewritten)
    }

    /// The expression as compiled.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// How a path is compared (Gateway API `HTTPPathMatch`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// The whole path, byte for byte.
    Exact(Arc<str>),
    /// Path elements from the start: `/api` takes `/api`, `/api/` and `/api/x`, not `/apix`. Without a trailing `/`
    /// unless it is `/` itself.
    Prefix(Arc<str>),
    /// A regular expression over the whole path.
    Regex(Pattern),
}

impl PathMatch {
    /// Takes every path.
    pub fn everything() -> Self {
        Self::Prefix("/".into())
    }
}

/// How a single value is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueMatch {
    /// Any value.
    Present,
    /// This value, byte for byte.
    Exact(Arc<str>),
    /// A regular expression.
    Regex(Pattern),
}

impl ValueMatch {
    /// Whether `value` is meant. Bytes outside UTF-8 match no expression.
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(wanted) => wanted.as_bytes() == value,
            Self::Regex(pattern) => std::str::from_utf8(value).is_ok_and(|text| pattern.is_match(text)),
        }
    }
}

/// A header that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    /// Header name.
    pub name: HeaderName,
    /// What its value must be; repeated headers are compared joined by `,` (RFC 9110 section 5.3).
    pub value: ValueMatch,
}

/// A query parameter that must be there; of repeated ones the first counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMatch {
    /// Parameter name, percent-decoded.
    pub name: Arc<str>,
    /// What its percent-decoded value must be.
    pub value: ValueMatch,
}

/// All conditions of one match; every one must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Path condition.
    pub path: PathMatch,
    /// Method condition.
    pub method: Option<Method>,
    /// Header conditions.
    pub headers: Vec<HeaderMatch>,
    /// Query conditions.
    pub query: Vec<QueryMatch>,
    /// What a request must be, too. It says nothing of precedence.
    pub also: Option<Arc<Also>>,
}

impl Match {
    /// Takes every request.
    pub fn everything() -> Self {
        Self::path(PathMatch::everything())
    }

    /// Takes every request with such a path.
    pub fn path(path: PathMatch) -> Self {
        Self { path, method: None, headers: Vec::new(), query: Vec::new(), also: None }
    }
}

/// Some of the requests that a rule takes. What is for them comes before the rest of the rule, and takes nothing from other rules:
/// so it has the precedence of the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Also {
    /// What the whole path must match.
    pub path: Option<Pattern>,
    /// Methods, of which it must have one; empty: any.
    pub methods: Vec<Method>,
    /// Header conditions.
    pub headers: Vec<HeaderMatch>,
}
