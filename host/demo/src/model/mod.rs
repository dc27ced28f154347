//! The stage that needs nothing: a cluster and a Prometheus in this process, behind HTTP on loopback, and the daemon as a
//! process of its own, which cannot tell them from real ones.

mod images;
mod world;

use std::{
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};
use aviary_core::record::Ending;
use aviary_simulation::face;
use serde_json::json;
use tempfile::TempDir;

use self::world::World;
use crate::{
    daemon::Daemon,
    performance::perform,
    stage::{Act, NAMESPACE, SERVICE, Script, Stage, manifest},
};

/// The daemon's configuration, but for Prometheus' address.
const CONFIGURATION: &str = include_str!("aviary.yaml");

/// Plays the demo with the daemon that `program`, an `aviary`, is. Its control socket is `socket`, if one is named.
pub fn play(program: PathBuf, socket: Option<PathBuf>) -> ExitCode {
    perform(&script(), move || Model::start(program, socket))
}

/// Becomes the daemon of a demo, which ends with the demo even where that is killed: `program` with `arguments`. Comes back
/// only with why not.
pub fn become_daemon(program: &Path, arguments: &[OsString]) -> io::Error {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM) {
        return error.into();
    }
    Command::new(program).args(arguments).exec()
}

fn script() -> Script<Model> {
    let act = |title, words, image, ending| Act { title, words, image, meanwhile: None, ending };
    Script {
        props: "a model of a Kubernetes cluster and a Prometheus, both in this process",
        rights: "to which API server and Prometheus are real",
        first: images::FIRST,
        acts: vec![
            act("1 of 3, a good release", "orders:1.1 is as good as what it replaces", images::GOOD, Ending::Promoted),
            act(
                "2 of 3, a release that crashes",
                "orders:1.2 ends a second after its start",
                images::CRASHING,
                Ending::RolledBack,
            ),
            act(
                "3 of 3, a release that is a little worse",
                "orders:1.3 runs, is ready and has no more errors, but takes 40 % longer",
                images::SLOWER,
                Ending::RolledBack,
            ),
        ],
    }
}

/// All that runs.
struct Model {
    // Before what it talks with, so that it ends before.
    daemon: Option<Daemon>,
    world: World,
    program: PathBuf,
    socket: PathBuf,
    _identity: Option<Removed>,
    folder: TempDir,
}

/// A file that is removed when this is dropped.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // It is not there where the daemon did not get so far.
        let _ = fs::remove_file(&self.0);
    }
}

/// The file that a daemon leaves beside its socket; none if it is there already, as it is another daemon's then.
fn identity(socket: &Path) -> Option<Removed> {
    let file = socket.with_added_extension("identity");
    (!file.exists()).then_some(Removed(file))
}

impl Model {
    fn start(program: PathBuf, socket: Option<PathBuf>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("aviary-demo-").tempdir().context("cannot make a folder")?;
        let world = World::start()?;
        let socket = socket.unwrap_or_else(|| folder.path().join("aviary.sock"));
        let identity = identity(&socket);
        let stage = Self { daemon: None, world, program, socket, _identity: identity, folder };
        let configuration = CONFIGURATION.replace("{prometheus}", &stage.world.prometheus().to_string());
        fs::write(stage.file("aviary.yaml"), configuration)?;
        fs::write(stage.kubeconfig(), face::kubeconfig(stage.world.api(), Some(NAMESPACE)).to_string())?;
        Ok(stage)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Stage for Model {
    fn deploy(&self, image: &str) -> Result<()> {
        let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
        self.world.ask("POST", &path, &manifest(image))
    }

    fn release(&self, image: &str) -> Result<String> {
        let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{SERVICE}");
        let place = "/spec/template/spec/containers/0/image";
        self.world.ask("PATCH", &path, &json!([{ "op": "replace", "path": place, "value": image }]))?;
        Ok(format!("CI gives the Deployment {NAMESPACE}/{SERVICE} the image {image}"))
    }

    fn scraped(&self) -> usize {
        self.world.scraped()
    }

    fn start_daemon(&mut self) -> Result<()> {
        let mut command = Command::new(&self.program);
        // See `become_daemon`.
        command.args(["demo", "--", "run", "--config"]).arg(self.file("aviary.yaml")).arg("--socket").arg(&self.socket);
        command.env("KUBECONFIG", self.kubeconfig());
        // The API server is on this machine, whatever the environment says.
        command.env_remove("HTTPS_PROXY").env_remove("https_proxy");
        self.daemon = Some(Daemon::start(command, self.file("aviary.log"))?);
        Ok(())
    }

    fn daemon(&mut self) -> Option<&mut Daemon> {
        self.daemon.as_mut()
    }

    fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    fn kubeconfig(&self) -> PathBuf {
        self.file("kubeconfig.json")
    }

    fn directory(&self) -> PathBuf {
        Path::to_owned(self.folder.path())
    }
}
