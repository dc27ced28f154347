//! The Lease as the API server keeps it.

use std::time::Duration;

use aviary_core::view::{MANAGED_BY_LABEL, MANAGER};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::core::ObjectMeta;

use super::election::Seen;

/// What is seen of a Lease; one that somebody wrote without a duration lasts `duration`.
pub fn seen(lease: &Lease, duration: Duration) -> Seen {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Seen {
        uid: lease.metadata.uid.clone().unwrap_or_default(),
        version: lease.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        renewed: spec.renew_time.map(|time| time.0.to_string()).unwrap_or_default(),
        epoch: spec.lease_transitions.and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
        duration: seconds.map_or(duration, Duration::from_secs),
    }
}

/// A Lease to store: made anew, or in the place of the one with this resourceVersion.
pub struct Stored<'a> {
    pub name: &'a str,
    /// None gives it back.
    pub holder: Option<&'a str>,
    pub over: Option<u64>,
    /// Of the one in whose place it is stored: without it, one that was deleted would be made anew.
    pub uid: Option<&'a str>,
    pub epoch: u64,
    pub duration: Duration,
    /// When it was taken.
    pub acquired: Timestamp,
}

impl Stored<'_> {
    /// As an object, renewed now.
    pub fn object(&self) -> Lease {
        // A Lease that was given back lasts no longer, also for those who only look at times.
        let seconds = if self.holder.is_some() { self.duration.as_secs() } else { 1 };
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.to_owned()),
                labels: Some([(MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned())].into()),
                uid: self.uid.map(str::to_owned),
                resource_version: self.over.map(|version| version.to_string()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                acquire_time: Some(MicroTime(self.acquired)),
                holder_identity: Some(self.holder.unwrap_or_default().to_owned()),
                lease_duration_seconds: i32::try_from(seconds).ok(),
                lease_transitions: i32::try_from(self.epoch).ok(),
                renew_time: Some(MicroTime(Timestamp::now())),
                ..LeaseSpec::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_seen_again() {
        let stored = |holder| Stored {
            name: "aviary",
            holder,
            over: Some(7),
            uid: Some("uid-1"),
            epoch: 3,
            duration: Duration::from_secs(15),
            acquired: Timestamp::UNIX_EPOCH,
        };
        let held = seen(&stored(Some("pod-1")).object(), Duration::from_secs(9));
        assert_eq!(held.uid, "uid-1");
        assert_eq!((held.version, held.holder.as_deref(), held.epoch), (7, Some("pod-1"), 3));
        assert_eq!(held.duration, Duration::from_secs(15));
        let given_back = seen(&stored(None).object(), Duration::from_secs(9));
        assert_eq!((given_back.holder, given_back.epoch), (None, 3));
    }

    #[test]
    fn what_somebody_wrote_by_hand_is_no_surprise() {
        let table = [
            (LeaseSpec::default(), (None, 0, 9)),
            (
                LeaseSpec { lease_transitions: Some(-5), lease_duration_seconds: Some(-1), ..LeaseSpec::default() },
                (None, 0, 9),
            ),
            (LeaseSpec { holder_identity: Some(String::new()), ..LeaseSpec::default() }, (None, 0, 9)),
            (
                LeaseSpec {
                    holder_identity: Some("me".to_owned()),
                    lease_duration_seconds: Some(0),
                    ..LeaseSpec::default()
                },
                (Some("me"), 0, 0),
            ),
        ];
        for (spec, (holder, epoch, seconds)) in table {
            let found = seen(&Lease { spec: Some(spec), ..Lease::default() }, Duration::from_secs(9));
            assert_eq!((found.holder.as_deref(), found.epoch), (holder, epoch));
            assert_eq!(found.duration, Duration::from_secs(seconds));
        }
    }
}
