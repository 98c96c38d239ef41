//! What a release did to its clients: five figures, and whether they are as they should be.

use std::fmt::Write as _;
use std::time::Duration;

use super::Strategy;
use super::play::Story;
use super::sights::{Kind, Sights};
use crate::demo::view::percent;

/// Longest time that a switch back may take to be in effect.
const AT_ONCE: Duration = Duration::from_millis(100);

/// All that there is to say in the end.
pub struct Report {
    /// How the release went.
    pub strategy: Strategy,
    /// What the clients saw.
    pub sights: Sights,
    /// When things happened.
    pub story: Story,
    /// The most endpoints that ran at a time.
    pub peak: usize,
    /// Connections that endpoints accepted from the release on.
    pub connections: u64,
    /// Requests and streams that were cut when the proxy ended.
    pub cut: usize,
}

impl Report {
    /// The figures as text.
    pub fn text(&self) -> String {
        let Self { sights, story, .. } = self;
        let versions = self.strategy.versions();
        let lost = sights.lost();
        let kinds = Kind::ALL.into_iter().filter(|kind| sights.count(*kind) > 0);
        let kinds: Vec<String> = kinds.map(|kind| format!("{} {}", sights.count(kind), kind.name())).collect();
        let (clients, both, back) = sights.two_versions(versions, story.rolled_back);
        let mut text = format!(
            "\n  {:<30}{} of {}\n  {:<30}{both} of {clients} with cookies before the rollback; {back} of them went to and fro\n",
            "requests lost",
            lost.len(),
            kinds.join(", "),
            "clients that saw two versions",
        );
        let rollback = self.rollback().map_or_else(|| "never".to_owned(), |time| format!("{time:.1?}"));
        for (name, value) in [
            ("peak number of endpoints", self.peak.to_string()),
            ("time to roll back", rollback),
            ("connections opened cold", self.connections.to_string()),
        ] {
            _ = writeln!(text, "  {name:<30}{value}");
        }
        _ = write!(
            text,
            "\nstreams: {} began, {} were asked to end and began again, {} were cut\n",
            sights.streams,
            sights.asked,
            sights.cut.len()
        );
        text.push_str(&self.particulars());
        lost.first().into_iter().for_each(|first| _ = writeln!(text, "the first that was lost: {first}"));
        text
    }

    /// What is special about the strategy.
    fn particulars(&self) -> String {
        let Self { sights, story, .. } = self;
        match self.strategy {
            Strategy::Recreate => match self.gaps() {
                Some([there, back]) => format!(
                    "no moment had both versions serving: {there:.0?} between the last answer of v1 and the first of v2, \
                     {back:.0?} on the way back\n"
                ),
                None => "both versions served at the same time\n".to_owned(),
            },
            Strategy::Canary => story
                .shares
                .iter()
                .map(|(weight, from, to)| {
                    let share = sights.share(self.strategy.versions().1, (*from, *to));
                    format!("v2 got {} of the short requests when {weight} of 100 were asked for\n", percent(share))
                })
                .collect(),
            Strategy::Ab => format!("{} answers went to the wrong group\n", self.astray()),
            Strategy::Rolling | Strategy::BlueGreen => String::new(),
        }
    }

    /// Whether the release was as it should be.
    pub fn verdict(&self) -> Result<(), String> {
        let lost = self.sights.lost();
        if let Some(first) = lost.first() {
            return Err(format!("{} were lost; the first: {first}", lost.len()));
        }
        if self.cut > 0 {
            return Err(format!("{} requests or streams were cut when the proxy ended", self.cut));
        }
        let (old, new) = self.strategy.versions();
        if !self.sights.versions().is_superset(&[old, new].into()) {
            return Err("one of the versions had no request: give it more --duration".to_owned());
        }
        if self.rollback().is_none() {
            return Err("nothing was answered after the rollback".to_owned());
        }
        // However long a busy machine takes to answer: where requests go is what changes at once.
        let lingered = self.sights.lingered(new, self.story.rolled_back);
        let back = self.sights.two_versions((old, new), self.story.rolled_back).2;
        match self.strategy {
            Strategy::Recreate if self.gaps().is_none() => Err("both versions served at the same time".to_owned()),
            Strategy::BlueGreen if lingered > AT_ONCE => {
                Err(format!("green still got requests {lingered:.1?} after the rollback"))
            }
            Strategy::Canary if back > 0 => Err(format!("{back} clients with cookies went back to v1")),
            Strategy::Ab if self.astray() > 0 => Err(format!("{} answers went to the wrong group", self.astray())),
            _ => Ok(()),
        }
    }

    fn rollback(&self) -> Option<Duration> {
        self.sights.rolled_back(self.strategy.versions(), self.story.rolled_back)
    }

    fn astray(&self) -> usize {
        self.sights.astray(self.strategy.versions(), self.story.rolled_back)
    }

    /// The times without any version, there and back.
    fn gaps(&self) -> Option<[Duration; 2]> {
        let (old, new) = self.strategy.versions();
        let Story { started, rolled_back, .. } = self.story;
        let end = self.sights.all.iter().map(|sight| sight.ended).max()? + Duration::from_nanos(1);
        let there = self.sights.gap((old, new), (started, rolled_back))?;
        let back = self.sights.gap((new, old), (rolled_back, end))?;
        Some([there, back])
    }
}

#[cfg(test)]
mod tests;
