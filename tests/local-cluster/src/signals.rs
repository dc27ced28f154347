//! Being asked to stop. By handlers: a signal that is held back stays held back in all that is started, pods included.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::{Context, Result};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Tells of each SIGINT, SIGTERM and SIGHUP from now on; none of them ends the program any more.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn stop_signals() -> Result<Receiver<()>> {
    let (asks, asked) = channel();
    let (readies, ready) = channel();
    thread::spawn(move || watch(&asks, &readies));
    ready.recv().context("the thread that waits for signals is gone")?.context("cannot wait for signals")?;
    Ok(asked)
}

fn watch(asks: &Sender<()>, readies: &Sender<std::io::Result<()>>) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(readies.send(Err(error))),
    };
    runtime.block_on(async {
        let mut signals = match install() {
            Ok(signals) => signals,
            Err(error) => return drop(readies.send(Err(error))),
        };
        // Nobody listens any more when the program is about to end.
        let _ = readies.send(Ok(()));
        let [interrupt, terminate, hang_up] = &mut signals;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            let _ = asks.send(());
        }
    });
}

fn install() -> std::io::Result<[Signal; 3]> {
    Ok([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?])
}
