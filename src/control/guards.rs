//! The guards of all splits: each feeds on what the recorder counted since the last look, and on what other replicas did.

mod sample;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use smallvec::smallvec;

use self::sample::{Samples, Seen};
use super::trips::{self, Trips};
use crate::model::{GuardAction, GuardPolicy, RouteKey};
use crate::record::{BOUNDS_MICROS, Recorder};
use crate::rollout::evidence::Latencies;
use crate::rollout::guard::{Guard, Observation, State};
use crate::rollout::shared::{Counts, Evidence, Finding};
use crate::snapshot::{PerVersion, RuleBody, Snapshot, VersionKey};

/// Bounds of the recorder's histograms, seconds.
static BOUNDS: LazyLock<Vec<f64>> = LazyLock::new(|| BOUNDS_MICROS.iter().map(|micros| *micros as f64 / 1e6).collect());

/// A version of a route, by name.
type Place = (RouteKey, Arc<str>);

/// Running tests, by version.
pub struct Guards {
    /// Whether tests run here. Of several replicas one judges: each test by itself may spend the false alarms allowed.
    judges: bool,
    running: HashMap<Place, Running>,
    /// What was counted here since others were last told.
    samples: Samples,
    /// What the replica that judges has found, by version; where that is another one.
    heard: HashMap<String, Finding>,
    /// What others were last told of our findings.
    told: HashMap<String, Finding>,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            judges: true,
            running: HashMap::new(),
            samples: Samples::default(),
            heard: HashMap::new(),
            told: HashMap::new(),
        }
    }
}

struct Running {
    key: VersionKey,
    /// The key as replicas write it.
    name: String,
    policy: GuardPolicy,
    guard: Guard,
    stable: Seen,
    canary: Seen,
}

/// A version that was just found bad.
#[derive(Debug)]
pub struct Tripped {
    /// Which.
    pub key: VersionKey,
    /// Why.
    pub reason: String,
}

impl Guards {
    /// Looks at every guarded version once; what it finds bad is remembered in `trips`.
    pub fn look(&mut self, now: Duration, snapshot: &Snapshot, recorder: &Recorder, trips: &mut Trips) -> Vec<Tripped> {
        let mut tripped = Vec::new();
        if !self.judges {
            return tripped;
        }
        let mut guarded = HashSet::new();
        for (body, version) in guarded_versions(snapshot) {
            let Some(policy) = &body.split.guard else { continue };
            let place = place_of(body, version);
            guarded.insert(place.clone());
            let key = key_of(body, version);
            let running =
                self.running.entry(place).or_insert_with(|| Running::new(&key, policy, body, recorder, trips));
            if running.key != key || running.policy != **policy {
                *running = Running::new(&key, policy, body, recorder, trips);
            }
            if let Some(reason) = running.look(now, body, version, recorder) {
                tripped.extend(trips.trip(&key, reason.clone()).then_some(Tripped { key, reason }));
            }
        }
        self.running.retain(|place, _| guarded.contains(place));
        tripped
    }

    /// Whether tests run here from now on; they begin anew where they did not.
    pub fn judge(&mut self, judges: bool, trips: &mut Trips) {
        if std::mem::replace(&mut self.judges, judges) == judges {
            return;
        }
        self.running.clear();
        self.told.clear();
        self.heard.clear();
        if judges {
            trips.begin_anew();
        }
    }

    /// Takes in what other replicas counted.
    ///
    /// Each of them compares the two versions within its own second: a replica whose clients or whose node fare worse than
    /// those of others is then no evidence, however unevenly it divides its requests. To a test that is a tick like any
    /// other, and no count is in two of them, so that its bound on false alarms holds for all replicas together.
    pub fn pool(&mut self, now: Duration, evidence: &[Evidence], trips: &mut Trips) -> Vec<Tripped> {
        let mut running: HashMap<&str, (&VersionKey, &mut Guard)> = HashMap::new();
        for Running { key, name, guard, .. } in self.running.values_mut() {
            running.insert(name, (key, guard));
        }
        let mut tripped = Vec::new();
        for Evidence { version, stable, canary } in evidence {
            let Some((key, guard)) = running.get_mut(&**version) else { continue };
            if guard.verdict().is_tripped() {
                continue;
            }
            let buckets = [stable, canary].map(|counts| counts.buckets(BOUNDS.len() + 1));
            let verdict = guard.observe(now, &observation(stable, &buckets[0]), &observation(canary, &buckets[1]));
            if verdict.is_tripped() {
                let reason = verdict.to_string();
                tripped.extend(trips.trip(key, reason.clone()).then(|| Tripped { key: (*key).clone(), reason }));
            }
        }
        tripped
    }

    /// What was counted here of guarded versions since the last call.
    pub fn sample(&mut self, snapshot: &Snapshot, recorder: &Recorder) -> Vec<Evidence> {
        self.samples.take(guarded_versions(snapshot), recorder)
    }

    /// What there is to say of the tests that run here, and was not said yet.
    pub fn findings(&mut self) -> Vec<Finding> {
        let mut fresh = Vec::new();
        for Running { name, guard, .. } in self.running.values() {
            let verdict = guard.verdict();
            let finding = Finding {
                version: name.clone(),
                healthy: verdict.state == State::Healthy,
                figures: verdict.to_string(),
            };
            if self.told.get(name) != Some(&finding) {
                self.told.insert(name.clone(), finding.clone());
                fresh.push(finding);
            }
        }
        let known: HashSet<&str> = self.running.values().map(|running| &*running.name).collect();
        self.told.retain(|name, _| known.contains(&**name));
        fresh
    }

