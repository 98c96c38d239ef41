//! Whose turn it is on a thread: what is under way comes before what is to begin.
//!
//! A thread that began all requests as they arrive would have as many under way as clients ask at once, and of what they and
//! their connections to endpoints have in memory nothing would be in the caches any longer when their answers come. So only a
//! few begin in a round. It ends once all have had their turn who had something to do, and the sockets have been asked what
//! has come meanwhile: answers have, and go before the requests of the next round. Nobody waits for an endpoint here, however
//! slow one is.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// Requests that begin in a round, and more only where the last turn is for several.
const AT_ONCE: usize = 64;
/// Requests of a connection that begin in one turn.
const IN_A_TURN: usize = 8;

thread_local! {
    static TURNS: Turns = const { Turns::new() };
}

struct Turns {
    /// Requests that have begun in this round.
    begun: Cell<usize>,
    /// Who wait for a later one, and with how many requests; none: who has left the line.
    line: RefCell<VecDeque<Option<(Waker, usize)>>>,
    /// The number in the line of the first who waits.
    first: Cell<u64>,
    /// The task that ends the rounds of this thread; without it nobody is let wait.
    ends: RefCell<Option<Waker>>,
}

impl Turns {
    const fn new() -> Self {
        let line = RefCell::new(VecDeque::new());
        Self { begun: Cell::new(0), line, first: Cell::new(0), ends: RefCell::new(None) }
    }

    /// Whether so many requests more may begin in this round, which they then do.
    fn begin(&self, count: usize) -> bool {
        let begun = self.begun.get();
        let begin = self.ends.borrow().is_none() || (begun < AT_ONCE && self.line.borrow().is_empty());
        if begin {
            self.begun.set(begun + count);
        }
        begin
    }

    /// Gives the number in the line.
    fn join(&self, task: Waker, count: usize) -> u64 {
        let mut line = self.line.borrow_mut();
        if line.is_empty()
            && let Some(ends) = &*self.ends.borrow()
        {
            ends.wake_by_ref();
        }
        line.push_back(Some((task, count)));
        self.first.get() + line.len() as u64 - 1
    }

    fn leave(&self, number: u64) {
        let place = number.checked_sub(self.first.get()).and_then(|place| usize::try_from(place).ok());
        // Dropped once the line is free again: its task may end with it, and others of whom that knows.
        let left = place.and_then(|place| self.line.borrow_mut().get_mut(place).and_then(Option::take));
        drop(left);
    }

    fn next(&self) -> Option<(Waker, usize)> {
        loop {
            let next = self.line.borrow_mut().pop_front()?;
            self.first.set(self.first.get() + 1);
            if next.is_some() {
                return next;
            }
        }
    }

    fn next_round(&self) {
        self.begun.set(0);
        while self.begun.get() < AT_ONCE
            && let Some((task, count)) = self.next()
        {
            self.begun.set(self.begun.get() + count);
            task.wake();
        }
    }
}

/// Ends one round after the other, for as long as it lives. To be run by one task of a thread.
pub async fn rounds() {
    let _ends = Ends;
    loop {
        poll_fn(|context| {
            TURNS.with(|turns| {
                turns.ends.borrow_mut().get_or_insert_with(|| context.waker().clone());
                if turns.line.borrow().is_empty() { Poll::Pending } else { Poll::Ready(()) }
            })
        })
        .await;
        // The runtime asks the sockets before it goes on here.
        tokio::task::yield_now().await;
        TURNS.with(Turns::next_round);
    }
}

/// What ends with them.
struct Ends;

impl Drop for Ends {
    fn drop(&mut self) {
        // The thread may be ending.
        let _ = TURNS.try_with(|turns| turns.ends.take());
    }
}

/// Lets room go that a long line needed.
pub fn trim() {
    TURNS.with(|turns| {
        let mut line = turns.line.borrow_mut();
        let half = line.capacity() / 2;
        line.shrink_to(half);
    });
}

/// The turns of a connection, one after the other.
#[derive(Default)]
pub struct Turn(State);

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Unasked,
    /// With its number in the line, and so many requests.
    Waits(u64, usize),
    /// So many of its requests may begin.
    Come(usize),
}

impl Turn {
    /// Ready once it has come, and until so many requests have begun as had `arrived` when it was asked for; of many only some.
    pub fn poll(&mut self, arrived: usize, context: &Context<'_>) -> Poll<()> {
        self.0 = match self.0 {
            State::Come(_) => return Poll::Ready(()),
            State::Unasked => TURNS.with(|turns| {
                let count = arrived.min(IN_A_TURN);
                match turns.begin(count) {
                    true => State::Come(count),
                    false => State::Waits(turns.join(context.waker().clone(), count), count),
                }
            }),
            State::Waits(number, count) if TURNS.with(|turns| number < turns.first.get()) => State::Come(count),
            waits @ State::Waits(..) => waits,
        };
        if matches!(self.0, State::Come(_)) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// One of its requests begins.
    pub fn begins(&mut self) {
        if let State::Come(count) = self.0 {
            self.0 = if count > 1 { State::Come(count - 1) } else { State::Unasked };
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let State::Waits(number, _) = self.0 {
            // The thread may be ending.
            let _ = TURNS.try_with(|turns| turns.leave(number));
        }
    }
}

#[cfg(test)]
mod tests;
