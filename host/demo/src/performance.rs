//! A demo from an empty stage to an empty stage.

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};

use crate::{
    interrupt::{Interrupt, Interrupted},
    play::Play,
    screen::Screen,
    stage::{Script, Stage},
    status::word,
    summary::{self, Release, summary},
    text::{Line, Style},
};

/// As a shell has it for what Ctrl-C ended.
const INTERRUPTED: u8 = 130;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Plays a script on the stage that `start` makes, on the standard output. Success when each release ended as it was to.
pub fn perform<S: Stage + Send + 'static>(
    script: &Script<S>,
    start: impl FnOnce() -> Result<S> + Send + 'static,
) -> ExitCode {
    match run(script, start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run<S: Stage + Send + 'static>(
    script: &Script<S>,
    start: impl FnOnce() -> Result<S> + Send + 'static,
) -> Result<()> {
    let interrupt = Interrupt::catch()?;
    let mut screen = Screen::new();
    let begun = Instant::now();
    let played = from_start_to_end(script, start, &mut screen, &interrupt, begun);
    screen.clear()?;
    match played {
        Ok(releases) => conclude(script, &mut screen, &releases, begun),
        Err(_) if interrupt.asked() => {
            screen.say(Line::new("Stopped; no process and no file is left."), 0)?;
            Err(Interrupted.into())
        }
        Err(error) => Err(error),
    }
}

fn from_start_to_end<S: Stage + Send + 'static>(
    script: &Script<S>,
    start: impl FnOnce() -> Result<S> + Send + 'static,
    screen: &mut Screen,
    interrupt: &Interrupt,
    begun: Instant,
) -> Result<Vec<Release>> {
    screen.say(Line::new(format!("Starting {} ...", script.props)), 0)?;
    let mut stage = started(start, screen, interrupt)?;
    let directory = stage.directory();
    let played = Play::new(&mut stage, screen, interrupt, begun).play(script);
    screen.clear()?;
    screen.say(Line::default().add(Style::Dim, "Stopping all of it ..."), 0)?;
    drop(stage);
    if directory.exists() {
        bail!("{} is left; remove it by hand", directory.display());
    }
    played
}

/// What is half started cannot be stopped, but who asked for it is told at once.
fn started<S: Send + 'static>(
    start: impl FnOnce() -> Result<S> + Send + 'static,
    screen: &mut Screen,
    interrupt: &Interrupt,
) -> Result<S> {
    let starting = thread::spawn(start);
    while !starting.is_finished() {
        if interrupt.wait(LOOK_EVERY).is_err() {
            screen.say(Line::new("Stopping once it stands ..."), 0)?;
            break;
        }
    }
    let stage = starting.join().map_err(|_| anyhow!("the thread that starts the stage panicked"))??;
    if interrupt.asked() { Err(Interrupted.into()) } else { Ok(stage) }
}

fn conclude<S>(script: &Script<S>, screen: &mut Screen, releases: &[Release], begun: Instant) -> Result<()> {
    screen.say(Line::default(), 0)?;
    screen.say(Line::default().add(Style::Bold, "What happened"), 0)?;
    for line in summary(releases) {
        screen.say(line, summary::INDENT)?;
    }
    let seconds = begun.elapsed().as_secs();
    screen.say(Line::default(), 0)?;
    screen.say(Line::new(format!("{seconds} s in all; no process and no file is left.")), 0)?;
    if !releases.iter().map(|release| release.ending).eq(script.acts.iter().map(|act| act.ending)) {
        let endings: Vec<&str> = releases.iter().map(|release| word(release.ending)).collect();
        bail!("the releases ended as {}, which is not what they were made for", endings.join(", "));
    }
    Ok(())
}
