//! Routes of its own that an Argo Rollout sets beside its weights: `setHeaderRoute` and `setMirrorRoute`.

use std::collections::BTreeMap;

use http::HeaderName;
use serde::Deserialize;
use serde_json::Value;

use super::rollout::Step;
use crate::model::{Fraction, Mirror, MirrorTarget, Override, OverrideMatch, Pattern, ValueMatch};

/// Place of the canary among the versions of a Rollout.
const CANARY: usize = 1;

/// `SetHeaderRoute`: requests with one of these headers go to the canary. Without any, the route is removed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct HeaderRoute {
    name: String,
    r#match: Vec<HeaderMatch>,
}

/// `HeaderRoutingMatch`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HeaderMatch {
    header_name: String,
    header_value: StringMatch,
}

/// `StringMatch`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StringMatch {
    exact: String,
    prefix: String,
    regex: String,
}

/// `SetMirrorRoute`: copies of requests that match go to the canary. Without any match, the route is removed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct MirrorRoute {
    name: String,
    r#match: Vec<Value>,
    percentage: Option<u32>,
}

/// What the routes that stand mean for a split.
#[derive(Default)]
pub struct Managed {
    /// Requests for the canary whatever the weights.
    pub overrides: Vec<Override>,
    /// Copies for the canary.
    pub mirrors: Vec<Mirror>,
    /// What is not carried.
    pub refused: Vec<String>,
}

/// What stands after these steps: of routes of one name the last.
pub(super) fn of(steps: &[Step]) -> Managed {
    let mut managed = Managed::default();
    let headers: BTreeMap<&str, &HeaderRoute> =
        steps.iter().filter_map(|step| step.set_header_route.as_ref()).map(|route| (&*route.name, route)).collect();
    for matched in headers.values().flat_map(|route| &route.r#match) {
        match condition(matched) {
            Ok(condition) => managed.overrides.push(Override { condition, to: CANARY }),
            Err(error) => managed.refused.push(format!("setHeaderRoute: {error}")),
        }
    }
    let mirrors: BTreeMap<&str, &MirrorRoute> =
        steps.iter().filter_map(|step| step.set_mirror_route.as_ref()).map(|route| (&*route.name, route)).collect();
    for route in mirrors.values().filter(|route| !route.r#match.is_empty()) {
        match mirror(route) {
            Ok(mirror) => managed.mirrors.push(mirror),
            Err(error) => managed.refused.push(format!("setMirrorRoute {}: {error}", route.name)),
        }
    }
    managed
}

fn condition(wire: &HeaderMatch) -> Result<OverrideMatch, String> {
    let name: HeaderName = wire.header_name.parse().map_err(|_| format!("{:?} is no header name", wire.header_name))?;
    let StringMatch { exact, prefix, regex } = &wire.header_value;
    let pattern = |pattern: Result<Pattern, regex::Error>| {
        pattern.map(ValueMatch::Regex).map_err(|error| format!("the expression for {name} is none: {error}"))
    };
    let value = match (&**exact, &**prefix, &**regex) {
        (exact, "", "") if !exact.is_empty() => ValueMatch::Exact(exact.into()),
        ("", prefix, "") if !prefix.is_empty() => pattern(Pattern::search(&format!("^{}", regex::escape(prefix))))?,
        ("", "", regex) if !regex.is_empty() => pattern(Pattern::whole(regex))?,
        _ => return Err(format!("header {name} needs one of exact, prefix and regex")),
    };
    Ok(OverrideMatch::Header(name, value))
}

/// Copies are made of all requests of a split, so only a match that means all of them can be carried.
fn mirror(route: &MirrorRoute) -> Result<Mirror, String> {
    let all = |wire: &Value| {
        let others = wire.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        others.into_iter().all(|(key, value)| key == "path" && *value == serde_json::json!({"prefix": "/"}))
    };
    if !route.r#match.iter().any(all) {
        return Err("copies of some requests only are not carried: match path {prefix: /}".to_owned());
    }
    let fraction = route.percentage.map_or(Ok(Fraction::ALL), Fraction::percent).map_err(|error| error.to_string())?;
    Ok(Mirror { to: MirrorTarget::Version(CANARY), fraction, body_limit: Mirror::BODY_LIMIT })
}

#[cfg(test)]
mod tests;
