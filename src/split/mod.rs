//! From a rule and a request to a version: overrides, then stickiness, then weights. Pure.

mod cookie;
mod hash;
mod home;
mod mirror;
mod rendezvous;
mod schedule;

pub use cookie::{SetCookie, StickyCookie};
pub use hash::hash_key;
pub use home::Home;
pub use mirror::mirrored;
pub use schedule::Schedule;

use crate::head::RequestHead;
use crate::model::{ClientId, Order, OverrideMatch, Sticky, StickyMode};
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
    /// How its endpoint is found, if it keeps one.
    pub home: Option<Home>,
    /// What it is hashed to, where endpoints are chosen by a hash.
    pub key: u64,
}

impl Choice {
    fn of(version: usize, why: Why) -> Self {
        Self { version, why, cookie: None, home: None, key: 0 }
    }
}

/// Chooses the version for a request; none if every weight is 0 and nothing else decides.
pub fn choose(rule: &Rule, head: &RequestHead<'_>, schedule: &mut Schedule, rng: &mut fastrand::Rng) -> Option<Choice> {
    if let Some(choice) = certain(rule, head) {
        return Some(remembered(rule, choice, rng));
    }
    let choice = match sticky(rule, head) {
        Stickiness::New => newcomer(rule, schedule, rng)?,
        Stickiness::None | Stickiness::Known(..) => Choice::of(by_weight(rule, schedule, rng)?, Why::Weight),
    };
    Some(divert(rule, choice))
}

/// Where a request would go, without moving any schedule: the version if it is certain, not the weights' to decide.
pub fn certain(rule: &Rule, head: &RequestHead<'_>) -> Option<Choice> {
    let overridden = || overridden(&rule.body, head).map(|version| Choice::of(version, Why::Override));
    let known = || match sticky(rule, head) {
        Stickiness::Known(version, home) => Some(divert(rule, Choice { home, ..Choice::of(version, Why::Sticky) })),
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
    /// The client's version follows from what it brought, and perhaps its endpoint.
    Known(usize, Option<Home>),
    /// The client is to be remembered from now on.
    New,
}

fn sticky(rule: &Rule, head: &RequestHead<'_>) -> Stickiness {
    let Some(sticky) = &rule.body.split.sticky else { return Stickiness::None };
    let known = |id: &[u8]| match by_id(rule, id) {
        Some(version) => Stickiness::Known(version, Home::hashed(sticky, id)),
        None => Stickiness::None,
    };
    match &sticky.client {
        ClientId::Header(name) => head.fields.nth(name, 0).map_or(Stickiness::None, known),
        ClientId::SourceAddress => match head.client {
            std::net::IpAddr::V4(address) => known(&address.octets()),
            std::net::IpAddr::V6(address) => known(&address.octets()),
        },
        ClientId::Cookie { name, keys, .. } => {
            let brought = head.cookie(name).and_then(|value| StickyCookie::parse(value, sticky.mode, keys));
            brought.and_then(|cookie| returning(rule, sticky, &cookie)).unwrap_or(Stickiness::New)
        }
    }
}

/// What a genuine cookie leads to, if that is still there.
fn returning(rule: &Rule, sticky: &Sticky, cookie: &StickyCookie<'_>) -> Option<Stickiness> {
    let (version, home) = match sticky.mode {
        StickyMode::Share => (by_id(rule, cookie.id), Home::hashed(sticky, cookie.id)),
        StickyMode::Pin => {
            let version = rule.body.versions.iter().position(|v| cookie.pins(v.pin()));
            (version, Home::kept(sticky, cookie.id, cookie.endpoint))
        }
    };
    let moved_on = |version: usize| rule.weights.retired.get(version).copied().unwrap_or(false);
    version
        .filter(|version| !sticky.forgets.contains(version) && !moved_on(*version))
        .map(|version| Stickiness::Known(version, home))
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
    Some(first_visit(rule, sticky, &id, Choice::of(version, Why::Weight)))
}

/// Gives a client that is at its version for the first time what brings it back.
fn first_visit(rule: &Rule, sticky: &Sticky, id: &[u8], choice: Choice) -> Choice {
    if sticky.forgets.contains(&choice.version) {
        return choice;
    }
    let home = match sticky.mode {
        StickyMode::Share => Home::hashed(sticky, id),
        StickyMode::Pin => Home::kept(sticky, id, None),
    };
    // The cookie of a home that is kept names the endpoint, so it is made once there is one.
    let pin = rule.body.versions.get(choice.version).map_or("", |v| v.pin());
    let named_later = matches!(home, Some(Home::Kept { .. }));
    let cookie = if named_later { None } else { SetCookie::new(sticky, id, pin, None) };
    Choice { cookie, home, ..choice }
}

/// Where stickiness comes first, an override leads a newcomer to the version that it will keep (ingress-nginx).
fn remembered(rule: &Rule, choice: Choice, rng: &mut fastrand::Rng) -> Choice {
    let split = &rule.body.split;
    match split.sticky.as_deref() {
        Some(sticky @ Sticky { client: ClientId::Cookie { .. }, mode: StickyMode::Pin, .. })
            if choice.why == Why::Override && split.order == Order::StickyFirst =>
        {
            first_visit(rule, sticky, &rendezvous::random_id(rng), choice)
        }
        _ => choice,
    }
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
