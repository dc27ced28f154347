//! What every part of the plan looks at.

use std::time::Duration;

use super::{Problem, Service};
use crate::{
    judge::{ServiceIdentity, Track},
    record::{HighWater, Record},
    replicas::{Sizes, Standing},
    settings::Settings,
    spec::{Digest, Spec},
    time::{Timestamp, humane},
    view::{Rolling, View, Workload},
};

/// What is remembered of a service.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordState {
    /// Nothing.
    Absent,
    /// Something that cannot be read, and why.
    Unreadable(String),
    /// This.
    Present(Box<Record>),
}

/// A service with a record, at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub service: &'a Service<'a>,
    pub view: &'a View,
    pub record: &'a Record,
    pub settings: &'a Settings,
    pub now: Timestamp,
}

/// The sizes a phase wants of primary and canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Targets {
    pub primary: u32,
    pub canary: u32,
}

impl Context<'_> {
    pub fn sizes(&self) -> Sizes {
        Sizes::new(self.settings, self.record.replicas)
    }

    /// What the original asks for now, and its digest.
    pub fn asked(&self) -> Option<(Spec, Digest)> {
        let spec = Spec::of(&self.view.original.as_ref()?.spec);
        let digest = spec.digest();
        Some((spec, digest))
    }

    pub fn identity(&self) -> ServiceIdentity {
        let labels = self.view.original.iter().flat_map(|original| original.labels.clone()).collect();
        ServiceIdentity { namespace: self.service.namespace.to_owned(), name: self.service.name.to_owned(), labels }
    }

    /// The record, to be changed.
    pub fn changed(&self) -> Record {
        self.record.clone()
    }

    pub fn complete(&self, track: Track) -> bool {
        self.view.workload(track).is_some_and(Workload::complete)
    }

    pub fn available(&self, track: Track) -> u32 {
        self.view.workload(track).map_or(0, |workload| workload.status.available)
    }

    pub fn standing(&self, track: Track, target: u32) -> Option<Standing> {
        let workload = self.view.workload(track)?;
        let (wanted, counted) = (workload.replicas(), workload.pods_at_most());
        let (complete, observed, rolling) = (workload.complete(), workload.observed(), workload.rolling());
        // One that rolls by itself takes its own surge, now or later.
        let present = match rolling {
            Rolling::No => counted,
            Rolling::WithSurge | Rolling::WithoutSurge => counted.max(wanted.saturating_add(self.sizes().surge)),
        };
        let available = workload.status.available;
        Some(Standing { track, wanted, present, complete, observed, available, rolling, target })
    }

    /// How many pods of the version that `track` is to run are available at least; those of other versions may be too.
    pub fn advanced(&self, track: Track) -> u32 {
        let status = self.view.workload(track).filter(|workload| workload.observed()).map(|workload| workload.status);
        status.map_or(0, |status| status.available.saturating_sub(status.replicas.saturating_sub(status.updated)))
    }

    /// The mark that `track` has reached.
    pub fn mark(&self, track: Track) -> HighWater {
        HighWater { available: self.advanced(track), at: self.now }
    }

    /// The same, if it is higher than the one remembered.
    pub fn higher_water(&self, track: Track, mark: HighWater) -> Option<HighWater> {
        Some(self.mark(track)).filter(|reached| reached.available > mark.available)
    }

    /// When pods that do not become available are given up: none can be before it has been ready for `minReadySeconds`.
    pub fn deadline(&self, mark: HighWater) -> Timestamp {
        let seconds = |workload: &Workload| workload.spec["minReadySeconds"].as_u64();
        let copies = [Track::Primary, Track::Canary].map(|track| self.view.workload(track).and_then(seconds));
        let min_ready = copies.into_iter().flatten().max().unwrap_or_default();
        mark.at.plus(self.settings.ready_deadline.saturating_add(Duration::from_secs(min_ready)))
    }

    /// "1 of 3 pods of the canary are available, none more for 10m", with what the worst pod says.
    pub fn not_ready(&self, track: Track, mark: HighWater) -> String {
        let wanted = self.view.workload(track).map_or(0, Workload::replicas);
        let since = humane(self.now.since(mark.at));
        let blame = self.blame(track).map(|blame| format!(" ({blame})")).unwrap_or_default();
        let (advanced, rolls) = (self.advanced(track), self.available(track) > self.advanced(track));
        let version = if rolls { " with the version it is to run" } else { "" };
        format!("{advanced} of {wanted} pods of the {track} are available{version}, none more for {since}{blame}")
    }

    fn blame(&self, track: Track) -> Option<String> {
        let pod = self.view.pods.iter().find(|pod| pod.track == track && !pod.ready)?;
        let reason = pod.waiting_reason.as_deref().unwrap_or("not ready");
        Some(format!("{}: {reason}", pod.name))
    }

    /// A primary that does not get complete by the deadline is said, and waited for.
    pub fn late(&self, mark: HighWater, remedy: &str) -> Option<Problem> {
        let late = self.now >= self.deadline(mark) && !self.complete(Track::Primary);
        late.then(|| Problem { fault: self.not_ready(Track::Primary, mark), remedy: remedy.to_owned() })
    }
}
