//! The image table: what an image's name stands for on this node. Read again at each pull, so a test can add images.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Deserializer, de::Error};

/// What runs when a container of this image starts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Image {
    /// The program and its arguments. `{bin}` is the agent's own folder, `{ip}` the pod's address.
    #[serde(default)]
    pub command: Vec<String>,
    /// Environment that the image brings along, with the same placeholders; the pod's own wins.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How long the container stays in ContainerCreating before its process starts.
    #[serde(default, rename = "startupDelaySeconds", deserialize_with = "seconds")]
    pub startup_delay: Duration,
    /// Known, but cannot be pulled.
    #[serde(default)]
    pub unpullable: bool,
    /// An exit with code 137 means that the kernel killed it for want of memory.
    #[serde(default)]
    pub oom: bool,
    /// Replaces the delay of the readiness probe, to fractions of a second.
    #[serde(default, rename = "probeDelaySeconds", deserialize_with = "some_seconds")]
    pub probe_delay: Option<Duration>,
    /// Replaces the period of the readiness probe, to fractions of a second.
    #[serde(default, rename = "probePeriodSeconds", deserialize_with = "some_seconds")]
    pub probe_period: Option<Duration>,
}

/// The table's file and what it last said.
#[derive(Debug)]
pub struct ImageTable {
    path: PathBuf,
    images: BTreeMap<String, Image>,
}

impl ImageTable {
    /// Reads the table.
    ///
    /// # Errors
    /// When the file cannot be read or is not a table.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), images: read(path)? })
    }

    /// Looks an image up, in the file as it is now; while that is broken, as it was when it was last whole.
    ///
    /// # Errors
    /// The message that a container runtime gives for an image that it cannot pull.
    pub fn pull(&mut self, name: &str) -> Result<Image, String> {
        match read(&self.path) {
            Ok(images) => self.images = images,
            Err(error) => tracing::warn!("the image table stays as it was: {error:#}"),
        }
        match self.images.get(name) {
            Some(image) if !image.unpullable => Ok(image.clone()),
            Some(_) => Err(format!("failed to pull image \"{name}\": the image table says that it cannot be pulled")),
            None => Err(format!("failed to pull image \"{name}\": not found in the image table")),
        }
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Image>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the image table {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{} is not an image table", path.display()))
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| D::Error::custom("seconds must be 0 or more, and finite"))
}

fn some_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    seconds(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> (tempfile::TempDir, Result<ImageTable>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images.json");
        fs::write(&path, text).unwrap();
        let opened = ImageTable::open(&path);
        (folder, opened)
    }

    #[test]
    fn the_shipped_table_is_whole() {
        let table = ImageTable::open(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/images.json"))).unwrap();
        let of_the_demo = [
            "worker:v1",
            "worker:v9",
            "worker:exits",
            "worker:errors",
            "worker:never-ready",
            "worker:slow",
            "worker:oom",
        ];
        for name in of_the_demo.iter().chain(&["sidecar:v1"]) {
            assert!(table.images[*name].command[0].starts_with("{bin}/"), "{name}");
        }
        assert!(table.images["worker:oom"].oom);
    }

    #[test]
    fn an_image_added_later_can_be_pulled() {
        let (folder, table) = table(r#"{"a:1": {"command": ["true"], "startupDelaySeconds": 0.5}}"#);
        let mut table = table.unwrap();
        assert_eq!(table.pull("a:1").unwrap().startup_delay, Duration::from_millis(500));
        assert!(table.pull("a:2").unwrap_err().contains("not found"));
        fs::write(folder.path().join("images.json"), r#"{"a:2": {"command": ["true"]}}"#).unwrap();
        assert!(table.pull("a:2").is_ok());
    }

    #[test]
    fn a_half_written_table_changes_nothing() {
        let (folder, table) = table(r#"{"a:1": {"unpullable": true}, "b:1": {}}"#);
        let mut table = table.unwrap();
        fs::write(folder.path().join("images.json"), r#"{"a:1": {"unp"#).unwrap();
        assert!(table.pull("a:1").unwrap_err().contains("cannot be pulled"));
        assert!(table.pull("b:1").is_ok());
    }

    #[test]
    fn unknown_fields_and_negative_times_are_refused() {
        for (text, fault) in [
            (r#"{"a:1": {"comand": ["true"]}}"#, "comand"),
            (r#"{"a:1": {"probePeriodSeconds": -1}}"#, "seconds must be 0 or more"),
        ] {
            let error = format!("{:#}", table(text).1.unwrap_err());
            assert!(error.contains(fault), "{error}");
        }
    }
}
