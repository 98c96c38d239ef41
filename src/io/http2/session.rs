//! A connection of HTTP/2 and the task that drives it. Streams write to its buffer, and the task writes that out once they
//! have had their turn: what many streams write goes out in one call.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::AsyncWrite;

use crate::http2::{Arrived, Connection, Limits, MOST_WAITING, Role};
use crate::io::{Due, KeepAlive, Outbox, Turn, Wire};
use crate::message::{LARGE, SMALL};

/// Times that a connection is read before others have their turn.
const IN_A_ROW: usize = 4;
/// Streams that are many.
const MANY: usize = 16;
/// Room for frames that are short.
const SHORT: usize = 64;

/// A handle to a connection.
#[derive(Clone)]
pub struct Session(Rc<RefCell<Shared>>);

struct Shared {
    connection: Connection,
    outbox: Outbox,
    /// The task that writes, unless it knows already that it has to.
    writer: Option<Waker>,
    /// Requests that come begin at once instead of in their turn.
    at_once: bool,
}

impl Session {
    /// Looks at the connection; nothing is to be written for that.
    pub fn look<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> T {
        work(&mut self.0.borrow_mut().connection)
    }

    /// Works on the connection, whose task writes what it is given. `room`: so many bytes it will be, about.
    pub fn with<T>(&self, room: usize, work: impl FnOnce(&mut Connection, &mut Vec<u8>) -> T) -> T {
        let mut shared = self.0.borrow_mut();
        let Shared { connection, outbox, writer, .. } = &mut *shared;
        let before = outbox.len();
        // Many streams write much before their task has its turn.
        let capacity = if connection.streams() > MANY { LARGE } else { room.max(SHORT) };
        let done = work(connection, outbox.bytes_with(capacity));
        if outbox.len() == before {
            outbox.give_back();
        } else if let Some(writer) = writer.take() {
            writer.wake();
        }
        done
    }

    /// Whether requests that come begin at once from now on. In turns they have fewer connections to endpoints under way; those that
    /// share one have nothing of that, and what they send would go out in smaller pieces.
    pub fn begins_at_once(&self, at_once: bool) {
        self.0.borrow_mut().at_once = at_once;
    }

    /// Lets no more streams begin.
    pub fn leave(&self) {
        self.with(SHORT, Connection::leave);
    }

    fn waiting(&self) -> usize {
        self.0.borrow().outbox.len()
    }

    /// What streams find in the buffer when they write: also what has gone of it, as long as not all has.
    fn taken(&self) -> usize {
        self.0.borrow().outbox.taken()
    }

    fn write(&self, wire: &mut Wire, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        wire.poll_flush_of(&mut self.0.borrow_mut().outbox, context)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Its task sees that it is alone.
        if Rc::strong_count(&self.0) == 2
            && let Some(writer) = self.0.borrow_mut().writer.take()
        {
            writer.wake();
        }
    }
}

/// What drives a connection. Dropped, it ends the streams that are on it.
pub struct Driver {
    session: Session,
    wire: Wire,
    role: Role,
    turn: Turn,
    alive: KeepAlive,
    /// Nothing more is read; the connection ends once what waits is written.
    ending: bool,
}

impl Driver {
    /// Begins to speak HTTP/2 on a connection. After `silence`, the other side is asked whether it is there, and has
    /// `patience` to say so.
    pub fn new(wire: Wire, role: Role, limits: Limits, (silence, patience): (Duration, Duration)) -> Self {
        let mut outbox = Outbox::default();
        let connection = Connection::new(role, limits, outbox.bytes_with(SHORT));
        let session = Session(Rc::new(RefCell::new(Shared { connection, outbox, writer: None, at_once: false })));
        Self { session, wire, role, turn: Turn::default(), alive: KeepAlive::new(silence, patience), ending: false }
    }

    /// A handle to the connection.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Reads and writes what can be; `begin` is given the requests that come. Ready once the connection has ended.
    pub fn poll(&mut self, begin: &mut impl FnMut(&Session, Arrived), context: &mut Context<'_>) -> Poll<()> {
        // What streams have written since the last time.
        let mut written = self.session.write(&mut self.wire, context);
        if !self.ending {
            self.read(context);
            while let Some(arrived) = self.next_in_turn(context) {
                begin(&self.session, arrived);
            }
            self.ending |= self.is_over();
            let taken = self.session.taken();
            if self.session.look(|connection| connection.wake_blocked(taken)) {
                context.waker().wake_by_ref();
            }
        }
        if self.ending {
            written = self.session.write(&mut self.wire, context);
        }
        match written {
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) if self.ending => {
                if Pin::new(&mut self.wire.stream).poll_shutdown(context).is_ready() {
                    return Poll::Ready(());
                }
            }
            Poll::Ready(Ok(())) => self.wait_for_more(context),
            // It is called once there is room.
            Poll::Pending => {}
        }
        self.watch(context)
    }

    /// A request that has come, and begins now.
    fn next_in_turn(&mut self, context: &Context<'_>) -> Option<Arrived> {
        let mut shared = self.session.0.borrow_mut();
        let arrived = shared.connection.arrived_count();
        if arrived == 0 || (!shared.at_once && self.turn.poll(arrived, context).is_pending()) {
            return None;
        }
        self.turn.begins();
        shared.connection.next_arrived()
    }

    /// Reads what has come and takes it in.
    fn read(&mut self, context: &mut Context<'_>) {
        for n in 0.. {
            if !self.take_in() {
                self.ending = true;
                return;
            }
            // Who does not read what is written to him is not read either.
            if self.session.waiting() >= MOST_WAITING {
                return;
            }
            if n == IN_A_ROW {
                return context.waker().wake_by_ref();
            }
            match self.wire.poll_fill(SMALL, context) {
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.ending = true;
                    return;
                }
                Poll::Ready(Ok(_)) => self.alive.hears(),
                Poll::Pending => return,
            }
        }
    }

    /// Takes in what was read; false where it was wrong.
    fn take_in(&mut self) -> bool {
        let inbox = &mut self.wire.inbox;
        if inbox.unread().is_empty() {
            return true;
        }
        match self.session.with(SHORT, |connection, out| connection.receive(inbox.unread(), out)) {
            Ok(used) => {
                inbox.consume(used);
                true
            }
            Err(failure) => {
                tracing::debug!(reason = %failure.reason, failure.message, "an HTTP/2 connection is closed");
                false
            }
        }
    }

    /// Whether the connection has left, or nobody holds a handle to it who could ask over it.
    fn is_over(&self) -> bool {
        let alone = self.role == Role::Client && Rc::strong_count(&self.session.0) == 1;
        alone || self.session.look(|connection| connection.has_left())
    }

    /// What streams write from here on wakes this task; what waits already goes out after those have had their turn that have
    /// just been woken.
    fn wait_for_more(&mut self, context: &Context<'_>) {
        let mut shared = self.session.0.borrow_mut();
        if shared.outbox.is_empty() {
            shared.writer = Some(context.waker().clone());
        } else {
            context.waker().wake_by_ref();
        }
    }

    /// Asks an end that is silent whether it is there; ready once it is taken for gone.
    fn watch(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let matters =
            self.role == Role::Server || self.ending || self.session.look(|connection| connection.streams() > 0);
        while let Poll::Ready(due) = self.alive.poll(matters, context) {
            self.session.look(Connection::forgive);
            match due {
                Due::Nothing => {}
                Due::Asking => self.session.with(SHORT, Connection::ask),
                Due::Burial => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.session.look(Connection::end);
    }
}
