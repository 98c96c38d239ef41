//! Findings to Events: one for each kind of finding, however many annotations there are.

use std::fmt::Write as _;

use super::{Finding, Severity};
use crate::source::kubernetes::report::Note;

/// Bytes of a note after which the rest is only counted: an Event holds 1,000.
const ENOUGH: usize = 850;

/// What the author of an Ingress is told: what is not done, what is probably not meant so, and what differs from
/// ingress-nginx.
pub fn notes(findings: &[Finding]) -> Vec<Note> {
    let kinds = [
        (Severity::Error, "AnnotationRefused"),
        (Severity::Warning, "AnnotationChanged"),
        (Severity::Info, "AnnotationDiffers"),
    ];
    let note = |(severity, reason)| {
        let message = text(findings.iter().filter(|finding| finding.severity == severity))?;
        Some(Note { warning: severity != Severity::Info, reason, message })
    };
    kinds.into_iter().filter_map(note).collect()
}

/// The same with one note for each reason, which says everything once.
pub fn by_reason(notes: Vec<Note>) -> Vec<Note> {
    let mut reasons: Vec<(Note, Vec<String>)> = Vec::new();
    for note in notes {
        match reasons.iter_mut().find(|(first, _)| first.reason == note.reason) {
            Some((_, messages)) if messages.contains(&note.message) => {}
            Some((_, messages)) => messages.push(note.message),
            None => reasons.push((Note { message: String::new(), ..note }, vec![note.message])),
        }
    }
    reasons.into_iter().map(|(note, messages)| Note { message: messages.join("; "), ..note }).collect()
}

/// Each message once, after the names of all annotations that it is about; none without findings.
fn text<'f>(findings: impl Iterator<Item = &'f Finding>) -> Option<String> {
    let mut parts: Vec<(Vec<&str>, &str)> = Vec::new();
    for Finding { annotation, message, .. } in findings {
        match parts.iter_mut().find(|(_, known)| known == message) {
            Some((names, _)) if names.contains(&annotation.as_str()) => {}
            Some((names, _)) => names.push(annotation),
            None => parts.push((vec![annotation], message)),
        }
    }
    let mut text = String::new();
    for (position, (names, message)) in parts.iter().enumerate() {
        let part = if names == &[""] { (*message).to_owned() } else { format!("{}: {message}", names.join(", ")) };
        if position > 0 && text.len() + part.len() > ENOUGH {
            let rest: Vec<&str> = parts[position..].iter().flat_map(|(names, _)| names.iter().copied()).collect();
            let _ = write!(text, "; and {} more, which weir audit tells", rest.len());
            break;
        }
        if position > 0 {
            text.push_str("; ");
        }
        text.push_str(&part);
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
