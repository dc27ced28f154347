//! `aviary import`: ours to stdout or a new file, the differences to stderr.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args;

use super::import;
use crate::{configuration::read, output::print};

/// `aviary import`
#[derive(Debug, Args)]
pub struct Import {
    /// The original's file, canaries.yaml
    file: PathBuf,
    /// Where ours is written; a new file [default: stdout]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

impl Import {
    /// Does what the command line says.
    ///
    /// # Errors
    /// The faults of the original's file, or why the new one cannot be written.
    pub fn perform(&self) -> Result<()> {
        let imported = import(&read(&self.file, "import its services in parts")?, &self.file)?;
        match &self.to {
            Some(to) => write_new(to, &imported.yaml)?,
            None => print(&imported.yaml)?,
        }
        eprintln!("{}", imported.differences);
        eprintln!("aviary: imported {} services; what is said above stands in comments, too", imported.services);
        Ok(())
    }
}

fn write_new(file: &Path, text: &str) -> Result<()> {
    let refused = || format!("cannot write {}: name a file that is not there yet", file.display());
    let mut created = File::create_new(file).with_context(refused)?;
    created.write_all(text.as_bytes()).with_context(|| format!("{} is not whole: remove it", file.display()))
}
