//! What `decide` would do with a request, told without doing it: nothing advances, and where weights decide, the answer is
//! the distribution.

use serde::{Deserialize, Serialize};

use super::own_weight;
use crate::head::RequestHead;
use crate::model::{Access, OnEmpty};
use crate::route;
use crate::snapshot::{MirrorEntry, Rule, Snapshot, VersionEntry};
use crate::split;
use crate::upstream::balance::{self, Tried};

/// Where a request goes, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Listener that it arrives on.
    pub listener: String,
    /// Route that takes it; none: 404.
    pub route: Option<String>,
    /// Which of the route's conditions, in words.
    pub rule: Option<String>,
    /// Why a version is certain, or `weight` where it is not.
    pub why: Option<String>,
    /// Versions with their chance to be chosen; empty when a filter answers.
    pub versions: Vec<ExplainedVersion>,
    /// What the proxy answers by itself.
    pub answer: Option<String>,
    /// Where copies of it may go.
    #[serde(default)]
    pub mirrors: Vec<ExplainedMirror>,
}

/// Where a copy of the request may go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedMirror {
    /// Name of the version or backend.
    pub to: String,
    /// What it runs.
    pub revision: String,
    /// Chance that it is copied, 0 to 1.
    pub share: f64,
    /// Endpoints, one of which gets it.
    pub endpoints: Vec<String>,
}

/// A version that the request may go to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedVersion {
    /// Name.
    pub version: String,
    /// What it runs.
    pub revision: String,
    /// Chance, 0 to 1.
    pub share: f64,
    /// Its endpoints that may be chosen: all, or those that are well.
    pub endpoints: Vec<String>,
}

/// Explains what becomes of a request.
pub fn explain(snapshot: &Snapshot, head: &RequestHead<'_>) -> Explanation {
    let entry = snapshot.listeners.get(head.listener);
    let mut explanation = Explanation {
        listener: entry.map_or_else(String::new, |e| format!("{} ({})", e.listener.name, e.listener.address)),
        route: None,
        rule: None,
        why: None,
        versions: Vec::new(),
        answer: None,
        mirrors: Vec::new(),
    };
    let Some(found) = entry.and_then(|e| route::find(&e.table, head)) else {
        explanation.answer = Some("404: no route takes this host and path".to_owned());
        return explanation;
    };
    let rule = &snapshot.rules[found.rule];
    explanation.route = Some(rule.body.route.to_string());
    explanation.rule = Some(match found.prefix {
        0 => head.path.to_owned(),
        length => format!("{}/*", &head.path[..length]),
    });
    explanation.answer = answered(rule, head);
    if explanation.answer.is_some() {
        return explanation;
    }
    let certain = split::certain(rule, head);
    explanation.why = Some(certain.as_ref().map_or(split::Why::Weight, |choice| choice.why).as_str().to_owned());
    let chosen: Vec<f64> = (0..rule.body.versions.len())
        .map(|i| match &certain {
            Some(choice) => f64::from(u8::from(choice.version == i)),
            None => rule.weights.effective_share(i),
        })
        .collect();
    if chosen.iter().all(|share| *share == 0.0) {
        explanation.answer = Some("503: every weight is 0, so that no version takes requests".to_owned());
        return explanation;
    }
    let Placed { shares, refused, invalid } = placed(rule, chosen);
    explanation.mirrors = rule.body.mirrors.iter().map(|mirror| explained(mirror, &shares)).collect();
    let told = |status: u16, share: f64, reason: &str| format!("{status} for {}: {reason}", percent(share));
    let answers = [
        (invalid > 0.0).then(|| told(500, invalid, "the version points to what does not exist or may not be used")),
        (refused > 0.0).then(|| match rule.body.split.on_empty {
            OnEmpty::Hold(timeout) => {
                let share = percent(refused);
                format!("held for {share}: the version has no healthy endpoint, and requests wait {timeout:?} for one, then get 503")
            }
            OnEmpty::Sibling | OnEmpty::Reject => {
                told(503, refused, "the version has no healthy endpoint, and none takes its place")
            }
        }),
    ];
    explanation.answer = answers.into_iter().flatten().reduce(|all, one| format!("{all}; {one}"));
    explanation.versions = (rule.body.versions.iter().zip(shares))
        .filter(|(_, share)| *share > 0.0)
        .map(|(version, share)| ExplainedVersion {
            version: version.name.to_string(),
            revision: version.revision.to_string(),
            share,
            endpoints: reachable(rule, version),
        })
        .collect();
    explanation
}

