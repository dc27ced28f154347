//! What time it is: the machine's, or a simulation's, which runs as fast as it can be computed.

use aviary_core::time::Timestamp;
use tokio::time::Instant;

/// Tells the time as the core knows it.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The machine's.
    Wall,
    /// That of a runtime whose time is paused.
    Virtual(Virtual),
}

/// A moment of a runtime whose time is paused, and what time it is taken for.
#[derive(Debug, Clone, Copy)]
pub struct Virtual {
    began: Instant,
    at: Timestamp,
}

impl Clock {
    /// From now on it is `at`; within a runtime whose time is paused.
    pub fn virtual_from(at: Timestamp) -> Self {
        Self::Virtual(Virtual { began: Instant::now(), at })
    }

    /// The time.
    pub fn now(self) -> Timestamp {
        match self {
            Self::Wall => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Virtual(Virtual { began, at }) => at.plus(began.elapsed()),
        }
    }

    /// Whether it stands still while something is computed.
    pub const fn is_virtual(self) -> bool {
        matches!(self, Self::Virtual(_))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn hours_of_a_simulation_are_over_at_once() {
        let begun = std::time::Instant::now();
        let clock = Clock::virtual_from(Timestamp(5));
        tokio::time::sleep(Duration::from_secs(36_000)).await;
        assert_eq!(clock.now(), Timestamp(36_000_005));
        assert!(begun.elapsed() < Duration::from_secs(36_000));
    }
}
