//! What is shown: before the release, during it, and as plain lines.

use std::collections::VecDeque;
use std::time::Duration;

use super::load::{CLIENTS, RATE};
use super::place::Places;
use super::ramp::{Ramp, STEPS};
use super::screen::{Line, Span, Tint, span};
use super::tally::Tally;
use super::{BAD, CANARY, Options, SPLIT};
use crate::control::{Event, SplitStatus, VersionStatus};

/// Characters of a bar.
const BAR: usize = 40;
/// Events in the picture.
const EVENTS: usize = 4;

/// An event, and when it was since the load began.
#[derive(Clone, Debug)]
pub struct Happening {
    /// Time since the load began.
    pub after: Duration,
    /// What happened.
    pub event: Event,
}

/// All that there is to see at a time.
pub struct Picture<'a> {
    /// Whether the canary is a bad one.
    pub bad: bool,
    /// Time since the load began.
    pub elapsed: Duration,
    /// When it ends; none: it does not.
    pub duration: Option<Duration>,
    /// Where everything listens.
    pub places: &'a Places,
    /// The ramp.
    pub ramp: &'a Ramp,
    /// What `weir status` shows.
    pub split: &'a SplitStatus,
    /// What the clients saw.
    pub tally: &'a Tally,
    /// Events, oldest first.
    pub happenings: &'a VecDeque<Happening>,
}

/// What is told at the beginning.
pub fn intro(options: &Options, places: &Places, busy: &[String], configuration: &str) -> String {
    let Places { proxy, admin, .. } = places;
    let busy: String = busy.iter().map(|line| format!("{line}\n")).collect();
    let story = if options.bad {
        format!("The canary is a bad one: it fails {} of its requests.", percent(BAD))
    } else {
        "The canary is a good one; --bad shows what happens to a bad one.".to_owned()
    };
    format!(
        "weir demo: split {SPLIT} gets a canary, with {RATE} requests/s of {CLIENTS} clients. {story}\n\
         {busy}\nThe configuration, as for `weir run`:\n\n{configuration}\n\
         dashboard   http://{admin}/\n\
         try         curl -i http://{proxy}/\n\
         the canary  curl -i -H 'x-canary: always' http://{proxy}/\n\
         by hand     weir weight {SPLIT} {CANARY}=30 --admin {admin}\n\n"
    )
}

/// The picture for a terminal.
pub fn frame(picture: &Picture<'_>) -> Vec<Line> {
    let Picture { places, tally, .. } = picture;
    let bad = if picture.bad { " (bad)" } else { "" };
    let mut lines = vec![
        vec![span(Tint::Strong, format!("weir demo  {SPLIT}: a canary{bad} on its way  ")), time(picture).into()],
        vec![format!("proxy http://{}/  dashboard http://{}/", places.proxy, places.admin).into()],
        ramp(picture),
    ];
    for (index, version) in picture.split.versions.iter().enumerate() {
        let tint = if index == 0 { Tint::Stable } else { Tint::Canary };
        lines.push(Line::new());
        lines.extend(panel(version, tint));
    }
    let (p50, p99) = (tally.durations.quantile(0.5), tally.durations.quantile(0.99));
    lines.push(Line::new());
    lines.push(vec![
        span(Tint::Strong, format!("{:<10}", "clients")),
        format!("{} requests, ", tally.requests).into(),
        span(if tally.failures > 0 { Tint::Bad } else { Tint::Plain }, format!("{} failed", tally.failures)),
        format!(", p50 {}, p99 {}", millis(p50), millis(p99)).into(),
    ]);
    lines.push(Line::new());
    let newest = picture.happenings.len().saturating_sub(EVENTS);
    lines.extend(picture.happenings.iter().skip(newest).map(|happening| vec![event(happening).trim_end().into()]));
    lines
}

/// The picture in one line.
pub fn line(picture: &Picture<'_>) -> String {
    let versions = picture.split.versions.iter().map(|version| {
        let [desired, effective, observed] = shares(version).map(|(_, share)| share.map_or("-".to_owned(), percent));
        let guard = version.guard.as_ref().map_or_else(String::new, |guard| format!(", guard {}", guard.state));
        format!(
            "{} desired {desired} effective {effective} observed {observed}, {} requests, {} success, p99 {}{guard}",
            version.name,
            version.requests,
            success(version),
            millis(version.p99)
        )
    });
    let versions: Vec<String> = versions.collect();
    let Tally { requests, failures, .. } = picture.tally;
    format!("{}  {} | clients: {requests} requests, {failures} failed\n", clock(picture.elapsed), versions.join(" | "))
}

