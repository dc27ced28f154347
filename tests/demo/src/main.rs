//! The demo: Aviary with a good release, a bad one, and a policy that is swapped in the middle of a third, on a real
//! control plane with real processes as pods and a real Prometheus. It ends as it began: with nothing.

mod board;
mod interrupt;
mod outsider;
mod play;
mod screen;
mod stage;
mod status;
mod summary;
mod text;
mod told;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use crate::interrupt::{Interrupt, Interrupted};
use crate::play::Play;
use crate::screen::Screen;
use crate::stage::Stage;
use crate::summary::{Release, summary};
use crate::text::{Line, Style};

/// As a shell has it for what Ctrl-C ended.
const INTERRUPTED: u8 = 130;
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let interrupt = Interrupt::catch()?;
    // Fails only where it was done already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut screen = Screen::new();
    let begun = Instant::now();
    let played = perform(&mut screen, &interrupt, begun);
    screen.clear()?;
    match played {
        Ok(releases) => conclude(&mut screen, &releases, begun),
        Err(_) if interrupt.asked() => {
            screen.say(Line::new("Stopped; no process and no file is left."), 0)?;
            Err(Interrupted.into())
        }
        Err(error) => Err(error),
    }
}

/// From an empty stage to an empty stage.
fn perform(screen: &mut Screen, interrupt: &Interrupt, begun: Instant) -> Result<Vec<Release>> {
    screen
        .say(Line::new("Starting etcd, kube-apiserver, kube-controller-manager, a node agent and Prometheus ..."), 0)?;
    let mut stage = start(screen, interrupt)?;
    let directory = stage.directory();
    let played = play(&mut stage, screen, interrupt, begun);
    screen.clear()?;
    screen.say(Line::default().add(Style::Dim, "Stopping all of it ..."), 0)?;
    drop(stage);
    if directory.exists() {
        bail!("{} is left; remove it by hand", directory.display());
    }
    played
}

/// What is half started cannot be stopped, but who asked for it is told at once.
fn start(screen: &mut Screen, interrupt: &Interrupt) -> Result<Stage> {
    let starting = thread::spawn(Stage::start);
    while !starting.is_finished() {
        if interrupt.wait(LOOK_EVERY).is_err() {
            screen.say(Line::new("Stopping once it stands ..."), 0)?;
            break;
        }
    }
    let stage = starting.join().map_err(|_| anyhow!("the thread that starts the cluster panicked"))??;
    if interrupt.asked() { Err(Interrupted.into()) } else { Ok(stage) }
}

fn play(stage: &mut Stage, screen: &mut Screen, interrupt: &Interrupt, begun: Instant) -> Result<Vec<Release>> {
    let mut play = Play::new(stage, screen, interrupt, begun);
    play.adopt("orders:1.0")?;
    Ok(vec![
        play.release("1 of 3, a good release", "orders:1.1 is as good as what it replaces", "orders:1.1")?,
        play.release("2 of 3, a bad release", "orders:1.2 has 20 times as many errors, twice the limit", "orders:1.2")?,
        play.swap(
            "3 of 3, a policy swapped",
            "orders:1.3 has 5 times as many errors, half the limit: it passes, until a stricter policy comes",
            "orders:1.3",
            "no-worse",
            "threshold",
        )?,
    ])
}

fn conclude(screen: &mut Screen, releases: &[Release], begun: Instant) -> Result<()> {
    screen.say(Line::default(), 0)?;
    screen.say(Line::default().add(Style::Bold, "What happened"), 0)?;
    for line in summary(releases) {
        screen.say(line, summary::INDENT)?;
    }
    let seconds = begun.elapsed().as_secs();
    screen.say(Line::default(), 0)?;
    screen.say(Line::new(format!("{seconds} s in all; no process and no file is left.")), 0)?;
    let endings: Vec<&str> = releases.iter().map(|release| release.ending.as_str()).collect();
    if endings != ["promoted", "rolled-back", "rolled-back"] {
        bail!("the releases ended as {}, which is not what they were made for", endings.join(", "));
    }
    Ok(())
}
