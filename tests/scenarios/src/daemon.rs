//! The daemon under test: a process of its own with the rights that the project ships, and what operators tell it.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::{fs::symlink, net::UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::program;
use crate::ground::ground;

/// One daemon and its folder: configuration, policies, socket and log.
#[derive(Debug)]
pub struct Daemon {
    folder: PathBuf,
    process: Option<Child>,
    listen: Option<String>,
    kubeconfig: PathBuf,
    /// Namespace and name of the pod that it takes for its own.
    pod: Option<(String, String)>,
}

impl Daemon {
    /// Not running yet, with its files in `folder`; its lease is in the namespace `home`.
    #[must_use]
    pub fn new(folder: &Path, home: &str, configuration: &str) -> Self {
        fs::create_dir_all(folder.join("configuration")).unwrap();
        fs::create_dir(folder.join("policies")).unwrap();
        let kubeconfig = ground().home(home);
        let daemon = Self { folder: folder.to_owned(), process: None, listen: None, pod: None, kubeconfig };
        daemon.configure(configuration);
        daemon
    }

    /// Gives it another configuration, as the kubelet does with a ConfigMap: the link to all files is exchanged at once.
    pub fn configure(&self, text: &str) {
        static VERSION: AtomicU32 = AtomicU32::new(1);
        let folder = self.folder.join("configuration");
        let version = format!("..version_{}", VERSION.fetch_add(1, Ordering::Relaxed));
        fs::create_dir(folder.join(&version)).unwrap();
        fs::write(folder.join(&version).join("aviary.yaml"), text).unwrap();
        symlink(&version, folder.join("..data_tmp")).unwrap();
        let before = fs::read_link(folder.join("..data"));
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        match before {
            Ok(before) => fs::remove_dir_all(folder.join(before)).unwrap(),
            Err(_) => symlink("..data/aviary.yaml", self.configuration()).unwrap(),
        }
    }

    /// Its configuration file.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.folder.join("configuration/aviary.yaml")
    }

    /// From its next start on it runs in this pod, as it must believe.
    pub fn runs_in(&mut self, namespace: &str, pod: &str) {
        self.pod = Some((namespace.to_owned(), pod.to_owned()));
    }

    /// Has it serve HTTP when it is started; gives the address.
    pub fn listen(&mut self) -> String {
        let address = format!("127.0.0.1:{}", local_cluster::free_port().unwrap());
        self.listen = Some(address.clone());
        address
    }

    /// The body of what it serves over HTTP.
    #[must_use]
    pub fn get(&self, path: &str) -> String {
        self.answer(path).split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// All of what it answers over HTTP.
    #[must_use]
    pub fn answer(&self, path: &str) -> String {
        let address = self.listen.as_ref().expect("it listens");
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        connection.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Has it read its configuration again.
    pub fn hang_up(&self) {
        self.signal("HUP");
    }

    /// Sends it a signal, by its name.
    pub fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("the daemon was started");
        assert!(Command::new("kill").args(["-s", name]).arg(process.id().to_string()).status().unwrap().success());
    }

    /// Ends it with SIGTERM, which is its own doing.
    pub fn terminate(&mut self) {
        self.signal("TERM");
        let status = self.process.take().expect("the daemon was started").wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Starts it. It ends with the thread that starts it: the test's.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "the daemon runs already");
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program("aviary"));
        command.arg("run").arg("--config").arg(self.configuration());
        if let Some((namespace, name)) = &self.pod {
            command.env("AVIARY_POD_NAMESPACE", namespace).env("AVIARY_POD_NAME", name);
        }
        command.arg("--policies").arg(self.policies()).arg("--socket").arg(self.socket());
        command.args(self.listen.iter().flat_map(|address| ["--listen", address]));
        command.env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().unwrap());
    }

    /// Ends it with SIGKILL; what it was doing stays half done.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the daemon was started");
        assert_eq!(process.try_wait().unwrap(), None, "the daemon ended by itself:\n{}", self.log());
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Sends a command over the control socket. None while nobody listens there.
    #[must_use]
    pub fn ask(&self, command: &str, service: Option<&str>) -> Option<Value> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let request = json!({ "version": 1, "command": command, "service": service });
        stream.write_all(format!("{request}\n").as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// Runs the command line of an operator.
    #[must_use]
    pub fn command_line(&self, arguments: &[&str]) -> Output {
        Command::new(program("aviary")).arg("--socket").arg(self.socket()).args(arguments).output().unwrap()
    }

    /// The folder of its policies.
    #[must_use]
    pub fn policies(&self) -> PathBuf {
        self.folder.join("policies")
    }

    /// All it logged so far, all its runs in one.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("daemon.log")
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("aviary.sock")
    }
}

/// What `aviary import` prints for the text of an original's file.
#[must_use]
pub fn imported(original: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("canaries.yaml");
    fs::write(&file, original).unwrap();
    let output = Command::new(program("aviary")).arg("import").arg(file).output().unwrap();
    assert!(output.status.success(), "aviary import failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
