//! Waiting for a condition, with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long to wait, and how often to look.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until when.
    pub limit: Duration,
    /// Between two looks.
    pub pause: Duration,
}

impl Patience {
    /// So many seconds, looking ten times a second.
    #[must_use]
    pub fn seconds(limit: u64) -> Self {
        Self { limit: Duration::from_secs(limit), pause: Duration::from_millis(100) }
    }

    /// As [`Patience::seconds`], for what is over quickly: looking again at once.
    #[must_use]
    pub fn keen(limit: u64) -> Self {
        Self { limit: Duration::from_secs(limit), pause: Duration::from_millis(3) }
    }
}

/// Looks until `condition` gives something, and tells what that is.
///
/// # Errors
/// How long it was waited in vain.
pub fn wait_until<T>(patience: Patience, mut condition: impl FnMut() -> Option<T>) -> Result<T, Duration> {
    let begun = Instant::now();
    loop {
        if let Some(found) = condition() {
            return Ok(found);
        }
        if begun.elapsed() > patience.limit {
            return Err(begun.elapsed());
        }
        sleep(patience.pause);
    }
}
