//! The configuration file is read again whenever it may have changed, on a thread that is not the daemon's.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use aviary_metrics::Prometheus;
use aviary_policy::{Policies, Watcher, watch};
use sha2::{Digest as _, Sha256};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::policies::{accept, uses};
use crate::{
    configuration::{Configuration, text_of},
    telemetry::Telemetry,
};

/// What the file says.
#[derive(Debug)]
pub enum Reading {
    /// Something that can be in force.
    Good(Good),
    /// Nothing that can be: every fault, a line for each.
    Bad(String),
}

/// A file that can be in force.
#[derive(Debug)]
pub struct Good {
    pub configuration: Arc<Configuration>,
    pub prometheus: Option<Arc<Prometheus>>,
    /// SHA-256 of the file in hex digits.
    pub digest: String,
}

/// Reads the file, and knows what it said last.
pub struct Reader {
    file: PathBuf,
    policies: Policies,
    telemetry: Arc<Telemetry>,
    configuration: Arc<Configuration>,
    prometheus: Option<Arc<Prometheus>>,
    digest: String,
    /// What is wrong with the file, if it is not what is in force.
    refused: Option<String>,
}

impl Reader {
    /// Reads the file for the first time; `policies` makes those for what it says.
    ///
    /// # Errors
    /// Every fault of the file.
    pub fn new(
        file: &Path,
        telemetry: Arc<Telemetry>,
        policies: impl FnOnce(&Configuration) -> Result<Policies>,
    ) -> Result<(Self, Policies)> {
        let text = text_of(file)?;
        let configuration = Arc::new(Configuration::parse(&text, file)?);
        let policies = policies(&configuration)?;
        let (file, digest) = (file.to_owned(), digest(&text));
        let mut reader = Self {
            file,
            policies: policies.clone(),
            telemetry,
            configuration,
            prometheus: None,
            digest,
            refused: None,
        };
        reader.prometheus = reader.client(&reader.configuration)?;
        Ok((reader, policies))
    }

    /// What was read last that can be in force.
    pub fn good(&self) -> Good {
        let (configuration, prometheus) = (self.configuration.clone(), self.prometheus.clone());
        Good { configuration, prometheus, digest: self.digest.clone() }
    }

    /// What the file says, unless it said the same before; `anyway` gives it in any case. A file that is refused is held
    /// against the policies anew each time: one that it names may have come.
    fn read(&mut self, anyway: bool) -> Option<Reading> {
        let text = match text_of(&self.file) {
            Ok(text) => text,
            Err(faults) => return self.refuse(&faults.into(), anyway),
        };
        let digest = digest(&text);
        if digest == self.digest && self.refused.is_none() && !anyway {
            return None;
        }
        match self.take_over(&text, digest) {
            Ok(()) => {
                self.refused = None;
                Some(Reading::Good(self.good()))
            }
            Err(error) => self.refuse(&error, anyway),
        }
    }

    fn refuse(&mut self, error: &anyhow::Error, anyway: bool) -> Option<Reading> {
        let faults = format!("{error:#}");
        let again = self.refused.as_ref() == Some(&faults);
        self.refused = Some(faults.clone());
        (anyway || !again).then_some(Reading::Bad(faults))
    }

    fn take_over(&mut self, text: &str, digest: String) -> Result<()> {
        let configuration = Configuration::parse(text, &self.file)?;
        // A policy that is dropped meanwhile must do for both.
        self.policies.set_uses(uses(&self.configuration).chain(uses(&configuration)).collect());
        let accepted = accept(&self.policies, &configuration, &self.file).map_err(Into::into);
        let prometheus = accepted.and_then(|()| self.client(&configuration));
        if let Ok(prometheus) = &prometheus {
            (self.configuration, self.prometheus) = (Arc::new(configuration), prometheus.clone());
            self.digest = digest;
        }
        self.policies.set_uses(uses(&self.configuration).collect());
        prometheus.map(|_| ())
    }

    /// The client goes on where nothing of it has changed, with its connections.
    fn client(&self, configuration: &Configuration) -> Result<Option<Arc<Prometheus>>> {
        if self.prometheus.is_some() && configuration.prometheus == self.configuration.prometheus {
            return Ok(self.prometheus.clone());
        }
        let client = configuration.prometheus.clone().map(Prometheus::new).transpose();
        let client = client.with_context(|| format!("{}: prometheus", self.file.display()))?;
        Ok(client.map(|client| Arc::new(client.observed_by(self.telemetry.clone()))))
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads whenever something in the file's folder changes, twice a minute, and at SIGHUP, which asks for an answer.
///
/// # Errors
/// When there can be no such thread or no such signal.
pub fn follow(reader: Reader, sender: mpsc::Sender<Reading>) -> Result<Watcher> {
    let file = std::path::absolute(&reader.file)?;
    let reader = Arc::new(Mutex::new(reader));
    let read = move |anyway: bool| {
        let reading = reader.lock().unwrap_or_else(PoisonError::into_inner).read(anyway);
        if let Some(reading) = reading {
            let _ = sender.blocking_send(reading);
        }
    };
    let mut hangup = signal(SignalKind::hangup())?;
    let at_hangup = read.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let read = at_hangup.clone();
            if tokio::task::spawn_blocking(move || read(true)).await.is_err() {
                tracing::error!("the configuration file could not be read at SIGHUP");
            }
        }
    });
    watch(file.parent().unwrap_or(&file), move || read(false))
        .with_context(|| format!("the configuration file {} cannot be watched", file.display()))
}
