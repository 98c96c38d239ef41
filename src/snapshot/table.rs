//! Rules of a listener, arranged so that the one with the highest precedence is found first.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use http::Method;
use smallvec::{SmallVec, smallvec};

use crate::model::{Also, HeaderMatch, HostPattern, Match, PathMatch, Pattern, QueryMatch};

type Map<T> = HashMap<Arc<str>, T, foldhash::fast::FixedState>;

/// Texts that are looked through one by one; more of them are hashed.
const FEW: usize = 4;

/// Candidates by a path. Nearly every host has one or two, for which a hash table would be ten times as large.
#[derive(Clone)]
pub enum Paths {
    /// Not more than a few.
    Few(Vec<(Arc<str>, Candidates)>),
    /// By hash.
    Many(Box<Many>),
}

/// Candidates by the hashes of paths.
#[derive(Clone, Default)]
pub struct Many {
    pub(super) by_path: Map<Candidates>,
    /// Bytes of the longest path. What is longer is none of them, and need not be hashed: a path is looked up by each of its prefixes.
    longest: usize,
}

impl Many {
    fn add(&mut self, path: Arc<str>, candidates: Candidates) {
        self.longest = self.longest.max(path.len());
        self.by_path.entry(path).or_default().extend(candidates);
    }
}

/// Candidates, the highest precedence first; nearly always there is one, which lies in place.
type Candidates = SmallVec<[Candidate; 1]>;

impl Default for Paths {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Paths {
    /// The candidates of a path.
    pub fn get(&self, path: &str) -> Option<&[Candidate]> {
        match self {
            Self::Few(few) => few.iter().find(|(known, _)| **known == *path).map(|(_, candidates)| &candidates[..]),
            Self::Many(many) if path.len() > many.longest => None,
            Self::Many(many) => many.by_path.get(path).map(|candidates| &candidates[..]),
        }
    }

    fn add(&mut self, path: Arc<str>, candidate: Candidate) {
        if let Self::Few(few) = self {
            if let Some((_, candidates)) = few.iter_mut().find(|(known, _)| *known == path) {
                return candidates.push(candidate);
            }
            if few.len() < FEW {
                return few.push((path, smallvec![candidate]));
            }
            let mut many = Box::<Many>::default();
            std::mem::take(few).into_iter().for_each(|(path, candidates)| many.add(path, candidates));
            *self = Self::Many(many);
        }
        if let Self::Many(many) = self {
            many.add(path, smallvec![candidate]);
        }
    }

    fn sort(&mut self) {
        let sort = |candidates: &mut Candidates| {
            candidates.sort_by_key(|candidate| Reverse(candidate.summary));
            candidates.shrink_to_fit();
        };
        match self {
            Self::Few(few) => {
                few.shrink_to_fit();
                few.iter_mut().for_each(|(_, candidates)| sort(candidates));
            }
            Self::Many(many) => many.by_path.values_mut().for_each(sort),
        }
    }
}

/// How much a match says about a request; the greater of two takes it.
///
/// The order of the fields is the order of the criteria in the Gateway API (`HTTPRouteRule.matches`): host, path, method,
/// number of headers, number of query parameters, then the earlier rule. [`Match::also`] does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MatchSummary {
    /// An exact host beats a wildcard, a longer wildcard a shorter one, any of them none.
    pub host: (bool, u32),
    /// An exact path beats an expression, that a prefix; the longer of two wins.
    pub path: (PathRank, u32),
    /// A method beats none.
    pub method: bool,
    /// Number of header conditions.
    pub headers: u32,
    /// Number of query conditions.
    pub query: u32,
    /// Position in the configuration.
    pub position: Reverse<(u32, u32)>,
}

/// How much a kind of path condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathRank {
    /// Some first elements.
    Prefix,
    /// A pattern for the whole. Above prefixes, since header routes of rollout controllers are written as expressions
    /// beside the prefix that they are an exception of.
    Regex,
    /// The whole.
    Exact,
}

impl MatchSummary {
    /// Summarises `condition` of a rule at `position` for one of its hosts.
    pub fn new(host: Option<&HostPattern>, condition: &Match, position: (usize, usize)) -> Self {
        let host = match host {
            Some(HostPattern::Exact(name)) => (true, length(name)),
            Some(HostPattern::Wildcard(suffix)) => (false, length(suffix)),
            None => (false, 0),
        };
        let path = match &condition.path {
            PathMatch::Exact(path) => (PathRank::Exact, length(path)),
            PathMatch::Regex(pattern) => (PathRank::Regex, length(pattern.as_str())),
            PathMatch::Prefix(path) => (PathRank::Prefix, length(path)),
        };
        Self {
            host,
            path,
            method: condition.method.is_some(),
            headers: condition.headers.len() as u32,
            query: condition.query.len() as u32,
            position: Reverse((position.0 as u32, position.1 as u32)),
        }
    }
}

