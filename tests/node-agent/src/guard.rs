//! The guard: a process beside the agent that ends all the agent's pods when the agent is gone, however it went.
//!
//! It finds them by a mark in their environment, so that neither a lost registration nor a process that left its group
//! escapes; a death signal of the kernel would reach the first process of a container only.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open},
};

/// The variable that marks every process which an agent starts.
pub const MARK: &str = "AVIARY_NODE_AGENT";

/// The argument that makes the program a guard: `guard PID MARK`.
pub const ARGUMENT: &str = "guard";

/// Starts the guard of this process, in a group of its own so that Ctrl-C does not reach it.
///
/// # Errors
/// When the program cannot be started a second time.
pub fn start(mark: &str) -> Result<()> {
    let program = std::env::current_exe().context("cannot find the agent's own program")?;
    Command::new(program)
        .args([ARGUMENT, &std::process::id().to_string(), mark])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start the guard that ends pods with the agent")?;
    Ok(())
}

/// The guard's whole life: waits for the end of the process `agent`, then ends what carries `mark`.
///
/// # Errors
/// When `agent` is no process id.
pub fn run(agent: &str, mark: &str) -> Result<()> {
    let agent = agent.parse().ok().and_then(Pid::from_raw).context("the guard needs the id of a process")?;
    wait_for_end(agent)?;
    // Twice none: a process that was being started when the agent died may show only now.
    let mut none_in_a_row = 0;
    while none_in_a_row < 2 {
        none_in_a_row = if kill_marked(mark) == 0 { none_in_a_row + 1 } else { 0 };
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Kills every process whose environment carries `mark`, and tells how many there were.
pub fn kill_marked(mark: &str) -> usize {
    let wanted = format!("{MARK}={mark}");
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
        .filter(|process| *process != getpid() && carries(*process, wanted.as_bytes()))
        .filter(|process| kill_process(*process, Signal::KILL).is_ok())
        .count()
}

fn carries(process: Pid, wanted: &[u8]) -> bool {
    fs::read(format!("/proc/{}/environ", process.as_raw_nonzero()))
        .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|variable| variable == wanted))
}

/// Blocks until `process` has ended.
pub(crate) fn wait_for_end(process: Pid) -> io::Result<()> {
    let handle = match pidfd_open(process, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        handle => handle?,
    };
    loop {
        match poll(&mut [PollFd::new(&handle, PollFlags::IN)], None) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
