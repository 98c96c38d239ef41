//! Waiting for a request: its connection may idle, its head may come in pieces, and it is read in its turn.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::super::super::fault::Fault;
use super::super::LONGEST_HEAD;
use super::Http1Client;
use crate::drain::Visiting;
use crate::http1;
use crate::io::Turn;
use crate::message::SMALL;

/// How long a client may idle, before its first request and between two.
pub const CLIENT_IDLE: Duration = Duration::from_secs(75);
/// How long a request head may take from its first byte (slowloris).
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that is asked to end may still idle: a client that is busy asks again within that time, and gets
/// `Connection: close` with its answer instead of a reset.
const LET_GO: Duration = Duration::from_secs(1);

/// What comes next on a connection.
pub(super) enum Next {
    /// A request, which is with the client.
    Request,
    Refused(Fault),
    End,
}

/// Waiting for a request.
pub(super) struct Waiting {
    pub(super) visiting: Visiting,
    /// The connection has had none.
    first: bool,
    /// What has arrived is read in its turn.
    turn: Turn,
    /// Bytes of the head that were looked at.
    seen: usize,
    /// When what is waited for began to be waited for; the clock is looked at only if it is waited for at all.
    since: Option<Instant>,
}

impl Waiting {
    /// Waiting for the first request.
    pub(super) fn new(visiting: Visiting) -> Self {
        Self { visiting, first: true, turn: Turn::default(), seen: 0, since: None }
    }

    /// Ready once a request has been read, or none will be.
    pub(super) fn poll(&mut self, client: &mut Http1Client, context: &mut Context<'_>) -> Poll<Next> {
        loop {
            let wire = &client.body.wire;
            if (!wire.inbox.unread().is_empty() || wire.stream.has_arrived()) && self.turn.poll(1, context).is_pending()
            {
                // Not too late, however long that takes.
                self.visiting.idles(false);
                return Poll::Pending;
            }
            if let Some(next) = self.look(client) {
                self.first = false;
                self.turn.begins();
                self.seen = 0;
                self.since = None;
                return Poll::Ready(next);
            }
            match client.body.wire.poll_fill(SMALL, context) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::End),
                Poll::Ready(Ok(_)) => continue,
                Poll::Pending => {}
            }
            let begun = self.seen > 0;
            let since = *self.since.get_or_insert_with(Instant::now);
            self.visiting.idles(!begun);
            let asked = self.visiting.asked(context) && !begun;
            let limit = match asked {
                // A connection that has just been made may have its first request under way.
                true if !self.first => LET_GO,
                _ if begun || asked => HEAD_TIMEOUT,
                _ => CLIENT_IDLE,
            };
            return client.alarm.poll(since + limit, context).map(|()| Next::End);
        }
    }

    /// What has arrived, if that is a whole head or can never become one.
    fn look(&mut self, client: &mut Http1Client) -> Option<Next> {
        let inbox = &mut client.body.wire.inbox;
        // Empty lines before a request line are ignored (RFC 9112 section 2.2), also one of which the CR came alone.
        while self.seen <= 1 && inbox.unread().starts_with(b"\r\n") {
            inbox.consume(2);
            self.seen = 0;
        }
        let unread = inbox.unread();
        let fresh = self.seen == 0 && !unread.is_empty();
        if let Some((length, read)) = http1::next_request(unread, self.seen, &mut client.request) {
            if length > LONGEST_HEAD {
                return Some(Next::Refused(Fault::HeadTooLarge));
            }
            inbox.consume(length);
            return Some(match read {
                Ok(()) => {
                    client.takes();
                    Next::Request
                }
                Err(error) => Next::Refused(error.into()),
            });
        }
        self.seen = unread.len();
        if unread.len() > LONGEST_HEAD {
            return Some(Next::Refused(Fault::HeadTooLarge));
        }
        if fresh {
            // Its time begins with its first byte.
            self.since = None;
            return http1::starts_wrong(unread).then_some(Next::Refused(Fault::BadRequest));
        }
        None
    }
}
