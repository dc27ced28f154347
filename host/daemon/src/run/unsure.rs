//! What was begun and is not known to be done: an operator's word, a record, a write whose answer was lost.

use aviary_core::{command::Command, judge::Track, plan::Note, record::Record, write::Write};
use serde_json::Value;
use tokio::sync::oneshot;

/// An operator's word that waits to be carried out, and where the outcome goes.
pub struct Waiting {
    pub command: Command,
    pub answer: oneshot::Sender<Result<Value, String>>,
}

/// A record that is being stored, what is said once it is, and who asked for it.
pub struct Saving {
    pub record: Record,
    pub notes: Vec<Note>,
    pub asked_by: Option<Waiting>,
}

/// A write of which nobody knows whether it was made. Until it was read back nothing is planned: what the watches show may
/// be older than it.
pub enum Unsure {
    /// One to a Deployment, with its uid if it was there.
    Deployment(Track, Option<String>),
    /// One to the record.
    Saving(Box<Saving>),
    /// Its deletion, and who asked for it.
    Deletion(Option<Waiting>),
}

impl Unsure {
    /// What nobody knows after a write whose answer was lost.
    pub fn of(write: &Write) -> Self {
        match write {
            Write::Create { track, .. } => Self::Deployment(*track, None),
            Write::Patch { track, uid, .. } | Write::Delete { track, uid } => {
                Self::Deployment(*track, Some(uid.clone()))
            }
            Write::DeleteRecord => Self::Deletion(None),
        }
    }

    /// Takes out who waits to hear what became of it.
    pub fn take_asked_by(&mut self) -> Option<Waiting> {
        match self {
            Self::Saving(saving) => saving.asked_by.take(),
            Self::Deletion(asked_by) => asked_by.take(),
            Self::Deployment(..) => None,
        }
    }
}
