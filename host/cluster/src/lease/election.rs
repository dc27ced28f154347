//! Who may have the lease when, as a pure state machine: it is told what was seen and when, and says what to do next.
//!
//! Clocks of two machines are never compared. A lease runs out when its holder has not been seen to renew it for as long as it
//! lasts, by the clock of who looks; so everybody else takes it later than its holder gives it up by its own clock:
//!
//! ```text
//! sent <= stored <= seen     a renewal: sent by the holder, stored by the API server, seen by another daemon
//! the last write begins      before  sent + 3/5 duration
//! and is given up            by      sent + 4/5 duration
//! another daemon takes it    after   seen + duration  >=  sent + duration
//! ```
//!
//! The last fifth is for what the API server still does with a call that was given up, and for clocks that do not run alike.

use std::time::Duration;

use tokio::time::Instant;

/// The largest epoch: a Lease stores it in 32 bits.
const LAST_EPOCH: u64 = i32::MAX as u64;

/// When what of a lease is due, by its duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times(pub Duration);

impl Times {
    /// Between two renewals.
    pub fn renewal(self) -> Duration {
        self.0 / 3
    }

    /// After a renewal was sent, writes may begin so long.
    pub fn begin(self) -> Duration {
        self.0 * 3 / 5
    }

    /// After a renewal was sent, writes that began are given up.
    pub fn end(self) -> Duration {
        self.0 * 4 / 5
    }

    /// Between two attempts.
    pub fn pause(self) -> Duration {
        self.0 / 15
    }
}

/// A Lease as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub version: u64,
    /// Who holds it; nobody where it was given back.
    pub holder: Option<String>,
    /// When it was renewed by the holder's clock, which nobody compares with another one.
    pub renewed: String,
    /// How often it was taken.
    pub epoch: u64,
    /// How long it lasts without a renewal.
    pub duration: Duration,
}

impl Seen {
    /// Whether the holder has done something.
    fn same_as(&self, other: &Self) -> bool {
        (&self.holder, &self.renewed, self.epoch) == (&other.holder, &other.renewed, other.epoch)
    }
}

/// What is known of the Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// Nothing, or nothing certain: it is read next.
    Unread,
    /// There is none; it may be made then. Whoever held it may not have noticed yet.
    Absent(Instant),
    /// This; unchanged since then.
    There(Seen, Instant),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read the Lease.
    Read,
    /// Store the Lease with this daemon as its holder.
    Write {
        /// The resourceVersion that it must have; none where it must not be there.
        over: Option<u64>,
        /// Its epoch.
        epoch: u64,
        /// Whether that takes it, or only renews it.
        takes: bool,
    },
    /// Nothing, unless something is seen before.
    Wait(Instant),
}

/// A daemon that wants the lease.
#[derive(Debug)]
pub struct Election {
    me: String,
    times: Times,
    known: Known,
    /// What was known last, while nothing is: who reads the same again has learnt nothing.
    before: Option<(Seen, Instant)>,
    /// The epoch that this daemon holds, and when its last renewal was sent.
    held: Option<(u64, Instant)>,
    /// The largest epoch that was met in a record.
    met: u64,
    not_before: Option<Instant>,
}

impl Election {
    /// For the daemon that alone calls itself `me`, whenever: who finds this name in a Lease put it there, or a process that is
    /// gone.
    pub fn new(me: String, duration: Duration) -> Self {
        let (times, known) = (Times(duration), Known::Unread);
        Self { me, times, known, before: None, held: None, met: 0, not_before: None }
    }

    /// The name of this daemon.
    pub fn me(&self) -> &str {
        &self.me
    }

    /// The times of its lease.
    pub fn times(&self) -> Times {
        self.times
    }

    /// The epoch that this daemon holds, and when its last renewal was sent.
    pub fn held(&self) -> Option<(u64, Instant)> {
        self.held
    }

    /// The uid of the Lease that is known to be there.
    pub fn uid(&self) -> Option<&str> {
        match &self.known {
            Known::There(seen, _) => Some(&seen.uid),
            _ => None,
        }
    }

