//! The units of translation: objects that mean something by themselves, each with what was made of it.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use slab::Slab;

use super::super::object::Id;
use super::super::report::Report;
use super::Translation;
use super::readers::TopicKey;
use crate::model::{Certificate, Listener, Route};

/// Reports that were made last are shared by all that come out the same: nearly all routes of a Gateway are told the same.
const SHARED: usize = 16;

/// A unit of translation.
pub struct Unit {
    pub id: Id,
    pub reads: Box<[TopicKey]>,
    /// What its routes take.
    pub claims: Box<[TopicKey]>,
    pub made: Made,
    /// When the object was made, seconds since 1970: where its routes stand among all others.
    pub created: i64,
    /// The object's identity and generation that it was made from: what is said is said of them.
    pub version: (Arc<str>, i64),
}

impl Unit {
    /// Precedence between routes that take the same request: the older object, then the name (Gateway API,
    /// `HTTPRouteRule.matches`).
    pub fn rank(&self) -> (i64, &Id) {
        (self.created, &self.id)
    }
}

/// What was made of an object, as it is kept.
#[derive(Clone)]
pub struct Made {
    /// Routes.
    pub routes: Arc<[Arc<Route>]>,
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
    numbers: HashMap<Id, u32, FixedState>,
    /// The last reports that were made, the newest last.
    reports: Vec<Arc<Report>>,
}

impl Units {
    /// The number of an object's unit.
    pub fn number(&self, id: &Id) -> Option<u32> {
        self.numbers.get(id).copied()
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

    /// Puts in what was made of an object anew, and gives the number of its unit, which stays the same.
    pub fn put(&mut self, unit: Unit) -> u32 {
        if let Some(number) = self.number(&unit.id)
            && let Some(place) = self.all.get_mut(number as usize)
        {
            **place = unit;
            return number;
        }
        let id = unit.id.clone();
        let number = self.all.insert(Box::new(unit)) as u32;
        self.numbers.insert(id, number);
        number
    }

    /// Takes a unit out; its number may become that of another.
    pub fn remove(&mut self, id: &Id) -> Option<Box<Unit>> {
        let number = self.numbers.remove(id)?;
        self.all.try_remove(number as usize)
    }

    /// What was made, in the form in which it is kept; what is as it was before is the same object still, so that all after
    /// can tell by its address.
    pub fn kept(&mut self, made: Translation, before: Option<&Made>) -> Made {
        let Translation { routes, listeners, certificates, report } = made;
        let same_route = |route: Arc<Route>| {
            let known = before.and_then(|made| made.routes.iter().find(|known| **known == route));
            known.map_or(route, Arc::clone)
        };
        let same_listener = |listener: Arc<Listener>| {
            let known = before.and_then(|made| made.listeners.iter().find(|known| **known == listener));
            known.map_or(listener, Arc::clone)
        };
        Made {
            routes: routes.into_iter().map(same_route).collect(),
            listeners: listeners.into_iter().map(same_listener).collect(),
            certificates: certificates.into(),
            report: self.report(report),
        }
    }

    fn report(&mut self, report: Report) -> Arc<Report> {
        if let Some(known) = self.reports.iter().rev().find(|known| ***known == report) {
            return Arc::clone(known);
        }
        if self.reports.len() == SHARED {
            self.reports.remove(0);
        }
        let report = Arc::new(report);
        self.reports.push(Arc::clone(&report));
        report
    }
}
