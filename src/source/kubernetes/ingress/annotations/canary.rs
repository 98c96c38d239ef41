//! `canary-*`: which requests go to a canary.

use http::HeaderName;

use super::reader::Reader;
use super::{Canary, Severity};
use crate::model::{MAX_WEIGHT, Override, OverrideMatch, ValueMatch};

/// Index of the main version among the conditions of a canary.
pub const MAIN: usize = 0;
/// Index of the canary there.
pub const CANARY: usize = 1;

/// What the annotations say about a canary; none if this is none.
pub fn canary(reader: &mut Reader<'_>) -> Option<Canary> {
    let is_canary = reader.flag("canary", false);
    if !is_canary {
        stray(reader);
        return None;
    }
    let total = total(reader);
    let weight = reader.number("canary-weight", 0).unwrap_or(0);
    let weight = u32::try_from(weight).unwrap_or(u32::MAX).min(total);
    let mut conditions = by_header(reader);
    conditions.extend(by_cookie(reader));
    Some(Canary { weight, total, conditions })
}

/// An Ingress that says something about a canary without being one is an ordinary Ingress (ingress-nginx treats the
/// annotations as an error).
fn stray(reader: &mut Reader<'_>) {
    let stray = reader.names().filter(|name| name.starts_with("canary-"));
    for name in stray {
        reader.tell(name, Severity::Error, "has no effect without canary: \"true\": this is an ordinary Ingress");
    }
}

/// ingress-nginx takes the total only if it is above 100.
fn total(reader: &mut Reader<'_>) -> u32 {
    match reader.number("canary-weight-total", 0) {
        None => 100,
        Some(total) if total <= 100 => {
            if total < 100 {
                reader.tell("canary-weight-total", Severity::Warning, "a total below 100 counts as 100: write more");
            }
            100
        }
        Some(total) => u32::try_from(total).ok().filter(|total| *total <= MAX_WEIGHT).unwrap_or_else(|| {
            reader.invalid("canary-weight-total", &format!("101 to {MAX_WEIGHT}"));
            100
        }),
    }
}

/// `canary-by-header`: a value beats a pattern, and that `always` and `never`.
fn by_header(reader: &mut Reader<'_>) -> Vec<Override> {
    let allowed = "a header name, like X-Canary";
    let parse = |text: &str| HeaderName::from_bytes(text.as_bytes()).ok();
    let Some(name) = reader.parsed("canary-by-header", allowed, parse) else {
        for name in ["canary-by-header-value", "canary-by-header-pattern"] {
            if reader.text(name).is_some() {
                reader.tell(name, Severity::Warning, "has no effect without canary-by-header");
            }
        }
        return Vec::new();
    };
    let header = |value, to| Override { condition: OverrideMatch::Header(name.clone(), value), to };
    let pattern = reader.text("canary-by-header-pattern");
    if let Some(value) = reader.text("canary-by-header-value") {
        if pattern.is_some() {
            let message = "has no effect beside canary-by-header-value: remove one of them";
            reader.tell("canary-by-header-pattern", Severity::Warning, message);
        }
        return vec![header(ValueMatch::Exact(value.into()), CANARY)];
    }
    match pattern.map(OverrideMatch::pattern) {
        None => vec![header(exactly("always"), CANARY), header(exactly("never"), MAIN)],
        Some(Ok(pattern)) => vec![header(pattern, CANARY)],
        Some(Err(error)) => {
            let message = format!("requests with the header stay on the main version: {}", last_line(&error));
            reader.tell("canary-by-header-pattern", Severity::Error, message);
            vec![header(ValueMatch::Present, MAIN)]
        }
    }
}

fn by_cookie(reader: &mut Reader<'_>) -> Vec<Override> {
    let Some(name) = reader.parsed("canary-by-cookie", "a cookie name", super::affinity::cookie_name) else {
        return Vec::new();
    };
    let cookie = |value, to| Override { condition: OverrideMatch::Cookie(name.clone(), exactly(value)), to };
    vec![cookie("always", CANARY), cookie("never", MAIN)]
}

fn exactly(text: &str) -> ValueMatch {
    ValueMatch::Exact(text.into())
}

/// The regex crate draws the expression over several lines; the last one says what is wrong.
pub fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
