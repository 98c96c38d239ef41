//! From a rule and a request to a version: overrides, then stickiness, then weights. Pure.

mod cookie;
mod rendezvous;
mod schedule;

pub use cookie::{SetCookie, StickyCookie};
pub use schedule::Schedule;

use crate::head::RequestHead;
use crate::model::{ClientId, Order, OverrideMatch, StickyMode};
use crate::snapshot::{Rule, RuleBody};

/// Why a request goes to its version; a metric label, a log field and the header `x-weir-why`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The weights.
    Weight,
    /// The client was here before.
    Sticky,
    /// A header or cookie asks for it.
    Override,
    /// The version that it was for has no endpoint, or failed and was rescued.
    Sibling,
    /// The version that it was for is taken back.
    Guard,
}

impl Why {
    /// Every reason, in the order of [`Why::index`].
    pub const ALL: [Why; 5] = [Why::Weight, Why::Sticky, Why::Override, Why::Sibling, Why::Guard];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Sticky => "sticky",
            Self::Override => "override",
            Self::Sibling => "sibling",
            Self::Guard => "guard",
        }
    }

    /// Position in [`Why::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A version for a request, before its endpoints are looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Index of the version.
    pub version: usize,
    /// Why it is this one.
    pub why: Why,
    /// A cookie that the client is to be given.
    pub cookie: Option<SetCookie>,
}

impl Choice {
    fn of(version: usize, why: Why) -> Self {
        Self { version, why, cookie: None }
    }
}

/// Chooses the version for a request; none if every weight is 0 and nothing else decides.
pub fn choose(rule: &Rule, head: &RequestHead<'_>, schedule: &mut Schedule, rng: &mut fastrand::Rng) -> Option<Choice> {
    if let Some(choice) = certain(rule, head) {
        return Some(choice);
    }
    let choice = match sticky(rule, head) {
        Stickiness::New => newcomer(rule, schedule, rng)?,
        Stickiness::None | Stickiness::Known(_) => Choice::of(by_weight(rule, schedule, rng)?, Why::Weight),
    };
    Some(divert(rule, choice))
}

/// Where a request would go, without moving any schedule: the version if it is certain, not the weights' to decide.
pub fn certain(rule: &Rule, head: &RequestHead<'_>) -> Option<Choice> {
    let overridden = || overridden(&rule.body, head).map(|version| Choice::of(version, Why::Override));
    let known = || match sticky(rule, head) {
        Stickiness::Known(version) => Some(divert(rule, Choice::of(version, Why::Sticky))),
        Stickiness::None | Stickiness::New => None,
    };
    match rule.body.split.order {
        Order::OverridesFirst => overridden().or_else(known),
        Order::StickyFirst => known().or_else(overridden),
    }
}

/// A client that asks for a version by name gets it, also from a guard that took it back: that is how it is looked into.
fn overridden(body: &RuleBody, head: &RequestHead<'_>) -> Option<usize> {
    let asked = |condition: &OverrideMatch| match condition {
        OverrideMatch::Header(name, value) => {
            (0..).map_while(|n| head.fields.nth(name, n)).any(|line| value.matches(line))
        }
        OverrideMatch::Cookie(name, value) => head.cookie(name).is_some_and(|cookie| value.matches(cookie)),
    };
    body.split.overrides.iter().find(|o| asked(&o.condition)).map(|o| o.to)
}

fn by_weight(rule: &Rule, schedule: &mut Schedule, rng: &mut fastrand::Rng) -> Option<usize> {
    schedule.next(rule.weights.epoch, &rule.weights.current, rng)
}

enum Stickiness {
    /// Weights decide each request by itself.
    None,
    /// The client's version follows from what it brought.
    Known(usize),
    /// The client is to be remembered from now on.
    New,
}

fn sticky(rule: &Rule, head: &RequestHead<'_>) -> Stickiness {
    let Some(sticky) = &rule.body.split.sticky else { return Stickiness::None };
    let known = |version: Option<usize>| version.map_or(Stickiness::None, Stickiness::Known);
    match &sticky.client {
        ClientId::Header(name) => match head.fields.nth(name, 0) {
            Some(id) => known(by_id(rule, id)),
            None => Stickiness::None,
        },
        ClientId::SourceAddress => match head.client {
            std::net::IpAddr::V4(address) => known(by_id(rule, &address.octets())),
            std::net::IpAddr::V6(address) => known(by_id(rule, &address.octets())),
        },
        ClientId::Cookie { name, keys, .. } => {
            let brought = head.cookie(name).and_then(|value| StickyCookie::parse(value, sticky.mode, keys));
            let version = brought.and_then(|cookie| match sticky.mode {
                StickyMode::Share => by_id(rule, cookie.id),
                StickyMode::Pin => rule.body.versions.iter().position(|v| cookie.pins(v.pin())),
            });
            version.map_or(Stickiness::New, Stickiness::Known)
        }
    }
}

fn by_id(rule: &Rule, id: &[u8]) -> Option<usize> {
    rendezvous::choose(id, rule.body.salt, shares(rule))
}

fn shares(rule: &Rule) -> impl Iterator<Item = (&str, u32)> + Clone {
    let names = rule.body.versions.iter().map(|v| &*v.name);
    names.zip(rule.weights.current.iter().copied())
}

/// Weights decide the first visit exactly; the id is drawn so that it leads to the same version from then on.
fn newcomer(rule: &Rule, schedule: &mut Schedule, rng: &mut fastrand::Rng) -> Option<Choice> {
    let sticky = rule.body.split.sticky.as_ref()?;
    let wanted = by_weight(rule, schedule, rng)?;
    let (id, version) = match sticky.mode {
        StickyMode::Share => rendezvous::draw(wanted, rule.body.salt, shares(rule), rng),
        StickyMode::Pin => (rendezvous::random_id(rng), wanted),
    };
    let pin = rule.body.versions.get(version).map_or("", |v| v.pin());
    let cookie = SetCookie::new(sticky, &id, pin);
    Some(Choice { version, why: Why::Weight, cookie })
}

/// What a tripped guard takes from a version goes to the first one.
fn divert(rule: &Rule, choice: Choice) -> Choice {
    if rule.weights.diverted.get(choice.version).copied().unwrap_or(false) {
        return Choice { version: 0, why: Why::Guard, ..choice };
    }
    choice
}

#[cfg(test)]
mod tests;
