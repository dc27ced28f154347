//! `aviary demo` as a person runs it: with nothing around it, to its end or not that far.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Lines, Read as _},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const AVIARY: &str = env!("CARGO_BIN_EXE_aviary");
/// As a shell has it for what Ctrl-C ended.
const INTERRUPTED: i32 = 130;
const LIMIT: Duration = Duration::from_secs(30);

/// A demo that runs, with all its files in a folder of its own.
struct Demo {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    folder: TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        Self::started_by(Command::new(AVIARY), arguments)
    }

    /// With so many file descriptors at most.
    fn with_descriptors(limit: usize, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\""), AVIARY]);
        Self::started_by(shell, arguments)
    }

    fn started_by(mut command: Command, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        command.arg("demo").args(arguments).current_dir("/").stdin(Stdio::null());
        // What others use for their clusters is none of its business.
        command.env("KUBECONFIG", "/nowhere/kubeconfig").env("HTTPS_PROXY", "http://127.0.0.1:9");
        command.env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, folder }
    }

    /// What is said up to and with a line that has some words in it.
    fn until(&mut self, words: &str) -> Vec<String> {
        let mut said = Vec::new();
        while said.last().is_none_or(|line: &String| !line.contains(words)) {
            let Some(line) = self.lines.next() else {
                panic!("it ended before {words:?}: {said:#?}, {}", self.faults())
            };
            said.push(line.unwrap());
        }
        said
    }

    fn faults(&mut self) -> String {
        let mut faults = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut faults).unwrap();
        faults
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// What else it says, and its exit status; nothing of it may be left.
    fn ends(&mut self) -> (Vec<String>, Option<i32>) {
        let rest = self.lines.by_ref().map(Result::unwrap).collect();
        let status = self.child.wait().unwrap().code();
        assert_eq!(processes(self.folder.path()), Vec::<String>::new(), "processes are left");
        let left: Vec<_> = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "files are left: {left:?}");
        (rest, status)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // One that has not ended by itself belongs to a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command lines of all processes that name a folder.
fn processes(folder: &Path) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    let lines = all.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(folder.to_str().unwrap())).collect()
}

/// Until so many processes name the folder of a demo; while one becomes another program it has no command line.
fn wait_for_processes(demo: &Demo, count: usize) {
    let deadline = Instant::now() + LIMIT;
    while processes(demo.folder.path()).len() != count {
        assert!(Instant::now() < deadline, "{:?}", processes(demo.folder.path()));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many file descriptors the daemon has that listens on a socket.
fn descriptors_of_daemon(socket: &Path) -> usize {
    let is_daemon = |folder: &Path| {
        let line = fs::read_to_string(folder.join("cmdline")).unwrap_or_default();
        line.contains("\0run\0") && line.contains(socket.to_str().unwrap())
    };
    let mut all = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    all.find(|folder| is_daemon(folder)).map_or(0, |folder| fs::read_dir(folder.join("fd")).unwrap().count())
}

fn status(socket: &Path) -> Value {
    let Output { stdout, stderr, .. } =
        Command::new(AVIARY).args(["status", "--output", "json", "--socket"]).arg(socket).output().unwrap();
    serde_json::from_slice(&stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&stderr)))
}

