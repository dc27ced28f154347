//! The record: all that must be remembered of a service, one versioned JSON document, written ahead of every act.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    judge::{Check, Move, PolicyIdentity, Scaling},
    lease::Lease,
    settings::Settings,
    spec::{Digest, Spec},
    time::Timestamp,
};

/// The version of the document this code writes and the only one it reads.
pub const VERSION: u32 = 1;
/// How many checks and scalings of a rollout are remembered.
pub const REMEMBERED: usize = 64;
/// How many rejected versions and past rollouts are remembered.
pub const REMEMBERED_ROLLOUTS: usize = 10;

/// All that must be remembered of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// Rises with everything that makes answers to older questions worthless.
    pub epoch: u64,
    /// The lease under which it was written; nothing in records of before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The original's name.
    pub name: String,
    /// The original's uid.
    pub uid: String,
    /// The spec the primary runs.
    pub accepted: Spec,
    /// N.
    pub replicas: u32,
    /// Where the service stands.
    pub phase: Phase,
    /// The size of the original that is being set, while it gives or takes pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_scaling: Option<Intent>,
    /// Versions that were rolled back, the last ten, newest last.
    #[serde(default)]
    pub rejected: Vec<Rejected>,
    /// A spec of the original that nothing is done about, and why; said once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// The next change goes direct, once.
    #[serde(default)]
    pub bypass: bool,
    /// The service is to be given back as soon as it is steady.
    #[serde(default)]
    pub release: bool,
    /// Since when the original is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_since: Option<Timestamp>,
    /// The last ten rollouts, newest last.
    #[serde(default)]
    pub history: Vec<PastRollout>,
}

/// Where a service stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Pods walk from the original to the primary.
    Adopting,
    /// Nothing is under way.
    Steady,
    /// The primary takes a spec and rolls by its own strategy.
    Direct(Direct),
    /// A candidate is under test.
    Canary(Box<Rollout>),
    /// A candidate that passed becomes the primary's spec.
    Promoting(Box<Rollout>),
    /// Back to the accepted spec.
    RollingBack(Box<Rollback>),
    /// Pods walk from the primary to the original.
    Releasing,
    /// Given back; nothing is cared for until it is adopted again.
    Released,
}

/// A scaling of the original: what it was when decided, and what it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Pods before.
    pub from: u32,
    /// Pods after.
    pub to: u32,
}

/// A version that was rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Which one.
    pub digest: Digest,
    /// Its images, for people.
    pub images: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// A spec that nothing is done about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which one.
    pub digest: Digest,
    /// Why, one sentence.
    pub reason: String,
}

/// The most pods of the version under way that were available so far, and since when: a deadline runs from there, so that a
/// crash loop cannot set it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HighWater {
    /// Pods.
    pub available: u32,
    /// Since.
    pub at: Timestamp,
}

/// A change that is not judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direct {
    /// Why it is not.
    pub reason: String,
    /// How far the primary got.
    pub high_water: HighWater,
}

/// Who paused a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PausedBy {
    /// A person.
    Operator,
    /// The progression policy.
    Policy,
    /// Aviary itself, for want of a verdict.
    Host,
}

/// A rollout waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Whose word it was.
    pub by: PausedBy,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// What the progression said last, and whose word it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMove {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(rename = "move")]
    pub said: Move,
    /// Which policy.
    pub policy: PolicyIdentity,
}

/// One candidate's way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rollout {
    /// Names it within its service.
    pub id: String,
    /// The spec under test.
    pub candidate: Spec,
    /// Its digest.
    pub digest: Digest,
    /// Why it is a canary, in the classifier's words.
    pub reason: String,
    /// When it began.
    pub started: Timestamp,
    /// What held for the service then; nothing in records of before this was remembered.
    #[serde(default)]
    pub settings: Option<Settings>,
    /// From 1.
    pub step: u32,
    /// Pods of the canary in this step.
    pub size: u32,
    /// When the step began.
    pub step_started: Timestamp,
    /// When its size was complete.
    #[serde(default)]
    pub step_complete: Option<Timestamp>,
    /// When it is looked at next.
    #[serde(default)]
    pub next_check: Option<Timestamp>,
    /// How far the canary (or in a promotion the primary) got since the last scaling.
    #[serde(default)]
    pub high_water: Option<HighWater>,
    /// What Aviary set, oldest first.
    #[serde(default)]
    pub scalings: Vec<Scaling>,
    /// The last checks, oldest first.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Checks in all that were not early.
    #[serde(default)]
    pub checks_in_all: u32,
    /// The pods' evidence that was last looked at early.
    #[serde(default)]
    pub evidence: String,
    /// How often in a row the progression gave no answer.
    #[serde(default)]
    pub unanswered: u32,
    /// Whether it waits for a person.
    #[serde(default)]
    pub paused: Option<Pause>,
    /// When a person last resumed it.
    #[serde(default)]
    pub resumed: Option<Timestamp>,
    /// What the progression said last.
    #[serde(default)]
    pub last_move: Option<LastMove>,
}

/// Why a rollout is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The candidate became the accepted version.
    Promoted,
    /// It was found bad, or an operator cancelled it.
    RolledBack,
    /// It is no longer what the original asks for.
    Superseded,
}

/// A rollout on its way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rollback {
    /// What was under way.
    pub rollout: Rollout,
    /// `RolledBack` or `Superseded`.
    pub ending: Ending,
    /// Why, one sentence.
    pub reason: String,
    /// When it was decided.
    pub at: Timestamp,
}

/// What is remembered of a rollout that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PastRollout {
    /// Its name.
    pub id: String,
    /// The candidate's images.
    pub images: String,
    /// How it ended.
    pub ending: Ending,
    /// Why, one sentence.
    pub reason: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
}