    /// Somebody may have missed what was said: it is all said again.
    pub fn repeat_findings(&mut self) {
        self.told.clear();
    }

    /// What the replica that judges has found.
    pub fn hear(&mut self, snapshot: &Snapshot, findings: Vec<Finding>) {
        if self.judges {
            return;
        }
        self.heard.extend(findings.into_iter().map(|finding| (finding.version.clone(), finding)));
        let guarded = guarded_versions(snapshot).map(|(body, version)| trips::name(&key_of(body, version)));
        let guarded: HashSet<String> = guarded.collect();
        self.heard.retain(|name, _| guarded.contains(name));
    }

    /// Begins the tests of a route's versions once more.
    pub fn reset(&mut self, route: &RouteKey) {
        self.running.retain(|(of, _), _| of != route);
    }

    /// Begins the test of a version once more.
    pub fn reset_version(&mut self, name: &str) {
        self.running.retain(|_, running| running.name != name);
        self.heard.remove(name);
    }

    /// What the guard of a version says: its state in a word, and its figures in words.
    pub fn verdict(&self, body: &RuleBody, version: usize, trips: &Trips) -> Option<(&'static str, String)> {
        body.split.guard.as_ref().filter(|_| version > 0)?;
        let key = key_of(body, version);
        let running = self.running.get(&place_of(body, version));
        if let Some(trip) = trips.get(&key).trip {
            return Some(("tripped", trip.reason));
        }
        if !self.judges {
            let finding = self.heard.get(&trips::name(&key));
            let told = finding
                .map(|finding| (if finding.healthy { "healthy" } else { "collecting" }, finding.figures.clone()));
            return Some(told.unwrap_or(("collecting", "the replica that judges has said nothing yet".to_owned())));
        }
        let verdict = running?.guard.verdict();
        let state = match verdict.state {
            State::Collecting { .. } => "collecting",
            State::Healthy => "healthy",
            State::Tripped { .. } => "tripped",
        };
        Some((state, verdict.to_string()))
    }
}

/// What the guarded versions are called in metrics.
pub fn keys(snapshot: &Snapshot) -> HashSet<VersionKey> {
    guarded_versions(snapshot).map(|(body, version)| key_of(body, version)).collect()
}

/// Every version that is compared with another one, once: several rules of a route may have it, and its requests are counted
/// together. It is compared with the first version of the first of them.
fn guarded_versions(snapshot: &Snapshot) -> impl Iterator<Item = (&RuleBody, usize)> {
    let mut seen = HashSet::new();
    let bodies = snapshot.rules.iter().map(|rule| &*rule.body).filter(|body| body.split.guard.is_some());
    let versions = bodies.flat_map(|body| (1..body.versions.len()).map(move |version| (body, version)));
    versions.filter(move |(body, version)| seen.insert((&body.route, &body.versions[*version].name)))
}

fn place_of(body: &RuleBody, version: usize) -> Place {
    (body.route.clone(), Arc::clone(&body.versions[version].name))
}

fn observation<'c>(counts: &Counts, buckets: &'c [u64]) -> Observation<'c> {
    let latency = Latencies { bounds: &BOUNDS, counts: buckets };
    Observation { success: counts.success, failure: counts.failure, latency }
}

/// Which versions of a rule are to get nothing: tripped, and there is somewhere to go (interface: a guard diverts only to
/// a ready stable of positive desired weight).
pub fn diverted(body: &RuleBody, stable_weight: u32, trips: &Trips) -> PerVersion<bool> {
    let mut diverted: PerVersion<bool> = smallvec![false; body.versions.len()];
    let able = stable_weight > 0 && body.versions.first().is_some_and(|stable| !stable.is_empty());
    let diverts = body.split.guard.as_ref().is_some_and(|policy| policy.action == GuardAction::Divert);
    if able && diverts {
        for (version, diverted) in diverted.iter_mut().enumerate().skip(1) {
            *diverted = trips.get(&key_of(body, version)).trip.is_some();
        }
    }
    diverted
}

/// The identity of a version of a rule.
pub fn key_of(body: &RuleBody, version: usize) -> VersionKey {
    let entry = &body.versions[version];
    VersionKey { route: body.route.clone(), version: entry.name.clone(), revision: entry.revision.clone() }
}

impl Running {
    fn new(key: &VersionKey, policy: &GuardPolicy, body: &RuleBody, recorder: &Recorder, trips: &mut Trips) -> Self {
        let restarts = trips.begin(key).restarts;
        let version = body.versions.iter().position(|v| v.name == key.version).unwrap_or(0);
        Self {
            key: key.clone(),
            name: trips::name(key),
            policy: *policy,
            guard: Guard::new(policy, restarts, fastrand::u64(..)),
            // Evidence begins now: what was counted before belongs to no test.
            stable: Seen::of(body.versions[0].id, recorder),
            canary: Seen::of(body.versions[version].id, recorder),
        }
    }

    /// The reason, if the version is found bad at this look.
    fn look(&mut self, now: Duration, body: &RuleBody, version: usize, recorder: &Recorder) -> Option<String> {
        if self.guard.verdict().is_tripped() {
            return None;
        }
        let stable_new = self.stable.advance(body.versions[0].id, recorder);
        let canary_new = self.canary.advance(body.versions[version].id, recorder);
        let verdict = self.guard.observe(now, &stable_new.observation(), &canary_new.observation());
        verdict.is_tripped().then(|| verdict.to_string())
    }
}
