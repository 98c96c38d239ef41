//! Finding out that the other end of an HTTP/2 connection has gone without a word: a PING after a silence (RFC 9113 section
//! 6.7). Whatever comes after it says that the end is there.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::Alarm;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing: it was heard, or nobody waits for it.
    Nothing,
    /// To ask whether it is there.
    Asking,
    /// To take it for gone.
    Burial,
}

/// Watches over a connection.
pub struct KeepAlive {
    heard: bool,
    silence: Duration,
    patience: Duration,
    deadline: Instant,
    asked: bool,
    alarm: Alarm,
}

impl KeepAlive {
    /// Has an end asked after `silence`, and waits for an answer for `patience`.
    pub fn new(silence: Duration, patience: Duration) -> Self {
        let deadline = Instant::now() + silence;
        Self { heard: false, silence, patience, deadline, asked: false, alarm: Alarm::default() }
    }

    /// Something has arrived.
    pub fn hears(&mut self) {
        self.heard = true;
    }

    /// Ready once a silence, or the patience with one, has gone by. `matters`: somebody waits for the other side. To be polled
    /// again after it was ready, unless that was for the last time.
    pub fn poll(&mut self, matters: bool, context: &mut Context<'_>) -> Poll<Due> {
        if self.alarm.poll(self.deadline, context).is_pending() {
            return Poll::Pending;
        }
        let heard = std::mem::take(&mut self.heard);
        if self.asked && !heard {
            return Poll::Ready(Due::Burial);
        }
        self.asked = !heard && matters;
        self.deadline = Instant::now() + if self.asked { self.patience } else { self.silence };
        Poll::Ready(if self.asked { Due::Asking } else { Due::Nothing })
    }
}

#[cfg(test)]
mod tests;
