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
use std::time::Instant;

use anyhow::{Result, bail};

use crate::interrupt::{Interrupt, Interrupted};
use crate::play::Play;
use crate::screen::Screen;
use crate::stage::Stage;
use crate::summary::{Release, summary};
use crate::text::{Line, Style};

/// As a shell has it for what Ctrl-C ended.
const INTERRUPTED: u8 = 130;

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
    screen
        .say(Line::new("Starting etcd, kube-apiserver, kube-controller-manager, a node agent and Prometheus ..."), 0)?;
    let mut stage = Stage::start()?;
    let directory = stage.directory();
    let played = play(&mut stage, &mut screen, &interrupt, begun);
    screen.clear()?;
    drop(stage);
    let releases = match played {
        Ok(releases) => releases,
        Err(error) => {
            screen.say(Line::new("Stopped; no process and no file is left."), 0)?;
            return Err(error);
        }
    };
    conclude(&mut screen, &releases)?;
    if directory.exists() {
        bail!("{} is left; please tell us", directory.display());
    }
    let words = format!("{} s in all; no process and no file is left.", begun.elapsed().as_secs());
    screen.say(Line::new(words), 0)
}

fn play(stage: &mut Stage, screen: &mut Screen, interrupt: &Interrupt, begun: Instant) -> Result<Vec<Release>> {
    let mut play = Play::new(stage, screen, interrupt, begun);
    play.adopt("orders:1.0")?;
    Ok(vec![
        play.release("1 of 3, a good release", "orders:1.1 is as good as what it replaces", "orders:1.1")?,
        play.release("2 of 3, a bad release", "orders:1.2 fails on every fifth event", "orders:1.2")?,
        play.swap(
            "3 of 3, a policy swapped",
            "orders:1.3 has 15 times as many errors, yet fewer than the limit: it passes, until a stricter policy comes",
            "orders:1.3",
            "no-worse",
            "threshold",
        )?,
    ])
}

fn conclude(screen: &mut Screen, releases: &[Release]) -> Result<()> {
    screen.say(Line::default(), 0)?;
    screen.say(Line::default().add(Style::Bold, "What happened"), 0)?;
    for line in summary(releases) {
        screen.say(line, 12)?;
    }
    let endings: Vec<&str> = releases.iter().map(|release| release.ending.as_str()).collect();
    if endings != ["promoted", "rolled-back", "rolled-back"] {
        bail!("the releases ended as {}, which is not what the demo is for", endings.join(", "));
    }
    screen.say(Line::default(), 0)
}
