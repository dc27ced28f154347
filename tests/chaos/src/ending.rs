//! How a service stands after a release, as an administrator sees it, against how it must stand.

use aviary_core::{
    judge::Track,
    record::{Ending, PastRollout, Phase, Record},
    settings::Amount,
    spec::{Digest, Spec},
};
use local_cluster::Identity;
use scenarios::Place;
use serde_json::Value;

use crate::release::{Release, Version};

/// What a team remembers of its service from release to release.
#[derive(Debug)]
pub struct Past {
    /// What is accepted.
    pub accepted: Version,
    /// N.
    pub replicas: u32,
    /// The rollouts that ended.
    pub rollouts: Vec<PastRollout>,
    /// What was rolled back, oldest first.
    pub rejected: Vec<Digest>,
}

impl Past {
    /// The rollouts of a record that ended since.
    pub fn new_rollouts(&self, record: &Record) -> Vec<PastRollout> {
        let known = |rollout: &&PastRollout| self.rollouts.iter().any(|past| past.id == rollout.id);
        record.history.iter().filter(|rollout| !known(rollout)).cloned().collect()
    }
}

/// The objects of a service.
#[derive(Debug)]
pub struct Standing {
    original: Value,
    primary: Value,
    canary: Value,
    pods: Vec<Value>,
    record: Record,
}

impl Standing {
    /// As it is now.
    ///
    /// # Errors
    /// When something of it is missing.
    pub fn of(place: &Place) -> Result<Self, String> {
        let arguments = ["get", "deployments,pods,configmaps", "--output=json", "--show-managed-fields"];
        let listed =
            place.kubectl(Identity::Admin, &arguments, None).checked().map_err(|error| format!("{error:#}"))?;
        let list: Value = serde_json::from_str(&listed).map_err(|error| error.to_string())?;
        let items = || list["items"].as_array().into_iter().flatten();
        let named = |kind: &str, name: &str| {
            let found = items().find(|item| item["kind"] == kind && item["metadata"]["name"] == name);
            found.cloned().unwrap_or_default()
        };
        let text = named("ConfigMap", "foo.aviary")["data"]["record.json"].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            original: named("Deployment", "foo"),
            primary: named("Deployment", "foo-primary"),
            canary: named("Deployment", "foo-canary"),
            pods: items().filter(|item| item["kind"] == "Pod").cloned().collect(),
            record: Record::parse(&text).map_err(|error| error.to_string())?,
        })
    }

    /// Whether it is what a service with this past must be after `release`; gives how its rollouts ended.
    ///
    /// # Errors
    /// What is not as it should be, or not yet.
    pub fn after(&self, past: &Past, release: &Release) -> Result<Vec<PastRollout>, String> {
        let new = past.new_rollouts(&self.record);
        self.phase()?;
        self.history(&new, release)?;
        self.versions(past, &new, release)?;
        self.copies(release)?;
        self.original()?;
        Ok(new)
    }

    /// The rejected versions that the record must know after rollouts that ended so.
    pub fn rejected(&self, past: &Past, new: &[PastRollout], release: &Release) -> Vec<Digest> {
        let mut rejected = past.rejected.clone();
        let rolled_back = new.iter().filter(|rollout| rollout.ending == Ending::RolledBack);
        for rollout in rolled_back {
            let mut candidates = release.endings.iter().flatten().map(|(version, _)| version);
            let version = candidates.find(|version| version.image == rollout.images);
            rejected.extend(version.map(|version| version.spec(&self.original["spec"]).digest()));
        }
        let older = rejected.len().saturating_sub(aviary_core::record::REMEMBERED_ROLLOUTS);
        rejected.split_off(older)
    }

    fn phase(&self) -> Result<(), String> {
        let steady = self.record.phase == Phase::Steady && self.record.original_scaling.is_none();
        steady.then_some(()).ok_or_else(|| format!("it is not steady: {:?}", crate::ledger::word(&self.record.phase)))
    }

    fn history(&self, new: &[PastRollout], release: &Release) -> Result<(), String> {
        let found: Vec<_> = new.iter().map(|rollout| (rollout.images.as_str(), rollout.ending)).collect();
        let mut ways = release
            .endings
            .iter()
            .map(|way| -> Vec<_> { way.iter().map(|(version, ending)| (version.image.as_str(), *ending)).collect() });
        ways.any(|way| way == found).then_some(()).ok_or_else(|| {
            let reasons: Vec<&str> = new.iter().map(|rollout| rollout.reason.as_str()).collect();
            format!("its rollouts ended as {found:?} ({})", reasons.join("; "))
        })
    }

    /// Accepted and rejected are these versions and no others.
    fn versions(&self, past: &Past, new: &[PastRollout], release: &Release) -> Result<(), String> {
        let accepted = release.accepted.spec(&self.original["spec"]);
        same("the accepted version", &self.record.accepted.digest(), &accepted.digest())?;
        let rejected: Vec<Digest> = self.record.rejected.iter().map(|rejected| rejected.digest.clone()).collect();
        same("the rejected versions", &rejected, &self.rejected(past, new, release))?;
        same("the original's version", &Spec::of(&self.original["spec"]).digest(), &accepted.digest())?;
        let primary = accepted.copy_spec(Track::Primary, Amount::Percent(25.0));
        same("the primary's template", &self.primary["spec"]["template"], &primary["template"])
    }

    fn copies(&self, release: &Release) -> Result<(), String> {
        let replicas = release.replicas;
        same("N", &self.record.replicas, &replicas)?;
        same("the primary's pods", &sizes(&self.primary), &[Some(u64::from(replicas)); 4])?;
        if !self.canary.is_null() {
            same("the canary's pods", &sizes(&self.canary), &[Some(0), None, None, None])?;
        }
        let live = self.pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let foreign: Vec<_> = live
            .filter(|pod| pod["metadata"]["labels"]["aviary.dev/track"] != "primary")
            .map(|pod| pod["metadata"]["name"].clone())
            .collect();
        same("pods of others than the primary", &foreign, &vec![])
    }

    fn original(&self) -> Result<(), String> {
        same("the original's pods", &self.original["spec"]["replicas"], &Value::from(0))?;
        let managers = self.original["metadata"]["managedFields"].as_array().into_iter().flatten();
        let ours = managers.filter(|entry| entry["manager"] == "aviary").count();
        same("the original's fields that Aviary keeps", &ours, &0)
    }
}

/// Wanted, there, updated and available, where the status is of this generation.
fn sizes(deployment: &Value) -> [Option<u64>; 4] {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let observed = status["observedGeneration"] == deployment["metadata"]["generation"];
    let count = |field: &str| status[field].as_u64().filter(|count| *count > 0 && observed);
    let wanted = spec["replicas"].as_u64().filter(|_| observed);
    [wanted, count("replicas"), count("updatedReplicas"), count("availableReplicas")]
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    (found == expected).then_some(()).ok_or_else(|| format!("{what}: {found:?} instead of {expected:?}"))
}
