//! The time of day for `Date`, formatted once a second.

use std::cell::Cell;
use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime};

use httpdate::HttpDate;

/// Bytes of a date.
const LENGTH: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();

thread_local! {
    static NOW: Cell<Option<(Instant, [u8; LENGTH])>> = const { Cell::new(None) };
}

/// The date (RFC 9110 section 5.6.7).
pub fn date() -> [u8; LENGTH] {
    let now = Instant::now();
    if let Some((_, text)) = NOW.get().filter(|(since, _)| now.duration_since(*since) < Duration::from_secs(1)) {
        return text;
    }
    let mut text = [b' '; LENGTH];
    // The form has one length, and fits.
    let _ = write!(&mut text[..], "{}", HttpDate::from(SystemTime::now()));
    NOW.set(Some((now, text)));
    text
}