    /// Who else holds it, as far as is known.
    pub fn holder(&self) -> Option<&str> {
        match &self.known {
            Known::There(seen, _) if self.held.is_none() => seen.holder.as_deref(),
            _ => None,
        }
    }

    /// The watch showed the Lease like this at `now`.
    pub fn see(&mut self, seen: Seen, now: Instant) {
        if self.last().is_none_or(|(last, _)| last.version <= seen.version) {
            self.read(seen, now);
        }
    }

    fn last(&self) -> Option<(&Seen, Instant)> {
        match &self.known {
            Known::There(last, since) => Some((last, *since)),
            _ => self.before.as_ref().map(|(last, since)| (last, *since)),
        }
    }

    /// It was read like this at `now`. That counts whatever was heard before: versions are smaller once etcd was restored.
    pub fn read(&mut self, seen: Seen, now: Instant) {
        let since = self.last().filter(|(last, _)| last.same_as(&seen)).map_or(now, |(_, since)| since);
        let mine = seen.holder.as_ref() == Some(&self.me);
        self.held = self.held.filter(|(epoch, _)| mine && *epoch == seen.epoch);
        self.known = Known::There(seen, since);
    }

    /// It was read at `now`, and is not there. One that this daemon makes has a higher epoch than what it saw before.
    pub fn see_none(&mut self, now: Instant) {
        self.forget();
        let last = self.before.take().map(|(seen, _)| seen);
        self.meet(last.as_ref().map_or(0, |seen| seen.epoch));
        let others = last.filter(|seen| seen.holder.as_ref().is_some_and(|holder| *holder != self.me));
        self.known = Known::Absent(others.map_or(now, |seen| now + seen.duration));
        self.held = None;
    }

    /// Somebody says that it is not there: it has to be read, unless that was known.
    pub fn doubt(&mut self) {
        if matches!(self.known, Known::There(..)) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if let Known::There(seen, since) = std::mem::replace(&mut self.known, Known::Unread) {
            self.before = Some((seen, since));
        }
    }

    /// The Lease was stored by this daemon with a call that began at `sent`.
    pub fn stored(&mut self, seen: Seen, sent: Instant) {
        self.held = Some((seen.epoch, sent));
        self.known = Known::There(seen, sent);
        self.not_before = None;
    }

    /// It was not stored, or nobody knows: how things stand has to be read, at once where somebody else was faster.
    pub fn failed(&mut self, somebody_was_faster: bool, now: Instant) {
        self.forget();
        self.not_before = (!somebody_was_faster).then(|| now + self.times.pause());
    }

    /// A record says that it was written under this epoch.
    pub fn meet(&mut self, epoch: u64) {
        self.met = self.met.max(epoch.min(LAST_EPOCH - 1));
    }

    /// Gives up what is held; the resourceVersion that the Lease must have to be given back, and its epoch.
    pub fn give_back(&mut self) -> Option<(u64, u64)> {
        let (epoch, _) = self.held.take()?;
        match &self.known {
            Known::There(seen, _) => Some((seen.version, epoch)),
            _ => None,
        }
    }

    /// What to do at `now`.
    pub fn next(&self, now: Instant) -> Step {
        if let Some(not_before) = self.not_before.filter(|not_before| now < *not_before) {
            return Step::Wait(not_before);
        }
        let (seen, since) = match &self.known {
            Known::Unread => return Step::Read,
            Known::Absent(free) if now < *free => return Step::Wait(*free),
            Known::Absent(_) => return Step::Write { over: None, epoch: self.met + 1, takes: true },
            Known::There(seen, since) => (seen, *since),
        };
        let due = match self.held {
            Some((epoch, _)) if epoch < self.met => now,
            Some((epoch, sent)) => {
                let due = sent + self.times.renewal();
                let renew = Step::Write { over: Some(seen.version), epoch, takes: false };
                return if now < due { Step::Wait(due) } else { renew };
            }
            None if seen.holder.as_ref().is_none_or(|holder| *holder == self.me) => now,
            None => since + seen.duration,
        };
        let epoch = seen.epoch.max(self.met).saturating_add(1).min(LAST_EPOCH);
        if now < due { Step::Wait(due) } else { Step::Write { over: Some(seen.version), epoch, takes: true } }
    }
}

#[cfg(test)]
mod tests;
