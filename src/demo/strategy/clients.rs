//! The clients: what a service meets all at once. Short requests, browsers with cookies, WebSockets, streams of events.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::browser::{Browser, Mark};
use super::sights::{Book, Kind, Sight};
use super::stream;
use crate::demo::aside::Aside;

/// Clients of each kind.
const SHORT: usize = 4;
const STICKY: usize = 12;
const MEMBERS: usize = 6;
const SOCKETS: usize = 6;
const STREAMS: usize = 4;
/// How often each client asks, or sends.
const PACE: Duration = Duration::from_millis(40);
/// How long a client waits; far longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running load; it is cut when dropped.
pub struct Clients {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// What every client has.
#[derive(Clone)]
pub struct Client {
    /// Its number, unique among all.
    pub number: usize,
    /// What it does.
    pub kind: Kind,
    /// The proxy.
    pub target: SocketAddr,
    /// Where it writes down what it sees.
    pub book: Book,
    /// True once it is to stop.
    pub stopped: watch::Receiver<bool>,
}

impl Clients {
    /// Starts all clients. `members`: some belong to the group that an experiment is about.
    pub fn start(aside: &Aside, target: SocketAddr, book: &Book, members: bool) -> Self {
        let (stop, stopped) = watch::channel(false);
        let counts = [
            (Kind::Short, SHORT),
            (Kind::Sticky, STICKY),
            (Kind::Member, if members { MEMBERS } else { 0 }),
            (Kind::WebSocket, SOCKETS),
            (Kind::Events, STREAMS),
        ];
        let kinds = counts.into_iter().flat_map(|(kind, count)| std::iter::repeat_n(kind, count));
        let mut tasks = JoinSet::new();
        for (number, kind) in kinds.enumerate() {
            let client = Client { number, kind, target, book: book.clone(), stopped: stopped.clone() };
            tasks.spawn_on(client.run(), aside.handle());
        }
        Self { stop, tasks }
    }

    /// What they are, in words.
    pub fn describe(members: bool) -> String {
        let members = if members { format!(", {MEMBERS} of the group") } else { String::new() };
        format!(
            "{SHORT} clients of short requests, {STICKY} with cookies{members}, {SOCKETS} WebSockets, {STREAMS} streams of events"
        )
    }

    /// Lets every client finish what it waits for.
    pub async fn finish(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Client {
    async fn run(self) {
        match self.kind {
            Kind::Short => self.browse(Mark::None, false).await,
            Kind::Sticky => self.browse(Mark::None, true).await,
            // Half of the group is told by a header, half by a cookie.
            Kind::Member if self.number.is_multiple_of(2) => self.browse(Mark::Header, true).await,
            Kind::Member => self.browse(Mark::Cookie, true).await,
            Kind::WebSocket => stream::talk(self).await,
            Kind::Events => stream::listen(self).await,
        }
    }

    /// One request after the other, on a connection that is kept.
    async fn browse(mut self, mark: Mark, cookies: bool) {
        let mut browser = Browser::new(self.target, mark, cookies);
        // Clients take turns.
        let first = Instant::now() + PACE * u32::try_from(self.number % 8).unwrap_or(0) / 8;
        let mut interval = tokio::time::interval_at(first, PACE);
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while self.goes_on(interval.tick()).await.is_some() {
            let begun = Instant::now();
            let outcome = patiently(browser.ask()).await;
            self.saw(begun, outcome);
        }
    }

    /// Waits for `work`, unless it is to stop.
    pub async fn goes_on<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.stopped.wait_for(|stop| *stop) => None,
            done = work => Some(done),
        }
    }

    /// Writes down what it saw, or what went wrong.
    pub fn saw(&self, begun: Instant, outcome: Result<Arc<str>, String>) {
        let outcome = outcome.map_err(|error| format!("{}: {error}", self.kind.name()));
        let (client, kind, ended) = (self.number, self.kind, Instant::now());
        self.book.open().all.push(Sight { client, kind, begun, ended, outcome });
    }
}

/// What comes of `work`, if it comes within the time that a client waits.
pub async fn patiently<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || Err(format!("nothing within {PATIENCE:?}"));
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| late())
}