/// The length of a text, as far as it counts.
fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// What is left to compare once host and path fit.
#[derive(Clone)]
pub struct Candidate {
    /// For the order among candidates.
    pub summary: MatchSummary,
    /// Most have none.
    pub conditions: Option<Box<Conditions>>,
    /// Index of the rule in the snapshot.
    pub rule: usize,
}

/// Conditions on other things than host and path.
#[derive(Clone)]
pub struct Conditions {
    /// Method condition.
    pub method: Option<Method>,
    /// Header conditions.
    pub headers: Box<[HeaderMatch]>,
    /// Query conditions.
    pub query: Box<[QueryMatch]>,
    /// What a request must be, too.
    pub also: Option<Arc<Also>>,
}

impl Conditions {
    fn of(condition: &Match) -> Option<Box<Self>> {
        let Match { method, headers, query, also, .. } = condition;
        let none = method.is_none() && headers.is_empty() && query.is_empty() && also.is_none();
        let some = || Self {
            method: method.clone(),
            headers: headers.clone().into(),
            query: query.clone().into(),
            also: also.clone(),
        };
        (!none).then(|| Box::new(some()))
    }
}

/// Candidates of one host by path; every list is sorted, the highest precedence first.
#[derive(Clone, Default)]
pub struct PathTable {
    /// By whole path.
    pub exact: Paths,
    /// Tried in order, since no index over expressions exists; sorted by precedence.
    pub regexes: Vec<(Pattern, Candidate)>,
    /// By prefix, without a trailing `/`; the root is the empty text.
    pub prefixes: Paths,
    /// The search ends here, whatever less specific hosts have.
    pub isolated: bool,
}

/// All rules of a listener. What is for one host may be that of the table before, too.
#[derive(Clone, Default)]
pub struct RouteTable {
    /// By whole host name.
    pub exact: Map<Arc<PathTable>>,
    /// By what follows `*.`.
    pub wildcards: Map<Arc<PathTable>>,
    /// For every host.
    pub any: Arc<PathTable>,
}

impl RouteTable {
    /// The same without anything for these hosts (none: every host).
    pub fn without(&self, hosts: &HashSet<Option<&HostPattern>>) -> Self {
        let mut rest = self.clone();
        for host in hosts {
            match host {
                Some(HostPattern::Exact(name)) => _ = rest.exact.remove(name),
                Some(HostPattern::Wildcard(suffix)) => _ = rest.wildcards.remove(suffix),
                None => rest.any = Arc::default(),
            }
        }
        rest
    }

    /// Adds a rule's condition for one of its hosts (none: every host).
    pub fn add(&mut self, host: Option<&HostPattern>, condition: &Match, rule: usize, position: (usize, usize)) {
        let table = self.paths(host);
        let candidate = Candidate {
            summary: MatchSummary::new(host, condition, position),
            conditions: Conditions::of(condition),
            rule,
        };
        match &condition.path {
            PathMatch::Exact(path) => table.exact.add(Arc::clone(path), candidate),
            PathMatch::Prefix(path) => {
                table.prefixes.add(prefix(path), candidate);
            }
            PathMatch::Regex(pattern) => table.regexes.push((pattern.clone(), candidate)),
        }
    }

    /// Ends the search for requests for `host` at its own rules.
    pub fn isolate(&mut self, host: &HostPattern) {
        self.paths(Some(host)).isolated = true;
    }

    fn paths(&mut self, host: Option<&HostPattern>) -> &mut PathTable {
        Arc::make_mut(match host {
            Some(HostPattern::Exact(name)) => self.exact.entry(Arc::clone(name)).or_default(),
            Some(HostPattern::Wildcard(suffix)) => self.wildcards.entry(Arc::clone(suffix)).or_default(),
            None => &mut self.any,
        })
    }

    /// Puts every list in the order of precedence; to be called once all rules are in.
    pub fn sort(&mut self) {
        let tables = self.exact.values_mut().chain(self.wildcards.values_mut()).chain([&mut self.any]);
        // What another table has, too, was put in order there.
        for table in tables.filter_map(Arc::get_mut) {
            table.exact.sort();
            table.prefixes.sort();
            table.regexes.sort_by_key(|(_, candidate)| Reverse(candidate.summary));
            table.regexes.shrink_to_fit();
        }
    }
}

/// A prefix without a trailing `/`; the root, which nearly every route has, is one text for all.
fn prefix(path: &Arc<str>) -> Arc<str> {
    static ROOT: LazyLock<Arc<str>> = LazyLock::new(|| "".into());
    match path.trim_end_matches('/') {
        "" => Arc::clone(&ROOT),
        same if same.len() == path.len() => Arc::clone(path),
        shorter => shorter.into(),
    }
}
