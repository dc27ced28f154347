//! The waits between restarts and between pulls: none before the first, then doubling, and forgotten after a long calm.

use std::time::Duration;

use jiff::Timestamp;

/// The longest wait of a kubelet.
pub const LONGEST: Duration = Duration::from_secs(300);

/// The back-off of one container, in the kubelet's way: it counts from the end of the run before.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    current: Option<Level>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    wait: Duration,
    raised: Timestamp,
}

impl Backoff {
    /// Starts calm; the first wait will be `first`, the longest [`LONGEST`].
    pub fn new(first: Duration) -> Self {
        Self { first, current: None }
    }

    /// How long to hold back after something that ended at `ended`; nothing if it may be tried at once.
    pub fn hold(&self, ended: Timestamp) -> Option<Duration> {
        self.current.filter(|level| !level.is_forgotten(ended)).map(|level| level.wait)
    }

    /// Notes that it is tried now: the next wait is the first one, or twice the one before.
    pub fn raise(&mut self, now: Timestamp) {
        let wait = match self.current {
            Some(level) if !level.is_forgotten(now) => LONGEST.min(level.wait * 2),
            _ => LONGEST.min(self.first),
        };
        self.current = Some(Level { wait, raised: now });
    }
}

impl Level {
    fn is_forgotten(&self, at: Timestamp) -> bool {
        at.duration_since(self.raised).unsigned_abs() > LONGEST * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_first_try_is_free_and_the_waits_double_up_to_five_minutes() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        assert_eq!(backoff.hold(at(0)), None);
        let mut waits = Vec::new();
        for _ in 0..7 {
            backoff.raise(at(0));
            waits.push(backoff.hold(at(1)).unwrap().as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn ten_calm_minutes_are_forgotten() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        backoff.raise(at(0));
        backoff.raise(at(1));
        assert_eq!(backoff.hold(at(601)), Some(Duration::from_secs(20)));
        assert_eq!(backoff.hold(at(602)), None);
        backoff.raise(at(700));
        assert_eq!(backoff.hold(at(700)), Some(Duration::from_secs(10)));
    }
}
