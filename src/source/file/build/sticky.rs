//! Stickiness.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{ClientId, Sticky, StickyMode, StickyTo};

use super::super::problem::{Pointer, Problems};
use super::super::wire;
use super::matching::header_name;
use super::{Context, optional};

/// Shorter keys can be guessed.
const MIN_KEY_BYTES: usize = 16;

/// How a client keeps its version.
pub fn sticky(wire: &wire::Sticky, at: &Pointer, context: &mut Context<'_>) -> Option<Sticky> {
    let to = match wire.to {
        // Who comes back finds it again once it is well.
        Some(wire::StickyTo::Endpoint) => StickyTo::Endpoint { move_on_failure: false },
        Some(wire::StickyTo::Version) | None => StickyTo::Version,
    };
    let remembers = to != StickyTo::Version && wire.cookie.is_some();
    let mode = match wire.mode {
        Some(wire::StickyMode::Pin) => StickyMode::Pin,
        Some(wire::StickyMode::Share) => StickyMode::Share,
        None if remembers => StickyMode::Pin,
        None => StickyMode::Share,
    };
    if to != StickyTo::Version && mode == StickyMode::Share {
        let message = "clients are hashed to endpoints, so that some get more than others: only a cookie of mode pin \
                       remembers where the fewest were";
        context.problems.warning(&at.key("to"), message);
    }
    let client = match (&wire.cookie, &wire.header, wire.source_address) {
        (Some(name), None, None) => cookie(wire, name, at, context),
        (None, Some(name), None) => {
            let name = header_name(name, &at.key("header"), &mut context.problems);
            cookie_only(wire, at, &mut context.problems).and(name).map(ClientId::Header)
        }
        (None, None, Some(_)) => cookie_only(wire, at, &mut context.problems).map(|()| ClientId::SourceAddress),
        _ => {
            context.problems.error(at, "write exactly one of cookie, header, sourceAddress: true");
            None
        }
    };
    Some(Sticky { client: client?, mode, to, forgets: Vec::new() })
}

fn cookie(wire: &wire::Sticky, name: &str, at: &Pointer, context: &mut Context<'_>) -> Option<ClientId> {
    let valid = cookie_name(name, &at.key("cookie"), &mut context.problems);
    let keys = wire.key_file.as_ref().map(|name| keys(name, &at.key("keyFile"), context));
    if wire.mode == Some(wire::StickyMode::Pin) && keys.is_none() {
        context.problems.warning(
            &at.key("mode"),
            "the cookie is not signed, so that clients can choose their version: add keyFile to prevent it",
        );
    }
    let ttl = wire.ttl.map(|time| time.0);
    if ttl == Some(Duration::ZERO) {
        let message = "ends the cookie at once: write a duration above 0, like 24h, or remove it";
        context.problems.error(&at.key("ttl"), message);
        return None;
    }
    Some(ClientId::Cookie { name: valid?, ttl, keys: optional(keys)?.unwrap_or_default(), attributes: Arc::default() })
}

/// Only a cookie can remember something.
fn cookie_only(wire: &wire::Sticky, at: &Pointer, problems: &mut Problems) -> Option<()> {
    let pin = wire.mode == Some(wire::StickyMode::Pin);
    let misplaced = [("ttl", wire.ttl.is_some()), ("keyFile", wire.key_file.is_some()), ("mode", pin)];
    let mut valid = Some(());
    for (key, _) in misplaced.into_iter().filter(|(_, there)| *there) {
        let what = if key == "mode" { "mode pin" } else { key };
        problems.error(&at.key(key), format!("{what} needs a cookie: write cookie: NAME, or remove it"));
        valid = None;
    }
    valid
}

/// A cookie's name (RFC 6265 section 4.1.1).
pub fn cookie_name(text: &str, at: &Pointer, problems: &mut Problems) -> Option<Arc<str>> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || !text.bytes().all(token) {
        problems.error(at, format!("\"{text}\" is no cookie name: use letters, digits, '-' and '_'"));
        return None;
    }
    Some(text.into())
}

fn keys(name: &str, at: &Pointer, context: &mut Context<'_>) -> Option<Vec<Arc<[u8]>>> {
    let content = context.read(at, name)?;
    signing_keys(&content, name).map_err(|message| context.problems.error(at, message)).ok()
}

/// Keys that cookies are signed with, one per line; `name`: of what they stand in.
///
/// # Errors
///
/// There is none, or one that can be guessed.
pub fn signing_keys(content: &[u8], name: &str) -> Result<Vec<Arc<[u8]>>, String> {
    let lines = content.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let keys: Vec<Arc<[u8]>> = lines.map(Arc::from).collect();
    match keys.iter().position(|key| key.len() < MIN_KEY_BYTES) {
        _ if keys.is_empty() => Err(format!("{name} has no key: write one per line, of {MIN_KEY_BYTES} bytes or more")),
        Some(i) => Err(format!("key {} of {name} is too short: use {MIN_KEY_BYTES} bytes or more", i + 1)),
        None => Ok(keys),
    }
}
