//! What happens in each strategy.

use std::time::Duration;

use tokio::time::Instant;

use super::Strategy;
use super::plan::ENDPOINTS;
use super::play::Play;
use crate::demo::DemoError;

/// How long a new version takes to start, once the old one has ended.
const STARTING: Duration = Duration::from_secs(1);

impl Play {
    /// The release, and its rollback.
    pub async fn release(&mut self) -> Result<(), DemoError> {
        let (old, _) = self.versions();
        self.say(&format!("{old} serves"))?;
        self.pause().await;
        match self.strategy() {
            Strategy::Recreate => self.recreate().await?,
            Strategy::Rolling => self.rolling().await?,
            Strategy::BlueGreen => self.blue_green().await?,
            Strategy::Canary => self.canary().await?,
            Strategy::Ab => self.ab().await?,
        }
        self.pause().await;
        self.say("that is all")
    }

    async fn recreate(&mut self) -> Result<(), DemoError> {
        let (old, new) = self.versions();
        self.begins();
        self.replace_all(old, new).await?;
        self.pause().await;
        self.goes_back();
        self.replace_all(new, old).await
    }

    /// One version ends before the other one starts.
    async fn replace_all(&mut self, from: &str, to: &str) -> Result<(), DemoError> {
        self.say(&format!("{from} stops; requests wait"))?;
        self.serve(Vec::new(), from)?;
        self.stage.stop_all(from).await;
        tokio::time::sleep(STARTING).await;
        self.start(to, ENDPOINTS).await?;
        self.serve(self.stage.endpoints(to), to)?;
        self.say(&format!("{to} has started"))
    }

    async fn rolling(&mut self) -> Result<(), DemoError> {
        let (old, new) = self.versions();
        self.begins();
        self.replace_one_by_one(old, new, true).await?;
        self.goes_back();
        self.replace_one_by_one(new, old, false).await
    }

    /// A new endpoint takes the place of an old one, then that ends.
    async fn replace_one_by_one(&mut self, from: &str, to: &str, slowly: bool) -> Result<(), DemoError> {
        for gone in self.stage.endpoints(from) {
            self.start(to, 1).await?;
            let left = self.stage.endpoints(from).into_iter().filter(|address| *address != gone);
            let endpoints = left.chain(self.stage.endpoints(to)).collect();
            self.serve(endpoints, to)?;
            self.stage.stop(gone).await;
            self.say(&format!("{gone} of {from} is replaced by {to}"))?;
            if slowly {
                self.pause().await;
            }
        }
        Ok(())
    }

    async fn blue_green(&mut self) -> Result<(), DemoError> {
        self.begins();
        self.weights(0, 100)?;
        self.say("green has all of it")?;
        self.pause().await;
        self.goes_back();
        self.weights(100, 0)?;
        self.say("back to blue")
    }

    async fn canary(&mut self) -> Result<(), DemoError> {
        self.begins();
        for weight in [5, 25, 50, 100] {
            self.weights(100 - weight, weight)?;
            self.say(&format!("v2 gets {weight} of 100"))?;
            let since = Instant::now();
            self.pause().await;
            self.story.shares.push((weight, since, Instant::now()));
        }
        self.goes_back();
        self.weights(100, 0)?;
        self.say("back to v1")
    }

    async fn ab(&mut self) -> Result<(), DemoError> {
        let (a, _) = self.versions();
        self.begins();
        self.say("group b gets b; header and cookie tell who that is")?;
        self.pause().await;
        self.goes_back();
        let without = self.plan.alone(self.stage.endpoints(a), a);
        self.apply(&without)?;
        self.say("the experiment ends: all get a")
    }
}
