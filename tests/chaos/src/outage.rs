//! Parts of the control plane, or the daemon that acts, that stand still, are killed, or are not there for a while.

use std::{fmt, time::Duration};

use anyhow::Result;
use local_cluster::Process;
use scenarios::{Daemon, cluster};

/// Controllers and nodes notice by their own clocks that an API server is another one.
const AFTER_A_RESTART: Duration = Duration::from_secs(40);
/// Everything else goes on at once.
const AFTER_OTHERS: Duration = Duration::from_secs(5);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The API server stands still; its connections stay open.
    Freeze(Duration),
    /// The API server is killed, and started again after a while.
    Restart(Duration),
    /// The controller manager is killed, and started again after a while: no Deployment moves.
    NoControllers(Duration),
    /// The daemon that has the lease stands still, for longer than that lasts.
    Holder(Duration),
}

/// One outage, and whether the daemon is killed in the middle of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What happens.
    pub outage: Outage,
    /// Whether the daemon is killed in the middle.
    pub kill: bool,
}

impl Outage {
    /// It begins; `holder` is the daemon that has the lease.
    ///
    /// # Errors
    /// When a process of the cluster cannot be ended.
    pub fn begin(self, holder: &Daemon) -> Result<()> {
        match self {
            Self::Freeze(_) => cluster().freeze_process(Process::ApiServer),
            Self::Restart(_) => cluster().kill_process(Process::ApiServer),
            Self::NoControllers(_) => cluster().kill_process(Process::ControllerManager),
            Self::Holder(_) => {
                holder.signal("STOP");
                Ok(())
            }
        }
    }

    /// It ends; `holder` is the daemon that had the lease when it began.
    ///
    /// # Errors
    /// When a process of the cluster cannot be started.
    pub fn end(self, holder: &Daemon) -> Result<()> {
        match self {
            Self::Freeze(_) => cluster().thaw_process(Process::ApiServer),
            Self::Restart(_) => cluster().start_process(Process::ApiServer),
            Self::NoControllers(_) => cluster().start_process(Process::ControllerManager),
            Self::Holder(_) => {
                holder.signal("CONT");
                Ok(())
            }
        }
    }

    /// Whether the API server answers meanwhile.
    pub fn leaves_the_api(self) -> bool {
        matches!(self, Self::NoControllers(_) | Self::Holder(_))
    }

    /// Whether it is the daemon that stands still.
    pub fn stops_the_holder(self) -> bool {
        matches!(self, Self::Holder(_))
    }

    /// How long it takes, until something was written again for every service.
    pub fn takes(self) -> Duration {
        self.duration() + if matches!(self, Self::Restart(_)) { AFTER_A_RESTART } else { AFTER_OTHERS }
    }

    /// How long it lasts.
    pub fn duration(self) -> Duration {
        let (Self::Freeze(duration) | Self::Restart(duration) | Self::NoControllers(duration) | Self::Holder(duration)) =
            self;
        duration
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.outage.duration().as_secs();
        match self.outage {
            Outage::Freeze(_) => write!(f, "an API server frozen for {seconds} s")?,
            Outage::Restart(_) => write!(f, "an API server killed, and started after {seconds} s")?,
            Outage::NoControllers(_) => write!(f, "no controller manager for {seconds} s")?,
            Outage::Holder(_) => write!(f, "a holder of the lease that stood still for {seconds} s")?,
        }
        f.write_str(if self.kill { ", a daemon killed meanwhile" } else { "" })
    }
}
