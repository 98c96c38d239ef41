//! Findings by JSON pointer, before anybody knows lines and columns.
//!
//! Validation works on wire structs, which have lost their places; it names a place by its pointer (RFC 6901)
//! and the pipeline looks up where that is.

use std::fmt;

/// A JSON pointer that grows by keys and indices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pointer(String);

impl Pointer {
    /// The whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// The value under `key`.
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}/{}", self.0, key.replace('~', "~0").replace('/', "~1")))
    }

    /// The item at `index`.
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// The pointer's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What this points into; none for the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }
}

impl From<&str> for Pointer {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The value that is wrong.
    pub at: Pointer,
    /// Whether the key is meant rather than its value.
    pub on_key: bool,
    /// What is wrong and what is allowed.
    pub message: String,
    /// A second place that belongs to it; its line and column are added to the message.
    pub other: Option<Pointer>,
}

/// All findings so far.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    /// What makes the configuration invalid.
    pub errors: Vec<Problem>,
    /// What works, but probably not as meant.
    pub warnings: Vec<Problem>,
}

impl Problems {
    /// Adds an error about the value at `at`.
    pub fn error(&mut self, at: &Pointer, message: impl fmt::Display) {
        self.errors.push(Problem { at: at.clone(), on_key: false, message: message.to_string(), other: None });
    }

    /// Adds an error about the key at `at`.
    pub fn error_on_key(&mut self, at: &Pointer, message: impl fmt::Display) {
        self.errors.push(Problem { at: at.clone(), on_key: true, message: message.to_string(), other: None });
    }

    /// Adds an error that arises between two places.
    pub fn conflict(&mut self, at: &Pointer, other: &Pointer, message: impl fmt::Display) {
        let other = Some(other.clone());
        self.errors.push(Problem { at: at.clone(), on_key: false, message: message.to_string(), other });
    }

    /// Adds a warning.
    pub fn warning(&mut self, at: &Pointer, message: impl fmt::Display) {
        self.warnings.push(Problem { at: at.clone(), on_key: false, message: message.to_string(), other: None });
    }

    /// Gives the value, or adds its error.
    pub fn check<T, E: fmt::Display>(&mut self, at: &Pointer, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.error(at, error)).ok()
    }
}

/// Asks whether the closest of `known` was meant; empty when none is close.
pub fn suggestion<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let lower = text.to_lowercase();
    let closest = known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .min_by_key(|(distance, _)| *distance);
    match closest {
        // A third of the letters may differ: more of them is another word.
        Some((distance, name)) if distance <= text.chars().count().max(3) / 3 => {
            format!(": did you mean \"{name}\"?")
        }
        _ => String::new(),
    }
}

/// Names in quotes, as a list for a message.
pub fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