/// An event in one line.
pub fn event(Happening { after, event }: &Happening) -> String {
    let of = [&event.split, &event.version].into_iter().filter(|name| !name.is_empty());
    let of: Vec<&str> = of.map(String::as_str).collect();
    let space = if of.is_empty() { "" } else { " " };
    format!("{}  {:?}{space}{}: {}\n", clock(*after), event.kind, of.join("/"), event.message)
}

fn time(picture: &Picture<'_>) -> String {
    let elapsed = picture.elapsed.as_secs();
    match picture.duration {
        Some(duration) => format!("{elapsed} of {} s", duration.as_secs_f64().ceil()),
        None => format!("{elapsed} s, until Ctrl-C"),
    }
}

/// The steps, with the one that it is at.
fn ramp(picture: &Picture<'_>) -> Line {
    let ramp = picture.ramp;
    let mut line = vec![span(Tint::Strong, format!("{:<10}", "ramp"))];
    for (step, weight) in STEPS.iter().enumerate() {
        let here = step == ramp.step();
        let text = if here { format!("[{weight}%]") } else { format!(" {weight}% ") };
        line.push(span(if here { Tint::Canary } else { Tint::Plain }, text));
    }
    let next = match ramp.until_next(picture.elapsed) {
        _ if ramp.stopped() => span(Tint::Bad, "  stopped by the guard"),
        None => "  done".into(),
        Some(left) if left.is_zero() => "  waits until the guard has seen enough".into(),
        Some(left) => format!("  next in {} s", left.as_secs() + 1).into(),
    };
    line.push(next);
    line
}

/// What there is to see of a version.
fn panel(version: &VersionStatus, tint: Tint) -> Vec<Line> {
    let mut name = version.name.clone();
    let mut lines: Vec<Line> = Vec::new();
    for (what, share) in shares(version) {
        let number = share.map_or("-".to_owned(), percent);
        lines.push(vec![
            span(tint, format!("{:<10}", std::mem::take(&mut name))),
            format!("{what:<10}").into(),
            span(tint, bar(share.unwrap_or(0.0), BAR)),
            format!(" {number:>6}").into(),
        ]);
    }
    lines.push(vec![format!("{:<10}{}", version.revision, figures(version)).into()]);
    if let Some(guard) = &version.guard {
        let tint = if guard.state == "tripped" { Tint::Bad } else { Tint::Plain };
        lines.push(vec![
            format!("{:<10}", "").into(),
            span(tint, format!("guard {}", guard.state)),
            format!(": {}", guard.reason).into(),
        ]);
    }
    lines
}

/// Asked for, in effect, and of the last ten seconds.
fn shares(version: &VersionStatus) -> [(&'static str, Option<f64>); 3] {
    [
        ("desired", Some(version.desired_share)),
        ("effective", Some(version.effective_share)),
        ("observed", version.share),
    ]
}

fn figures(version: &VersionStatus) -> String {
    let VersionStatus { requests, p50, p99, .. } = version;
    format!("{requests} requests, {} success, p50 {}, p99 {}", success(version), millis(*p50), millis(*p99))
}

/// The share of its requests that a version has answered well since the start.
fn success(version: &VersionStatus) -> String {
    match version.requests {
        0 => "-".to_owned(),
        requests => percent(1.0 - version.failures as f64 / requests as f64),
    }
}

/// A bar; only nothing is empty, and only all is full.
fn bar(share: f64, width: usize) -> String {
    let cells = (share * width as f64).round() as usize;
    let full = match share {
        share if share <= 0.0 => 0,
        share if share >= 1.0 => width,
        _ => cells.clamp(1, width.saturating_sub(1).max(1)),
    };
    "█".repeat(full) + &"·".repeat(width - full)
}

/// `0.256` as `25.6%`, without a needless `.0`; only all is 100%.
pub fn percent(share: f64) -> String {
    let shown = (share * 1000.0).round() / 10.0;
    let shown = if share < 1.0 { shown.min(99.9) } else { shown };
    format!("{shown}%")
}

/// Seconds as milliseconds.
pub fn millis(seconds: Option<f64>) -> String {
    seconds.map_or("-".to_owned(), |seconds| format!("{:.1} ms", seconds * 1e3))
}

fn clock(after: Duration) -> String {
    format!("{:>6.1} s", after.as_secs_f64())
}

impl From<&str> for Span {
    fn from(text: &str) -> Self {
        span(Tint::Plain, text)
    }
}

impl From<String> for Span {
    fn from(text: String) -> Self {
        span(Tint::Plain, text)
    }
}

#[cfg(test)]
mod tests;
