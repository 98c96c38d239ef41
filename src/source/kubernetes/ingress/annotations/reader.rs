//! Values of annotations, typed; what makes no sense is told and gives nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::table::{self, TABLE, Verdict};
use super::{Finding, PREFIX, Severity};

/// The annotations of one Ingress that have the prefix.
pub struct Reader<'a> {
    values: BTreeMap<&'a str, &'a str>,
    /// What there is to say.
    pub findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    /// Reads the annotations whose name is `prefix/...`.
    pub fn new(annotations: &'a BTreeMap<String, String>, prefix: &str) -> Self {
        let own = |(name, value): (&'a String, &'a String)| {
            Some((name.strip_prefix(prefix)?.strip_prefix('/')?, value.as_str()))
        };
        Self { values: annotations.iter().filter_map(own).collect(), findings: Vec::new() }
    }

    /// Names that are there.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.values.keys().copied().collect::<Vec<_>>().into_iter()
    }

    /// The value as written; an empty one counts as none, as in ingress-nginx.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Adds a finding about a value that becomes the default.
    pub fn invalid(&mut self, name: &str, allowed: &str) {
        let value = self.text(name).unwrap_or_default();
        let message = format!("\"{value}\" counts as absent: write {allowed}");
        self.findings.push(Finding::new(name, Severity::Warning, message));
    }

    /// Adds a finding.
    pub fn tell(&mut self, name: &str, severity: Severity, message: impl Into<String>) {
        self.findings.push(Finding::new(name, severity, message));
    }

    /// A value that `parse` understands; else a finding that says what is allowed.
    pub fn parsed<T>(&mut self, name: &str, allowed: &str, parse: impl FnOnce(&'a str) -> Option<T>) -> Option<T> {
        let value = parse(self.text(name)?);
        if value.is_none() {
            self.invalid(name, allowed);
        }
        value
    }

    /// A truth value, in the forms of Go's `strconv.ParseBool`.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.parsed(name, "\"true\" or \"false\"", truth).unwrap_or(default)
    }

    /// A whole number of at least `least`.
    pub fn number(&mut self, name: &str, least: u64) -> Option<u64> {
        let allowed = format!("a whole number from {least}, without a unit");
        self.parsed(name, &allowed, |text| text.parse().ok().filter(|number| *number >= least))
    }

    /// Whole seconds, of which there are at least `least`. What is more than a century counts as one: no clock can be set to it, and it
    /// cannot be written as a date everywhere.
    pub fn seconds(&mut self, name: &str, least: u64) -> Option<Duration> {
        const LONGEST: u64 = 100 * 365 * 86_400;
        self.number(name, least).map(|seconds| Duration::from_secs(seconds.min(LONGEST)))
    }

    /// One of some words.
    pub fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let allowed = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        self.parsed(name, &allowed, |text| words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value))
    }

    /// Tells what is not known, and what is refused.
    pub fn unknown(&mut self) {
        for name in self.names() {
            match table::find(name).map(|entry| entry.verdict) {
                None => {
                    let message = format!("ingress-nginx has no such annotation{}", suggestion(name));
                    self.tell(name, Severity::Warning, message);
                }
                Some(Verdict::Refused(why)) if self.asks(name) => {
                    self.tell(name, Severity::Error, format!("not honoured: {why}"));
                }
                Some(_) => {}
            }
        }
    }

    /// Tells of annotations with the prefix of ingress-nginx where another one is configured: they are another controller's, or were
    /// left behind.
    pub fn left_behind(&mut self, annotations: &BTreeMap<String, String>, prefix: &str) {
        if prefix == PREFIX {
            return;
        }
        for (name, value) in annotations {
            let Some(short) = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('/')) else { continue };
            if asks(short, value) {
                let message = format!(
                    "without effect: this proxy reads annotations with the prefix {prefix} (--annotation-prefix)"
                );
                self.tell(name, Severity::Info, message);
            }
        }
    }

    /// Tells of all else that does less than in ingress-nginx, or something else. To be called last.
    pub fn differing(&mut self) {
        for name in self.names().filter(|name| self.asks(name)).collect::<Vec<_>>() {
            let message = match table::find(name).map(|entry| entry.verdict) {
                Some(Verdict::Partial(how)) => format!("partly: {how}"),
                Some(Verdict::Ignored(why)) => format!("without effect: {why}"),
                Some(Verdict::Supported | Verdict::Refused(_)) | None => continue,
            };
            if !self.findings.iter().any(|finding| finding.annotation == name) {
                self.tell(name, Severity::Info, message);
            }
        }
    }

    /// Whether the value asks for anything: `false`, `0` and `off` do not, nor what is ingress-nginx's default anyway.
    pub fn asks(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| asks(name, text))
    }
}

/// Whether a value of an annotation asks for anything; see `Reader::asks`.
pub fn asks(name: &str, value: &str) -> bool {
    let value = value.trim();
    let default = matches!((name, value), ("proxy-redirect-from" | "proxy-redirect-to", "default"));
    !(value.is_empty() || truth(value) == Some(false) || value == "off" || default)
}

/// A truth value of Go's `strconv.ParseBool`.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Asks whether the closest annotation was meant; empty if none is close.
pub fn suggestion(name: &str) -> String {
    let score = |known: &str| match is_abbreviation(name, known) {
        true => 1,
        false => strsim::damerau_levenshtein(name, known),
    };
    let closest = TABLE.iter().map(|entry| (score(entry.name), entry.name)).min();
    match closest {
        // A third of the letters may differ: more of them is another word.
        Some((distance, known)) if distance <= name.len().max(3) / 3 => format!(": did you mean \"{known}\"?"),
        _ => ": remove it, or look for its name in the documentation of ingress-nginx".to_owned(),
    }
}

/// Whether all words of `name` stand in `known` in this order, beginning with the first (`canary-total`).
fn is_abbreviation(name: &str, known: &str) -> bool {
    let mut words = known.split('-');
    let same_start = name.split('-').next() == known.split('-').next();
    same_start && name.contains('-') && name.split('-').all(|word| words.any(|other| other == word))
}
