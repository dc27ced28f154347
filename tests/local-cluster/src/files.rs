//! The cluster's directory: what lies where, and what is written before anything starts.

use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::options::{Identity, Process, Prometheus};
use crate::ports::Ports;

pub(crate) const AUDIT_POLICY: &str = "audit-policy.json";
pub(crate) const AUDIT_LOG: &str = "audit.log";

/// The directory of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    root: PathBuf,
}

impl Files {
    /// Makes the directory, for this user only. Fails where it exists: it will be removed with all that is in it.
    pub fn create(wanted: Option<&Path>) -> Result<Files> {
        let root = match wanted {
            Some(root) => create_directory(root)?,
            None => tempfile::Builder::new().prefix("aviary-cluster-").tempdir()?.keep(),
        };
        // Programs run elsewhere read these paths.
        let files = Files { root: root.canonicalize()? };
        for name in ["logs", "kubeconfig", "pods", "targets"] {
            fs::create_dir(files.path(name))?;
        }
        Ok(files)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn log(&self, process: Process) -> PathBuf {
        self.root.join("logs").join(format!("{process}.log"))
    }

    /// Where a process writes its stdout, on which some say that they are ready.
    pub fn output(&self, process: Process) -> PathBuf {
        self.root.join("logs").join(format!("{process}.out"))
    }

    pub fn kubeconfig(&self, identity: Identity) -> PathBuf {
        self.root.join("kubeconfig").join(identity.user())
    }

    /// Writes everybody's token, for the API server and for themselves.
    pub fn write_identities(&self, ports: Ports) -> Result<()> {
        let mut table = String::new();
        for identity in Identity::ALL {
            let (user, token) = (identity.user(), random_token()?);
            table += &format!("{token},{user},{user},\"{}\"\n", identity.group());
            let content = kubeconfig(user, &token, ports.api_server, &self.path("certificates/apiserver.crt"));
            fs::write(self.kubeconfig(identity), content.to_string())?;
        }
        fs::write(self.path("tokens.csv"), table).context("cannot write the tokens")
    }

    /// Writes what the API server notes: that the user `aviary` asked for something and got its answer, and no more.
    pub fn write_audit_policy(&self) -> Result<()> {
        let ours = json!({ "level": "Metadata", "users": [Identity::Aviary.user()],
            "omitStages": ["RequestReceived", "ResponseStarted"] });
        let policy = json!({ "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [ours, { "level": "None" }] });
        fs::write(self.path(AUDIT_POLICY), policy.to_string()).context("cannot write the audit policy")
    }

    /// Has Prometheus scrape an address; it watches the folder, and what is renamed it reads whole.
    pub fn write_target(&self, job: &str, address: &str) -> Result<()> {
        let content = json!([{ "targets": [address], "labels": { "job": job } }]);
        let unfinished = self.path("targets").join(job);
        fs::write(&unfinished, content.to_string())?;
        fs::rename(&unfinished, self.path("targets").join(format!("{job}.json"))).context("cannot add a target")
    }

    /// Writes the configuration of Prometheus (JSON is YAML).
    pub fn write_prometheus(&self, options: &Prometheus, ports: Ports, has_agent: bool) -> Result<()> {
        let agent = format!("127.0.0.1:{}", ports.discovery);
        let discovery = json!([{ "url": format!("http://{agent}/discovery"), "refresh_interval": "1s" }]);
        let mut jobs = vec![
            json!({ "job_name": "targets", "static_configs": [{ "targets": options.targets }] }),
            json!({ "job_name": "added", "file_sd_configs": [{ "files": [self.path("targets/*.json")] }] }),
        ];
        if has_agent && options.federate {
            let target = json!([{ "targets": [agent] }]);
            jobs.push(json!({ "job_name": "pods", "metrics_path": "/federate", "honor_labels": true,
                "static_configs": target }));
        } else if has_agent {
            jobs.push(json!({ "job_name": "pods", "honor_labels": true, "http_sd_configs": discovery }));
        }
        let content = json!({ "global": { "scrape_interval": "1s", "scrape_timeout": "1s" }, "scrape_configs": jobs });
        fs::write(self.path("prometheus.json"), content.to_string()).context("cannot write prometheus.json")
    }
}

fn create_directory(root: &Path) -> Result<PathBuf> {
    if let Some(parent) = root.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    match DirBuilder::new().mode(0o700).create(root) {
        Ok(()) => Ok(root.to_owned()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} exists: a cluster runs there or was left behind; stop it with `local-cluster down` or name another",
            root.display()
        ),
        Err(error) => Err(error).with_context(|| format!("cannot create {}", root.display())),
    }
}

fn kubeconfig(user: &str, token: &str, port: u16, authority: &Path) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "local", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "certificate-authority": authority } }],
        "users": [{ "name": user, "user": { "token": token } }],
        "contexts": [{ "name": "local", "context": { "cluster": "local", "user": user } }],
        "current-context": "local",
    })
}

fn random_token() -> Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes).context("cannot read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
