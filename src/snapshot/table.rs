//! Rules of a listener, arranged so that the one with the highest precedence is found first.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use crate::model::{HeaderMatch, HostPattern, Match, PathMatch, Pattern, QueryMatch};

type Map<T> = HashMap<Arc<str>, T, foldhash::fast::FixedState>;

/// How much a match says about a request; the greater of two takes it.
///
/// The order of the fields is the order of the criteria in the Gateway API (`HTTPRouteRule.matches`): host, path, method,
/// number of headers, number of query parameters, then the earlier rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MatchSummary {
    /// An exact host beats a wildcard, a longer wildcard a shorter one, any of them none.
    pub host: (bool, usize),
    /// An exact path beats an expression, that a prefix; the longer of two wins.
    pub path: (PathRank, usize),
    /// A method beats none.
    pub method: bool,
    /// Number of header conditions.
    pub headers: usize,
    /// Number of query conditions.
    pub query: usize,
    /// Position in the configuration.
    pub position: Reverse<(usize, usize)>,
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
            Some(HostPattern::Exact(name)) => (true, name.len()),
            Some(HostPattern::Wildcard(suffix)) => (false, suffix.len()),
            None => (false, 0),
        };
        let path = match &condition.path {
            PathMatch::Exact(path) => (PathRank::Exact, path.len()),
            PathMatch::Regex(pattern) => (PathRank::Regex, pattern.as_str().len()),
            PathMatch::Prefix(path) => (PathRank::Prefix, path.len()),
        };
        Self {
            host,
            path,
            method: condition.method.is_some(),
            headers: condition.headers.len(),
            query: condition.query.len(),
            position: Reverse(position),
        }
    }
}

/// What is left to compare once host and path fit.
pub struct Candidate {
    /// For the order among candidates.
    pub summary: MatchSummary,
    /// Method condition.
    pub method: Option<Method>,
    /// Header conditions.
    pub headers: Box<[HeaderMatch]>,
    /// Query conditions.
    pub query: Box<[QueryMatch]>,
    /// Index of the rule in the snapshot.
    pub rule: usize,
}

/// Candidates of one host by path; every list is sorted, the highest precedence first.
#[derive(Default)]
pub struct PathTable {
    /// By whole path.
    pub exact: Map<Vec<Candidate>>,
    /// Tried in order, since no index over expressions exists; sorted by precedence.
    pub regexes: Vec<(Pattern, Candidate)>,
    /// By prefix, without a trailing `/`; the root is the empty text.
    pub prefixes: Map<Vec<Candidate>>,
    /// The search ends here, whatever less specific hosts have.
    pub isolated: bool,
}

/// All rules of a listener.
#[derive(Default)]
pub struct RouteTable {
    /// By whole host name.
    pub exact: Map<PathTable>,
    /// By what follows `*.`.
    pub wildcards: Map<PathTable>,
    /// For every host.
    pub any: PathTable,
}

impl RouteTable {
    /// Adds a rule's condition for one of its hosts (none: every host).
    pub fn add(&mut self, host: Option<&HostPattern>, condition: &Match, rule: usize, position: (usize, usize)) {
        let table = self.paths(host);
        let candidate = Candidate {
            summary: MatchSummary::new(host, condition, position),
            method: condition.method.clone(),
            headers: condition.headers.clone().into(),
            query: condition.query.clone().into(),
            rule,
        };
        match &condition.path {
            PathMatch::Exact(path) => table.exact.entry(Arc::clone(path)).or_default().push(candidate),
            PathMatch::Prefix(path) => {
                let key = path.trim_end_matches('/').into();
                table.prefixes.entry(key).or_default().push(candidate);
            }
            PathMatch::Regex(pattern) => table.regexes.push((pattern.clone(), candidate)),
        }
    }

    /// Ends the search for requests for `host` at its own rules.
    pub fn isolate(&mut self, host: &HostPattern) {
        self.paths(Some(host)).isolated = true;
    }

    fn paths(&mut self, host: Option<&HostPattern>) -> &mut PathTable {
        match host {
            Some(HostPattern::Exact(name)) => self.exact.entry(Arc::clone(name)).or_default(),
            Some(HostPattern::Wildcard(suffix)) => self.wildcards.entry(Arc::clone(suffix)).or_default(),
            None => &mut self.any,
        }
    }

    /// Puts every list in the order of precedence; to be called once all rules are in.
    pub fn sort(&mut self) {
        let tables = self.exact.values_mut().chain(self.wildcards.values_mut()).chain([&mut self.any]);
        for table in tables {
            for list in table.exact.values_mut().chain(table.prefixes.values_mut()) {
                list.sort_by_key(|candidate| Reverse(candidate.summary));
            }
            table.regexes.sort_by_key(|(_, candidate)| Reverse(candidate.summary));
        }
    }
}
