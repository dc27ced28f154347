//! The model's side.

use std::time::Duration;

use anyhow::{Result, bail};
use aviary_core::time::Timestamp;
use aviary_simulation::cluster::{Cluster, NewPod, Request, Response};

use crate::{
    Image,
    call::{Answer, Call},
    image::LATER,
    play::Side,
};

/// What is due later than this is not waited for: the kubelet's back-offs.
const SOON: Duration = Duration::from_secs(5);

/// How many events happen before each act that comes at once; none for those that are not told.
pub type Pace = Vec<usize>;

/// The simulation's cluster.
#[derive(Debug)]
pub struct Model {
    cluster: Cluster,
    now: Timestamp,
    pace: std::vec::IntoIter<usize>,
}

impl Model {
    /// An empty one that has that pace.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        let now = Timestamp(1_767_225_600_000);
        let cluster = Cluster::new(now, Box::new(|pod: &NewPod<'_>| Image::of(pod.image).fate()));
        Self { cluster, now, pace: pace.into_iter() }
    }

    /// Lets the next event happen, if it is soon.
    fn happens(&mut self) -> bool {
        match self.cluster.next().filter(|next| next.since(self.now) <= SOON) {
            Some(next) => {
                self.cluster.advance(next);
                self.now = self.now.max(next);
                true
            }
            None => false,
        }
    }
}

impl Side for Model {
    fn namespace(&self) -> &'static str {
        "shop"
    }

    async fn ask(&mut self, call: &Call) -> Result<Answer> {
        let body = call.bytes();
        let request = Request {
            method: call.method,
            path: &call.path,
            query: &call.query,
            accept: "application/json",
            content_type: call.content_type,
            agent: "conformance",
            body: &body,
        };
        match self.cluster.request(&request, self.now) {
            Response::Answer { status, body } => Ok(Answer { status, body }),
            Response::Watch(_) => bail!("{} is a watch", call.path),
        }
    }

    async fn settle(&mut self) -> Result<()> {
        while self.happens() {}
        Ok(())
    }

    async fn go_on(&mut self) -> Result<()> {
        let events = self.pace.next().unwrap_or(0);
        for _ in 0..events {
            self.happens();
        }
        Ok(())
    }

    async fn crash(&mut self) -> Result<()> {
        // Each that runs now ends once until then.
        self.now = self.now.plus(LATER + Duration::from_millis(100));
        self.cluster.advance(self.now);
        Ok(())
    }
}
