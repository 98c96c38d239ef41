//! The time of day for `Date`, formatted once a second.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime};

thread_local! {
    static NOW: RefCell<Option<(Instant, String)>> = const { RefCell::new(None) };
}

/// Appends the date (RFC 9110 section 5.6.7).
pub fn date(out: &mut Vec<u8>) {
    let now = Instant::now();
    NOW.with_borrow_mut(|known| {
        let fresh = known.as_ref().is_some_and(|(since, _)| now.duration_since(*since) < Duration::from_secs(1));
        if !fresh {
            *known = Some((now, httpdate::fmt_http_date(SystemTime::now())));
        }
        if let Some((_, text)) = known {
            out.extend_from_slice(text.as_bytes());
        }
    });
}
