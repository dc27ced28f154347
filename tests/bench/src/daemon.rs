//! The release build of Aviary, as a process of its own with the rights that the project ships, and what it takes.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{
    built,
    report::{field, kibibytes},
    stage::Stage,
};

const READY_WITHIN: Duration = Duration::from_secs(60);
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Linux counts processor time in hundredths of a second, whatever the machine.
const TICKS_A_SECOND: f64 = 100.0;

/// A running daemon; killed when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    folder: PathBuf,
    kubeconfig: PathBuf,
    listen: SocketAddr,
    process: Child,
    started: Instant,
}

/// What a process takes of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Resident memory now, in MiB.
    pub resident: f64,
    /// The most it ever was.
    pub peak: f64,
    /// Processor time so far, in seconds.
    pub processor: f64,
}

impl Daemon {
    /// Starts it for the services of a namespace; `defaults` go into its configuration.
    ///
    /// # Errors
    /// When it is not built.
    pub fn start(stage: &Stage, namespace: &str, services: &[String], defaults: &Value) -> Result<Self> {
        let folder = stage.cluster.directory().join(format!("daemon-{namespace}"));
        fs::create_dir_all(folder.join("policies"))?;
        let listed: Vec<Value> = services.iter().map(|name| json!({"name": name, "namespace": namespace})).collect();
        fs::write(folder.join("aviary.yaml"), json!({"defaults": defaults, "services": listed}).to_string())?;
        // Free a moment ago; nobody else takes ports here.
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let kubeconfig = stage.cluster.home(namespace)?;
        let (process, started) = (spawn(&kubeconfig, &folder, listen)?, Instant::now());
        Ok(Self { folder, kubeconfig, listen, process, started })
    }

    /// Ends it and starts it anew, as after an update.
    ///
    /// # Errors
    /// When it cannot be ended or started.
    pub fn restart(&mut self) -> Result<()> {
        self.end()?;
        (self.process, self.started) = (spawn(&self.kubeconfig, &self.folder, self.listen)?, Instant::now());
        Ok(())
    }

    /// Waits until it says that it is ready; gives how long that took since its start.
    ///
    /// # Errors
    /// When it ends by itself, or does not get ready.
    pub fn ready(&mut self) -> Result<Duration> {
        while !self.says_ready() {
            if let Some(status) = self.process.try_wait()? {
                bail!("aviary ended by itself ({status}):\n{}", self.log());
            }
            if self.started.elapsed() > READY_WITHIN {
                bail!("aviary is not ready after {READY_WITHIN:?}:\n{}", self.log());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(self.started.elapsed())
    }

    /// The policies it decides with now, as `aviary status` has them.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn policies(&self) -> Result<Vec<Value>> {
        let mut stream = UnixStream::connect(self.folder.join("aviary.sock")).context("aviary does not listen")?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        stream.write_all(b"{\"version\":1,\"command\":\"status\"}\n")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line)?;
        Ok(answer["result"]["policies"].as_array().cloned().unwrap_or_default())
    }

    /// The folder of its policies.
    pub fn policy_folder(&self) -> PathBuf {
        self.folder.join("policies")
    }

    /// What it takes now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage> {
        let process = format!("/proc/{}", self.process.id());
        let read = |file| fs::read_to_string(format!("{process}/{file}")).context("aviary has ended");
        let status = read("status")?;
        let mebibytes = |name| {
            let kibibytes = field(&status, name).as_deref().and_then(kibibytes);
            kibibytes.map(|size| size as f64 / 1024.0).with_context(|| format!("no {name} in {process}/status"))
        };
        let (resident, peak) = (mebibytes("VmRSS")?, mebibytes("VmHWM")?);
        Ok(Usage { resident, peak, processor: processor(&read("stat")?).context("no times in /proc/PID/stat")? })
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn says_ready(&self) -> bool {
        let answer = || -> std::io::Result<String> {
            let mut connection = TcpStream::connect(self.listen)?;
            connection.set_read_timeout(Some(ANSWERS_WITHIN))?;
            connection.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
            let mut text = String::new();
            connection.read_to_string(&mut text)?;
            Ok(text)
        };
        answer().is_ok_and(|text| text.lines().next().is_some_and(|status| status.contains(" 200 ")))
    }

    fn end(&mut self) -> std::io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.end();
    }
}

/// It ends with the thread that starts it: the main one.
fn spawn(kubeconfig: &Path, folder: &Path, listen: SocketAddr) -> Result<Child> {
    let program = built()?.join("aviary");
    if !program.is_file() {
        bail!("there is no {}; `make bench` builds it", program.display());
    }
    let log = File::create(folder.join("log"))?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program).arg("run").arg("--config").arg(folder.join("aviary.yaml"));
    command.arg("--policies").arg(folder.join("policies")).arg("--socket").arg(folder.join("aviary.sock"));
    command.arg("--listen").arg(listen.to_string()).env("KUBECONFIG", kubeconfig);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().context("cannot start aviary; is util-linux (setpriv) installed?")
}

/// Seconds in user and system mode, from proc(5) `stat`; the command in it is in parentheses and may hold anything.
fn processor(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_that_of_both_modes() {
        let stat = "17 (a) b) S 1 17 17 0 -1 4194560 9 0 0 0 250 50 3 4 20 0 4 0 99 1 2 3";
        assert_eq!(processor(stat), Some(3.0));
        assert_eq!(processor("17 (a"), None);
    }
}