/// Where requests for a version may go now.
fn reachable(rule: &Rule, version: &VersionEntry) -> Vec<String> {
    let endpoints = &version.endpoints;
    let all = balance::panics(endpoints, &rule.body.split, &Tried::default().unchecked());
    let used = endpoints.iter().filter(|endpoint| all || endpoint.health.is_usable());
    used.map(|endpoint| endpoint.address.to_string()).collect()
}

/// A mirror of a rule whose versions get these shares: what its own version gets, and what nobody gets, is not copied.
fn explained(mirror: &MirrorEntry, shares: &[f64]) -> ExplainedMirror {
    let copied = |(version, _): &(usize, &f64)| mirror.version != Some(*version);
    let forwarded: f64 = shares.iter().enumerate().filter(copied).map(|(_, share)| share).sum();
    let target = &mirror.target;
    let able = !target.invalid && !target.is_empty();
    ExplainedMirror {
        to: target.name.to_string(),
        revision: target.revision.to_string(),
        share: if able { forwarded * mirror.fraction.share() } else { 0.0 },
        endpoints: target.endpoints.iter().map(|e| e.address.to_string()).collect(),
    }
}

/// What the rule answers itself, whatever its versions are.
fn answered(rule: &Rule, head: &RequestHead<'_>) -> Option<String> {
    if rule.body.answers(head) {
        return Some("a filter of the rule answers (redirect or CORS preflight)".to_owned());
    }
    rule.body.closed_to(head.client).map(|access| match access {
        Access::Addresses { .. } => format!("403: the rule is not for clients at {}", head.client),
        Access::Closed => "503: the rule asks for protection that this proxy does not have".to_owned(),
    })
}

/// A share with as many digits as say something.
fn percent(share: f64) -> String {
    format!("{}%", (share * 1e5).round() / 1e3)
}

/// What becomes of shares once endpoints are looked for.
struct Placed {
    /// What versions get.
    shares: Vec<f64>,
    /// What is answered with 503.
    refused: f64,
    /// What is answered with 500.
    invalid: f64,
}

/// Siblings take the shares of versions without endpoints, in proportion to their own; the rest is refused.
fn placed(rule: &Rule, mut shares: Vec<f64>) -> Placed {
    let mut invalid = 0.0;
    for (share, _) in shares.iter_mut().zip(&rule.body.versions).filter(|(_, version)| version.invalid) {
        invalid += std::mem::take(share);
    }
    let able = |i: usize| {
        let version = &rule.body.versions[i];
        if super::is_doubtful(rule, i) { !version.endpoints.is_empty() } else { !version.is_empty() }
    };
    let mut lost = 0.0;
    for (_, share) in shares.iter_mut().enumerate().filter(|(i, _)| !able(*i)) {
        lost += std::mem::take(share);
    }
    // As `sibling` does.
    let weight = |i: usize| if able(i) { own_weight(rule, i) as f64 } else { 0.0 };
    let total: f64 = (0..shares.len()).map(weight).sum();
    let wanted = |i: &usize| rule.weights.desired.get(*i).is_some_and(|weight| weight.get() > 0);
    let mut all = (0..shares.len()).filter(|i| able(*i));
    let first = all.clone().find(wanted).or_else(|| all.next());
    match first.filter(|_| rule.body.split.on_empty == OnEmpty::Sibling) {
        None => return Placed { shares, refused: lost, invalid },
        Some(first) if total == 0.0 => shares[first] += lost,
        Some(_) => shares.iter_mut().enumerate().for_each(|(i, share)| *share += lost * weight(i) / total),
    }
    Placed { shares, refused: 0.0, invalid }
}
