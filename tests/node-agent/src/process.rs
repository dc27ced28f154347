//! One container's process, in a process group of its own, so that what it starts ends with it.

use std::{
    fs::OpenOptions,
    io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::OnceLock,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

use crate::{environment::Program, guard};

/// Where a process writes what it has to say.
#[derive(Debug, Clone)]
pub enum Sink {
    None,
    File(PathBuf),
}

/// A process that has been started and not been waited for.
#[derive(Debug)]
pub struct Process {
    child: Child,
    group: Group,
}

/// The process group of a container; outlives its first process by what that one left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group(Pid);

impl Process {
    /// Starts a program with the environment given and nothing else.
    ///
    /// # Errors
    /// When the program cannot be run or its log cannot be opened.
    pub fn start(program: &Program, sink: &Sink) -> io::Result<Self> {
        let (name, arguments) = program.arguments.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let (output, errors) = sink.open()?;
        let child = Command::new(name)
            .args(arguments)
            .env_clear()
            .envs(&program.environment)
            .env(guard::MARK, mark())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, group: Group(id.ok_or(io::ErrorKind::NotFound)?) })
    }

    /// The group to signal.
    pub fn group(&self) -> Group {
        self.group
    }

    /// Waits for the end; 128 + signal where one ended it, as shells and container runtimes say it.
    pub async fn wait(&mut self) -> i32 {
        let code = self.child.wait().await.map_or(255, exit_code);
        // What the first process left behind ends with it, as it would with a container.
        self.group.kill();
        code
    }
}

impl Group {
    /// Asks the first process to end.
    pub fn terminate(self) {
        report(kill_process(self.0, Signal::TERM));
    }

    /// Ends all processes of the group.
    pub fn kill(self) {
        report(kill_process_group(self.0, Signal::KILL));
    }
}

impl Sink {
    fn open(&self) -> io::Result<(Stdio, Stdio)> {
        match self {
            Self::None => Ok((Stdio::null(), Stdio::null())),
            Self::File(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                Ok((file.try_clone()?.into(), file.into()))
            }
        }
    }
}

/// What marks this agent's processes, and no other agent's, in their environment.
pub fn mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| format!("{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond()))
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255)
}

fn report(result: rustix::io::Result<()>) {
    match result {
        // Gone already is what was wanted.
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => tracing::warn!("cannot signal a pod's process: {error}"),
    }
}
