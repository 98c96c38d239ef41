//! Giving memory back to the system after a peak. An allocator keeps what was freed until it is asked for more, which a
//! worker that has become idle never does.

use std::convert::Infallible;
use std::sync::OnceLock;
use std::time::Duration;

use crate::proxy;

/// How often a worker gives back what it has not needed meanwhile.
const PERIOD: Duration = Duration::from_secs(5);

/// How often the pages of the program are let go that nothing has needed meanwhile: a list of thousands of objects, or a flood of
/// statuses, runs through code that nothing else does.
const PAGES_PERIOD: Duration = Duration::from_secs(60);

static COLLECT: OnceLock<fn()> = OnceLock::new();

/// Says how the program's allocator gives back what the calling thread has freed. The first call counts.
pub fn collect_with(collect: fn()) {
    COLLECT.get_or_init(|| collect);
}

/// Lets go of the program's own pages, again and again; those that are in use come back within a few faults.
pub async fn let_go_of_pages() -> Infallible {
    loop {
        tokio::time::sleep(PAGES_PERIOD).await;
        super::pages::let_go();
    }
}

/// Gives back what the thread has freed, again and again.
pub async fn tidy() -> Infallible {
    loop {
        tokio::time::sleep(PERIOD).await;
        proxy::trim();
        if let Some(collect) = COLLECT.get() {
            collect();
        }
    }
}
