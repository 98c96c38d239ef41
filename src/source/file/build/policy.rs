//! How the requests of a split are treated.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::{
    Drain, GuardAction, GuardPolicy, Limits, Override, OverrideMatch, Rescue, RescueOn, Retry, RetryOn, Timeouts,
    ValueMatch,
};

use super::super::problem::{Pointer, Problems, quoted, suggestion};
use super::super::units::Time;
use super::super::wire;
use super::each;
use super::matching::{bad_regex, header_name};
use super::sticky::cookie_name;

/// The versions of a split, by name.
#[derive(Clone, Copy, Debug)]
pub struct Versions<'w>(pub &'w [wire::Version]);

impl Versions<'_> {
    /// The index of the version of this name.
    pub fn find(self, name: &str, at: &Pointer, problems: &mut Problems) -> Option<usize> {
        let found = self.0.iter().position(|version| &*version.name == name);
        if found.is_none() {
            let names = || self.0.iter().map(|version| &*version.name);
            let suggestion = suggestion(name, names());
            let separator = if suggestion.is_empty() { ";" } else { "" };
            problems
                .error(at, format!("no version \"{name}\" here{suggestion}{separator} versions: {}", quoted(names())));
        }
        found
    }
}

/// Overrides, in order.
pub fn overrides(
    wire: &[wire::Override],
    versions: Versions<'_>,
    at: &Pointer,
    problems: &mut Problems,
) -> Option<Vec<Override>> {
    each(wire, at, |wire, at| {
        let to = versions.find(&wire.to, &at.key("to"), problems);
        let condition = condition(wire, &at, problems);
        Some(Override { condition: condition?, to: to? })
    })
}

fn condition(wire: &wire::Override, at: &Pointer, problems: &mut Problems) -> Option<OverrideMatch> {
    let value = match (&wire.value, &wire.pattern) {
        (None, None) => Some(ValueMatch::Present),
        (Some(text), None) => Some(ValueMatch::Exact(text.as_str().into())),
        (None, Some(text)) => {
            let pattern = OverrideMatch::pattern(text).map_err(|error| bad_regex(text, &error));
            problems.check(&at.key("pattern"), pattern)
        }
        (Some(_), Some(_)) => {
            problems.error(&at.key("pattern"), "value and pattern cannot stand together: write one of them");
            None
        }
    };
    match (&wire.header, &wire.cookie) {
        (Some(name), None) => {
            let name = header_name(name, &at.key("header"), problems);
            Some(OverrideMatch::Header(name?, value?))
        }
        (None, Some(name)) => {
            let name = cookie_name(name, &at.key("cookie"), problems);
            Some(OverrideMatch::Cookie(name?, value?))
        }
        _ => {
            problems.error(at, "write exactly one of header, cookie");
            None
        }
    }
}

/// Time limits.
pub fn timeouts(wire: Option<&wire::Timeouts>, at: &Pointer, problems: &mut Problems) -> Option<Timeouts> {
    let default = Timeouts::default();
    let Some(wire) = wire else { return Some(default) };
    let mut positive = |time: Option<Time>, key: &str, default: Duration| {
        let time = time.map_or(default, |time| time.0);
        let error = "leaves no time at all: write a duration above 0, like 60s";
        problems.check(&at.key(key), if time == Duration::ZERO { Err(error) } else { Ok(time) })
    };
    let connect = positive(wire.connect, "connect", default.connect);
    let request = positive(wire.request, "request", default.request);
    let idle = positive(wire.idle, "idle", default.idle);
    Some(Timeouts { connect: connect?, request: request?, idle: idle? })
}

/// Most of a body that is kept for another try, bytes: a worker keeps 16 MiB of all together.
const LONGEST_KEPT: u64 = 1024 * 1024;

