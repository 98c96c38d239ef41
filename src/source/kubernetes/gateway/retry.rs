//! What is tried again (Gateway API, `HTTPRouteRetry`).

use http::StatusCode;

use super::route::duration;
use super::wire;
use crate::model::{Retry, RetryOn};

/// What a rule wants tried again; without anything, what the proxy does by itself. Failed connections always count (GEP-1731).
///
/// # Errors
///
/// Says what cannot be understood.
pub fn retry(wire: Option<&wire::Retry>) -> Result<Retry, String> {
    let Some(wire) = wire else { return Ok(Retry::default()) };
    let code = |code: &u16| StatusCode::from_u16(*code).map_err(|_| format!("retry: {code} is no status"));
    let codes = wire.codes.iter().map(code).collect::<Result<Vec<_>, _>>()?;
    let connections = [RetryOn::Connect, RetryOn::Refused, RetryOn::Reset];
    Ok(Retry {
        attempts: wire.attempts.map_or(Retry::default().attempts, |attempts| attempts.try_into().unwrap_or(u8::MAX)),
        on: connections.into_iter().chain(codes.into_iter().map(RetryOn::Status)).collect(),
        backoff: wire.backoff.as_deref().map(duration).transpose()?.unwrap_or_default(),
        ..Retry::default()
    })
}

#[cfg(test)]
mod tests;