/// Why a stored record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not the document it should be.
    #[error("the record is not readable: {0}")]
    Malformed(String),
    /// Written by another version of Aviary.
    #[error("the record has version {0}, this Aviary reads version {VERSION}")]
    Version(u64),
}

impl Record {
    /// The record of a service that begins to be adopted.
    #[must_use]
    pub fn new(name: &str, uid: &str, accepted: Spec, replicas: u32) -> Self {
        Self {
            version: VERSION,
            epoch: 0,
            lease: None,
            name: name.to_owned(),
            uid: uid.to_owned(),
            accepted,
            replicas,
            phase: Phase::Adopting,
            original_scaling: None,
            rejected: Vec::new(),
            held: None,
            bypass: false,
            release: false,
            gone_since: None,
            history: Vec::new(),
        }
    }

    /// Reads a stored document.
    ///
    /// # Errors
    /// When it is not one, or not of this version.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        let document: serde_json::Value =
            serde_json::from_str(text).map_err(|error| RecordError::Malformed(error.to_string()))?;
        match document["version"].as_u64() {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => return Err(RecordError::Version(version)),
            None => return Err(RecordError::Malformed("it has no version".to_owned())),
        }
        serde_json::from_value(document).map_err(|error| RecordError::Malformed(error.to_string()))
    }

    /// The document to store.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// The rollout under way, if any, also on its way back.
    #[must_use]
    pub fn rollout(&self) -> Option<&Rollout> {
        match &self.phase {
            Phase::Canary(rollout) | Phase::Promoting(rollout) => Some(rollout),
            Phase::RollingBack(rollback) => Some(&rollback.rollout),
            _ => None,
        }
    }

    /// What holds now that the configuration says `current`: a rollout under way goes on with what it began with, but for
    /// what is stricter by now.
    #[must_use]
    pub fn settings_in_force<'a>(&self, current: &'a Settings) -> Cow<'a, Settings> {
        match self.rollout().and_then(|rollout| rollout.settings.as_ref()) {
            Some(began) if began != current => Cow::Owned(began.or_stricter(current, self.replicas)),
            _ => Cow::Borrowed(current),
        }
    }

    /// The rejection of a version, if it was rolled back.
    #[must_use]
    pub fn rejection(&self, digest: &Digest) -> Option<&Rejected> {
        self.rejected.iter().rev().find(|rejected| rejected.digest == *digest)
    }

    /// This record as written by the daemon that has `lease`.
    #[must_use]
    pub fn under(mut self, lease: &Lease) -> Self {
        self.lease = Some(lease.clone());
        self
    }

    /// This record in another phase: answers to older questions are worthless from here on.
    #[must_use]
    pub fn into_phase(mut self, phase: Phase) -> Self {
        self.epoch += 1;
        self.phase = phase;
        self
    }

    /// This record with `spec` accepted and on its way to the primary, unjudged.
    #[must_use]
    pub fn taking_directly(mut self, spec: Spec, reason: &str, now: Timestamp) -> Self {
        let high_water = HighWater { available: 0, at: now };
        self.rejected.retain(|rejected| rejected.digest != spec.digest());
        self.accepted = spec;
        self.held = None;
        self.into_phase(Phase::Direct(Direct { reason: reason.to_owned(), high_water }))
    }

    /// Remembers how a rollout ended; a version that was rolled back is remembered as rejected.
    pub fn remember(&mut self, rollout: &Rollout, ending: Ending, reason: &str, now: Timestamp) {
        let images = rollout.candidate.images_text();
        let reason = reason.to_owned();
        if ending == Ending::RolledBack {
            self.rejected.retain(|rejected| rejected.digest != rollout.digest);
            let digest = rollout.digest.clone();
            self.rejected.push(Rejected { digest, images: images.clone(), at: now, reason: reason.clone() });
            keep_last(&mut self.rejected, REMEMBERED_ROLLOUTS);
        }
        let (id, started) = (rollout.id.clone(), rollout.started);
        self.history.push(PastRollout { id, images, ending, reason, started, ended: now });
        keep_last(&mut self.history, REMEMBERED_ROLLOUTS);
    }
}

/// Forgets the oldest entries beyond `most`.
pub fn keep_last<T>(list: &mut Vec<T>, most: usize) {
    list.drain(..list.len().saturating_sub(most));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_survives_being_stored() {
        let spec = Spec::of(&json!({"template": {"spec": {"containers": [{"name": "w", "image": "w:1"}]}}}));
        let record = Record::new("foo", "uid-1", spec, 5);
        assert_eq!(Record::parse(&record.text()), Ok(record.clone()));
        let record = record.under(&Lease { name: "aviary/aviary".to_owned(), epoch: 3 });
        assert!(record.text().contains(r#""lease":{"epoch":3,"name":"aviary/aviary"}"#), "{}", record.text());
        assert_eq!(Record::parse(&record.text()), Ok(record));
    }

    #[test]
    fn a_record_of_before_there_was_a_lease_is_read() {
        let text = r#"{"version": 1, "epoch": 0, "name": "foo", "uid": "u", "accepted": {}, "replicas": 5, "phase": "steady"}"#;
        assert_eq!(Record::parse(text).map(|record| record.lease), Ok(None));
    }

    #[test]
    fn what_is_no_record_is_named() {
        let table = [
            ("{", "the record is not readable: EOF"),
            ("{}", "the record is not readable: it has no version"),
            (r#"{"version": 9}"#, "the record has version 9, this Aviary reads version 1"),
            (r#"{"version": 1}"#, "the record is not readable: missing field"),
        ];
        for (text, error) in table {
            let found = Record::parse(text).unwrap_err().to_string();
            assert!(found.starts_with(error), "{found}");
        }
    }
}
