//! One container of a pod: its runs, its waits and its readiness, as its pod's state machine drives it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container as ContainerSpec, ContainerStatus};

use crate::{
    backoff::Backoff,
    images::Image,
    pod::{Effect, Event},
    probe::{Answer, Schedule},
};

/// How soon a probe that met nobody listening is asked again, while the process is still coming up.
const LISTEN_RETRY: Duration = Duration::from_millis(15);
/// How long ErrImagePull is shown before it becomes ImagePullBackOff.
const PULL_ERROR_SHOWN: Duration = Duration::from_secs(1);
/// The exit code of a process that got SIGKILL, from an operator or from the kernel's memory killer.
pub(crate) const KILLED: i32 = 137;
/// Which part a container plays in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container that goes on running.
    Sidecar,
    Main,
}

/// How a run of a container ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Termination {
    pub code: i32,
    pub reason: &'static str,
    pub message: Option<String>,
    pub started: Option<Timestamp>,
    pub finished: Timestamp,
    /// Which run it was, counted from 1.
    pub run: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum State {
    Waiting { reason: &'static str, message: Option<String> },
    Running { since: Timestamp },
    Terminated(Termination),
}

/// One container and what is known of its runs.
#[derive(Debug, Clone)]
pub struct Container {
    pub name: String,
    pub image_name: String,
    pub kind: Kind,
    pub state: State,
    pub last: Option<Termination>,
    pub ready: bool,
    /// Runs that were started, those of an agent before this one included.
    pub runs: u64,
    image: Option<Image>,
    schedule: Option<Schedule>,
    answers: Answers,
    pub(crate) begun: bool,
    /// Rises with each start and each end; what carries an older one comes too late.
    pub(crate) epoch: u64,
    restarts: Backoff,
    pulls: Backoff,
}

#[derive(Debug, Clone, Copy, Default)]
struct Answers {
    good: u32,
    bad: u32,
}

/// What happened to a container.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// The image, and the times of the readiness probe if there is one.
    Pulled(Result<(Image, Option<Schedule>), String>),
    /// ErrImagePull has been shown long enough.
    PullErrorShown,
    PullDue,
    StartDue,
    Started,
    /// The program could not be started.
    NotStarted(String),
    /// The container cannot be made from its specification.
    Misconfigured(String),
    Exited(i32),
    /// `regular`: part of the beat of the period, not an early repetition.
    ProbeDue {
        regular: bool,
    },
    Probed(Answer),
}

/// What is to be done to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Pull,
    Start,
    Probe,
    /// SIGTERM.
    Terminate,
    /// SIGKILL, the whole group.
    Kill,
}

