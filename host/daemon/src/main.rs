//! The binary `aviary`.

mod arguments;
mod clock;
mod config_command;
mod configuration;
mod control;
mod health;
mod identity;
mod import;
mod judging;
mod output;
mod policy;
mod report;
mod run;
mod simulate;
mod status;
mod telemetry;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser as _;

use arguments::Arguments;

/// Where the control socket is unless somebody says otherwise.
fn default_socket() -> PathBuf {
    std::env::var_os("AVIARY_SOCKET").map_or_else(|| PathBuf::from("/run/aviary/aviary.sock"), PathBuf::from)
}

fn main() -> ExitCode {
    // Two libraries bring one provider each otherwise, and the first connection panics.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("aviary: the TLS provider is installed twice");
        return ExitCode::FAILURE;
    }
    // An exit code of its own for what was mistyped would be one that says how a simulation ended.
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(said) => {
            let _ = said.print();
            return if said.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match arguments::perform(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("aviary: {error:#}");
            ExitCode::FAILURE
        }
    }
}
