//! What is known of the cluster, and the model that follows from it.
//!
//! [`Index::apply`] takes one change; [`Index::model`] translates again what that change reaches, and nothing else. A
//! translation reads objects through a [`Reader`], which remembers what was asked for, absent objects included: so nobody has
//! to say what depends on what. Everything here is synchronous and knows no server.

mod certificates;
mod claims;
mod ends;
mod figures;
mod leftovers;
mod objects;
mod policies;
mod reader;
mod readers;
mod replicas;
mod units;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::{Certificate, Listener, Model, Route};

pub use figures::Difference;
pub use objects::Objects;
pub use reader::{Reader, Topic};

use ends::Ends;
use readers::{Readers, TopicKey};
use units::{Unit, Units};

use serde_json::Value;

use super::object::{Id, Object, Watched};
use super::report::Report;
use super::write::Statement;
use super::{Options, translate};

/// A change that a watch tells.
#[derive(Clone, Debug)]
pub enum Change {
    /// An object is there, new or changed.
    Set(Id, Object),
    /// An object is there, but cannot be understood.
    Malformed(Id, String),
    /// An object has gone.
    Gone(Id),
    /// Objects of a kind cannot be had: what is known of them stays.
    Absent(Watched),
    /// All objects of a kind are about to be told.
    Listing(Watched),
    /// All objects of a kind were told: what was not is gone.
    Listed(Watched),
}

/// What an object means for traffic, and what is to be said about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translation {
    /// Routes that it makes.
    pub routes: Vec<Arc<Route>>,
    /// Listeners that it makes.
    pub listeners: Vec<Arc<Listener>>,
    /// Certificates for the process's own TLS listeners.
    pub certificates: Vec<Certificate>,
    /// What its author is to know.
    pub report: Report,
    /// Its routes come after those of all objects that were made until then, seconds since 1970; none: after those that are older.
    pub after: Option<i64>,
}

impl Translation {
    /// Of an object that is not ours. `foreign`: it is certainly another controller's.
    pub fn not_ours(foreign: bool) -> Self {
        Self { report: Report { foreign, ..Report::default() }, ..Self::default() }
    }
}

/// Everything that is known of the cluster.
pub struct Index {
    options: Options,
    objects: Objects,
    units: Units,
    readers: Readers,
    /// Units by what their routes take.
    claims: Readers,
    dirty: BTreeSet<Id>,
    /// ReplicaSets that are scaled down soon.
    ends: Ends,
    /// What lists that are being told have told.
    listing: HashMap<Watched, BTreeSet<Id>>,
    /// Units whose report changed, or whose object did, since it was last taken.
    reported: BTreeSet<Id>,
    /// Routes on each listener of each Gateway.
    attached: HashMap<(Id, Arc<str>), usize>,
    /// Figures of the versions of Splits.
    figures: HashMap<Id, Value>,
    /// What units refer to that is asked for by name.
    named: BTreeMap<Id, Vec<Id>>,
    /// They refer to something else than when it was last asked.
    refers_anew: bool,
    /// Listeners and settings that no object says anything about.
    base: Model,
}

impl Index {
    /// An index that knows nothing. `base`: listeners and settings of the process, which take routes that name none.
    pub fn new(options: Options, base: Model) -> Self {
        Self {
            options,
            objects: Objects::default(),
            units: Units::default(),
            readers: Readers::default(),
            claims: Readers::default(),
            dirty: BTreeSet::new(),
            ends: Ends::default(),
            listing: HashMap::new(),
            reported: BTreeSet::new(),
            attached: HashMap::new(),
            figures: HashMap::new(),
            named: BTreeMap::new(),
            refers_anew: false,
            base,
        }
    }

