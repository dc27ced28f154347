//! Effects that run beside the daemon's task, and how they come back to it.

use aviary_cluster::{
    RecordObject, ServiceKey, Tenure, WriteError, Written, delete_record, perform, read_back, read_record, save_record,
};
use aviary_core::{
    answer::Answer,
    plan::{Note, Question},
    record::Record,
    spec::Spec,
    write::Write,
};
use tokio::sync::Semaphore;

use super::{
    Daemon,
    unsure::{Saving, Unsure, Waiting},
};

/// An effect that came to its end.
pub enum Done {
    /// A record was stored, or not.
    Saved { key: ServiceKey, saving: Box<Saving>, result: Result<String, WriteError> },
    /// A write was made, or not.
    Acted { key: ServiceKey, write: Write, reason: String, result: Result<Option<Written>, WriteError> },
    /// A write whose answer was lost was read back, or not.
    ReadBack { key: ServiceKey, result: Result<Found, WriteError> },
    /// A question was answered.
    Answered { key: ServiceKey, identity: (u64, String), answer: Answer },
    /// The record of a released service was deleted, or not, since an operator wants it adopted again.
    Readopted { key: ServiceKey, asked_by: Waiting, result: Result<(), WriteError> },
}

impl Done {
    /// The service that it was for.
    pub fn key(&self) -> &ServiceKey {
        match self {
            Self::Saved { key, .. }
            | Self::Acted { key, .. }
            | Self::ReadBack { key, .. }
            | Self::Answered { key, .. }
            | Self::Readopted { key, .. } => key,
        }
    }
}

/// What was read back.
pub enum Found {
    /// What is to be seen of the Deployment.
    Deployment(Option<Written>),
    /// The record.
    Record(Option<RecordObject>),
}

/// Carries out a write within the lease once it is its turn; not at all where the daemon ends before.
async fn in_turn<T>(
    turn: &Semaphore,
    tenure: &Tenure,
    write: impl Future<Output = Result<T, WriteError>>,
) -> Result<T, WriteError> {
    let Ok(_turn) = turn.acquire().await else {
        return Err(WriteError::Unavailable("the daemon is stopping".to_owned()));
    };
    tenure.within(write).await
}

impl Daemon {
    pub(super) fn save(&mut self, key: &ServiceKey, record: Record, notes: Vec<Note>, asked_by: Option<Waiting>) {
        let Some(cared) = self.services.get_mut(key) else { return };
        cared.busy = true;
        cared.begins = record.phase == aviary_core::record::Phase::Adopting;
        self.places.set(key, cared.place());
        let saving = Box::new(Saving { record, notes, asked_by });
        let (client, version, key, effects) =
            (self.client.clone(), cared.version.clone(), key.clone(), self.effects.clone());
        let (turn, tenure) = (self.writing.clone(), self.leasing.tenure.clone());
        tokio::spawn(async move {
            let result =
                in_turn(&turn, &tenure, save_record(&client, &key, saving.record.text(), version.as_deref())).await;
            let _ = effects.send(Box::new(Done::Saved { key, saving, result })).await;
        });
    }

    pub(super) fn act(&mut self, key: &ServiceKey, write: Write, reason: String) {
        let Some(cared) = self.services.get_mut(key) else { return };
        cared.busy = true;
        let (client, version, key, effects) =
            (self.client.clone(), cared.version.clone(), key.clone(), self.effects.clone());
        let (turn, tenure) = (self.writing.clone(), self.leasing.tenure.clone());
        tokio::spawn(async move {
            let result = in_turn(&turn, &tenure, perform(&client, &key, &write, version.as_deref())).await;
            let _ = effects.send(Box::new(Done::Acted { key, write, reason, result })).await;
        });
    }

    /// Looks at what a write whose answer was lost may have changed.
    pub(super) fn read_back(&mut self, key: &ServiceKey) {
        let Some(cared) = self.services.get_mut(key) else { return };
        cared.busy = true;
        let deployment = match &cared.unsure {
            Some(Unsure::Deployment(track, uid)) => Some((*track, uid.clone())),
            _ => None,
        };
        let (client, key, effects) = (self.client.clone(), key.clone(), self.effects.clone());
        tokio::spawn(async move {
            let result = match deployment {
                Some((track, uid)) => read_back(&client, &key, track, uid.as_deref()).await.map(Found::Deployment),
                None => read_record(&client, &key).await.map(Found::Record),
            };
            let _ = effects.send(Box::new(Done::ReadBack { key, result })).await;
        });
    }

    pub(super) fn ask(&mut self, key: &ServiceKey, question: Question, candidate: Spec) {
        let Some(cared) = self.services.get_mut(key) else { return };
        let identity = question.identity();
        cared.asking = Some(identity.clone());
        let (judges, key, effects) = (self.judges.clone(), key.clone(), self.effects.clone());
        tokio::spawn(async move {
            let answer = judges.answer(question, candidate).await;
            let _ = effects.send(Box::new(Done::Answered { key, identity, answer })).await;
        });
    }

    pub(super) fn readopt(&mut self, key: &ServiceKey, asked_by: Waiting) {
        let Some(cared) = self.services.get_mut(key) else { return };
        cared.busy = true;
        let (client, version, key, effects) =
            (self.client.clone(), cared.version.clone(), key.clone(), self.effects.clone());
        let (turn, tenure) = (self.writing.clone(), self.leasing.tenure.clone());
        tokio::spawn(async move {
            let result = in_turn(&turn, &tenure, delete_record(&client, &key, version.as_deref())).await;
            let _ = effects.send(Box::new(Done::Readopted { key, asked_by, result })).await;
        });
    }
}