/// What is tried again.
pub fn retry(wire: Option<&wire::Retry>, at: &Pointer, problems: &mut Problems) -> Option<Retry> {
    let default = Retry::default();
    let Some(wire) = wire else { return Some(default) };
    let before = problems.errors.len();
    let cause = |on: &wire::RetryOn| match on {
        wire::RetryOn::Connect => RetryOn::Connect,
        wire::RetryOn::Refused => RetryOn::Refused,
        wire::RetryOn::Reset => RetryOn::Reset,
        wire::RetryOn::Timeout => RetryOn::Timeout,
    };
    let per_try = wire.per_try.map(|time| time.0);
    let on = match &wire.on {
        Some(on) => on.iter().map(cause).collect(),
        None => default.on.into_iter().chain(per_try.map(|_| RetryOn::Timeout)).collect::<Vec<_>>(),
    };
    let budget = wire.budget.map_or(default.budget, |percent| percent.0);
    let body_limit = wire.body_limit.map_or(default.body_limit, |size| size.0);
    if per_try == Some(Duration::ZERO) {
        problems.error(&at.key("perTry"), "leaves no time at all: write a duration above 0, like 5s");
    }
    let attempts = wire.attempts.unwrap_or(default.attempts);
    if on.is_empty() && attempts > 0 {
        let error = "names no cause, so that nothing is tried again: name one, like connect, or write attempts: 0";
        problems.error(&at.key("on"), error);
    }
    if per_try.is_some() && attempts == 0 {
        problems
            .error(&at.key("perTry"), "has no effect with attempts: 0: write how many may follow, or remove perTry");
    }
    match (per_try, on.contains(&RetryOn::Timeout)) {
        (Some(_), false) => {
            problems.error(&at.key("perTry"), "has no effect: add timeout to the causes in on, or remove perTry");
        }
        (None, true) => {
            problems.error(&at.key("on"), "timeout is when a try is longer than perTry: write perTry, like 5s, too");
        }
        _ => {}
    }
    if budget > 1.0 {
        let error = "is above 100%, which would let retries outnumber requests: write for example 20%";
        problems.error(&at.key("budget"), error);
    }
    if body_limit > LONGEST_KEPT {
        problems.error(&at.key("bodyLimit"), "is more than is kept of a body for another try: write at most 1MiB");
    }
    let fine = problems.errors.len() == before;
    fine.then_some(Retry { attempts, on, backoff: default.backoff, per_try, budget, body_limit, ..default })
}

/// Times that others end before they pass.
pub fn nested(wire: &wire::Split, at: &Pointer, problems: &mut Problems) {
    let timeouts = wire.timeouts.as_ref();
    let request = timeouts.and_then(|timeouts| timeouts.request).map_or(Timeouts::default().request, |time| time.0);
    let connect = timeouts.and_then(|timeouts| timeouts.connect).map(|time| time.0);
    if connect.is_some_and(|connect| connect > request) {
        let error = format!("is longer than timeouts.request ({request:?}), which ends first: make it shorter");
        problems.error(&at.key("timeouts").key("connect"), error);
    }
    let per_try = wire.retry.as_ref().and_then(|retry| retry.per_try).map(|time| time.0);
    if per_try.is_some_and(|per_try| per_try >= request) {
        let error = format!("leaves no time for another try within timeouts.request ({request:?}): make it shorter");
        problems.error(&at.key("retry").key("perTry"), error);
    }
}

/// Limits of requests.
pub fn limits(wire: Option<&wire::Limits>, at: &Pointer, problems: &mut Problems) -> Option<Limits> {
    let Some(wire) = wire else { return Some(Limits::default()) };
    let before = problems.errors.len();
    for (key, there) in [("queue", wire.queue.is_some()), ("gate", wire.gate == Some(true))] {
        if there && wire.per_endpoint.is_none() {
            problems.error(&at.key(key), "has no effect without perEndpoint: write perEndpoint: 100, or remove it");
        }
    }
    (problems.errors.len() == before).then(|| Limits {
        request_body: wire.request_body.map(|size| size.0),
        per_endpoint: wire.per_endpoint.and_then(NonZeroU32::new),
        queue: wire.queue,
        gate: wire.gate.unwrap_or(false),
    })
}

