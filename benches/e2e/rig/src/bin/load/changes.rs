//! Somebody who changes something in a proxy again and again, while it is under load.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::Changes;
use crate::connection::open;
use crate::hold::{bounded, exchange};

/// Who change in turn, since an answer takes its time beside a worker that is busy.
const CHANGERS: u32 = 4;

/// Changes until standard input ends, and prints how often and for how long that was.
pub fn changes(asked: &Changes) -> Result<()> {
    let (begun, done, end) = (Instant::now(), AtomicUsize::new(0), AtomicBool::new(false));
    let period = Duration::from_secs_f64(1.0 / asked.rate);
    thread::scope(|scope| {
        let changers: Vec<_> = (0..CHANGERS)
            .map(|number| {
                let (done, end) = (&done, &end);
                scope.spawn(move || changer(asked, (begun + period * number, period * CHANGERS), done, end))
            })
            .collect();
        io::copy(&mut io::stdin(), &mut io::sink())?;
        end.store(true, Relaxed);
        changers.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a changer ended"))?)
    })?;
    println!("{}", serde_json::json!({ "count": done.into_inner(), "seconds": begun.elapsed().as_secs_f64() }));
    Ok(())
}

/// One of them, whose first change is `due` then, and the next ones after `period` each.
fn changer(
    asked: &Changes,
    (mut due, period): (Instant, Duration),
    done: &AtomicUsize,
    end: &AtomicBool,
) -> Result<()> {
    let mut socket = bounded(open(asked.to).context("connect")?)?;
    loop {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if end.load(Relaxed) {
            return Ok(());
        }
        due += period;
        let body = &asked.body[done.fetch_add(1, Relaxed) % asked.body.len()];
        let head = format!(
            "PATCH {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            asked.path,
            asked.to,
            body.len()
        );
        exchange(&mut socket, format!("{head}{body}").as_bytes(), None).context("a change")?;
    }
}
