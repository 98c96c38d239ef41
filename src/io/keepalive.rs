//! Finding out that the other end of an HTTP/2 connection has gone without a word: a PING after a silence (RFC 9113 section
//! 6.7).

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::Instant;

use super::Alarm;

/// Asks after a silence.
pub struct KeepAlive {
    pings: Option<PingPong>,
    heard: Rc<Cell<bool>>,
    silence: Duration,
    patience: Duration,
    deadline: Instant,
    asked: bool,
    alarm: Alarm,
}

impl KeepAlive {
    /// Asks after `silence`, and waits for an answer for `patience`. `heard` is set whenever something arrives.
    pub fn new(pings: Option<PingPong>, heard: Rc<Cell<bool>>, silence: Duration, patience: Duration) -> Self {
        let deadline = Instant::now() + silence;
        Self { pings, heard, silence, patience, deadline, asked: false, alarm: Alarm::default() }
    }

    /// Ready once nothing was heard for too long. `matters`: somebody waits for the other side.
    pub fn poll(&mut self, matters: bool, context: &mut Context<'_>) -> Poll<()> {
        let Some(pings) = &mut self.pings else { return Poll::Pending };
        if self.asked && pings.poll_pong(context).is_ready() {
            self.asked = false;
        }
        while self.alarm.poll(self.deadline, context).is_ready() {
            let heard = self.heard.replace(false);
            if self.asked && !heard {
                return Poll::Ready(());
            }
            // One that cannot be sent is one whose connection ends anyway.
            let asks = !heard && matters && !self.asked && pings.send_ping(Ping::opaque()).is_ok();
            self.asked |= asks;
            self.deadline = Instant::now() + if asks { self.patience } else { self.silence };
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
