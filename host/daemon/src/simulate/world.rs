//! One release in virtual time: the daemon as it is, with a made-up cluster and a made-up Prometheus around it.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use aviary_cluster::{Tenure, connect_to};
use aviary_core::{
    judge::Track,
    time::{Timestamp, humane},
};
use aviary_policy::Policies;
use aviary_simulation::{
    cluster::{Cluster, Request, Response, State},
    face::Face,
    metrics::Chance,
};
use axum::body::Body;
use kube::client::Body as KubeBody;
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinSet};
use tower::ServiceExt as _;

use super::{
    cast::{Born, Casting, Prometheus},
    exposure::Exposure,
    outcome::Ending,
    release::Release,
    story::{Entry, Story},
    written::Version,
};
use crate::{
    clock::Clock,
    configuration::Configuration,
    control::{
        protocol::{Request as Asking, VERSION, Word},
        server::Asked,
    },
    judging::{Judges, Lanes},
    run::{Configured, Ends, Fixed, Options, Own, Parts, assemble},
    telemetry::Telemetry,
};

/// When simulations begin: 2026-01-01 at midnight, UTC.
const BEGAN: Timestamp = Timestamp(1_767_225_600_000);
/// How often the cluster is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a service may take to be adopted.
const ADOPTION: Duration = Duration::from_secs(2 * 3600);
/// How long it then runs before the release, so that there is a past.
const SETTLES: Duration = Duration::from_secs(600);

/// What the pods are selected by, whatever labels the release gives the Deployment: those must be as the configuration has them.
const SELECTED_BY: &str = "simulated";

/// What one run is made of.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What is released.
    pub release: Arc<Release>,
    /// What judges it.
    pub configuration: Arc<Configuration>,
    /// The policies.
    pub policies: Policies,
    /// The configuration's file.
    pub file: Arc<Path>,
    /// What the random numbers come from.
    pub seed: u64,
    /// How long the release may take.
    pub until: Duration,
}

/// What became of one run.
#[derive(Debug, Clone)]
pub struct Run {
    /// What the random numbers came from.
    pub seed: u64,
    /// How it ended.
    pub ending: Ending,
    /// Why.
    pub reason: String,
    /// When the candidate was applied.
    pub applied: Timestamp,
    /// When the end was decided, since then.
    pub decided: Option<Duration>,
    /// When it came, since then.
    pub ended: Duration,
    /// Pod-minutes of the candidate.
    pub exposure: Exposure,
    /// What happened, oldest first.
    pub entries: Vec<Entry>,
    /// How much time was simulated in all.
    pub simulated: Duration,
}

impl Trial {
    /// Runs it to its end.
    ///
    /// # Errors
    /// The service is not even adopted.
    pub fn run(&self) -> Result<Run> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        runtime.block_on(self.play())
    }

    async fn play(&self) -> Result<Run> {
        let clock = Clock::virtual_from(BEGAN);
        let born = Born::default();
        let casting = Casting::new(Arc::clone(&self.release), born.clone(), Chance::of(self.seed));
        // Another number, so that how pods fare and what they show have nothing to do with each other.
        let prometheus = Prometheus::new(&self.release, Chance::of(!self.seed));
        let face = Face::new(Cluster::new(BEGAN, Box::new(casting)), Arc::new(move || clock.now()));
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&face).live());
        tasks.spawn(prometheus.clone().scrape(Arc::clone(&face), born, clock));
        let story = face.with(|cluster| Story::begin(&self.release.service, cluster, BEGAN));
        let story = story.ok_or_else(|| anyhow!("the simulated cluster cannot be watched"))?;
        create(&face, &self.release)?;
        let ends = self.daemon(&face, &prometheus, clock, &mut tasks);
        let mut stage = Stage { trial: self, clock, face, prometheus, story, ends };
        stage.adopt().await?;
        stage.release().await
    }

    fn daemon(&self, face: &Arc<Face>, prometheus: &Prometheus, clock: Clock, tasks: &mut JoinSet<()>) -> Ends {
        let telemetry = Telemetry::new(clock.now(), clock);
        let service = face.router().map_request(|request: http::Request<KubeBody>| request.map(Body::new));
        let judges = Judges {
            clock,
            policies: self.policies.clone(),
            lanes: Arc::new(Lanes::of_this_machine()),
            prometheus: Some(Arc::new(aviary_metrics::Prometheus::played_by(prometheus.clone()))),
            telemetry: Arc::clone(&telemetry),
        };
        let options = Options { config: self.file.to_path_buf(), policies: None, socket: None, listen: None };
        let fixed = Fixed::of(&options, &self.configuration);
        let (daemon, ends) = assemble(Parts {
            clock,
            client: connect_to(service, telemetry),
            judges,
            configured: Configured::new(options, fixed, String::new(), clock.now()),
            configuration: Arc::clone(&self.configuration),
            own: Own::default(),
            tenure: Tenure::alone("simulation/aviary"),
        });
        tasks.spawn(async move {
            if let Err(error) = daemon.run().await {
                tracing::error!(%error, "the daemon ended");
            }
        });
        ends
    }
}

