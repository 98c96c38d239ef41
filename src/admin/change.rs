//! Changes by hand: who may make them, and what they may be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::StatusCode;
use http::header::{self, HeaderMap};
use hyper::body::Incoming;
use serde::Deserialize;

use super::reply;
use crate::control::{Control, WeightsError};
use crate::proxy::host_of;

/// Why a change is refused that nobody may make.
pub const FORBIDDEN: &str =
    "changes are taken from loopback addresses, or with the token of admin.tokenFile, and as application/json";
/// A change that is not made.
pub struct Refused(pub StatusCode, pub String);

impl From<WeightsError> for Refused {
    fn from(error: WeightsError) -> Self {
        let status = match error {
            WeightsError::NoSplit { .. } => StatusCode::NOT_FOUND,
            WeightsError::Owned { .. } => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        Self(status, error.to_string())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    weights: BTreeMap<String, i64>,
}

/// Whether a request may change anything.
///
/// A web page that the operator has open is on the same machine: it cannot send JSON without asking first, which is never
/// granted, and a name of its own that leads here (DNS rebinding) is no loopback name.
pub fn allowed(headers: &HeaderMap, peer: IpAddr, token: Option<&str>) -> bool {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok()).unwrap_or_default();
    if !text(header::CONTENT_TYPE).starts_with("application/json") {
        return false;
    }
    let bearer = text(header::AUTHORIZATION).strip_prefix("Bearer ");
    if let (Some(bearer), Some(token)) = (bearer, token) {
        return verify_slices_are_equal(bearer.as_bytes(), token.as_bytes()).is_ok();
    }
    let host = host_of(text(header::HOST));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    here && peer.to_canonical().is_loopback()
}

/// Sets weights: `{"weights": {"stable": 50, "canary": 50}}`.
pub async fn weights(control: &Control, split: &str, body: Incoming) -> Result<(), Refused> {
    let bad = |message: String| Refused(StatusCode::BAD_REQUEST, message);
    let body = reply::body(body).await.map_err(bad)?;
    let patch: Patch = serde_json::from_slice(&body)
        .map_err(|error| bad(format!("{error}; send {{\"weights\": {{\"stable\": 50, \"canary\": 50}}}}")))?;
    control.set_weights(split, &patch.weights).map_err(Refused::from)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let json = ("content-type", "application/json");
        pairs.iter().chain([&json]).map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn changes_come_from_loopback_under_a_loopback_name() {
        let here: IpAddr = [127, 0, 0, 1].into();
        assert!(allowed(&headers(&[("host", "127.0.0.1:9901")]), here, None));
        assert!(allowed(&headers(&[("host", "[::1]:9901")]), here, None));
        assert!(allowed(&headers(&[("host", "localhost")]), here, None));
        assert!(!allowed(&headers(&[("host", "evil.example:9901")]), here, None));
        assert!(!allowed(&headers(&[("host", "127.0.0.1:9901")]), [10, 0, 0, 1].into(), None));
    }

    #[test]
    fn changes_from_elsewhere_need_the_token() {
        let there: IpAddr = [10, 0, 0, 1].into();
        let with = headers(&[("host", "proxy:9901"), ("authorization", "Bearer secret")]);
        assert!(allowed(&with, there, Some("secret")));
        assert!(!allowed(&with, there, Some("other")));
        assert!(!allowed(&with, there, None));
    }

    #[test]
    fn a_page_in_a_browser_cannot_change_anything() {
        let mut form = headers(&[("host", "localhost:9901")]);
        form.insert("content-type", HeaderValue::from_static("text/plain"));
        assert!(!allowed(&form, [127, 0, 0, 1].into(), None));
    }
}
