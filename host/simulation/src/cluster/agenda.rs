//! What happens by itself, and when.

use std::time::Duration;

use aviary_core::time::Timestamp;

use super::{Cluster, pods::End, store::Key};

/// What is due at some time. Pods go by uid; the number tells after which restart.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// The controllers look at a Deployment.
    Turn(Key),
    /// A pod's container starts for the first time.
    Starts(String),
    /// The kubelet does not try to pull an image again at once.
    BacksOff(String),
    /// A container gets ready.
    Ready(String, u32),
    /// A container ends.
    Ends(String, u32, End),
    /// A container is started again.
    Restarts(String),
    /// A pod is no more.
    Gone(String),
}

/// Where something is on the agenda.
pub(super) type Place = (Timestamp, u64);

impl Cluster {
    /// Its place, for who may have to call it off.
    pub(super) fn schedule(&mut self, after: Duration, due: Due) -> Place {
        self.serial += 1;
        let place = (self.now.plus(after), self.serial);
        self.agenda.insert(place, due);
        place
    }

    pub(super) fn call_off(&mut self, place: Place) {
        self.agenda.remove(&place);
    }

    /// When something happens next by itself.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// Everything that happens by itself until `now`, each at its time. Time does not go back.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.agenda.keys().next().copied().filter(|(at, _)| *at <= now) {
            self.now = self.now.max(at);
            if let Some((_, due)) = self.agenda.pop_first() {
                self.happens(due);
            }
        }
        self.now = self.now.max(now);
    }

    fn happens(&mut self, due: Due) {
        match due {
            Due::Turn(key) => self.turn(&key),
            Due::Starts(uid) => self.starts(&uid),
            Due::BacksOff(uid) => self.backs_off(&uid),
            Due::Ready(uid, starts) => self.gets_ready(&uid, starts),
            Due::Ends(uid, starts, end) => self.ends(&uid, starts, end),
            Due::Restarts(uid) => self.restarts(&uid),
            Due::Gone(uid) => self.gone(&uid),
        }
    }
}