#[test]
fn three_releases_end_as_they_are_to_and_nothing_is_left() {
    let elsewhere = tempfile::tempdir().unwrap();
    let socket = elsewhere.path().join("aviary.sock");
    let mut demo = Demo::start(&["--socket", socket.to_str().unwrap()]);
    demo.until("adopted: the primary serves, orders itself is held at 0; never fewer than 5 pods were available");
    let status = status(&socket);
    // Every kind that it watches is served.
    assert_eq!((&status["daemon"]["ready"], &status["daemon"]["not_ready"]), (&json!(true), &json!([])));
    assert_eq!(status["services"][0]["problems"], json!([]));
    demo.until("promoted: on 5 pods");
    demo.until("rolled back: health: orders-canary-");
    let evidence = demo.until("rolled back: 2 failed checks");
    assert!(evidence.last().is_some_and(|line| line.contains("above its limit of 150 ms (primary ")), "{evidence:#?}");
    let (rest, status) = demo.ends();
    assert_eq!((status, demo.faults().as_str()), (Some(0), ""));
    let row =
        |image: &str| rest.iter().find(|line| line.starts_with(image)).unwrap().split_whitespace().nth(1).unwrap();
    assert_eq!(["orders:1.1", "orders:1.2", "orders:1.3"].map(row), ["promoted", "rolled", "rolled"], "{rest:#?}");
    assert!(rest.iter().chain(&evidence).all(|line| !line.contains('\u{1b}')), "no terminal, no colours: {rest:#?}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "files are left beside the socket");
}

#[test]
fn a_release_that_does_not_end_as_it_is_to_is_a_failure() {
    let elsewhere = tempfile::tempdir().unwrap();
    let socket = elsewhere.path().join("aviary.sock");
    let anothers = elsewhere.path().join("aviary.sock.identity");
    fs::write(&anothers, "0123456789abcdef").unwrap();
    let mut demo = Demo::start(&["--socket", socket.to_str().unwrap()]);
    demo.until("step 1 of 3");
    let cancel = Command::new(AVIARY).args(["cancel", "orders", "--socket"]).arg(&socket).status().unwrap();
    assert!(cancel.success());
    demo.until("rolled back: ");
    let (_, status) = demo.ends();
    let fault =
        "demo: the releases ended as rolled back, rolled back, rolled back, which is not what they were made for\n";
    assert_eq!((status, demo.faults().as_str()), (Some(1), fault));
    assert!(anothers.exists(), "what was there before is removed");
}

#[test]
fn who_asks_it_to_stop_is_obeyed_and_nothing_is_left() {
    for (signal, moment) in [(Signal::SIGINT, "step 1 stands"), (Signal::SIGTERM, "started aviary run")] {
        let mut demo = Demo::start(&[]);
        demo.until(moment);
        wait_for_processes(&demo, 1);
        demo.signal(signal);
        let (rest, status) = demo.ends();
        assert_eq!((status, demo.faults().as_str()), (Some(INTERRUPTED), ""));
        assert_eq!(rest.last().map(String::as_str), Some("Stopped; no process and no file is left."));
    }
}

#[test]
fn who_kills_it_kills_its_daemon() {
    let mut demo = Demo::start(&[]);
    demo.until("adopting");
    demo.signal(Signal::SIGKILL);
    wait_for_processes(&demo, 0);
}

#[test]
fn what_it_cannot_do_it_says_and_nothing_is_left() {
    let table: [(&[&str], i32, &str); 3] = [
        (&["--fast"], 1, "unexpected argument '--fast' found"),
        (&["quickly"], 1, "unexpected argument 'quickly' found"),
        (
            &["--socket", "/dev/null/aviary.sock"],
            1,
            "aviary ended by itself (exit status: 1); its last lines:\naviary: ",
        ),
    ];
    for (arguments, code, words) in table {
        let mut demo = Demo::start(arguments);
        let (_, status) = demo.ends();
        let faults = demo.faults();
        assert_eq!(status, Some(code), "{faults}");
        assert!(faults.contains(words), "{arguments:?}: {faults}");
    }
}

#[test]
fn a_socket_that_can_take_no_connection_takes_the_next_ones_when_it_can() {
    const DESCRIPTORS: usize = 100;
    let elsewhere = tempfile::tempdir().unwrap();
    let socket = elsewhere.path().join("aviary.sock");
    let mut demo = Demo::with_descriptors(DESCRIPTORS, &["--socket", socket.to_str().unwrap()]);
    demo.until("adopted");
    let idle: Vec<UnixStream> = (0..2 * DESCRIPTORS).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let deadline = Instant::now() + LIMIT;
    while descriptors_of_daemon(&socket) < DESCRIPTORS {
        assert!(Instant::now() < deadline, "its descriptors do not run out");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(idle);
    assert_eq!(status(&socket)["daemon"]["ready"], true);
}
