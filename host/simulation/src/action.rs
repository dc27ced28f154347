//! All that can happen next: the daemon's steps, the cluster's, those of people, and faults.

use aviary_core::{command::Command, judge::Track};
use serde::{Deserialize, Serialize};

use crate::{policies::Verdict, specs::Image};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A daemon plans, and begins what it planned.
    Plan(Which),
    /// What a daemon has under way is carried out and answered.
    Carry(Which),
    /// A question of the daemon is answered.
    Answer(Which, u8, Verdict),
    /// The controllers' turn for a Deployment.
    Controllers(Track),
    /// One pod of the ReplicaSet of that place gets ready, or crashes.
    Pod(Track, u8),
    /// The watches catch up.
    CatchUp,
    /// A write of a daemon that is gone arrives.
    Land,
    /// The second daemon ends.
    EndSecond,
    /// Nothing happens until the daemon wakes by itself.
    Wait,
    /// Somebody does something.
    Act(Act),
    /// Something goes wrong.
    Fault(Fault),
}

/// Which daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The one that is always there, but for its crashes.
    First,
    /// One that should not be there too.
    Second,
}

/// What people, CI and autoscalers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// `kubectl apply` of a manifest with that image, and replicas or not.
    Apply(Image, Option<u8>),
    /// `kubectl scale` of the original.
    Scale(u8),
    /// `kubectl rollout restart`.
    Restart,
    /// `kubectl rollout undo`.
    Undo,
    /// `kubectl rollout pause` or, of a paused one, `resume`.
    TogglePause,
    /// The original is deleted.
    Delete,
    /// The original is deleted and at once created anew, with that image and N replicas.
    Recreate(Image),
    /// The original is created, after it was deleted.
    Create(Image),
    /// A word of an operator.
    Say(Command),
    /// A copy is scaled by hand.
    ScaleCopy(Track, u8),
    /// A copy gets another image by hand.
    EditCopy(Track, Image),
    /// A copy is deleted by hand.
    DeleteCopy(Track),
    /// Somebody creates a Deployment with the name of a copy, in place of the copy if there is one.
    Usurp(Track),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The daemon is killed and started again; what it had under way is not done.
    Crash,
    /// The same, but what it had under way is done.
    CrashAfterWrite,
    /// The daemon is frozen or cut off until its lease is over, and another one takes it, while what the first had under way
    /// is still on its way. By its own clock it knows that it was deposed, and does nothing any more.
    Depose,
    /// What is under way is done, but the daemon does not hear of it.
    AnswerLost,
    /// What is under way is not done, and the daemon hears of a failure.
    Refused,
    /// A watch stops showing what is new, until it catches up.
    Lag(Watch),
    /// So much time passes before anything else happens.
    DeadlinePasses,
    /// A ready pod is gone.
    PodDies(Track),
    /// Another writer changes a Deployment's annotations: its generation rises.
    Touched(Track),
    /// A second daemon starts.
    SecondDaemon,
}

/// What a watch is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watch {
    /// Deployments.
    Deployments,
    /// Records.
    Records,
    /// Pods.
    Pods,
}

impl Fault {
    /// Whether it may change what becomes of a service, and not only how soon.
    #[must_use]
    pub const fn disturbs(self) -> bool {
        matches!(self, Self::DeadlinePasses | Self::PodDies(_))
    }
}

impl Act {
    /// All that are explored with `replicas` pods, whether they are possible at a time or not.
    #[must_use]
    pub fn all(replicas: u8) -> Vec<Self> {
        let more = if replicas < 4 { replicas + 1 } else { 2 };
        let applied = [None, Some(replicas)].into_iter().flat_map(|n| Image::ALL.map(|image| Self::Apply(image, n)));
        let words =
            [Command::Cancel, Command::Bypass, Command::Pause, Command::Resume, Command::Release, Command::Adopt];
        let others = [
            Self::Apply(Image::Second, Some(more)),
            Self::Scale(more),
            Self::Scale(1),
            Self::Restart,
            Self::Undo,
            Self::TogglePause,
            Self::Delete,
            Self::Recreate(Image::First),
            Self::Recreate(Image::Second),
            Self::Create(Image::First),
            Self::ScaleCopy(Track::Primary, 0),
            Self::ScaleCopy(Track::Canary, replicas),
            Self::EditCopy(Track::Primary, Image::Third),
            Self::EditCopy(Track::Canary, Image::Third),
            Self::DeleteCopy(Track::Primary),
            Self::DeleteCopy(Track::Canary),
            Self::Usurp(Track::Primary),
            Self::Usurp(Track::Canary),
        ];
        applied.chain(words.map(Self::Say)).chain(others).collect()
    }

    /// Whether it brings the second image.
    #[must_use]
    pub const fn brings_second(self) -> bool {
        matches!(
            self,
            Self::Apply(Image::Second, _)
                | Self::Recreate(Image::Second)
                | Self::Create(Image::Second)
                | Self::EditCopy(_, Image::Second)
        )
    }

    /// Whether it neither takes pods of the copies nor asks for another number.
    #[must_use]
    pub const fn is_harmless(self) -> bool {
        matches!(self, Self::Say(_) | Self::Restart | Self::Undo | Self::TogglePause | Self::Apply(_, None))
    }
}

/// Those of `acts` that belong, as a set of their numbers in `World::acts`; 0, for no act, is always in it.
#[must_use]
pub fn set_of(acts: &[Act], belongs: impl Fn(Act) -> bool) -> u64 {
    let all = acts.iter().enumerate();
    1 | all.filter(|(_, act)| belongs(**act)).fold(0, |set, (index, _)| set | 2 << index)
}
