//! Clients that stay where they are (Gateway API, `SessionPersistence`; of the experimental channel).

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::route::duration;
use crate::model::{ClientId, Sticky, StickyMode, StickyTo};
use crate::source::kubernetes::object::Id;

/// `SessionPersistence`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionPersistence {
    session_name: Option<String>,
    absolute_timeout: Option<String>,
    /// Of earlier releases of the API.
    idle_timeout: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    cookie_config: Option<CookieConfig>,
}

/// `CookieConfig`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CookieConfig {
    lifetime_type: Option<String>,
}

/// How the clients of a rule of a route keep their version and their endpoint. `rule`: its name or number.
///
/// # Errors
///
/// Says what is not carried.
pub fn sticky(wire: Option<&SessionPersistence>, route: &Id, rule: &str) -> Result<Option<Box<Sticky>>, String> {
    let Some(wire) = wire else { return Ok(None) };
    let kind = wire.kind.as_deref().unwrap_or("Cookie");
    if kind != "Cookie" {
        return Err(format!("sessionPersistence of type {kind} is not carried: use Cookie"));
    }
    if wire.idle_timeout.is_some() {
        return Err("sessionPersistence: idleTimeout is not carried: use absoluteTimeout".to_owned());
    }
    let client = ClientId::Cookie {
        name: name(wire, route, rule)?,
        ttl: lifetime(wire)?,
        keys: Vec::new(),
        attributes: Arc::default(),
    };
    let to = StickyTo::Endpoint { move_on_failure: true };
    Ok(Some(Box::new(Sticky { client, mode: StickyMode::Pin, to, forgets: Vec::new() })))
}

/// Without a name every rule has a cookie of its own, so that none takes that of another.
fn name(wire: &SessionPersistence, route: &Id, rule: &str) -> Result<Arc<str>, String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    match wire.session_name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) if name.bytes().all(token) => Ok(name.into()),
        Some(name) => Err(format!("sessionPersistence: {name:?} is no cookie name: use letters, digits, '-' and '_'")),
        None => {
            let hash = xxh3_64(format!("{}/{}/{rule}", route.namespace, route.name).as_bytes()) as u32;
            Ok(format!("weir-{hash:08x}").into())
        }
    }
}

/// How long the cookie lives; none: as long as the browser's session.
fn lifetime(wire: &SessionPersistence) -> Result<Option<Duration>, String> {
    let kind = wire.cookie_config.as_ref().and_then(|config| config.lifetime_type.as_deref()).unwrap_or("Session");
    let timeout = wire.absolute_timeout.as_deref().map(duration).transpose()?;
    match (kind, timeout) {
        ("Session", None) => Ok(None),
        ("Session", Some(_)) => {
            Err("sessionPersistence: absoluteTimeout of a Session cookie is not carried: use lifetimeType Permanent"
                .to_owned())
        }
        ("Permanent", Some(timeout)) if !timeout.is_zero() => Ok(Some(timeout)),
        ("Permanent", _) => Err("sessionPersistence: a Permanent cookie needs an absoluteTimeout above 0s".to_owned()),
        (other, _) => Err(format!("sessionPersistence: lifetimeType {other} is not known: use Session or Permanent")),
    }
}
