//! The units of translation: objects that mean something by themselves, each with what was made of it.

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use slab::Slab;

use super::super::object::Id;
use super::super::report::Report;
use super::Translation;
use super::readers::TopicKey;
use crate::model::{Certificate, Listener, Route};

/// What was made last is shared by all that come out the same: nearly all routes of a Gateway are told the same, and are on the
/// same listeners.
const SHARED: usize = 16;

/// A unit of translation.
pub struct Unit {
    pub id: Id,
    pub reads: Box<[TopicKey]>,
    /// What its routes take.
    pub claims: Box<[TopicKey]>,
    pub made: Made,
    /// Where its routes stand among all others: when the object was made, seconds since 1970, and whether they come after those of
    /// all that were made then.
    pub place: (i64, bool),
    /// The object's identity and generation that it was made from: what is said is said of them.
    pub version: (Arc<str>, i64),
}

impl Unit {
    /// Precedence between routes that take the same request: the older object, then the name (Gateway API,
    /// `HTTPRouteRule.matches`).
    pub fn rank(&self) -> ((i64, bool), &Id) {
        (self.place, &self.id)
    }
}

/// What was made of an object, as it is kept.
#[derive(Clone)]
pub struct Made {
    /// Routes.
    pub routes: Box<[Arc<Route>]>,
    /// Listeners.
    pub listeners: Box<[Arc<Listener>]>,
    /// Certificates for the process's own TLS listeners.
    pub certificates: Box<[Certificate]>,
    /// What its author is to know.
    pub report: Arc<Report>,
}

/// All units, by a number and by their object.
#[derive(Default)]
pub struct Units {
    all: Slab<Box<Unit>>,
    /// Their numbers, by their objects.
    numbers: HashTable<u32>,
    /// Those that make routes, by rank.
    ranked: Vec<u32>,
    /// Those that make listeners, or certificates for those of the process: a few.
    makers: BTreeSet<u32>,
    /// The last reports that were made, the newest last.
    reports: Vec<Arc<Report>>,
    /// The same of the lists of listeners that routes are on: all routes of a Gateway are on its listeners.
    listeners: Vec<Arc<[Arc<str>]>>,
}

impl Units {
    /// The number of an object's unit.
    pub fn number(&self, id: &Id) -> Option<u32> {
        let is_it = |number: &u32| self.by_number(*number).is_some_and(|unit| unit.id == *id);
        self.numbers.find(hash(id), is_it).copied()
    }

    /// The unit of an object.
    pub fn get(&self, id: &Id) -> Option<&Unit> {
        self.by_number(self.number(id)?)
    }

    /// The unit of a number.
    pub fn by_number(&self, number: u32) -> Option<&Unit> {
        self.all.get(number as usize).map(|unit| &**unit)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.all.iter().map(|(_, unit)| &**unit)
    }

    /// Those that make listeners, or certificates for those of the process.
    pub fn makers(&self) -> impl Iterator<Item = &Unit> {
        self.makers.iter().filter_map(|number| self.by_number(*number))
    }

    /// All routes, the first in precedence first.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.ranked.iter().filter_map(|number| self.by_number(*number)).flat_map(|unit| unit.made.routes.iter())
    }

    /// Puts in what was made of an object anew, and gives the number of its unit, which stays the same.
    pub fn put(&mut self, unit: Unit) -> u32 {
        if let Some(number) = self.number(&unit.id) {
            self.unlist(number);
            if let Some(place) = self.all.get_mut(number as usize) {
                **place = unit;
            }
            self.list(number);
            return number;
        }
        let key = hash(&unit.id);
        let number = self.all.insert(Box::new(unit)) as u32;
        let all = &self.all;
        self.numbers.insert_unique(key, number, |number| all.get(*number as usize).map_or(0, |unit| hash(&unit.id)));
        self.list(number);
        number
    }

    /// Takes a unit out; its number may become that of another.
    pub fn remove(&mut self, id: &Id) -> Option<Box<Unit>> {
        let number = self.number(id)?;
        self.unlist(number);
        if let Ok(entry) = self.numbers.find_entry(hash(id), |known| *known == number) {
            entry.remove();
        }
        self.all.try_remove(number as usize)
    }

    /// Notes what a unit makes.
    fn list(&mut self, number: u32) {
        let Some(unit) = self.by_number(number) else { return };
        let makes = !unit.made.listeners.is_empty() || !unit.made.certificates.is_empty();
        let place = if unit.made.routes.is_empty() { None } else { self.place(unit).err() };
        if let Some(place) = place {
            self.ranked.insert(place, number);
        }
        if makes {
            self.makers.insert(number);
        }
    }

    fn unlist(&mut self, number: u32) {
        self.makers.remove(&number);
        let Some(unit) = self.by_number(number) else { return };
        if let Ok(place) = self.place(unit) {
            self.ranked.remove(place);
        }
    }

    /// Where a unit stands among those that make routes, or would.
    fn place(&self, unit: &Unit) -> Result<usize, usize> {
        self.ranked.binary_search_by(|other| self.by_number(*other).map(Unit::rank).cmp(&Some(unit.rank())))
    }

    /// What was made, in the form in which it is kept; what is as it was before is the same object still, so that all after
    /// can tell by its address.
    pub fn kept(&mut self, made: Translation, before: Option<&Made>) -> Made {
        let Translation { routes, listeners, certificates, report, .. } = made;
        let mut same_route = |mut route: Arc<Route>| {
            if let Some(known) = before.and_then(|made| made.routes.iter().find(|known| **known == route)) {
                return Arc::clone(known);
            }
            let attachments = Arc::get_mut(&mut route).into_iter().flat_map(|route| &mut route.attachments);
            let lists = attachments.filter_map(|attachment| attachment.listeners.as_mut());
            lists.for_each(|list| *list = known(&mut self.listeners, list));
            route
        };
        let same_listener = |listener: Arc<Listener>| {
            let known = before.and_then(|made| made.listeners.iter().find(|known| **known == listener));
            known.map_or(listener, Arc::clone)
        };
        Made {
            routes: routes.into_iter().map(&mut same_route).collect(),
            listeners: listeners.into_iter().map(same_listener).collect(),
            certificates: certificates.into(),
            report: known(&mut self.reports, &Arc::new(report)),
        }
    }

    /// Makes what is kept take up no more room than it needs.
    pub fn compact(&mut self) {
        self.all.shrink_to_fit();
        self.ranked.shrink_to_fit();
    }
}

/// The same as one of the last ones, or among them from now on.
fn known<T: ?Sized + PartialEq>(last: &mut Vec<Arc<T>>, new: &Arc<T>) -> Arc<T> {
    if let Some(known) = last.iter().rev().find(|known| **known == *new) {
        return Arc::clone(known);
    }
    if last.len() == SHARED {
        last.remove(0);
    }
    last.push(Arc::clone(new));
    Arc::clone(new)
}

fn hash(id: &Id) -> u64 {
    FixedState::default().hash_one(id)
}
