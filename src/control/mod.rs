//! A change's way into force: a model, weights set by hand, a guard's trip. Each becomes a new snapshot that the workers
//! serve from their next request on; a change that cannot be served changes nothing.

mod analysis;
mod capacity;
mod census;
mod drains;
mod elsewhere;
mod error;
mod events;
mod fleet;
mod gate;
mod guards;
mod hand;
mod health;
mod held;
mod history;
mod metrics;
mod outliers;
mod pooled;
mod prewarm;
mod process;
mod ramp;
mod rescues;
mod rules;
mod sharing;
mod status;
mod trips;

pub use analysis::{Analysis, NotFound, Outcome};
pub use census::{Connections, Idle};
pub use error::{ApplyError, WeightsError};
pub use events::{Event, EventKind, Events};
pub use fleet::Fleet;
pub use gate::Gate;
pub use history::{KEPT, Point};
pub use metrics::Metrics;
pub use process::Leaving;
pub use sharing::Share;
pub use status::{GuardStatus, SplitHistory, SplitStatus, Status, VersionHistory, VersionStatus};

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::capacity::Loads;
use self::drains::{Change, Drains};
use self::elsewhere::Elsewhere;
use self::events::lock;
use self::guards::Guards;
use self::hand::{Hand, configured, with_hand};
use self::history::History;
use self::outliers::Outliers;
use self::pooled::Pooled;
use self::prewarm::Waiting;
use self::ramp::Ramp;
use self::rescues::Rescues;
use self::rules::{divert, diverted, retire, settle};
use self::trips::Trips;
use crate::endpoint::{Moment, SplitId};
use crate::model::{Model, RouteKey, StickyTo};
use crate::record::dialect::{Subject, subjects};
use crate::record::{Recorder, Served};
use crate::snapshot::{Interner, Rule, Snapshot, Weights, changed, compile};

/// How often ramps move and guards look.
pub const TICK: Duration = Duration::from_millis(100);
/// Ticks after which clients are forgotten that have not been seen for long.
const FORGET: u32 = 100;
/// Ticks of a second, after which history takes a sample.
const TICKS_PER_SECOND: u32 = 10;

/// The control side of a process.
pub struct Control {
    served: Arc<ArcSwap<Snapshot>>,
    recorder: Arc<Recorder>,
    events: Events,
    metrics: Metrics,
    started: Instant,
    /// Told when something about guards has changed that other replicas do not know.
    learned: Notify,
    /// Told when endpoints may have changed.
    changed: Notify,
    state: Mutex<State>,
}

struct State {
    interner: Interner,
    fleet: Fleet,
    /// As the source gave it.
    model: Model,
    /// Weights set by hand, with what the configuration said when they were.
    hand: HashMap<RouteKey, Hand>,
    ramps: HashMap<SplitId, Ramp>,
    guards: Guards,
    trips: Trips,
    outliers: Outliers,
    rescues: Rescues,
    loads: Loads,
    warming: Waiting,
    drains: Drains,
    /// What drains on other replicas.
    elsewhere: Elsewhere,
    /// What was counted on other replicas.
    pooled: Pooled,
    history: History,
    ticks: u32,
    /// Splits of which requests wait for an endpoint.
    holding: HashSet<SplitId>,
}

impl Control {
    /// A control side that serves nothing yet. `state`: where guard trips are kept.
    ///
    /// # Errors
    ///
    /// The state file cannot be read.
    pub fn new(
        served: Arc<ArcSwap<Snapshot>>,
        recorder: Arc<Recorder>,
        fleet: Fleet,
        state: Option<PathBuf>,
    ) -> io::Result<Self> {
        let state = State {
            interner: Interner::default(),
            fleet,
            model: Model::default(),
            hand: HashMap::new(),
            ramps: HashMap::new(),
            guards: Guards::default(),
            trips: Trips::open(state)?,
            outliers: Outliers::default(),
            rescues: Rescues::default(),
            loads: Loads::new(),
            warming: Waiting::new(),
            drains: Drains::default(),
            elsewhere: Elsewhere::default(),
            pooled: Pooled::default(),
            history: History::default(),
            ticks: 0,
            holding: HashSet::new(),
        };
        let metrics = Metrics::default();
        Ok(Self {
            served,
            recorder,
            events: Events::default(),
            metrics,
            started: Instant::now(),
            learned: Notify::new(),
            changed: Notify::new(),
            state: Mutex::new(state),
        })
    }

