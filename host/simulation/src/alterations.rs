//! Mistakes that a test plants around the core, to see that the exploration finds them. None is in the core itself.

use aviary_core::{answer::Answer, record::Record, view::View, write::Write};

/// What is altered between the world and the core; nothing by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alterations {
    /// What the core is shown.
    pub view: Option<fn(&mut View, Option<&Record>)>,
    /// What the core is told that it remembers.
    pub record: Option<fn(&mut Record, &View)>,
    /// What the core wants written.
    pub write: Option<fn(&mut Write, &View)>,
    /// What the core is answered.
    pub answer: Option<fn(&mut Answer)>,
    /// What the core wants remembered after an answer.
    pub answered: Option<fn(&mut Record)>,
    /// What the daemon around the core does wrong.
    pub daemon: Option<DaemonMistake>,
}

/// A mistake of the daemon around the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonMistake {
    /// A write whose answer was lost is made again, without its guards.
    RetriesBlindly,
    /// A write whose answer was lost is not read back: it plans on what the watches show.
    DoesNotReadBack,
    /// A daemon that was deposed goes on as if it had the lease.
    ActsOnAnOldLease,
    /// A record is stored whatever was stored before.
    RecordIsNotFenced,
    /// An answer is taken whatever its epoch.
    IgnoresEpochs,
    /// What is to be remembered is stored only after the act that it announces.
    ActsBeforeItRemembers,
    /// It goes on before the watch shows what it has written itself.
    DoesNotReadItsWrites,
    /// After a restart it begins anew, as if there were no record.
    ForgetsAtRestart,
    /// Pods of the version before, which a watch that is behind still shows, are taken for evidence against the next one.
    JudgesTheVersionBefore,
}
