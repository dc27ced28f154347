//! How much of the candidate ran, and where: what a bad version could do in the meantime.

use std::time::Duration;

use aviary_core::judge::Track;

/// Pod-time of the candidate by track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exposure {
    original: Duration,
    primary: Duration,
    canary: Duration,
}

impl Exposure {
    /// One more pod ran for so long.
    pub const fn add(&mut self, track: Track, time: Duration) {
        let sum = match track {
            Track::Original => &mut self.original,
            Track::Primary => &mut self.primary,
            Track::Canary => &mut self.canary,
        };
        *sum = sum.saturating_add(time);
    }

    /// Pod-minutes of a track.
    pub fn minutes(&self, track: Track) -> f64 {
        let time = match track {
            Track::Original => self.original,
            Track::Primary => self.primary,
            Track::Canary => self.canary,
        };
        time.as_secs_f64() / 60.0
    }

    /// Pod-minutes in all.
    pub fn all(&self) -> f64 {
        Track::ALL.into_iter().map(|track| self.minutes(track)).sum()
    }
}
