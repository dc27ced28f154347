//! Ctrl-C and the other ways to be asked to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use local_cluster::stop_signals;

/// Tells whether somebody asked the demo to stop.
#[derive(Debug)]
pub struct Interrupt {
    signals: Receiver<()>,
    asked: Arc<AtomicBool>,
}

/// The demo was asked to stop.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupt {
    /// Catches the signals that ask a program to stop.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn catch() -> Result<Self> {
        let caught = stop_signals()?;
        let ((sender, signals), asked) = (channel(), Arc::new(AtomicBool::new(false)));
        let ask = Arc::clone(&asked);
        thread::spawn(move || {
            // Only the first counts: what stops is a second or two from its end, and cleans up.
            for () in caught {
                ask.store(true, Ordering::SeqCst);
                let _ = sender.send(());
            }
        });
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