impl Container {
    pub(crate) fn new(
        spec: &ContainerSpec,
        kind: Kind,
        before: Option<&ContainerStatus>,
        first_wait: Duration,
        now: Timestamp,
    ) -> Self {
        let runs = before.map_or(0, runs_of);
        let lost = (runs > 0).then(|| Termination::lost(runs, now));
        Self {
            name: spec.name.clone(),
            image_name: spec.image.clone().unwrap_or_default(),
            kind,
            state: State::Waiting { reason: "PodInitializing", message: None },
            last: lost,
            ready: false,
            runs,
            image: None,
            schedule: None,
            answers: Answers::default(),
            begun: false,
            epoch: 0,
            restarts: Backoff::new(first_wait),
            pulls: Backoff::new(first_wait),
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    pub fn has_succeeded(&self) -> bool {
        matches!(&self.state, State::Terminated(end) if end.code == 0)
    }

    /// What was pulled for it.
    pub fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// The times of its readiness probe.
    pub fn schedule(&self) -> Option<Schedule> {
        self.schedule
    }

    /// Which run, counting starts and ends, its processes' news must name.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn act(&self, index: usize, act: Act) -> Effect {
        Effect::Container { index, epoch: self.epoch, act }
    }

    fn wake(&self, index: usize, after: Duration, what: Happening) -> Effect {
        Effect::Wake { after, event: Event::Container { index, epoch: self.epoch, what } }
    }

    pub(crate) fn wait_for(&mut self, reason: &'static str) {
        self.state = State::Waiting { reason, message: None };
    }

    pub(crate) fn happened(&mut self, index: usize, what: Happening, now: Timestamp) -> Vec<Effect> {
        match what {
            Happening::Pulled(Ok((image, schedule))) => self.pulled(index, image, schedule),
            Happening::Pulled(Err(message)) => self.not_pulled(index, message, now),
            Happening::PullErrorShown => {
                let message = Some(format!("Back-off pulling image \"{}\"", self.image_name));
                self.state = State::Waiting { reason: "ImagePullBackOff", message };
                Vec::new()
            }
            Happening::PullDue => vec![self.act(index, Act::Pull)],
            Happening::StartDue => vec![self.act(index, Act::Start)],
            Happening::Started => self.started(index, now),
            Happening::Misconfigured(message) => self.misconfigured(index, message, now),
            Happening::ProbeDue { regular } => self.probe_due(index, regular),
            Happening::Probed(answer) => self.probed(index, answer, now),
            // The pod takes these itself.
            Happening::Exited(_) | Happening::NotStarted(_) => Vec::new(),
        }
    }

    fn pulled(&mut self, index: usize, image: Image, schedule: Option<Schedule>) -> Vec<Effect> {
        let delay = image.startup_delay;
        self.image = Some(image);
        self.schedule = schedule;
        self.wait_for("ContainerCreating");
        if delay.is_zero() {
            vec![self.act(index, Act::Start)]
        } else {
            vec![self.wake(index, delay, Happening::StartDue)]
        }
    }

    fn not_pulled(&mut self, index: usize, message: String, now: Timestamp) -> Vec<Effect> {
        self.state = State::Waiting { reason: "ErrImagePull", message: Some(message) };
        let wait = self.next_pull(now);
        let shown = PULL_ERROR_SHOWN.min(wait / 2);
        vec![self.wake(index, shown, Happening::PullErrorShown), self.wake(index, wait, Happening::PullDue)]
    }

    fn misconfigured(&mut self, index: usize, message: String, now: Timestamp) -> Vec<Effect> {
        self.state = State::Waiting { reason: "CreateContainerConfigError", message: Some(message) };
        let wait = self.next_pull(now);
        vec![self.wake(index, wait, Happening::PullDue)]
    }

    fn next_pull(&mut self, now: Timestamp) -> Duration {
        self.pulls.raise(now);
        self.pulls.hold(now).unwrap_or_default()
    }

    pub(crate) fn count_run(&mut self) {
        self.runs += 1;
        if let State::Terminated(end) = &self.state {
            self.last = Some(end.clone());
        }
    }

    pub(crate) fn started(&mut self, index: usize, now: Timestamp) -> Vec<Effect> {
        self.count_run();
        self.state = State::Running { since: now };
        self.answers = Answers::default();
        // A container of init is ready when it is through.
        self.ready = self.schedule.is_none() && self.kind != Kind::Init;
        match self.schedule {
            Some(schedule) => vec![self.wake(index, schedule.delay, Happening::ProbeDue { regular: true })],
            None => Vec::new(),
        }
    }

    pub(crate) fn terminate(&mut self, code: i32, message: Option<String>, ending: bool, now: Timestamp) {
        let started = if let State::Running { since } = self.state { Some(since) } else { None };
        let out_of_memory = code == KILLED && !ending && self.image.as_ref().is_some_and(|image| image.oom);
        let reason = match code {
            0 => "Completed",
            _ if message.is_some() => "StartError",
            _ if out_of_memory => "OOMKilled",
            _ => "Error",
        };
        self.epoch += 1;
        self.ready = self.kind == Kind::Init && code == 0;
        self.state = State::Terminated(Termination { code, reason, message, started, finished: now, run: self.runs });
    }

    pub(crate) fn restart(&mut self, index: usize, pod: &str, now: Timestamp) -> Vec<Effect> {
        let wait = self.restarts.hold(now);
        self.restarts.raise(now);
        let Some(wait) = wait else { return vec![self.act(index, Act::Start)] };
        let message = format!("back-off {} restarting failed container={} pod={pod}", in_words(wait), self.name);
        let waiting = State::Waiting { reason: "CrashLoopBackOff", message: Some(message) };
        if let State::Terminated(end) = std::mem::replace(&mut self.state, waiting) {
            self.last = Some(end);
        }
        vec![self.wake(index, wait, Happening::StartDue)]
    }

    fn probe_due(&mut self, index: usize, regular: bool) -> Vec<Effect> {
        let mut effects = vec![self.act(index, Act::Probe)];
        if let Some(schedule) = self.schedule.filter(|_| regular) {
            effects.push(self.wake(index, schedule.period, Happening::ProbeDue { regular: true }));
        }
        effects
    }

    fn probed(&mut self, index: usize, answer: Answer, now: Timestamp) -> Vec<Effect> {
        let (Some(schedule), State::Running { since }) = (self.schedule, &self.state) else { return Vec::new() };
        let age = now.duration_since(*since).unsigned_abs();
        // A process that does not listen yet is no failure: asked again at once rather than a whole period later.
        if answer == Answer::Refused && !self.ready && age < schedule.delay + schedule.period {
            return vec![self.wake(index, LISTEN_RETRY, Happening::ProbeDue { regular: false })];
        }
        self.answers.count(answer == Answer::Good);
        if self.answers.good >= schedule.successes {
            self.ready = true;
        } else if self.answers.bad >= schedule.failures {
            self.ready = false;
        }
        Vec::new()
    }
}

impl Answers {
    fn count(&mut self, good: bool) {
        *self = if good { Self { good: self.good + 1, bad: 0 } } else { Self { good: 0, bad: self.bad + 1 } };
    }
}

impl Termination {
    fn lost(run: u64, now: Timestamp) -> Self {
        let message = Some("the container was lost when the node agent ended".to_owned());
        Self { code: KILLED, reason: "ContainerStatusUnknown", message, started: None, finished: now, run }
    }
}

/// How many runs a status tells of.
fn runs_of(status: &ContainerStatus) -> u64 {
    let state = status.state.as_ref();
    let ran = status.restart_count > 0
        || state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        || status.last_state.as_ref().is_some_and(|last| last.terminated.is_some());
    if ran { u64::try_from(status.restart_count).unwrap_or_default() + 1 } else { 0 }
}

fn in_words(wait: Duration) -> String {
    let seconds = wait.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, _) => format!("{wait:?}"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}
