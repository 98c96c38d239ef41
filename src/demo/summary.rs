//! What came of it.

use std::fmt::Write as _;

use super::count::Counted;
use super::live::Outcome;
use super::load::CLIENTS;
use super::tally::Tally;
use super::view::{millis, percent};
use super::{CANARY, SPLIT};

/// What came of a demo.
pub struct Summary {
    /// What happened.
    pub outcome: Outcome,
    /// What the clients saw.
    pub tally: Tally,
    /// What the proxy counted.
    pub counted: Vec<Counted>,
    /// The canary's share of new requests at the end.
    pub canary_share: f64,
    /// Requests that were cut at the end.
    pub cut: usize,
}

impl Summary {
    /// For people.
    pub fn text(&self) -> String {
        let Self { outcome, tally, .. } = self;
        let (p50, p99) = (tally.durations.quantile(0.5), tally.durations.quantile(0.99));
        let mut text = String::from("\n");
        _ = writeln!(
            text,
            "{} requests of {CLIENTS} clients in {:.1} s, failures seen by clients: {}; p50 {}, p99 {}",
            tally.requests,
            outcome.took.as_secs_f64(),
            tally.failures,
            millis(p50),
            millis(p99)
        );
        if let Some(failure) = &tally.first_failure {
            _ = writeln!(text, "the first failure: {failure}");
        }
        if self.cut > 0 {
            _ = writeln!(text, "{} requests were cut at the end", self.cut);
        }
        text.push_str(&self.table());
        text.push_str(&self.comparison());
        text.push_str(&self.guard());
        text
    }

    /// Whether it showed what it should; if not, why.
    pub fn verdict(&self) -> Result<(), String> {
        let failures = self.tally.failures;
        if failures > 0 {
            return Err(format!("clients saw {failures} of {} requests fail", self.tally.requests));
        }
        if self.answered() < self.tally.requests {
            return Err("the proxy counted fewer requests than the clients sent".to_owned());
        }
        let Some(trip) = self.outcome.trip else {
            let message = "the guard did not trip: it needs 100 requests of the canary; give it more --duration";
            return if self.outcome.bad { Err(message.to_owned()) } else { Ok(()) };
        };
        if !self.outcome.bad {
            return Err("the guard tripped on a good canary".to_owned());
        }
        // Each client may have had a request on its way when the guard tripped.
        let late = self.tally.of(CANARY).saturating_sub(trip.answered);
        if self.canary_share > 0.0 || late > u64::from(CLIENTS) {
            return Err(format!(
                "the guard tripped, but the canary still gets {} of new requests and answered {late} since",
                percent(self.canary_share)
            ));
        }
        Ok(())
    }

    /// Requests that the proxy counted, each once.
    fn answered(&self) -> u64 {
        self.counted.iter().map(Counted::answered).sum()
    }

    fn table(&self) -> String {
        let head = ["", "requests", "share", "proxy counted", "of them repeated on stable"].map(str::to_owned);
        let mut rows = vec![head];
        for Counted { version, requests, rescued } in self.counted.iter().filter(|counted| counted.requests > 0) {
            let seen = self.tally.of(version);
            let share = percent(seen as f64 / self.tally.requests.max(1) as f64);
            let name = if version.is_empty() { "(no version)" } else { version };
            rows.push([name.to_owned(), seen.to_string(), share, requests.to_string(), rescued.to_string()]);
        }
        let mut text = String::new();
        for [name, cells @ ..] in &rows {
            _ = write!(text, "  {name:<12}");
            for (cell, head) in cells.iter().zip(&rows[0][1..]) {
                _ = write!(text, "  {cell:>width$}", width = head.len());
            }
            text.push('\n');
        }
        text
    }

    fn comparison(&self) -> String {
        let (proxy, clients) = (self.answered(), self.tally.requests);
        match proxy.checked_sub(clients) {
            Some(0) => format!("clients and proxy counted the same: {clients}\n"),
            Some(more) => format!("the proxy counted the {clients} requests of these clients, and {more} more\n"),
            None => format!("the proxy counted {proxy} requests, the clients {clients}\n"),
        }
    }

    fn guard(&self) -> String {
        match self.outcome.trip {
            Some(trip) => format!(
                "the guard tripped after {} requests of the canary, {:.1} s after the start; \
                 the canary gets {} of {SPLIT} now\n",
                trip.requests,
                trip.after.as_secs_f64(),
                percent(self.canary_share)
            ),
            None if self.outcome.bad => "the guard did not trip\n".to_owned(),
            None => format!("the canary gets {} of {SPLIT} now\n", percent(self.canary_share)),
        }
    }
}

#[cfg(test)]
mod tests;