    /// What is served now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.served.load_full()
    }

    /// What happens.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Figures of the control side itself.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What is counted.
    pub fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// What was applied last.
    pub fn model(&self) -> Model {
        lock(&self.state).model.clone()
    }

    /// What is served, and what every version id stands for.
    pub fn served(&self) -> Served {
        let state = lock(&self.state);
        Served {
            snapshot: self.snapshot(),
            versions: state.interner.known_versions(),
            mirrors: state.interner.known_mirrors(),
            drains: state.drains.figures(Instant::now()),
        }
    }

    /// What the versions counted in the last `seconds`, and how many of them that is about: the history may not reach back
    /// so far.
    pub fn increases(&self, seconds: usize) -> (Vec<Subject>, usize) {
        let (mut sums, covered) = lock(&self.state).history.increases(seconds);
        (subjects(&self.served(), |id| sums.remove(&id).unwrap_or_default()), covered)
    }

    /// Brings a model into force and returns its generation.
    ///
    /// # Errors
    ///
    /// See [`ApplyError`]; what was served before is served on.
    pub fn apply(&self, model: Model) -> Result<u64, ApplyError> {
        let begun = std::time::Instant::now();
        let mut state = lock(&self.state);
        let state = &mut *state;
        let previous = self.served.load_full();
        let bound = state.fleet.bind(&model.listeners)?;
        let applies =
            |route: &RouteKey, hand: &Hand| configured(&model, route).is_some_and(|weights| weights == hand.configured);
        let hand = state.hand.iter().filter(|(route, hand)| applies(route, hand));
        let mut snapshot = compile(&with_hand(&model, hand), &previous, &mut state.interner)?;
        state.hand.retain(|route, hand| applies(route, hand));
        for version in state.interner.take_forgotten() {
            self.recorder.forget(version);
            state.rescues.forget(version);
        }
        // What was taken over has been settled before.
        let changes = changed(&previous.rules, &snapshot.rules, Rule::is_same);
        let before = previous.rules[changes.before].iter();
        let before: HashMap<SplitId, &Rule> = before.map(|rule| (rule.body.split_id, rule)).collect();
        for rule in &mut snapshot.rules[changes.now.clone()] {
            let before = before.get(&rule.body.split_id).copied();
            settle(rule, before, state);
            self.enter(rule, before, state);
        }
        let snapshot = Arc::new(snapshot);
        let generation = snapshot.generation;
        self.served.store(Arc::clone(&snapshot));
        state.fleet.look();
        let now = Instant::now();
        // Before anything is accepted that would be asked to end.
        state.drains.listeners_back(&model.listeners, &state.fleet, now);
        // Workers find a listener's routes in the snapshot, so that one comes first.
        let gone = state.fleet.listen(&model.listeners, bound);
        state.drains.listeners(gone, &previous, &state.fleet, now);
        state.model = model;
        state.keep_only(&snapshot);
        look(state, &previous, &snapshot, now);
        for rule in &snapshot.rules[changes.now] {
            let before = before.get(&rule.body.split_id);
            if before.is_some_and(|before| before.weights.desired != rule.weights.desired) {
                self.tell_weights(rule);
            }
        }
        self.metrics.guarded(guards::keys(&snapshot));
        self.metrics.applied(generation, begun.elapsed());
        self.changed.notify_one();
        Ok(generation)
    }

    /// Moves ramps and lets guards look; to be called every [`TICK`].
    pub fn tick(&self) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        self.move_ramps(state);
        self.end_warming(state);
        self.tend_outliers(state);
        let snapshot = self.served.load_full();
        let tripped = state.guards.look(self.started.elapsed(), &snapshot, &self.recorder, &mut state.trips);
        self.tripped(&snapshot, state, tripped);
        self.wake_lines();
        let now = Instant::now();
        state.drains.tick(&state.fleet, &self.events, now);
        if state.drains.retire(now) {
            self.retire(state);
        }
        self.tell_held(&snapshot, state);
        state.ticks += 1;
        if state.ticks.is_multiple_of(TICKS_PER_SECOND) {
            state.history.sample(jiff::Timestamp::now().as_second(), &self.recorder);
            self.look_at_loads(state);
            self.tell_rescues(state);
            self.look_at_stables(state);
        }
        if state.ticks.is_multiple_of(FORGET) {
            self.forget_residents();
        }
    }

    fn move_ramps(&self, state: &mut State) {
        if state.ramps.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut snapshot = (*self.served.load_full()).clone();
        for rule in &mut snapshot.rules {
            let Some(ramp) = state.ramps.get(&rule.body.split_id) else { continue };
            let weights =
                Weights { epoch: state.interner.epoch(), current: ramp.weights(now), ..(*rule.weights).clone() };
            rule.weights = Arc::new(weights);
            let finished = ramp.finished(now);
            self.hold_to_capacity(rule, state);
            if finished {
                state.ramps.remove(&rule.body.split_id);
                let split = rule.body.route.to_string();
                self.events.tell(EventKind::RampFinished, &split, "", "the weights asked for are in effect".to_owned());
            }
        }
        let previous = self.served.load_full();
        self.publish(snapshot, &state.fleet);
        look(state, &previous, &self.served.load_full(), now);
    }

    /// Lets the sticky clients of versions that have drained move on.
    fn retire(&self, state: &State) {
        let mut snapshot = (*self.served.load_full()).clone();
        for rule in &mut snapshot.rules {
            retire(rule, &state.drains);
        }
        self.publish(snapshot, &state.fleet);
    }

    /// Lets requests look once more that wait for room at endpoints: there may be others by now.
    fn wake_lines(&self) {
        let snapshot = self.served.load();
        let versions = snapshot.rules.iter().filter(|rule| rule.body.split.limits.per_endpoint.is_some());
        let lines = versions.flat_map(|rule| rule.body.versions.iter().filter_map(|version| version.line.as_ref()));
        lines.for_each(|line| line.freed());
    }

    /// Forgets clients at endpoints that have not been seen there for long.
    fn forget_residents(&self) {
        let snapshot = self.served.load();
        let keeps = |rule: &&Rule| {
            let sticky = rule.body.split.sticky.as_ref();
            sticky.is_some_and(|sticky| matches!(sticky.to, StickyTo::Endpoint { .. }))
        };
        let versions = snapshot.rules.iter().filter(keeps).flat_map(|rule| rule.body.versions.iter());
        let endpoints = versions.flat_map(|version| version.endpoints.iter());
        endpoints.filter(|e| e.resident_count() > 0).for_each(|e| e.residents().forget(Moment::now()));
    }

    /// Puts what the guards say about every version into force.
    fn redirect(&self, previous: &Snapshot, state: &State) {
        let mut snapshot = previous.clone();
        for rule in &mut snapshot.rules {
            divert(rule, &state.trips);
        }
        self.publish(snapshot, &state.fleet);
    }

    /// Where a guard has tripped, the first version may have become ready to take what is diverted, or unable to; to be called
    /// every second.
    fn look_at_stables(&self, state: &State) {
        let snapshot = self.served.load_full();
        let is_other =
            |rule: &Rule| rule.body.split.guard.is_some() && diverted(rule, &state.trips) != rule.weights.diverted;
        if snapshot.rules.iter().any(is_other) {
            self.redirect(&snapshot, state);
        }
    }

    fn tell_weights(&self, rule: &Rule) {
        let versions = rule.body.versions.iter().zip(&rule.weights.desired);
        let weights = join(versions.map(|(version, weight)| format!("{}={weight}", version.name)));
        let message = format!("by {}: {weights}", rule.weights_from());
        self.events.tell(EventKind::WeightsChanged, &rule.body.route.to_string(), "", message);
    }

    fn publish(&self, mut snapshot: Snapshot, fleet: &Fleet) {
        snapshot.generation += 1;
        self.metrics.published(snapshot.generation);
        self.served.store(Arc::new(snapshot));
        fleet.look();
    }

    /// The route that a name means: `name`, or `namespace/name`.
    fn route(&self, snapshot: &Snapshot, name: &str) -> Result<RouteKey, WeightsError> {
        let routes = || snapshot.rules.iter().map(|rule| &rule.body.route);
        routes().find(|route| route.is_called(name)).cloned().ok_or_else(|| WeightsError::NoSplit {
            asked: name.to_owned(),
            known: analysis::known_routes(snapshot, name.split_once('/').map_or("", |(namespace, _)| namespace)),
        })
    }
}

/// Drains look at a change of what is served.
fn look(state: &mut State, before: &Snapshot, after: &Snapshot, now: Instant) {
    let Model { leaving, ending, .. } = &state.model;
    let change = Change { before, after, leaving, ending, wall: jiff::Timestamp::now() };
    state.drains.changed(change, &state.fleet, now);
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
