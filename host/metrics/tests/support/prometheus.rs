//! A real Prometheus on loopback with a folder of its own.

use std::{fs, net::TcpListener, path::PathBuf, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::Instant,
};

/// A running Prometheus; it is killed and its folder removed when it is dropped.
pub struct RealPrometheus {
    pub port: u16,
    child: Child,
    folder: TempDir,
}

impl RealPrometheus {
    /// Starts one that scrapes `target` every second; `web` is its own web configuration, with `{folder}` for its folder.
    pub async fn start(target: &str, files: &[(&str, &str)], web: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().display().to_string();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        fs::write(folder.path().join("web.yml"), web.replace("{folder}", &path)).expect("a file");
        let configuration = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: pods, honor_labels: true, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        fs::write(folder.path().join("prometheus.yml"), configuration).expect("a file");
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={path}/prometheus.yml"))
            .arg(format!("--storage.tsdb.path={path}/data"))
            .arg(format!("--web.config.file={path}/web.yml"))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=error")
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).expect("a file"))
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is on the path; on Debian: apt-get install prometheus");
        let mut prometheus = Self { port, child, folder };
        prometheus.wait_until_listening().await;
        prometheus
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn wait_until_listening(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            let ended = self.child.try_wait().expect("a child of ours");
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(ended.is_none(), "prometheus ended ({ended:?}): {}", log());
            assert!(Instant::now() < deadline, "prometheus does not listen within half a minute");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
