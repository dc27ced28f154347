//! The bench: what Aviary costs and how fast it reacts, on a real control plane of its own, with pods that are pretended.
//! Each figure can be asked for alone; a table goes to stdout and all numbers to a file.

mod audit;
mod daemon;
mod figures;
mod outsider;
mod report;
mod stage;
mod times;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Parser;

use crate::{
    figures::{Figure, Measured},
    report::Report,
    stage::Stage,
};

/// Measures the release build of Aviary on a cluster of its own.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these figures, separated by blanks; all if none is named.
    #[arg(value_enum, value_name = "FIGURE")]
    only: Vec<Figure>,
    /// Where all numbers go, as JSON.
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    json: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Fails only where it was done already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(&arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let wanted = Measured::wanted(&arguments.only);
    let mut report = Report::begin(&arguments.only);
    report.add(figures::policy_call::measure(&wanted)?);
    if wanted.needs_a_cluster() {
        let stage = Stage::start().await.context("the cluster does not start")?;
        figures::measure(&stage, &wanted, &mut report).await?;
    }
    print!("{}", report.table());
    report.save(&arguments.json)
}

/// The folder of what cargo built beside this program.
fn built() -> Result<PathBuf> {
    let running = std::env::current_exe().context("cannot tell where the running program is")?;
    running.parent().map(Path::to_owned).context("the running program has no folder")
}
