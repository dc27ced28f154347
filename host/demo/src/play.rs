//! The play: adoption, and one release after the other.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use aviary_simulation::face::wall;

use crate::{
    board::board,
    daemon::Daemon,
    interrupt::Interrupt,
    outsider::Outsider,
    screen::Screen,
    stage::{Act, NAMESPACE, REPLICAS, SERVICE, Script, Stage},
    status::{Check, Past, Service, Status, ask},
    summary::Release,
    text::{Line, Style},
    told::{last_check, told},
};

const LOOK_EVERY: Duration = Duration::from_millis(150);
const ACT_WITHIN: Duration = Duration::from_secs(90);
/// Columns before the words of a line: the time.
const INDENT: usize = 7;

/// The demo as it runs.
pub struct Play<'a, S> {
    stage: &'a mut S,
    screen: &'a mut Screen,
    interrupt: &'a Interrupt,
    begun: Instant,
    outsider: Outsider,
    seen: Status,
    last_check: Option<Check>,
    title: String,
}

impl<'a, S: Stage> Play<'a, S> {
    /// On a stage that stands.
    pub fn new(stage: &'a mut S, screen: &'a mut Screen, interrupt: &'a Interrupt, begun: Instant) -> Self {
        let outsider = Outsider::of(NAMESPACE, &stage.kubeconfig());
        let (seen, title) = (Status::default(), String::new());
        Self { stage, screen, interrupt, begun, outsider, seen, last_check: None, title }
    }

    /// Plays all of it; how each release went.
    ///
    /// # Errors
    /// When it does not get further in time, or is interrupted.
    pub fn play(&mut self, script: &Script<S>) -> Result<Vec<Release>> {
        self.adopt(script)?;
        script.acts.iter().map(|act| self.release(act)).collect()
    }

    /// A worker is deployed as it would be without Aviary, and then adopted.
    fn adopt(&mut self, script: &Script<S>) -> Result<()> {
        let image = script.first;
        self.act("adoption", &format!("Aviary takes over a plain Deployment of {REPLICAS} pods, which serve on"))?;
        self.stage.deploy(image)?;
        self.say(Line::new(format!("deployed {image}: {REPLICAS} queue workers, whose metrics Prometheus reads")))?;
        self.wait_for_pods(&format!("{image} to get {REPLICAS} pods available"), |play| play.outsider.available())?;
        self.wait_for_pods("Prometheus to see each pod", |play| play.stage.scraped())?;
        self.outsider.begin();
        self.stage.start_daemon()?;
        self.say(Line::new(format!("started aviary run, {}", script.rights)))?;
        self.follow("the adoption", |service| service.phase == "steady")?;
        let least = self.outsider.figures()?.least_available;
        self.say(Line::default().add(Style::Good, "adopted").add(
            Style::Plain,
            format!(
                ": the primary serves, {SERVICE} itself is held at 0; never fewer than {least} pods were available"
            ),
        ))
    }

    /// Releases an image and watches it to its end.
    fn release(&mut self, act: &Act<S>) -> Result<Release> {
        let begun = self.begin_release(act)?;
        if let Some(meanwhile) = act.meanwhile {
            self.follow("the second step", |service| {
                service.rollout.as_ref().is_some_and(|rollout| rollout.step >= 2 && rollout.step_complete.is_some())
            })?;
            let done = meanwhile(self.stage)?;
            self.say(Line::default().add(Style::Bold, done))?;
        }
        self.end_release(act.image, begun)
    }

    fn wait_for_pods(&self, what: &str, count: impl Fn(&Self) -> usize) -> Result<()> {
        let deadline = Instant::now() + ACT_WITHIN;
        while count(self) < REPLICAS as usize {
            self.outsider.figures()?;
            if Instant::now() > deadline {
                bail!("waited {} s for {what}", ACT_WITHIN.as_secs());
            }
            self.interrupt.wait(LOOK_EVERY)?;
        }
        Ok(())
    }

    fn begin_release(&mut self, act: &Act<S>) -> Result<(Instant, usize)> {
        self.act(act.title, act.words)?;
        let ended = self.seen.service().ended();
        let begun = Instant::now();
        self.outsider.begin();
        let done = self.stage.release(act.image)?;
        self.say(Line::default().add(Style::Bold, done))?;
        Ok((begun, ended))
    }

    fn end_release(&mut self, image: &str, (begun, ended): (Instant, usize)) -> Result<Release> {
        self.follow("the end of the rollout", |service| service.ended() > ended && service.phase == "steady")?;
        let (took, figures) = (begun.elapsed(), self.outsider.figures()?);
        let service = self.seen.service();
        let Some(Past { ending, reason }) = service.last().cloned() else { bail!("no rollout is told to have ended") };
        Ok(Release { image: image.to_owned(), ending, reason, took, figures })
    }

    /// Looks at the service until it is as wanted.
    fn follow(&mut self, what: &str, wanted: impl Fn(&Service) -> bool) -> Result<()> {
        let deadline = Instant::now() + ACT_WITHIN;
        loop {
            self.look()?;
            if wanted(&self.seen.service()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("waited {} s for {what}; {}", ACT_WITHIN.as_secs(), self.why_not());
            }
            self.interrupt.wait(LOOK_EVERY)?;
        }
    }

    fn look(&mut self) -> Result<()> {
        self.stage.daemon().map_or(Ok(()), Daemon::check)?;
        let Some(status) = ask(&self.stage.socket())? else { return Ok(()) };
        for line in told(&self.seen, &status) {
            self.say(line)?;
        }
        self.seen = status;
        let service = self.seen.service();
        if let Some(check) = last_check(&service) {
            self.last_check = Some(check.clone());
        }
        self.screen.show(board(&self.title, &service, self.last_check.as_ref(), wall().0))
    }

    fn why_not(&mut self) -> String {
        let service = self.seen.service();
        let reason = service.reason.unwrap_or_default();
        let not_ready = self.seen.daemon.not_ready.join("; ");
        let log = self.stage.daemon().map(|daemon| daemon.last_lines()).unwrap_or_default();
        format!("{}: {reason} {not_ready}\nthe end of aviary's log:\n{log}", service.phase)
    }

    fn act(&mut self, title: &str, words: &str) -> Result<()> {
        self.title = title.to_owned();
        self.last_check = None;
        self.screen.say(Line::default(), 0)?;
        let line = Line::default().add(Style::Bold, title.to_owned()).add(Style::Plain, format!(": {words}"));
        self.screen.say(line, 0)
    }

    fn say(&mut self, line: Line) -> Result<()> {
        let seconds = self.begun.elapsed().as_secs();
        let time = Line::default().add(Style::Dim, format!("{:>4}:{:02}", seconds / 60, seconds % 60)).pad(INDENT + 1);
        self.screen.say(time.join(line), INDENT + 1)
    }
}
