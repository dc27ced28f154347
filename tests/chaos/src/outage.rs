//! Parts of the control plane that stand still, are killed, or are not there for a while.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use local_cluster::Process;
use scenarios::cluster;

/// What happens to the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The API server stands still; its connections stay open.
    Freeze(Duration),
    /// The API server is killed, and started again after a while.
    Restart(Duration),
    /// The controller manager is killed, and started again after a while: no Deployment moves.
    NoControllers(Duration),
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
    /// Has it happen, and `middle` in the middle of it; gives when it was over.
    ///
    /// # Errors
    /// When a process of the cluster cannot be ended or started.
    pub fn happen(self, middle: impl FnOnce()) -> Result<Instant> {
        match self {
            Self::Freeze(_) => cluster().freeze_process(Process::ApiServer)?,
            Self::Restart(_) => cluster().kill_process(Process::ApiServer)?,
            Self::NoControllers(_) => cluster().kill_process(Process::ControllerManager)?,
        }
        thread::sleep(self.duration() / 2);
        middle();
        thread::sleep(self.duration() / 2);
        match self {
            Self::Freeze(_) => cluster().thaw_process(Process::ApiServer)?,
            Self::Restart(_) => cluster().start_process(Process::ApiServer)?,
            Self::NoControllers(_) => cluster().start_process(Process::ControllerManager)?,
        }
        Ok(Instant::now())
    }

    /// Whether the API server answers meanwhile.
    pub fn leaves_the_api(self) -> bool {
        matches!(self, Self::NoControllers(_))
    }

    fn duration(self) -> Duration {
        let (Self::Freeze(duration) | Self::Restart(duration) | Self::NoControllers(duration)) = self;
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
        }
        f.write_str(if self.kill { ", Aviary killed meanwhile" } else { "" })
    }
}
