//! Ctrl-C and the other ways to be asked to stop.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
};

/// Tells whether somebody asked the demo to stop.
#[derive(Debug)]
pub struct Interrupt {
    signals: Receiver<()>,
    asked: Arc<AtomicBool>,
}

/// The demo was asked to stop.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupt {
    /// Catches the signals that ask a program to stop.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn catch() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let caught = signals().context("cannot wait for signals")?;
        drop(entered);
        let ((sender, signals), asked) = (channel(), Arc::new(AtomicBool::new(false)));
        let ask = Arc::clone(&asked);
        thread::spawn(move || runtime.block_on(wait(caught, &ask, &sender)));
        Ok(Self { signals, asked })
    }

    /// Whether the demo was asked to stop. What fails then may have been hit by the same Ctrl-C.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits.
    ///
    /// # Errors
    /// With [`Interrupted`], at once, when the demo is asked to stop.
    pub fn wait(&self, duration: Duration) -> Result<()> {
        match self.signals.recv_timeout(duration) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(Interrupted.into()),
        }
    }
}

fn signals() -> std::io::Result<[Signal; 3]> {
    Ok([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?])
}

/// Only the first counts: what stops is a second or two from its end, and cleans up.
async fn wait([mut interrupt, mut terminate, mut hang_up]: [Signal; 3], asked: &AtomicBool, sender: &Sender<()>) {
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        asked.store(true, Ordering::SeqCst);
        let _ = sender.send(());
    }
}
