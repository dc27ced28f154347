//! What teams and the one who kills share.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    capacity::Outages,
    ledger::Ledger,
    report::{Blow, Done, Recovery, Report},
};

/// The state of a run.
#[derive(Debug)]
pub struct Scene {
    /// What was seen of Aviary's writes.
    pub ledger: Ledger,
    begun: Instant,
    over: AtomicBool,
    kills: AtomicUsize,
    /// People do nothing while the API server is out: it is Aviary that is tried, not their tools.
    gate: RwLock<()>,
    outages: Mutex<Outages>,
    report: Mutex<Report>,
}

impl Scene {
    /// A run that begins now.
    pub fn new(report: Report) -> Self {
        Self {
            ledger: Ledger::default(),
            begun: Instant::now(),
            over: AtomicBool::new(false),
            kills: AtomicUsize::new(0),
            gate: RwLock::default(),
            outages: Mutex::default(),
            report: Mutex::new(report),
        }
    }

    /// Says a line, with the seconds since the start.
    pub fn say(&self, line: &str) {
        println!("{:7.1} s  {line}", self.begun.elapsed().as_secs_f64());
    }

    /// How long it has run.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Nothing new begins from now on.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// The run is over when this is dropped, also where a thread panics.
    pub fn ends_with_this(&self) -> End<'_> {
        End(self)
    }

    /// Whether nothing new is to begin.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Something was not as it must be: nothing new begins.
    pub fn violated(&self, what: &str) {
        self.say(&format!("VIOLATION: {what}"));
        lock(&self.report).violations.push(what.to_owned());
        self.end();
    }

    /// For as long as this is held there is no outage.
    pub fn people(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody does anything; for as long as this is held nobody begins.
    pub fn nobody(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the control plane was out.
    pub fn outages(&self) -> MutexGuard<'_, Outages> {
        lock(&self.outages)
    }

    /// How often the daemon was killed so far.
    pub fn kills(&self) -> usize {
        self.kills.load(Ordering::SeqCst)
    }

    /// Notes a kill.
    pub fn killed(&self, blow: Blow) {
        self.kills.fetch_add(1, Ordering::SeqCst);
        lock(&self.report).blows.push(blow);
    }

    /// Notes how long something took to work again.
    pub fn recovered(&self, recovery: Recovery) {
        lock(&self.report).recoveries.push(recovery);
    }

    /// Notes a release that ended as it must.
    pub fn done(&self, done: Done) {
        lock(&self.report).releases.push(done);
    }

    /// Changes the report.
    pub fn report(&self) -> MutexGuard<'_, Report> {
        lock(&self.report)
    }

    /// The report, with what only the end shows.
    pub fn into_report(self) -> Report {
        let (faults, leases) = (self.ledger.faults(), self.ledger.leases());
        let mut report = self.report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.violations.extend(faults);
        report.leases = leases;
        report.took = self.begun.elapsed();
        report
    }
}

/// The run is over when it is dropped.
#[derive(Debug)]
pub struct End<'a>(&'a Scene);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
