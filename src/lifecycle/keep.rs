//! What is known about guards outlives all replicas: the holder of the Lease keeps it in the cluster.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::control::Control;
use crate::rollout::shared::Records;
use crate::source::kubernetes::Kept;

/// How often it is looked whether there is something to be kept.
const LOOK: Duration = Duration::from_secs(1);
/// How long the start waits for what was kept.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes that are kept at most: an object of the API server takes 1 MiB.
const LONGEST: usize = 900 << 10;

/// Keeps what is known about guards, and knows what was kept.
pub struct Keeper {
    control: Arc<Control>,
    kept: Kept,
    /// What was last kept, or found.
    last: Records,
    loaded: bool,
    /// What went wrong last, which is said once.
    trouble: Option<String>,
}

impl Keeper {
    /// Knows what was kept, if the API server tells within a few seconds; it is asked again later.
    pub async fn start(control: Arc<Control>, kept: Kept) -> Self {
        let mut keeper = Self { control, kept, last: Records::new(), loaded: false, trouble: None };
        if timeout(PATIENCE, keeper.load()).await.is_err() {
            keeper.warn("the API server does not answer");
        }
        keeper
    }

    /// Keeps what changes for as long as this replica `leads`.
    pub async fn run(mut self, leads: watch::Receiver<bool>) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            if !self.loaded {
                self.load().await;
            }
            if self.loaded && *leads.borrow() && self.control.records() != self.last {
                self.store().await;
            }
        }
    }

    async fn load(&mut self) {
        match self.kept.load().await {
            Ok(text) => match parse(text.as_deref()) {
                Ok(records) => {
                    self.control.learn(&records);
                    (self.last, self.loaded, self.trouble) = (records, true, None);
                }
                Err(error) => self.warn(&format!("it is malformed, correct or remove it: {error}")),
            },
            Err(error) => self.warn(&error.to_string()),
        }
    }

    /// What others have kept meanwhile is learned, not overwritten.
    async fn store(&mut self) {
        let control = &self.control;
        let mut now = Records::new();
        let merged = |before: Option<String>| {
            control.learn(&parse(before.as_deref()).ok()?);
            now = control.records();
            Some(text(&now))
        };
        match self.kept.store(merged).await {
            Ok(true) => (self.last, self.trouble) = (now, None),
            Ok(false) => self.warn("it is malformed, correct or remove it"),
            Err(error) => self.warn(&error.to_string()),
        }
    }

    fn warn(&mut self, trouble: &str) {
        if self.trouble.as_deref() != Some(trouble) {
            tracing::warn!("guard trips are not kept over a restart of all replicas: ConfigMap weir-trips: {trouble}");
            self.trouble = Some(trouble.to_owned());
        }
    }
}

fn parse(text: Option<&str>) -> serde_json::Result<Records> {
    text.map_or_else(|| Ok(Records::new()), serde_json::from_str)
}

/// As much as fits: trips first, then the newest tests.
fn text(records: &Records) -> String {
    // Text keys, numbers and text: nothing that JSON cannot say.
    let write = |records: &Records| serde_json::to_string(records).unwrap_or_default();
    let all = write(records);
    if all.len() <= LONGEST {
        return all;
    }
    let mut order: Vec<_> = records.iter().collect();
    order.sort_by_key(|(_, record)| (record.trip.is_none(), std::cmp::Reverse(record.begun)));
    let mut room = LONGEST;
    let fitting = order.into_iter().map_while(|(name, record)| {
        let one = Records::from([(name.clone(), record.clone())]);
        room = room.checked_sub(write(&one).len())?;
        Some((name.clone(), record.clone()))
    });
    write(&fitting.collect())
}

#[cfg(test)]
mod tests;