/// What is repeated on the first version.
pub fn rescue(wire: &wire::Rescue, versions: Versions<'_>, at: &Pointer, problems: &mut Problems) -> Option<Rescue> {
    let at = at.key("from");
    let from = versions.find(&wire.from, &at, problems)?;
    if from == 0 {
        problems
            .error(&at, format!("\"{}\" is the first version, where requests are repeated: name another", wire.from));
        return None;
    }
    let cause = |on: &wire::RescueOn| match on {
        wire::RescueOn::ServerError => RescueOn::ServerError,
        wire::RescueOn::Connect => RescueOn::Connect,
        wire::RescueOn::Timeout => RescueOn::Timeout,
    };
    let all = || vec![RescueOn::ServerError, RescueOn::Connect, RescueOn::Timeout];
    Some(Rescue { from, on: wire.on.as_ref().map_or_else(all, |on| on.iter().map(cause).collect()) })
}

/// How long-lived connections are let go.
pub fn drain(wire: &wire::Drain, at: &Pointer, problems: &mut Problems) -> Option<Drain> {
    let before = problems.errors.len();
    let default = Drain::default();
    let timeout = wire.timeout.map_or(default.timeout, |time| time.0);
    let spread = wire.spread.map_or(default.spread.min(timeout), |time| time.0);
    if timeout == Duration::ZERO {
        problems.error(&at.key("timeout"), "leaves no time at all: write a duration above 0, like 60s");
    } else if spread > timeout {
        let error = "is longer than the timeout, so that some would be cut before they are asked: make it shorter, or the timeout longer";
        problems.error(&at.key("spread"), error);
    }
    let close_code = wire.close_code.unwrap_or(default.close_code);
    // Others stand for what only the end points know, or may not be sent at all (RFC 6455 section 7.4).
    if !matches!(close_code, 1000 | 1001 | 1012 | 1013 | 3000..=4999) {
        let error = "is no code for a server that goes away: write 1001 (going away), 1012 (service restart), 1013 (try again \
                     later), 1000, or one of your own from 3000 to 4999";
        problems.error(&at.key("closeCode"), error);
    }
    let settle = wire.settle.map(|time| time.0);
    (problems.errors.len() == before).then_some(Drain { timeout, spread, settle, close_code })
}

/// Protection against a bad version.
pub fn guard(wire: &wire::Guard, versions: Versions<'_>, at: &Pointer, problems: &mut Problems) -> Option<GuardPolicy> {
    let before = problems.errors.len();
    if versions.0.len() < 2 {
        problems.error(at, "compares versions with the first one: add a second version, or remove guard");
    }
    let window = wire.window.map_or(Duration::from_secs(30), |time| time.0);
    if window == Duration::ZERO {
        problems.error(&at.key("window"), "leaves no time at all: write a duration above 0, like 30s");
    }
    let max_error_rate_increase = wire.max_error_rate_increase.map_or(0.02, |percent| percent.0);
    if max_error_rate_increase > 1.0 {
        problems.error(&at.key("maxErrorRateIncrease"), "is above 100%, which no rate exceeds: write for example 2%");
    }
    if wire.max_latency_ratio.is_some_and(|ratio| ratio <= 1.0) {
        problems
            .error(&at.key("maxLatencyRatio"), "must be above 1: 2.0 allows twice the latency of the first version");
    }
    (problems.errors.len() == before).then_some(GuardPolicy {
        window,
        min_requests: wire.min_requests.unwrap_or(100),
        max_error_rate_increase,
        max_latency_ratio: wire.max_latency_ratio,
        action: match wire.action {
            Some(wire::GuardAction::Report) => GuardAction::Report,
            Some(wire::GuardAction::Divert) | None => GuardAction::Divert,
        },
    })
}
