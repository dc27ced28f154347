//! `aviary policy`: what an author of policies needs, without a daemon.

mod check;
mod new;

use std::path::PathBuf;

use anyhow::Result;
use aviary_policy::Kind;
use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use crate::output::Output;

/// What an author can ask for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a crate for a policy of your own: a small one that works, its tests, how it is built, and the SDK
    New {
        /// Its name: lower-case letters, digits and `-`
        name: String,
        /// Which question it answers
        #[arg(long, value_enum)]
        kind: Question,
        /// The folder that the crate's folder is made in
        #[arg(long, value_name = "DIR", default_value = ".")]
        to: PathBuf,
    },
    /// Say what a policy is and costs, and everything for which the daemon would refuse it
    Check {
        /// The .wasm file, as `cargo build` wrote it or as a component
        file: PathBuf,
        /// The parameters that a configuration gives it [default: its own]
        #[arg(long, value_name = "JSON", value_parser = parameters)]
        parameters: Option<Value>,
        /// How it is written
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
}

/// The three questions, as the command line has them.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Question {
    /// What is this change?
    Classifier,
    /// What does this check say?
    Analyzer,
    /// What now?
    Progression,
}

impl From<Question> for Kind {
    fn from(question: Question) -> Self {
        match question {
            Question::Classifier => Self::Classifier,
            Question::Analyzer => Self::Analyzer,
            Question::Progression => Self::Progression,
        }
    }
}

/// Does it.
///
/// # Errors
/// One that is fit to be printed after `aviary: `; also if the daemon would refuse the policy.
pub fn perform(command: Command) -> Result<()> {
    match command {
        Command::New { name, kind, to } => new::new(&name, kind.into(), &to),
        Command::Check { file, parameters, output } => check::check(&file, &parameters.unwrap_or_default(), output),
    }
}

fn parameters(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(r#"must be an object, such as {"largest-lag": 50}"#.to_owned()),
        Err(error) => Err(format!("is not JSON: {error}")),
    }
}
