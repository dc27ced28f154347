//! Watches a folder and tells when it is time to look at it.
//!
//! Events are only a hint: swaps of a ConfigMap never name the file, a folder that is removed takes its watch along, and
//! network file systems are silent. So every event means "look", the watch is renewed each time, and a look is due every
//! half minute whatever happens.

use std::{
    io,
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};

/// How long the folder must be quiet: writers work in several steps.
const QUIET: Duration = Duration::from_millis(40);
/// A folder that is never quiet is looked at all the same.
const RESTLESS: Duration = Duration::from_secs(2);
/// The time between two looks when no event comes.
const ROUND: Duration = Duration::from_secs(30);

/// Why the folder cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("cannot watch the folder {}: {source}", folder.display())]
pub struct WatchError {
    /// The folder.
    folder: PathBuf,
    /// Why.
    source: io::Error,
}

/// A watch; it ends when this is dropped.
#[derive(Debug)]
pub struct Watcher {
    signals: Sender<Signal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Changed,
    End,
}

/// Calls `due` whenever a look at `folder` is due: now, after every change, and every 30 s. The folder need not exist, and
/// may come and go. Where the kernel gives no watch, that is logged and the 30 s remain.
///
/// # Errors
/// If the current directory is unknown or there can be no further thread.
pub fn watch(folder: &Path, due: impl FnMut() + Send + 'static) -> Result<Watcher, WatchError> {
    let failed = |source| WatchError { folder: folder.to_owned(), source };
    let absolute = std::path::absolute(folder).map_err(failed)?;
    let (signals, received) = mpsc::channel();
    let places = Places::new(absolute, signals.clone());
    let work = move || keep_watch(places, &received, due);
    thread::Builder::new().name("folder-watch".to_owned()).spawn(work).map_err(failed)?;
    Ok(Watcher { signals })
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The thread may have ended already, with nobody to tell.
        self.signals.send(Signal::End).ok();
    }
}

fn keep_watch(mut places: Places, signals: &Receiver<Signal>, mut due: impl FnMut()) {
    loop {
        // The watch is renewed before the look: what happens in between is seen by one of them.
        places.renew();
        due();
        if signals.recv_timeout(ROUND) == Ok(Signal::End) || !settled(signals) {
            return;
        }
    }
}

/// Waits until the folder is quiet; false at the end.
fn settled(signals: &Receiver<Signal>) -> bool {
    let latest = Instant::now() + RESTLESS;
    while Instant::now() < latest {
        match signals.recv_timeout(QUIET) {
            Ok(Signal::Changed) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Ok(Signal::End) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

/// What is being watched: the folder, and the nearest place above it that exists, where it may appear.
struct Places {
    folder: PathBuf,
    watched: Vec<PathBuf>,
    kernel: Option<RecommendedWatcher>,
}

impl Places {
    fn new(folder: PathBuf, signals: Sender<Signal>) -> Self {
        let about = folder.clone();
        let tell = move |event: notify::Result<Event>| {
            if event.map_or(true, |event| concerns(&about, &event)) {
                signals.send(Signal::Changed).ok();
            }
        };
        let kernel = notify::recommended_watcher(tell);
        let kernel = kernel.inspect_err(|error| complain(&folder, error)).ok();
        Self { folder, watched: vec![], kernel }
    }

    fn renew(&mut self) {
        let Some(kernel) = &mut self.kernel else { return };
        for place in self.watched.drain(..) {
            // A place that was removed has lost its watch already.
            kernel.unwatch(&place).ok();
        }
        let above = self.folder.ancestors().skip(1).find(|place| place.exists());
        for place in above.into_iter().chain([self.folder.as_path()]).filter(|place| place.exists()) {
            match kernel.watch(place, RecursiveMode::NonRecursive) {
                Ok(()) => self.watched.push(place.to_owned()),
                Err(error) => complain(place, &error),
            }
        }
    }
}

fn complain(place: &Path, error: &notify::Error) {
    let round = ROUND.as_secs();
    tracing::warn!("cannot watch {}: {error}; changes are found every {round} s only", place.display());
}

/// Our own reading is no change, and the folder above may be a busy one.
fn concerns(folder: &Path, event: &Event) -> bool {
    let read = matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
    let ours = |path: &PathBuf| path.starts_with(folder) || folder.starts_with(path);
    !read && (event.paths.is_empty() || event.paths.iter().any(ours))
}
