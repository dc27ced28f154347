//! A cluster and a Prometheus that scrapes its pods, both served on loopback for as long as this lives.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use aviary_simulation::{
    cluster::{Cluster, NewPod, Request, Response},
    face::{self, Clock, Face},
    metrics::{Chance, Conditions, Level, Scraper, Seen},
    prometheus::{self, Selector, Series},
};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::images;
use crate::stage::NAMESPACE;

/// The time between two scrapes of a pod.
const SCRAPED_EVERY: Duration = Duration::from_millis(500);

/// What is served.
pub(super) struct World {
    face: Arc<Face>,
    scraper: Arc<Mutex<Scraper>>,
    api: SocketAddr,
    prometheus: SocketAddr,
    /// Its tasks end with it.
    _runtime: Runtime,
}

impl World {
    /// Serves an empty cluster.
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let clock: Clock = Arc::new(face::wall);
        let fates = Box::new(|pod: &NewPod<'_>| images::fate(pod.image));
        let face = Face::new(Cluster::new(clock(), fates), clock.clone());
        let scraper = Arc::new(Mutex::new(scraper()));
        runtime.spawn(face.clone().live());
        runtime.spawn(scrape(face.clone(), scraper.clone()));
        let scraped = scraper.clone();
        let source = Arc::new(move |selector: &Selector| series(&lock(&scraped), selector));
        let serve = |router| runtime.block_on(face::serve(router)).context("cannot listen on loopback");
        let api = serve(face.router())?;
        let prometheus = serve(prometheus::router(clock, source))?;
        Ok(Self { face, scraper, api, prometheus, _runtime: runtime })
    }

    /// Where the API is.
    pub const fn api(&self) -> SocketAddr {
        self.api
    }

    /// Where Prometheus is.
    pub const fn prometheus(&self) -> SocketAddr {
        self.prometheus
    }

    /// Of how many pods there are samples.
    pub fn scraped(&self) -> usize {
        lock(&self.scraper).series(images::SERIES[0].0).count()
    }

    /// Asks the API as a team's CI does.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Result<()> {
        let (body, content_type) = (body.to_string(), "application/json-patch+json");
        let request = Request { method, path, content_type, agent: "ci", body: body.as_bytes(), ..Request::default() };
        let answer = self.face.with(|cluster| cluster.request(&request, face::wall()));
        match answer {
            Response::Answer { status: 200 | 201, .. } => Ok(()),
            Response::Answer { body, .. } => bail!("the API refuses it: {}", body["message"]),
            Response::Watch(_) => bail!("the API took it for a watch"),
        }
    }
}

fn lock(scraper: &Mutex<Scraper>) -> MutexGuard<'_, Scraper> {
    scraper.lock().unwrap_or_else(PoisonError::into_inner)
}

fn scraper() -> Scraper {
    let conditions = Conditions { interval: SCRAPED_EVERY, ..Conditions::default() };
    Scraper::new(conditions, &images::metrics(), &[&images::levels(images::FIRST)], Chance::of(1))
}

async fn scrape(face: Arc<Face>, scraper: Arc<Mutex<Scraper>>) {
    loop {
        tokio::time::sleep(SCRAPED_EVERY).await;
        face.with(|cluster| look_at(cluster, &mut lock(&scraper)));
    }
}

fn look_at(cluster: &Cluster, scraper: &mut Scraper) {
    let levels: BTreeMap<&str, BTreeMap<String, Level>> =
        cluster.pods().map(|pod| (pod.image.as_str(), images::levels(&pod.image))).collect();
    let seen = cluster.pods().filter_map(|pod| Seen::of(pod, levels.get(pod.image.as_str())?));
    scraper.scrape(&seen.collect::<Vec<_>>(), face::wall());
}

/// What a selector means of all that was scraped.
fn series(scraper: &Scraper, selector: &Selector) -> Vec<Series> {
    let of_metric = |(metric, name): (&'static str, &'static str)| {
        scraper.series(metric).map(move |shown| {
            let mut labels = BTreeMap::from([("__name__".to_owned(), name.to_owned())]);
            labels.insert("namespace".to_owned(), NAMESPACE.to_owned());
            labels.insert("pod".to_owned(), shown.pod.to_owned());
            labels.extend(shown.bound.map(|bound| ("le".to_owned(), bound)));
            (labels, shown.samples)
        })
    };
    let all = images::SERIES.into_iter().flat_map(of_metric).filter(|(labels, _)| selector.fits(labels));
    all.map(|(labels, samples)| Series { labels, samples: samples.to_vec() }).collect()
}
