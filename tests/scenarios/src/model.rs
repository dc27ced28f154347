//! The model of a cluster, with the workers that the real one runs as processes: the same table of images, the same
//! numbers for Prometheus.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use aviary_core::time::Timestamp;
use aviary_simulation::cluster::{Cluster, End, Fate, NewPod, Pod, State};
use aviary_simulation::face::{self, Clock, Face, wall};
use aviary_simulation::prometheus::{self, Selector, Series};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use clap::Parser as _;
use local_cluster::{Output, control_plane, kubectl};
use node_agent::arguments::Arguments;
use node_agent::images::{Image, ImageTable};

use crate::cluster::target;
use crate::ground::images;

/// From the start of a worker to its first good probe.
const PROBED_AFTER: Duration = Duration::from_millis(300);
/// How long a worker takes to stop, and how long the kubelet waits for one that does not.
const STOPS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// How often, and how far back, Prometheus has samples.
const SCRAPED: (Duration, u32) = (Duration::from_secs(1), 60);

/// A model that lives in real time behind HTTP until the process ends.
#[derive(Debug)]
pub struct Model {
    folder: PathBuf,
    program: PathBuf,
    prometheus: String,
}

impl Model {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let folder = new_folder();
        let (sender, addresses) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(live(&sender));
        });
        let [api_server, prometheus] = addresses.recv().unwrap();
        let model = Self { folder, program: control_plane().unwrap(), prometheus: format!("http://{prometheus}") };
        fs::write(model.kubeconfig(), face::kubeconfig(api_server, None).to_string()).unwrap();
        model
    }

    pub(crate) fn kubectl(&self, arguments: &[&str], stdin: Option<&str>) -> Output {
        // The model has no OpenAPI document to validate with.
        let more: &[&str] = if arguments.first() == Some(&"apply") { &["--validate=false"] } else { &[] };
        let arguments: Vec<&str> = arguments.iter().chain(more).copied().collect();
        kubectl(&self.program, &self.kubeconfig(), &self.folder, &arguments, stdin).unwrap()
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig.json")
    }

    pub(crate) fn prometheus_url(&self) -> &str {
        &self.prometheus
    }
}

/// One for each process, as nothing is left to empty it when that ends; those of processes that have ended go now.
fn new_folder() -> PathBuf {
    let all = target().join("scenarios-model");
    fs::create_dir_all(&all).unwrap();
    for other in fs::read_dir(&all).unwrap().map(|entry| entry.unwrap().path()) {
        if !Path::new("/proc").join(other.file_name().unwrap()).exists() {
            // Another one may be at it too.
            let _removed = fs::remove_dir_all(other);
        }
    }
    let own = all.join(std::process::id().to_string());
    fs::create_dir_all(&own).unwrap();
    own
}

async fn live(addresses: &mpsc::Sender<[SocketAddr; 2]>) {
    let clock: Clock = Arc::new(wall);
    let images = Arc::new(Mutex::new(ImageTable::open(images()).unwrap()));
    let fates = images.clone();
    let cluster = Cluster::new(wall(), Box::new(move |pod: &NewPod<'_>| fate(&mut fates.lock().unwrap(), pod)));
    let face = Face::new(cluster, clock.clone());
    let seen = face.clone();
    let source = Arc::new(move |selector: &Selector| {
        let pods: Vec<Pod> = seen.with(|cluster| cluster.pods().cloned().collect());
        let mut images = images.lock().unwrap();
        pods.iter().flat_map(|pod| series(&mut images, pod)).filter(|series| selector.fits(&series.labels)).collect()
    });
    let api_server = face::serve(face.router().layer(middleware::from_fn(lose_answers))).await.unwrap();
    let prometheus = face::serve(prometheus::router(clock, source)).await.unwrap();
    addresses.send([api_server, prometheus]).unwrap();
    face.live().await;
}

/// Aviary's writes are made, but of every third one it never hears the outcome.
async fn lose_answers(request: Request, next: Next) -> Response {
    static WRITES: AtomicU32 = AtomicU32::new(0);
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let is_ours = agent.is_some_and(|agent| agent.starts_with("aviary/"));
    let is_question = request.method() == Method::GET || request.uri().path().ends_with("selfsubjectaccessreviews");
    let counts = is_ours && !is_question;
    let answer = next.run(request).await;
    match counts && answer.status().is_success() && WRITES.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
        true => (StatusCode::INTERNAL_SERVER_ERROR, "the answer is lost").into_response(),
        false => answer,
    }
}

/// The command line of a worker; nothing for an image that runs none.
fn arguments(image: &Image, name: &str) -> Option<Arguments> {
    let command = image.command.iter().map(String::as_str).chain(["--name", name]);
    Arguments::try_parse_from(command).ok()
}

fn fate(images: &mut ImageTable, pod: &NewPod<'_>) -> Fate {
    let Ok(image) = images.pull(pod.image) else { return Fate::Unpullable };
    let worker = arguments(&image, pod.name).unwrap_or_else(|| panic!("{} is no worker", pod.image));
    let behaviour = worker.behaviour().unwrap();
    let ready_after = image.startup_delay + behaviour.ready_after + PROBED_AFTER;
    let end = |after| End { after, exit_code: worker.exit_code, out_of_memory: image.oom };
    Fate::Runs {
        ready_after: (!behaviour.never_ready).then_some(ready_after),
        ends: worker.leaves().unwrap().map(end),
        stops_after: if worker.ignore_sigterm { STOPS.1 } else { STOPS.0 },
    }
}

/// What Prometheus has of a worker.
fn series(images: &mut ImageTable, pod: &Pod) -> Vec<Series> {
    let (State::Running(since), Ok(image)) = (&pod.state, images.pull(&pod.image)) else { return Vec::new() };
    let Some(worker) = arguments(&image, &pod.name).filter(|worker| !worker.no_metrics) else { return Vec::new() };
    let behaviour = worker.behaviour().unwrap();
    let seconds = since.0 as f64 / 1000.0;
    let mut all: BTreeMap<BTreeMap<String, String>, Vec<(Timestamp, f64)>> = BTreeMap::new();
    let latest = wall().since(*since).as_secs();
    for age in (latest.saturating_sub(u64::from(SCRAPED.1))..=latest)
        .map(|scrapes| SCRAPED.0 * u32::try_from(scrapes).unwrap())
    {
        for line in behaviour.exposition(age, seconds).lines().filter(|line| !line.starts_with('#')) {
            let (labels, value) = sample(line, pod);
            all.entry(labels).or_default().push((since.plus(age), value));
        }
    }
    all.into_iter().map(|(labels, samples)| Series { labels, samples }).collect()
}

/// A line such as `name{le="0.5"} 3`, with the labels that the node agent adds.
fn sample(line: &str, pod: &Pod) -> (BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, own) = series.split_once('{').unwrap_or((series, ""));
    let own = own.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
    let mut labels: BTreeMap<String, String> =
        own.map(|(label, value)| (label.to_owned(), value.trim_matches('"').to_owned())).collect();
    for (label, value) in [("__name__", name), ("pod", &pod.name), ("namespace", &pod.namespace)] {
        labels.insert(label.to_owned(), value.to_owned());
    }
    (labels, value.parse().unwrap())
}
