//! Waiting for a condition, with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Looks again and again until `condition` holds. Fails when it fails, or when it does not hold within `limit`.
pub(crate) fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !condition()? {
        if Instant::now() >= deadline {
            bail!("{what} did not happen within {} s; is the machine overloaded?", limit.as_secs());
        }
        sleep(BETWEEN_LOOKS);
    }
    Ok(())
}
