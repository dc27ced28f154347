//! What is done with a running cluster through kubectl: anything, and granting rights.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::{Deserializer, Value, json};

use crate::cluster::LocalCluster;
use crate::options::Identity;
use crate::programs::repository;
use crate::spawner::spawn;

/// What kubectl answered.
#[derive(Clone, Debug)]
pub struct Output {
    /// Whether it ended with 0.
    pub success: bool,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr: its errors and warnings.
    pub stderr: String,
}

impl Output {
    /// The stdout. Fails with what kubectl said when it did not succeed.
    pub fn checked(self) -> Result<String> {
        if !self.success {
            bail!("kubectl failed: {}", self.stderr.trim());
        }
        Ok(self.stdout)
    }
}

/// Runs kubectl, of the local cluster's own version, for the cluster of any kubeconfig; its caches go to `home`. Fails
/// only when it cannot be run: its own failure is in the [`Output`].
pub fn kubectl(
    program: &Path,
    kubeconfig: &Path,
    home: &Path,
    arguments: &[&str],
    stdin: Option<&str>,
) -> Result<Output> {
    let mut command = Command::new(program);
    command.args(["kubectl", "--die-with-parent"]).args(arguments).env("KUBECONFIG", kubeconfig).env("HOME", home);
    run(command, stdin.unwrap_or_default()).with_context(|| format!("cannot run kubectl {}", arguments.join(" ")))
}

/// Writes, beside a kubeconfig file in JSON, one whose context is in a namespace.
pub fn kubeconfig_in(kubeconfig: &Path, namespace: &str) -> Result<PathBuf> {
    let path = kubeconfig.with_added_extension(namespace);
    let mut content: Value = serde_json::from_str(&fs::read_to_string(kubeconfig)?)?;
    content["contexts"][0]["context"]["namespace"] = json!(namespace);
    fs::write(&path, content.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

impl LocalCluster {
    /// Runs kubectl, of the API server's own version, with `stdin` as its input. Fails only when it cannot be run:
    /// its own failure is in the [`Output`]. Waits as long as it takes: commands that watch need a `--timeout`.
    pub fn kubectl(&self, identity: Identity, arguments: &[&str], stdin: Option<&str>) -> Result<Output> {
        self.commands().kubectl(identity, arguments, stdin)
    }

    /// Applies a manifest (JSON or YAML), as somebody. Fails when the API server refuses it.
    pub fn apply(&self, identity: Identity, manifest: &str) -> Result<()> {
        self.kubectl(identity, &["apply", "-f", "-"], Some(manifest))?.checked().map(|_| ())
    }

    /// Creates a namespace.
    pub fn create_namespace(&self, name: &str) -> Result<()> {
        self.kubectl(Identity::Admin, &["create", "namespace", name], None)?.checked().map(|_| ())
    }

    /// Grants the user `aviary` in a namespace what the project's own `config/kustomize-rights/role.yaml` says, and nothing more:
    /// every Role in it, bound to that user instead of the service account.
    pub fn apply_rbac(&self, namespace: &str) -> Result<()> {
        self.grant("config/kustomize-rights/role.yaml", namespace)
    }

    /// Makes a namespace the home of a daemon: grants the user `aviary` there what `config/kustomize/role.yaml` says, and
    /// nothing more, and gives a kubeconfig file of that user whose context is there.
    pub fn home(&self, namespace: &str) -> Result<PathBuf> {
        self.grant("config/kustomize/role.yaml", namespace)?;
        kubeconfig_in(&self.kubeconfig(Identity::Aviary), namespace)
    }

    fn grant(&self, role: &str, namespace: &str) -> Result<()> {
        let file = repository().join(role);
        let path = file.to_str().with_context(|| format!("the path of {role} is not UTF-8"))?;
        let read = ["create", "--dry-run=client", "--output=json", "-f", path];
        let objects = self.kubectl(Identity::Admin, &read, None)?.checked()?;
        let roles = roles_in(&objects, namespace)?;
        if roles.is_empty() {
            bail!("there is no Role in {path}; the daemon could do nothing");
        }
        self.apply(Identity::Admin, &list(roles))
    }

    /// What a team's CI may do, in every namespace.
    pub(crate) fn grant_ci(&self) -> Result<()> {
        let all = json!(["*"]);
        let read = json!(["get", "list", "watch"]);
        let rules = json!([
            { "apiGroups": ["apps"], "resources": ["deployments", "deployments/scale"], "verbs": all },
            { "apiGroups": ["apps"], "resources": ["replicasets"], "verbs": read },
            { "apiGroups": [""], "resources": ["pods", "pods/log", "events"], "verbs": read },
        ]);
        let name = Identity::Ci.user();
        let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": { "name": name }, "rules": rules });
        self.apply(Identity::Admin, &list(vec![role, binding("ClusterRole", name, Identity::Ci, None)]))
    }
}

/// Each Role among the objects, moved to the namespace, with a binding to the user `aviary`.
fn roles_in(objects: &str, namespace: &str) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for object in Deserializer::from_str(objects).into_iter::<Value>() {
        let mut object = object.context("kubectl wrote something else than JSON")?;
        if object["kind"] != "Role" {
            continue;
        }
        object["metadata"]["namespace"] = json!(namespace);
        let name = object["metadata"]["name"].as_str().context("a Role has no name")?.to_owned();
        found.push(object);
        found.push(binding("Role", &name, Identity::Aviary, Some(namespace)));
    }
    Ok(found)
}

fn binding(kind: &str, name: &str, identity: Identity, namespace: Option<&str>) -> Value {
    let group = "rbac.authorization.k8s.io";
    let mut metadata = json!({ "name": format!("{name}-user") });
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    json!({
        "apiVersion": format!("{group}/v1"),
        "kind": format!("{kind}Binding"),
        "metadata": metadata,
        "subjects": [{ "apiGroup": group, "kind": "User", "name": identity.user() }],
        "roleRef": { "apiGroup": group, "kind": kind, "name": name },
    })
}

fn list(items: Vec<Value>) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

fn run(mut command: Command, input: &str) -> Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(command)?;
    let mut stdin = child.stdin.take().context("kubectl has no input")?;
    let input = input.to_owned();
    // Beside the reading: both pipes may be full. Who ends without reading all has its reasons, and says them.
    let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output()?;
    let _ = writer.join();
    Ok(Output {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn only_roles_are_taken_and_bound_to_the_user() {
        let objects = r#"{"kind":"Role","metadata":{"name":"aviary","namespace":"elsewhere"}}
            {"kind":"RoleBinding","metadata":{"name":"aviary"}}"#;
        let found = roles_in(objects, "shop").unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["metadata"]["namespace"], "shop");
        assert_eq!(found[1]["subjects"][0]["kind"], "User");
        assert_eq!(found[1]["roleRef"]["name"], "aviary");
    }
}
