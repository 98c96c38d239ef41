//! One of several replicas: what the guards of all of them know, how far drains are, and what versions counted, goes both ways.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::cluster::{Frame, Judge, Peers};
use crate::control::{Control, Share};
use crate::rollout::shared::{Draining, Evidence, Figures, Finding};

/// How often evidence is told.
const SECOND: Duration = Duration::from_secs(1);
/// How often findings are told that have not changed, for who missed them, seconds.
const REPEAT: u32 = 10;
/// How often it is told what versions counted, seconds: as often as statuses say it.
const FIGURES: u32 = 5;
/// Figures of a line, as many as leave it short enough.
const FIGURES_AT_ONCE: usize = 256;
/// Evidence of a line: each entry has up to eighty buckets.
const AT_ONCE: usize = 64;

/// Shares what is known about guards, drains and versions with the other replicas, for as long as there is something to be `heard`. `leads`: whether
/// this replica holds the Lease.
pub async fn replicate(
    control: Arc<Control>,
    peers: Arc<Peers>,
    mut heard: mpsc::Receiver<Frame>,
    leads: watch::Receiver<bool>,
) {
    let mut judge = Judge::new(Instant::now());
    let mut second = tokio::time::interval(SECOND);
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seconds = 0u32;
    let mut audience = None;
    loop {
        tokio::select! {
            _ = second.tick() => {
                let judges = judge.decide(Instant::now(), *leads.borrow(), peers.name(), &peers.heard());
                control.set_judging(judges);
                peers.tell_judging(judges);
                seconds = seconds.wrapping_add(1);
                tell(&peers, control.share(seconds.is_multiple_of(REPEAT)));
                tell_drains(&peers, &control.draining());
                tell_news(&control, &peers);
                control.count_only(&peers.heard());
                if seconds.is_multiple_of(FIGURES) {
                    tell_figures(&peers, &control, &mut audience);
                }
            }
            () = control.learned() => tell_news(&control, &peers),
            frame = heard.recv() => match frame {
                Some(frame) => take(&control, frame),
                None => return,
            },
        }
    }
}

fn tell_news(control: &Control, peers: &Peers) {
    if let Some((all, changed)) = control.news() {
        peers.tell_records(all, changed);
    }
}

fn tell(peers: &Peers, Share { evidence, findings }: Share) {
    for part in evidence.chunks(AT_ONCE) {
        peers.tell(&Frame::Evidence { of: Vec::<Evidence>::from(part) });
    }
    for part in findings.chunks(AT_ONCE) {
        peers.tell(&Frame::Findings { of: Vec::<Finding>::from(part) });
    }
}

fn tell_drains(peers: &Peers, drains: &[Draining]) {
    for part in drains.chunks(AT_ONCE) {
        peers.tell(&Frame::Drains { from: peers.name().to_string(), of: Vec::<Draining>::from(part) });
    }
}

/// `audience`: who was told last.
fn tell_figures(peers: &Peers, control: &Control, audience: &mut Option<u64>) {
    let before = std::mem::replace(audience, peers.audience());
    if audience.is_none() {
        return;
    }
    for part in control.counted(*audience != before).chunks(FIGURES_AT_ONCE) {
        peers.tell(&Frame::Figures { from: peers.name().to_string(), of: Vec::<Figures>::from(part) });
    }
}

fn take(control: &Control, frame: Frame) {
    match frame {
        Frame::Records { records } => control.learn(&records),
        Frame::Evidence { of } => control.pool(&of),
        Frame::Findings { of } => control.hear(of),
        Frame::Drains { from, of } => control.drains_elsewhere(&from, of),
        Frame::Figures { from, of } => control.counted_elsewhere(&from, of),
        Frame::Hello { .. } | Frame::Applied { .. } | Frame::Beat { .. } | Frame::Unknown => {}
    }
}
