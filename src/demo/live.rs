//! The release as it goes: moves the ramp, watches the guard, and shows both.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior};

use super::load::Shared;
use super::place::Places;
use super::ramp::Ramp;
use super::screen::Screen;
use super::view::{self, Happening, Picture};
use super::{CANARY, Options, SPLIT, STABLE, count};
use crate::control::{Control, Event, EventKind};
use crate::lifecycle::Signals;

/// How long the ramp takes if the demo has no end.
const ENDLESS_RAMP: Duration = Duration::from_secs(60);
/// How often the ramp is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How often a terminal is drawn, and how often anything else gets a line.
const REDRAW: Duration = Duration::from_millis(250);
const LINE: Duration = Duration::from_secs(2);
/// Events that are kept for the picture.
const KEPT: usize = 100;

/// When and how the guard tripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    /// Time since the load began.
    pub after: Duration,
    /// Requests that the proxy had sent to the canary.
    pub requests: u64,
    /// Requests that the clients had got answered by the canary when the guard tripped last.
    pub answered: u64,
}

/// What came out, apart from counts.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether the canary was a bad one.
    pub bad: bool,
    /// How long it took.
    pub took: Duration,
    /// The guard's trip, if it tripped.
    pub trip: Option<Trip>,
}

/// A release on its way.
pub struct Live {
    bad: bool,
    /// None: no end.
    duration: Option<Duration>,
    places: Places,
    control: Arc<Control>,
    tally: Shared,
    started: Instant,
    ramp: Ramp,
    trip: Option<Trip>,
    happenings: VecDeque<Happening>,
    events: broadcast::Receiver<Event>,
}

impl Live {
    /// A release that begins now.
    pub fn new(options: &Options, places: Places, control: Arc<Control>, tally: Shared) -> Self {
        let duration = (!options.duration.is_zero()).then_some(options.duration);
        let (before, events) = control.events().follow();
        let happening = |event: Event| Happening { after: Duration::ZERO, event };
        Self {
            bad: options.bad,
            duration,
            places,
            control,
            tally,
            started: Instant::now(),
            ramp: Ramp::new(duration.unwrap_or(ENDLESS_RAMP)),
            trip: None,
            happenings: before.into_iter().map(happening).collect(),
            events,
        }
    }

    /// Shows the release until its time is over, or a signal comes.
    pub async fn show(&mut self, screen: &mut Screen, signals: &mut Signals) -> io::Result<()> {
        let mut looks = tokio::time::interval(LOOK);
        let (first, period) = if screen.is_terminal() { (Duration::ZERO, REDRAW) } else { (LINE, LINE) };
        let mut views = tokio::time::interval_at(self.started + first, period);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        views.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if !screen.is_terminal() {
            self.happenings.iter().try_for_each(|happening| screen.print(&view::event(happening)))?;
        }
        loop {
            tokio::select! {
                // Also a hangup: the terminal that it is for has gone.
                _ = signals.next() => break,
                event = self.events.recv() => self.take(event, screen)?,
                _ = looks.tick() => {
                    if self.duration.is_some_and(|duration| self.started.elapsed() >= duration) {
                        break;
                    }
                    self.move_ramp();
                }
                _ = views.tick() => self.view(screen)?,
            }
        }
        // A terminal keeps the last picture.
        if screen.is_terminal() { self.view(screen) } else { Ok(()) }
    }

    /// What came out so far.
    pub fn outcome(&self) -> Outcome {
        Outcome { bad: self.bad, took: self.started.elapsed(), trip: self.trip }
    }

    fn move_ramp(&mut self) {
        let control = &self.control;
        let judged = || {
            let canary = count::version(control, CANARY);
            canary.and_then(|canary| canary.guard).is_some_and(|guard| guard.state == "healthy")
        };
        let Some(weight) = self.ramp.advance(self.started.elapsed(), judged) else { return };
        let weight = i64::from(weight);
        let weights = BTreeMap::from([(STABLE.to_owned(), 100 - weight), (CANARY.to_owned(), weight)]);
        if let Err(error) = control.set_weights(SPLIT, &weights) {
            tracing::warn!(%error, "the canary's weight stays");
        }
    }

    fn take(&mut self, event: Result<Event, RecvError>, screen: &mut Screen) -> io::Result<()> {
        // What was missed was not worth keeping.
        let Ok(event) = event else { return Ok(()) };
        let after = self.started.elapsed();
        if event.kind == EventKind::GuardTripped {
            let answered = self.tally.now().of(CANARY);
            let first = || Trip { after, requests: count::requests(&self.control, CANARY), answered };
            self.trip = Some(Trip { answered, ..self.trip.unwrap_or_else(first) });
            self.ramp.stop();
        }
        let happening = Happening { after, event };
        if !screen.is_terminal() {
            screen.print(&view::event(&happening))?;
        }
        if self.happenings.len() == KEPT {
            self.happenings.pop_front();
        }
        self.happenings.push_back(happening);
        Ok(())
    }

    fn view(&self, screen: &mut Screen) -> io::Result<()> {
        let Some(split) = count::split(&self.control) else { return Ok(()) };
        let picture = Picture {
            bad: self.bad,
            elapsed: self.started.elapsed(),
            duration: self.duration,
            places: &self.places,
            ramp: &self.ramp,
            split: &split,
            tally: &self.tally.now(),
            happenings: &self.happenings,
        };
        if screen.is_terminal() { screen.draw(&view::frame(&picture)) } else { screen.print(&view::line(&picture)) }
    }
}
