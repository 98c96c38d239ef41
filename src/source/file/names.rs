//! Host names of endpoints: asked for again and again, and the last good answer kept.
//!
//! The system's resolver answers, with what /etc/hosts and nsswitch.conf say; it does not tell how long an answer is good, so
//! names are asked for at a fixed interval.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::model::{Endpoint, Model, Route};

/// How often names are asked for.
const INTERVAL: Duration = Duration::from_secs(10);

/// A host and a port.
pub type Question = (String, u16);
type Ask = dyn Fn(&Question) -> Option<Vec<SocketAddr>> + Send + Sync;

/// Names with the last good answers.
#[derive(Clone)]
pub struct Names {
    known: BTreeMap<Question, Vec<SocketAddr>>,
    ask: Arc<Ask>,
}

/// What is new about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It has other addresses now.
    Moved(String),
    /// It has none any more: the last ones are kept.
    Lost(String),
    /// It has addresses again, the same as before.
    Found(String),
}

impl Default for Names {
    fn default() -> Self {
        Self { known: BTreeMap::new(), ask: Arc::new(look_up) }
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.known.fmt(f)
    }
}

impl Names {
    /// Names that somebody else answers for.
    #[cfg(test)]
    pub fn asking(ask: impl Fn(&str) -> Option<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self { known: BTreeMap::new(), ask: Arc::new(move |question| ask(&question.0)) }
    }

    /// The same without what is known.
    pub fn unknown(&self) -> Self {
        Self { known: BTreeMap::new(), ask: Arc::clone(&self.ask) }
    }

    /// The addresses of a name, and whether they are only the last good ones. Blocks.
    pub fn resolve(&mut self, before: &Self, host: &str, port: u16) -> Option<(Vec<SocketAddr>, bool)> {
        let question = (host.to_owned(), port);
        if let Some(known) = self.known.get(&question) {
            return Some((known.clone(), false));
        }
        let answer = (self.ask)(&question);
        let stale = answer.is_none();
        let last = || before.known.get(&question).filter(|addresses| !addresses.is_empty()).cloned();
        let addresses = answer.or_else(last)?;
        self.known.insert(question, addresses.clone());
        Some((addresses, stale))
    }

    /// Gives the endpoints of a model that have a name the addresses that it has now.
    pub fn put_into(&self, model: &mut Model) {
        let named = |route: &Route| {
            let versions = route.rules.iter().flat_map(|rule| &rule.split.versions);
            versions.flat_map(|version| &version.endpoints).any(|endpoint| endpoint.host.is_some())
        };
        for route in model.routes.iter_mut().filter(|route| named(route)) {
            for rule in &mut Arc::make_mut(route).rules {
                for version in &mut Arc::make_mut(&mut rule.split).versions {
                    version.endpoints = self.renewed(&version.endpoints);
                }
            }
        }
    }

    /// Each name stands once, where it stood first.
    fn renewed(&self, endpoints: &[Endpoint]) -> Vec<Endpoint> {
        let mut seen = HashSet::new();
        let now = |endpoint: &Endpoint| {
            let question = endpoint.host.as_ref().map(|host| (host.to_string(), endpoint.address.port()));
            let addresses = question.and_then(|question| self.known.get(&question)).filter(|known| !known.is_empty());
            let known = addresses.map_or_else(|| vec![endpoint.address], Vec::clone);
            known.into_iter().map(|address| Endpoint { address, ..endpoint.clone() }).collect::<Vec<_>>()
        };
        endpoints.iter().flat_map(now).filter(|endpoint| seen.insert(endpoint.address)).collect()
    }

    /// Asks for every name anew, and takes over the good answers. Blocks.
    fn refresh(&mut self, lost: &mut BTreeSet<String>) -> Vec<News> {
        let mut news = Vec::new();
        for (question, known) in &mut self.known {
            let host = &question.0;
            match (self.ask)(question) {
                // It has never had any, which has been told.
                None if known.is_empty() => {}
                None if lost.insert(host.clone()) => news.push(News::Lost(host.clone())),
                None => {}
                Some(now) if now != *known => {
                    lost.remove(host);
                    *known = now;
                    news.push(News::Moved(host.clone()));
                }
                Some(_) if lost.remove(host) => news.push(News::Found(host.clone())),
                Some(_) => {}
            }
        }
        news
    }
}

/// In a fixed order: servers of names rotate theirs, which is no change of the configuration.
fn look_up(question: &Question) -> Option<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = (question.0.as_str(), question.1).to_socket_addrs().ok()?.collect();
    addresses.sort();
    addresses.dedup();
    (!addresses.is_empty()).then_some(addresses)
}

/// Follows names.
pub struct NameWatcher {
    names: Names,
    lost: BTreeSet<String>,
    interval: tokio::time::Interval,
}

impl NameWatcher {
    /// Follows these names, which were asked for just now.
    pub fn new(names: Names) -> Self {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.reset();
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { names, lost: BTreeSet::new(), interval }
    }

    /// Follows these from now on.
    pub fn watch(&mut self, names: Names) {
        self.names = names;
    }

    /// Waits for these names, too, which have no address yet.
    pub fn wait_for(&mut self, nameless: Vec<Question>) {
        for question in nameless {
            self.names.known.entry(question).or_default();
        }
    }

    /// What is known.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Waits for news.
    pub async fn changed(&mut self) -> Vec<News> {
        loop {
            self.interval.tick().await;
            if self.names.known.is_empty() {
                continue;
            }
            let (mut names, mut lost) = (self.names.clone(), self.lost.clone());
            let asked = tokio::task::spawn_blocking(move || {
                let news = names.refresh(&mut lost);
                (names, lost, news)
            });
            let Ok((names, lost, news)) = asked.await else { continue };
            (self.names, self.lost) = (names, lost);
            if !news.is_empty() {
                return news;
            }
        }
    }
}

#[cfg(test)]
mod tests;