    /// Takes a change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Set(id, object) => {
                self.note_listed(&id);
                self.ends.look(&id, Some(&object));
                let touched = self.objects.set(id.clone(), object);
                self.touch(&id, touched);
            }
            // What cannot be understood cannot be served either, and must not stay as it was.
            Change::Malformed(id, message) => {
                self.note_listed(&id);
                self.ends.look(&id, None);
                let touched = self.objects.malformed(id.clone(), message);
                self.touch(&id, touched);
            }
            Change::Gone(id) => self.remove(&id),
            Change::Absent(_) => {}
            Change::Listing(watched) => _ = self.listing.insert(watched, BTreeSet::new()),
            Change::Listed(watched) => {
                let Some(seen) = self.listing.remove(&watched) else { return };
                let known = self.objects.of(watched.kind, watched.namespace.as_ref()).map(|(id, _)| id);
                let malformed = self.objects.malformed_ids(watched.kind).filter(|id| watched.covers(id));
                let gone: Vec<Id> = known.chain(malformed).filter(|id| !seen.contains(*id)).cloned().collect();
                for id in gone {
                    self.remove(&id);
                }
                self.objects.compact();
                self.units.compact();
            }
        }
    }

    /// The lists that are being told and cover an object have it, too.
    fn note_listed(&mut self, id: &Id) {
        let lists = self.listing.iter_mut().filter(|(watched, _)| watched.covers(id));
        lists.for_each(|(_, seen)| _ = seen.insert(id.clone()));
    }

    fn remove(&mut self, id: &Id) {
        self.ends.look(id, None);
        let touched = self.objects.remove(id);
        self.touch(id, touched);
    }

    /// Marks what has read any of the topics.
    fn touch(&mut self, id: &Id, touched: Vec<Topic>) {
        if touched.is_empty() {
            return;
        }
        for topic in &touched {
            // What a unit asks about itself it need not remember.
            if let Topic::Policies(target) = topic
                && self.units.number(target).is_some()
            {
                self.dirty.insert(target.clone());
            }
            let readers = self.readers.of(TopicKey::of(topic)).iter();
            self.dirty.extend(readers.filter_map(|number| self.units.by_number(*number)).map(|unit| unit.id.clone()));
        }
        if translate::is_unit(id.kind) {
            self.dirty.insert(id.clone());
        }
    }

    /// Other listeners and settings of the process; everything is translated again.
    pub fn set_base(&mut self, options: Options, base: Model) {
        self.options = options;
        self.base = base;
        self.dirty.extend(self.units.iter().map(|unit| unit.id.clone()));
    }

    /// Whether anything has changed since the last model.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || self.ends.is_moved()
    }

    /// Translates what changed, and gives the model of all.
    pub fn model(&mut self) -> Model {
        // What one unit makes, another may read: Gateways and their routes.
        while let Some(id) = self.dirty.pop_first() {
            self.translate(id);
        }
        let mut model = self.base.clone();
        self.add_certificates(&mut model.listeners);
        let units = self.units.makers();
        let mut listeners: Vec<Arc<Listener>> = units.flat_map(|unit| unit.made.listeners.iter().cloned()).collect();
        listeners.sort_by(|a, b| a.name.cmp(&b.name));
        model.listeners.extend(listeners);
        model.leaving = self.objects.leaving();
        model.ending = self.ends.pods(&self.objects);
        model.routes.extend(self.units.routes().cloned());
        model
    }

    fn translate(&mut self, id: Id) {
        let Some(object) = self.objects.get(&id) else { return self.forget(&id) };
        let version = (Arc::clone(&object.uid), object.generation);
        let reader = Reader::new(&self.objects, &self.options, &id);
        let made = translate::translate(&reader, &id, object);
        let place = (made.after.unwrap_or(object.created).max(object.created), made.after.is_some());
        let (reads, named) = reader.into_reads();
        if !self.refer(&id, named) && self.units.number(&id).is_some() {
            // It stays as it was until what it refers to is known.
            return self.wait(&id, reads);
        }
        let before = self.units.get(&id).map(|unit| (unit.made.clone(), unit.version == version));
        let made = self.units.kept(made, before.as_ref().map(|(made, _)| made));
        let same = before.as_ref().is_some_and(|(before, same)| *same && before.report == made.report);
        if !same {
            self.reported.insert(id.clone());
            if let Some((before, _)) = &before {
                self.count(&before.report, false);
            }
            self.count(&made.report, true);
            self.report_policies(&id);
        }
        let claims = claims::of(&made.routes);
        self.put(Unit { id, reads, claims, made, place, version });
    }

    /// Notes what a unit refers to that is asked for by name; whether all of it was told.
    fn refer(&mut self, id: &Id, named: Vec<Id>) -> bool {
        let told = self.is_told(&named);
        let before = self.named.get(id).map_or(&[][..], Vec::as_slice);
        self.refers_anew |= before != named;
        if named.is_empty() {
            self.named.remove(id);
        } else {
            self.named.insert(id.clone(), named);
        }
        told
    }

    /// A unit depends on what its object says now, and means what it did.
    fn wait(&mut self, id: &Id, reads: Box<[TopicKey]>) {
        let Some(unit) = self.units.get(id) else { return };
        let (claims, made) = (unit.claims.clone(), unit.made.clone());
        let unit = Unit { id: id.clone(), reads, claims, made, place: unit.place, version: unit.version.clone() };
        self.put(unit);
    }

    /// What is to be asked for by name, if that is something else than at the last call.
    pub fn take_named(&mut self) -> Option<BTreeSet<Id>> {
        std::mem::take(&mut self.refers_anew).then(|| self.named())
    }

    /// What is to be asked for by name.
    pub fn named(&self) -> BTreeSet<Id> {
        self.named.values().flatten().cloned().collect()
    }

    /// An object is no longer asked for.
    pub fn forget_named(&mut self, id: &Id) {
        self.objects.forget(id);
    }

    /// Puts a unit in the place of the one before, among the readers of what it has read.
    fn put(&mut self, unit: Unit) {
        if let Some((number, before)) = self.units.number(&unit.id).zip(self.units.get(&unit.id)) {
            let gone = before.reads.iter().filter(|topic| unit.reads.binary_search(topic).is_err());
            gone.for_each(|topic| self.readers.remove(*topic, number));
            let gone = before.claims.iter().filter(|claim| unit.claims.binary_search(claim).is_err());
            gone.for_each(|claim| self.claims.remove(*claim, number));
        }
        let same_place = self.units.get(&unit.id).filter(|before| before.place == unit.place);
        let claimed = same_place.map(|before| before.claims.clone()).unwrap_or_default();
        let (reads, claims) = (unit.reads.clone(), unit.claims.clone());
        let number = self.units.put(unit);
        reads.iter().for_each(|topic| self.readers.add(*topic, number));
        for claim in claims.into_iter().filter(|claim| claimed.binary_search(claim).is_err()) {
            self.claims.add(claim, number);
            // Another that takes the same may have to be told now who gets it.
            let others = self.claims.of(claim).iter().filter(|other| **other != number);
            let others = others.filter_map(|other| self.units.by_number(*other));
            self.reported.extend(others.map(|unit| unit.id.clone()));
        }
    }

    fn forget(&mut self, id: &Id) {
        let Some(number) = self.units.number(id) else { return };
        let Some(unit) = self.units.remove(id) else { return };
        unit.reads.iter().for_each(|topic| self.readers.remove(*topic, number));
        unit.claims.iter().for_each(|claim| self.claims.remove(*claim, number));
        self.count(&unit.made.report, false);
        self.figures.remove(id);
        self.refers_anew |= self.named.remove(id).is_some();
        self.reported.insert(unit.id);
    }

    /// Counts a route on the listeners that it is attached to, whose Gateways then have something else to say.
    fn count(&mut self, report: &Report, more: bool) {
        // Several references of a route may mean one listener.
        let attached: BTreeSet<_> = report.parents.iter().flat_map(|parent| &parent.attached).collect();
        for attached in attached {
            let count = self.attached.entry(attached.clone()).or_default();
            *count = if more { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                self.attached.remove(attached);
            }
            self.reported.insert(attached.0.clone());
        }
    }

    /// What is said of an object is to be said once more.
    pub fn say_again(&mut self, id: &Id) {
        self.reported.insert(id.clone());
    }

    /// The same of all that has something said of it.
    pub fn say_all_again(&mut self, which: impl Fn(&Id) -> bool) {
        self.reported.extend(self.units.iter().map(|unit| &unit.id).filter(|id| which(id)).cloned());
    }

    /// The listeners that an object makes.
    pub fn listeners(&self, id: &Id) -> impl Iterator<Item = &Arc<str>> {
        let unit = self.units.get(id);
        unit.into_iter().flat_map(|unit| unit.made.listeners.iter()).map(|listener| &listener.name)
    }

    /// The objects that make a listener, or that it serves certificates of.
    pub fn makers_of(&self, listener: &str) -> impl Iterator<Item = &Id> {
        let secures = self.securing().any(|name| name == listener);
        let makes = move |unit: &&Unit| {
            let made = &unit.made;
            made.listeners.iter().any(|made| *made.name == *listener) || (secures && !made.certificates.is_empty())
        };
        self.units.makers().filter(makes).map(|unit| &unit.id)
    }

    /// What is known.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// What is to be said that was not since the last call; none about an object that has gone. Of an object that refers by name to
    /// something that was not told yet nothing is said until then: it would be said to be missing.
    pub fn take_statements(&mut self) -> Vec<(Id, Option<Statement>)> {
        let reported = std::mem::take(&mut self.reported);
        let waits = |id: &Id| self.named.get(id).is_some_and(|named| !self.is_told(named));
        let (waiting, due): (BTreeSet<Id>, BTreeSet<Id>) = reported.into_iter().partition(waits);
        self.reported = waiting;
        due.into_iter().map(|id| (id.clone(), self.statement(&id))).collect()
    }

    fn is_told(&self, named: &[Id]) -> bool {
        named.iter().all(|named| self.objects.is_told(named))
    }

    fn statement(&self, id: &Id) -> Option<Statement> {
        let unit = self.units.get(id)?;
        let mut report = Arc::clone(&unit.made.report);
        if let Some(note) = self.shadowed(unit) {
            Arc::make_mut(&mut report).notes.push(note);
        }
        let object = self.objects.get(id)?;
        self.with_figures(id, &mut report);
        self.with_outcome(id, &mut report);
        if !report.listeners.is_empty() {
            for listener in &mut Arc::make_mut(&mut report).listeners {
                let key = (id.clone(), Arc::clone(&listener.name));
                listener.attached_routes = self.attached.get(&key).copied().unwrap_or_default();
            }
        }
        Some(Statement { uid: Arc::clone(&object.uid), generation: object.generation, report })
    }
}

#[cfg(test)]
mod tests;
