//! One thread that waits for all connections at once.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::epoll::EventFlags;
use weir_bench_rig::poll::{BOTH, Poll, READ, WRITE};
use weir_bench_rig::websocket;

use crate::connection::{Answer, Connection, Progress, open};
use crate::report::{Counts, Report};
use crate::schedule::Schedule;
use crate::{Http, Target, Websocket, ready};

/// How long answers that are still due are waited for in the end.
const PATIENCE: Duration = Duration::from_secs(5);
/// With more than these failures there is nothing to measure.
const FAILURES: u64 = 1000;

struct Client {
    to: SocketAddr,
    poll: Poll,
    connections: Vec<Connection>,
    /// Who may send the next request, the longest idle first.
    idle: VecDeque<usize>,
    requests: Vec<Vec<u8>>,
    turn: usize,
    answer: Answer,
    reconnect: bool,
    counts: Counts,
    failures: u64,
    buffer: Vec<u8>,
}

/// Sends requests of HTTP/1.1.
pub fn http(http: &Http) -> Result<Report> {
    let requests = http.question.bytes()?;
    let answer = Answer::Http { status: 200, body: http.question.expect };
    let mut client = Client::new(&http.target, requests, answer)?;
    client.reconnect = http.reconnect;
    client.measure(&http.target, http.rate)
}

/// Sends messages.
pub fn websocket(arguments: &Websocket) -> Result<Report> {
    let key = websocket::KEY;
    let head = "GET /1k HTTP/1.1\r\nhost: bench.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n";
    let upgrade = format!("{head}sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n").into_bytes();
    let mut client = Client::new(&arguments.target, vec![upgrade], Answer::Http { status: 101, body: 0 })?;
    client.once_each()?;
    let message: Vec<u8> = (0..arguments.message).collect();
    client.requests = vec![websocket::masked(&message)];
    client.answer = Answer::Exactly(websocket::plain(&message));
    client.measure(&arguments.target, None)
}

impl Client {
    fn new(target: &Target, requests: Vec<Vec<u8>>, answer: Answer) -> Result<Self> {
        ensure!(target.connections > 0, "a connection is needed");
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(target.connections);
        for number in 0..target.connections {
            let connection = Connection::new(open(target.to).context("connect")?)?;
            poll.add(&connection.socket, number, READ)?;
            connections.push(connection);
        }
        Ok(Self {
            to: target.to,
            poll,
            idle: (0..connections.len()).collect(),
            connections,
            requests,
            turn: 0,
            answer,
            reconnect: false,
            counts: Counts::default(),
            failures: 0,
            buffer: vec![0; 256 * 1024],
        })
    }

    /// An answer for every connection, then what is measured.
    fn measure(mut self, target: &Target, rate: Option<f64>) -> Result<Report> {
        self.once_each()?;
        ready()?;
        let start = Instant::now();
        let schedule = self.run(Schedule::new(target.time(), rate, target.requests))?;
        let elapsed = start.elapsed();
        self.counts.wrong("not sent in time", schedule.missed(Instant::now()));
        Ok(self.counts.report(elapsed))
    }

    fn once_each(&mut self) -> Result<()> {
        let each = self.connections.len() as u64;
        self.run(Schedule::new(Duration::from_secs(30), None, each))?;
        let counts = std::mem::take(&mut self.counts);
        let answers = counts.answers();
        ensure!(answers == each, "{answers} of {each} connections were answered: {:?}", counts.report(PATIENCE).errors);
        Ok(())
    }

    fn run(&mut self, mut schedule: Schedule) -> Result<Schedule> {
        let mut ready = Vec::new();
        let mut deadline = None;
        loop {
            let now = self.dispatch(&mut schedule)?;
            let next = schedule.next(now);
            let wake = match next {
                Some(due) if !self.idle.is_empty() => due,
                Some(_) => now + PATIENCE,
                None if self.idle.len() == self.connections.len() => return Ok(schedule),
                None => *deadline.get_or_insert(now + PATIENCE),
            };
            if next.is_none() && now >= wake {
                self.counts.wrong("no answer", (self.connections.len() - self.idle.len()) as u64);
                return Ok(schedule);
            }
            self.poll.wait(Some(wake.saturating_duration_since(now)), &mut ready)?;
            for (number, flags) in ready.drain(..) {
                self.proceed(number, flags)?;
                self.dispatch(&mut schedule)?;
            }
        }
    }

    /// Gives requests that are due to connections that are idle.
    fn dispatch(&mut self, schedule: &mut Schedule) -> Result<Instant> {
        let now = Instant::now();
        while let Some(number) = self.idle.front().copied() {
            let Some(since) = schedule.take(now) else { break };
            self.idle.pop_front();
            self.turn = (self.turn + 1) % self.requests.len();
            if self.reconnect {
                self.open(number)?;
            }
            self.connections[number].start(self.turn, since);
            self.flush(number)?;
        }
        Ok(now)
    }

    fn flush(&mut self, number: usize) -> Result<()> {
        let connection = &mut self.connections[number];
        match connection.flush(&self.requests[connection.request]) {
            Ok(true) => Ok(()),
            Ok(false) => Ok(self.poll.modify(&connection.socket, number, BOTH)?),
            Err(error) => self.fail(number, &error),
        }
    }

    fn proceed(&mut self, number: usize, flags: EventFlags) -> Result<()> {
        let connection = &mut self.connections[number];
        if flags.contains(WRITE) {
            self.poll.modify(&connection.socket, number, READ)?;
            self.flush(number)?;
        }
        if !flags.intersects(READ | EventFlags::ERR | EventFlags::HUP) {
            return Ok(());
        }
        let connection = &mut self.connections[number];
        match connection.receive(&mut self.buffer, &self.answer) {
            Ok(Progress::Pending) => Ok(()),
            Ok(Progress::Answered(bytes)) => {
                self.counts.right(connection.since.elapsed(), bytes);
                self.idle.push_back(number);
                Ok(())
            }
            Err(error) => self.fail(number, &error),
        }
    }

    /// Counts a failure, and goes on with another connection.
    fn fail(&mut self, number: usize, error: &anyhow::Error) -> Result<()> {
        let busy = self.connections[number].is_busy();
        let what = format!("{error:#}");
        self.counts.wrong(if busy { what } else { format!("{what} while idle") }, 1);
        self.failures += 1;
        ensure!(self.failures <= FAILURES, "more than {FAILURES} failures; the last: {error:#}");
        self.replace(number)
    }

    /// Leaves, and comes back with a new connection.
    fn open(&mut self, number: usize) -> Result<()> {
        let connection = &mut self.connections[number];
        *connection = Connection::new(open(self.to).context("connect")?)?;
        Ok(self.poll.add(&connection.socket, number, READ)?)
    }

    fn replace(&mut self, number: usize) -> Result<()> {
        self.open(number)?;
        if !self.idle.contains(&number) {
            self.idle.push_back(number);
        }
        Ok(())
    }
}
