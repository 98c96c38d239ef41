//! Flagger's webhooks (docs.flagger.app, "Webhooks"): the proxy says whether a release may go on.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::reply::{self, Reply, text};
use crate::control::{Control, Gate};

/// What a webhook asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// May the release go on? Any answer but 2xx holds it where it is.
    Confirm,
    /// Is the release to be taken back? 200 means yes.
    Rollback,
}

impl Hook {
    /// The hook of a path, `/hooks/NAME`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "confirm-traffic-increase" | "confirm-promotion" => Some(Self::Confirm),
            "rollback" => Some(Self::Rollback),
            _ => None,
        }
    }
}

/// What Flagger sends; fields that do not matter here are left out.
#[derive(Deserialize)]
struct Asked {
    /// Name of the Canary.
    name: String,
    /// Its namespace; none or `-`: the splits of a file.
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    metadata: Option<BTreeMap<String, Value>>,
}

impl Asked {
    /// Requests that the canary must have had, `metadata.minSamples`.
    fn min_samples(&self) -> Result<u64, String> {
        let Some(wanted) = self.metadata.as_ref().and_then(|metadata| metadata.get("minSamples")) else { return Ok(0) };
        // Flagger's metadata are texts.
        let number = wanted.as_u64().or_else(|| wanted.as_str()?.parse().ok());
        number.ok_or_else(|| format!("metadata.minSamples is {wanted}: write a number of requests, like \"100\""))
    }
}

/// Answers a webhook.
pub fn answer(control: &Control, hook: Hook, body: &[u8]) -> Reply {
    let asked: Asked = match serde_json::from_slice(body) {
        Ok(asked) => asked,
        Err(error) => {
            let message = format!("{error}; send {{\"name\": \"shop\", \"namespace\": \"default\"}} as Flagger does");
            return reply::error(StatusCode::BAD_REQUEST, &message);
        }
    };
    let min_samples = match asked.min_samples() {
        Ok(min_samples) => min_samples,
        Err(message) => return reply::error(StatusCode::BAD_REQUEST, &message),
    };
    let namespace = if asked.namespace == "-" { "" } else { &asked.namespace };
    match control.gate(namespace, &asked.name) {
        Ok(gate) => {
            let (status, reason) = decide(hook, &gate, min_samples);
            text(status, &reason)
        }
        Err(error) => reply::error(StatusCode::NOT_FOUND, &error.to_string()),
    }
}

fn decide(hook: Hook, gate: &Gate, min_samples: u64) -> (StatusCode, String) {
    let Gate { splits, tripped, samples } = gate;
    let splits = splits.join(", ");
    match hook {
        Hook::Rollback if tripped.is_empty() => {
            (StatusCode::CONFLICT, format!("no guard of {splits} has tripped: nothing to take back"))
        }
        Hook::Rollback => (StatusCode::OK, tripped.join("; ")),
        Hook::Confirm if !tripped.is_empty() => (StatusCode::CONFLICT, tripped.join("; ")),
        Hook::Confirm if *samples < min_samples => {
            (StatusCode::CONFLICT, format!("{splits}: {samples} of {min_samples} requests so far"))
        }
        Hook::Confirm => (StatusCode::OK, format!("{splits}: {samples} requests, and no guard has tripped")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(hook: Hook, tripped: &[&str], samples: u64, wanted: u64) -> u16 {
        let tripped = tripped.iter().map(|reason| (*reason).to_owned()).collect();
        decide(hook, &Gate { splits: vec!["shop".to_owned()], tripped, samples }, wanted).0.as_u16()
    }

    #[test]
    fn a_release_goes_on_with_requests_enough_and_no_trip() {
        assert_eq!(decided(Hook::Confirm, &[], 0, 0), 200);
        assert_eq!(decided(Hook::Confirm, &[], 99, 100), 409);
        assert_eq!(decided(Hook::Confirm, &[], 100, 100), 200);
        assert_eq!(decided(Hook::Confirm, &["bad"], 1000, 0), 409);
    }

    #[test]
    fn a_release_is_taken_back_when_a_guard_tripped() {
        assert_eq!(decided(Hook::Rollback, &[], 1000, 0), 409);
        assert_eq!(decided(Hook::Rollback, &["bad"], 0, 0), 200);
    }

    #[test]
    fn the_number_of_requests_may_be_a_text() {
        let wanted = |json: &str| serde_json::from_str::<Asked>(json).unwrap().min_samples();
        assert_eq!(wanted(r#"{"name": "a", "metadata": {"minSamples": "7"}, "phase": "Progressing"}"#), Ok(7));
        assert_eq!(wanted(r#"{"name": "a", "metadata": {"minSamples": 7}}"#), Ok(7));
        assert_eq!(wanted(r#"{"name": "a", "metadata": null}"#), Ok(0));
        assert!(wanted(r#"{"name": "a", "metadata": {"minSamples": "many"}}"#).is_err());
    }
}
