//! Meanings: wire structs to the model, with an error for everything that makes no sense.
//!
//! Functions give `None` if and only if they have added an error, and look at everything before they give up.

mod address;
mod client_tls;
mod conflict;
mod endpoints;
mod filter;
mod listener;
mod matching;
mod mirror;
mod policy;
mod process;
mod split;
mod sticky;
mod tls;
mod version;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;

use crate::model::{Listener, Model, Route, Settings};

pub use client_tls::unverified as unverified_tls;
#[cfg(feature = "kubernetes")]
pub use sticky::signing_keys;

use super::names::{Names, Question};
use super::problem::{Pointer, Problems};
use super::wire;
#[cfg(feature = "kubernetes")]
pub use split::{Scope, route, split};
#[cfg(feature = "kubernetes")]
pub use tls::{names, provider};

/// What building needs beside the wire structs, and what it finds.
pub struct Context<'a> {
    folder: &'a Path,
    /// What was found.
    pub problems: Problems,
    /// Files that were named.
    pub watched: Vec<PathBuf>,
    /// Host names that were asked for already: most appear in many splits.
    pub names: Names,
    /// What was known of them before.
    known: Names,
    /// Those that have no address.
    pub nameless: HashSet<Question>,
    /// The operating system's roots, read when the first version needs them.
    native_roots: Option<Arc<RootCertStore>>,
}

impl<'a> Context<'a> {
    /// Files are relative to `folder`.
    #[cfg(any(feature = "kubernetes", test))]
    pub fn new(folder: &'a Path) -> Self {
        Self::knowing(folder, Names::default())
    }

    /// The same where names have been asked for before.
    pub fn knowing(folder: &'a Path, known: Names) -> Self {
        Self {
            folder,
            problems: Problems::default(),
            watched: Vec::new(),
            names: known.unknown(),
            known,
            nameless: HashSet::new(),
            native_roots: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Reads a file that the configuration names at `at`.
    fn read(&mut self, at: &Pointer, name: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        let content = std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()));
        // Also if it is missing: it may appear.
        if !self.watched.contains(&path) {
            self.watched.push(path);
        }
        self.problems.check(at, content)
    }
}

/// The whole file.
pub fn file(wire: &wire::File, context: &mut Context<'_>) -> Option<(Model, Settings)> {
    let root = Pointer::root();
    let settings = process::settings(wire, context);
    let trusted_proxies = process::trusted_proxies(&wire.trusted_proxies, &mut context.problems);
    let listeners = listener::listeners(wire, context);
    let splits_at = root.key("splits");
    if !wire.splits.is_empty() && wire.listeners.is_empty() {
        context.problems.error(
            &splits_at,
            "no listener takes requests for these splits: add one, listeners: [{name: http, address: \"0.0.0.0:8080\"}]",
        );
    }
    let names: Vec<&str> = wire.listeners.iter().map(|listener| &*listener.name).collect();
    let stateless = wire.state.is_none();
    let routes: Vec<Option<Route>> = wire
        .splits
        .iter()
        .enumerate()
        .map(|(i, split)| {
            let scope = split::Scope { at: splits_at.index(i), listeners: &names, stateless };
            split::route(split, &scope, context)
        })
        .collect();
    unique(wire.splits.iter().map(|split| &*split.name), &splits_at, &mut context.problems);
    conflict::check(wire, &routes, &mut context.problems);
    let model = Model {
        listeners: listeners?.into_iter().map(Arc::new).collect::<Vec<Arc<Listener>>>(),
        routes: every(routes)?.into_iter().map(Arc::new).collect(),
        trusted_proxies: trusted_proxies?,
        forwarding: process::forwarding(wire.forwarding.as_ref()),
        leaving: Vec::new(),
        ending: Vec::new(),
    };
    Some((model, settings?))
}

/// All values, or none. Unlike `collect`, it has looked at every item by then.
fn every<T>(items: impl IntoIterator<Item = Option<T>>) -> Option<Vec<T>> {
    let items: Vec<Option<T>> = items.into_iter().collect();
    items.into_iter().collect()
}

/// Builds every item of the list at `at`, or none.
fn each<W, T>(items: &[W], at: &Pointer, mut build: impl FnMut(&W, Pointer) -> Option<T>) -> Option<Vec<T>> {
    every(items.iter().enumerate().map(|(i, item)| build(item, at.index(i))))
}

/// Something that may be absent: none if it is wrong, `Some(None)` if it is absent.
type Checked<T> = Option<Option<T>>;

/// What is absent is fine; what is there must be valid.
fn optional<T>(value: Option<Option<T>>) -> Checked<T> {
    match value {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

/// An error for each `name` among the items at `at` that another item has already.
fn unique<'w>(names: impl Iterator<Item = &'w str>, at: &Pointer, problems: &mut Problems) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (i, name) in names.enumerate() {
        let place = |i: usize| at.index(i).key("name");
        match seen.get(name) {
            Some(first) => problems.conflict(
                &place(i),
                &place(*first),
                format!("name \"{name}\" is taken already: choose another"),
            ),
            None => {
                seen.insert(name, i);
            }
        }
    }
}
