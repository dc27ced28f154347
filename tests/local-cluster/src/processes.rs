//! The running processes of a cluster: start, stop, freeze, kill.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::files::Files;
use crate::options::Process;
use crate::spawner::spawn;
use crate::stamp::{Stamp, state};
use crate::wait::until;

const STOP_WITHIN: Duration = Duration::from_secs(15);
const KILL_WITHIN: Duration = Duration::from_secs(10);
const LINES_OF_LOG: usize = 15;

/// The processes that run now.
pub(crate) struct Processes {
    files: Files,
    running: Mutex<BTreeMap<Process, Child>>,
}

impl Processes {
    pub fn new(files: Files) -> Processes {
        Processes { files, running: Mutex::new(BTreeMap::new()) }
    }

    /// Starts a process, its log appended to that of earlier runs.
    pub fn start(&self, process: Process, mut command: Command) -> Result<()> {
        let mut running = self.lock();
        if running.contains_key(&process) {
            bail!("{process} runs already; stop it first");
        }
        let log = OpenOptions::new().create(true).append(true).open(self.files.log(process))?;
        command.stdout(File::create(self.files.output(process))?).stderr(log);
        let child =
            spawn(command).with_context(|| format!("cannot start {process}; is util-linux (setsid) installed?"))?;
        self.record(&child)?;
        running.insert(process, child);
        Ok(())
    }

    /// Fails with the end of its log if the process has ended by itself, or never ran.
    pub fn check(&self, process: Process) -> Result<()> {
        let mut running = self.lock();
        let Some(child) = running.get_mut(&process) else { bail!("{process} does not run") };
        let Some(status) = child.try_wait()? else { return Ok(()) };
        running.remove(&process);
        bail!("{process} ended by itself ({status}); its last lines:\n{}", self.last_lines(process))
    }

    /// Whether it has printed `ready`.
    pub fn says_ready(&self, process: Process) -> Result<bool> {
        self.check(process)?;
        Ok(fs::read_to_string(self.files.output(process))?.lines().any(|line| line == "ready"))
    }

    /// Asks it to end (SIGTERM), and kills it if it has not within 15 s. Does nothing when it does not run.
    pub fn stop(&self, process: Process) -> Result<()> {
        let Some(mut child) = self.lock().remove(&process) else { return Ok(()) };
        send(&child, Signal::SIGTERM)?;
        // A frozen one could not hear it.
        send(&child, Signal::SIGCONT)?;
        let ended = until(&format!("the end of {process}"), STOP_WITHIN, || Ok(child.try_wait()?.is_some()));
        if ended.is_err() {
            end(&mut child)?;
        }
        Ok(())
    }

    /// Kills it (SIGKILL) and waits for its end. Does nothing when it does not run.
    pub fn kill(&self, process: Process) -> Result<()> {
        match self.lock().remove(&process) {
            Some(mut child) => end(&mut child).with_context(|| format!("cannot kill {process}")),
            None => Ok(()),
        }
    }

    /// Stops it where it stands (SIGSTOP); its sockets stay open. Returns when it stands.
    pub fn freeze(&self, process: Process) -> Result<()> {
        let id = self.signal(process, Signal::SIGSTOP)?;
        until(&format!("the standstill of {process}"), KILL_WITHIN, || Ok(state(id) == Some('T')))
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self, process: Process) -> Result<()> {
        self.signal(process, Signal::SIGCONT).map(|_| ())
    }

    pub fn id(&self, process: Process) -> Option<u32> {
        self.lock().get(&process).map(Child::id)
    }

    pub fn last_lines(&self, process: Process) -> String {
        let log = self.files.log(process);
        let text = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES_OF_LOG)..].join("\n")
    }

    /// What the janitor must know to find what a process leaves behind.
    fn record(&self, child: &Child) -> Result<()> {
        let Some(stamp) = Stamp::of(child.id().cast_signed()) else { return Ok(()) };
        let mut sessions = OpenOptions::new().create(true).append(true).open(self.files.path("sessions"))?;
        sessions.write_all(stamp.line().as_bytes()).context("cannot record a process")
    }

    fn signal(&self, process: Process, signal: Signal) -> Result<i32> {
        let running = self.lock();
        let child = running.get(&process).with_context(|| format!("{process} does not run"))?;
        send(child, signal)?;
        Ok(child.id().cast_signed())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Process, Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills a child and waits until it is gone.
pub(crate) fn end(child: &mut Child) -> Result<()> {
    child.kill()?;
    until("the end of a killed process", KILL_WITHIN, || Ok(child.try_wait()?.is_some()))
}

fn send(child: &Child, signal: Signal) -> Result<()> {
    // Not waited for yet, so the number is still this child's.
    kill(Pid::from_raw(child.id().cast_signed()), signal).with_context(|| format!("cannot send {signal}"))
}
