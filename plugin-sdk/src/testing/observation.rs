//! An observation, as an analyzer is asked about it.

use crate::{
    Observation, Pod, Restart, Scaling, Track, TrackSize,
    testing::{MINUTE, MetricBuilder, NOW, progress, service},
};

/// Builds an [`Observation`].
#[derive(Debug, Clone)]
pub struct ObservationBuilder(Observation);

impl Default for ObservationBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ObservationBuilder {
    /// A rollout in its first step, complete and warm, without pods and metrics.
    #[must_use]
    pub fn new() -> Self {
        Self(Observation {
            service: service(),
            progress: progress(),
            scalings: vec![Scaling { at: NOW - 11 * MINUTE, canary: 1, primary: 4 }],
            pods: Vec::new(),
            metrics: Vec::new(),
            parameters: String::new(),
            attributes: Vec::new(),
        })
    }

    /// N.
    #[must_use]
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.0.progress.replicas = replicas;
        self
    }

    /// The warm-up is not over.
    #[must_use]
    pub fn warming_up(mut self) -> Self {
        self.0.progress.warm_up_over = false;
        self
    }

    /// The step is still being scaled.
    #[must_use]
    pub fn scaling(mut self) -> Self {
        (self.0.progress.step_complete, self.0.progress.warm_up_over) = (None, false);
        self
    }

    /// A pod that has been ready for ten minutes and never restarted.
    #[must_use]
    pub fn pod(self, name: &str, track: Track) -> Self {
        self.pod_with(name, track, |_| {})
    }

    /// A pod that `change` makes what it is.
    #[must_use]
    pub fn pod_with(mut self, name: &str, track: Track, change: impl FnOnce(&mut Pod)) -> Self {
        let mut pod = Pod {
            name: name.to_owned(),
            track,
            created: NOW - 11 * MINUTE,
            became_ready: Some(NOW - 10 * MINUTE),
            ready: true,
            restart_count: 0,
            restarts: Vec::new(),
            waiting_reason: None,
            waiting_message: None,
            attributes: Vec::new(),
        };
        change(&mut pod);
        self.0.pods.push(pod);
        self
    }

    /// A pod whose container ended and was started again, a minute ago the last time.
    #[must_use]
    pub fn restarted(self, name: &str, track: Track, count: u32, reason: &str, exit_code: i32) -> Self {
        self.pod_with(name, track, |pod| {
            let (container, reason) = ("worker".to_owned(), reason.to_owned());
            pod.restart_count = count;
            pod.restarts = vec![Restart { at: NOW - MINUTE, container, reason, exit_code }];
        })
    }

    /// A pod that waits with a reason of the kubelet, such as `CrashLoopBackOff`.
    #[must_use]
    pub fn waiting(self, name: &str, track: Track, reason: &str) -> Self {
        self.pod_with(name, track, |pod| {
            (pod.ready, pod.became_ready) = (false, None);
            pod.waiting_reason = Some(reason.to_owned());
        })
    }

    /// A metric; its pods must have been given before.
    #[must_use]
    pub fn metric(mut self, metric: MetricBuilder) -> Self {
        let mut metric = metric.build();
        for series in &mut metric.series {
            let named = self.0.pods.iter().find(|pod| series.pod.as_ref() == Some(&pod.name));
            series.track = series.track.or(named.map(|pod| pod.track));
        }
        self.0.metrics.push(metric);
        self
    }

    /// The parameters as a configuration gives them, JSON.
    #[must_use]
    pub fn parameters(mut self, json: &str) -> Self {
        json.clone_into(&mut self.0.parameters);
        self
    }

    /// Anything else.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Observation)) -> Self {
        change(&mut self.0);
        self
    }

    /// The observation; the sizes of the tracks are those of its pods, if it has any.
    #[must_use]
    pub fn build(mut self) -> Observation {
        if !self.0.pods.is_empty() {
            self.0.progress.canary = self.size(Track::Canary);
            self.0.progress.primary = self.size(Track::Primary);
        }
        self.0
    }

    fn size(&self, track: Track) -> TrackSize {
        let count = |pods: usize| u32::try_from(pods).unwrap_or(u32::MAX);
        let ready = self.0.pods_of(track).filter(|pod| pod.ready).count();
        TrackSize { wanted: count(self.0.pods_of(track).count()), ready: count(ready) }
    }
}