/// A run under way.
struct Stage<'a> {
    trial: &'a Trial,
    clock: Clock,
    face: Arc<Face>,
    prometheus: Prometheus,
    story: Story,
    ends: Ends,
}

impl Stage<'_> {
    async fn adopt(&mut self) -> Result<()> {
        let until = BEGAN.plus(ADOPTION);
        while !self.story.is_steady() {
            if self.clock.now() >= until {
                let why = self.reason().await;
                bail!("{} is not adopted after {}: {why}", self.trial.release.service, humane(ADOPTION));
            }
            self.look().await;
        }
        let until = self.clock.now().plus(SETTLES);
        while self.clock.now() < until {
            self.look().await;
        }
        Ok(())
    }

    async fn release(mut self) -> Result<Run> {
        let (applied, release) = (self.clock.now(), Arc::clone(&self.trial.release));
        apply(&self.face, &release)?;
        self.prometheus.released(applied);
        let (mut exposure, candidate) = (Exposure::default(), release.image(Version::Candidate));
        let until = applied.plus(self.trial.until);
        let (ending, reason) = loop {
            self.look().await;
            self.face.with(|cluster| {
                let pods =
                    cluster.pods().filter(|pod| pod.image == candidate && matches!(pod.state, State::Running(_)));
                pods.for_each(|pod| exposure.add(track(&pod.labels), LOOK));
            });
            if let Some(ended) = self.story.ending(applied) {
                break ended;
            }
            if self.clock.now() >= until {
                break (Ending::Unfinished, self.reason().await);
            }
        };
        let now = self.clock.now();
        Ok(Run {
            seed: self.trial.seed,
            ending,
            reason,
            applied,
            decided: self.story.decided(applied).map(|at| at.since(applied)),
            ended: now.since(applied),
            exposure,
            entries: self.story.entries,
            simulated: now.since(BEGAN),
        })
    }

    async fn look(&mut self) {
        tokio::time::sleep(LOOK).await;
        let (face, story) = (&self.face, &mut self.story);
        face.with(|cluster| story.go_on(cluster));
    }

    /// Why the service stands as it does, as `aviary status` says it.
    async fn reason(&self) -> String {
        let (answer, answered) = oneshot::channel();
        let request =
            Asking { version: VERSION, command: Word::Status, service: Some(self.trial.release.service.to_string()) };
        let _ = self.ends.asked.send(Asked { request, answer }).await;
        match answered.await {
            Ok(Ok(status)) => status["services"][0]["reason"].as_str().unwrap_or_default().to_owned(),
            Ok(Err(error)) => error,
            Err(_) => "the daemon says nothing".to_owned(),
        }
    }
}

fn track(labels: &Value) -> Track {
    let word = &labels[aviary_core::view::TRACK_LABEL];
    Track::ALL.into_iter().find(|track| word == track.word()).unwrap_or(Track::Original)
}

/// The service as it is before the release.
fn create(face: &Face, release: &Release) -> Result<()> {
    let key = &release.service;
    let mut pod_labels = json!(release.labels);
    pod_labels[SELECTED_BY] = json!(key.name);
    let container = json!({ "name": key.name, "image": release.image(Version::Accepted) });
    let body = json!({
        "metadata": { "name": key.name, "namespace": key.namespace, "labels": release.labels },
        "spec": {
            "replicas": release.replicas,
            "selector": { "matchLabels": { SELECTED_BY: key.name } },
            "template": { "metadata": { "labels": pod_labels }, "spec": { "containers": [container] } },
        },
    });
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", key.namespace);
    ask(face, "POST", &path, &body).with_context(|| format!("{key} cannot be created in the simulated cluster"))
}

/// CI applies the candidate.
fn apply(face: &Face, release: &Release) -> Result<()> {
    let key = &release.service;
    let container = json!({ "name": key.name, "image": release.image(Version::Candidate) });
    let mut body = json!({ "spec": { "template": { "spec": { "containers": [container] } } } });
    if release.applied_with_replicas {
        body["spec"]["replicas"] = json!(release.replicas);
    }
    let path = format!("/apis/apps/v1/namespaces/{}/deployments/{}", key.namespace, key.name);
    ask(face, "PATCH", &path, &body).with_context(|| format!("the candidate of {key} cannot be applied"))
}

fn ask(face: &Face, method: &str, path: &str, body: &Value) -> Result<()> {
    let body = body.to_string();
    let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = Request { method, path, content_type, agent: "ci", body: body.as_bytes(), ..Request::default() };
    match face.with(|cluster| cluster.request(&request, Timestamp(0))) {
        Response::Answer { status: 200 | 201, .. } => Ok(()),
        Response::Answer { body, .. } => bail!("{}", body["message"].as_str().unwrap_or_default()),
        Response::Watch(_) => bail!("a watch was answered"),
    }
}
