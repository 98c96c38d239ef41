//! A release as it goes: what scripts do, and when they did it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::plan::Plan;
use super::sights::Book;
use super::stage::Stage;
use super::{SPLIT, Strategy, failed};
use crate::control::Control;
use crate::demo::DemoError;
use crate::demo::screen::Screen;
use crate::source::file;

/// When things happened.
#[derive(Clone, Debug)]
pub struct Story {
    /// The load had begun.
    pub started: Instant,
    /// The release began.
    pub released: Instant,
    /// The rollback was decided.
    pub rolled_back: Instant,
    /// Connections that endpoints had accepted before the release.
    pub connections_before: u64,
    /// Shares of a canary: weight of 100, from when to when.
    pub shares: Vec<(u32, Instant, Instant)>,
}

/// A release on its way.
pub struct Play {
    /// Configurations.
    pub plan: Plan,
    /// Endpoints.
    pub stage: Stage,
    /// When things happened so far.
    pub story: Story,
    /// How long a step takes.
    pub step: Duration,
    control: Arc<Control>,
    screen: Screen,
    book: Book,
}

impl Play {
    /// A release before its beginning.
    pub fn new(
        plan: Plan,
        stage: Stage,
        control: Arc<Control>,
        screen: Screen,
        (book, step): (Book, Duration),
    ) -> Self {
        let now = Instant::now();
        let story = Story { started: now, released: now, rolled_back: now, connections_before: 0, shares: Vec::new() };
        Self { plan, stage, story, step, control, screen, book }
    }

    /// What there is to tell, and what is left.
    pub fn end(self) -> (Story, Stage, Screen) {
        (self.story, self.stage, self.screen)
    }

    /// The versions, old and new.
    pub fn versions(&self) -> (&'static str, &'static str) {
        self.strategy().versions()
    }

    /// The strategy.
    pub fn strategy(&self) -> Strategy {
        self.plan.strategy
    }

    /// Tells what happens now, and what has come of what happened before.
    pub fn say(&mut self, text: &str) -> Result<(), DemoError> {
        let (requests, lost) = {
            let book = self.book.open();
            (book.all.len(), book.lost().len())
        };
        let at = self.story.started.elapsed().as_secs_f64();
        let line = format!("{at:>6.1} s  {text:<58} {requests:>6} answers, {lost} lost\n");
        self.screen.print(&line).map_err(DemoError::Output)
    }

    /// Lets a step pass.
    pub async fn pause(&self) {
        tokio::time::sleep(self.step).await;
    }

    /// The release begins now.
    pub fn begins(&mut self) {
        self.story.released = Instant::now();
        self.story.connections_before = self.stage.connections();
    }

    /// The rollback is decided now.
    pub fn goes_back(&mut self) {
        self.story.rolled_back = Instant::now();
    }

    /// Brings a configuration into force, as a change of the file does.
    pub fn apply(&self, text: &str) -> Result<(), DemoError> {
        let loaded = file::parse(text, "demo.yaml", Path::new(""))?;
        self.control.apply(loaded.model).map(drop).map_err(failed)
    }

    /// Brings the one version into force that runs at these endpoints.
    pub fn serve(&self, endpoints: Vec<SocketAddr>, revision: &str) -> Result<(), DemoError> {
        self.apply(&self.plan.alone(endpoints, revision))
    }

    /// Sets weights, as `weir weight` does.
    pub fn weights(&self, old: u32, new: u32) -> Result<(), DemoError> {
        let (first, second) = self.versions();
        let weights = BTreeMap::from([(first.to_owned(), i64::from(old)), (second.to_owned(), i64::from(new))]);
        self.control.set_weights(SPLIT, &weights).map(drop).map_err(failed)
    }

    /// Starts endpoints of a version.
    pub async fn start(&mut self, version: &str, count: usize) -> Result<(), DemoError> {
        self.stage.start(version, count).await.map_err(DemoError::Backstage)
    }
}
