//! The command line.

use std::{ffi::OsString, io::IsTerminal as _, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use aviary_demo::model;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::{
    clock::Clock,
    config_command::Config,
    control::{client::ask, protocol::Word},
    default_socket,
    import::command::Import,
    output::{Output, is_read, print},
    policy, report, run,
    simulate::Simulate,
};

/// What is logged, AVIARY_LOG apart: what fails is told by Aviary itself, not by its libraries too.
const LOGGED: [&str; 3] = ["info", "kube_client=off", "kube_runtime=off"];

/// Rolls a new image out to a plain Deployment a few pods at a time, judges every step, promotes or rolls back.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Arguments {
    /// The daemon's control socket [default: $AVIARY_SOCKET, else /run/aviary/aviary.sock]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon, with KUBECONFIG or a pod's own credentials
    Run(Run),
    /// How the services stand
    Status(Status),
    /// Roll back now
    Cancel(Named),
    /// Let the next change go direct, once
    Bypass(Bypass),
    /// Stay at this step; a rollback still happens
    Pause(Named),
    /// Go on after a pause
    Resume(Named),
    /// Give a service back: its own Deployment serves again
    Release(Named),
    /// Take a released service in again
    Adopt(Named),
    /// Look at a configuration
    #[command(subcommand)]
    Config(Config),
    /// Write a policy of your own, and look at one
    #[command(subcommand)]
    Policy(policy::Command),
    /// Turn the canaries.yaml of the original Aviary, in Python, into a configuration of this one
    Import(Import),
    /// Try a configuration and policies on a release, hours of it in seconds, without any cluster
    Simulate(Box<Simulate>),
    /// Watch a good, a crashing and a slower release, in half a minute and without any cluster
    Demo(Demo),
}

#[derive(Debug, Args)]
struct Demo {
    /// What the demo starts itself with
    #[arg(last = true, hide = true)]
    daemon: Vec<OsString>,
}

#[derive(Debug, Args)]
struct Run {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The folder that policies are dropped into
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// How the log is written
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,
    /// Where /healthz, /readyz and /metrics are served
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Log {
    Text,
    Json,
}

#[derive(Debug, Args)]
struct Status {
    /// One service, as `name` or `namespace/name`
    service: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Go on, once a second
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Args)]
struct Named {
    /// The service, as `name` or `namespace/name`
    service: String,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Args)]
struct Bypass {
    #[command(flatten)]
    named: Named,
    /// Judge the next change as usual, after all
    #[arg(long)]
    clear: bool,
}

/// Does what the command line says.
///
/// # Errors
/// One that is fit to be printed after `aviary: `.
pub fn perform(arguments: Arguments) -> Result<ExitCode> {
    let socket = arguments.socket;
    let done = match arguments.command {
        Command::Simulate(simulate) => return simulate.perform(),
        Command::Demo(demo) => return demo.perform(socket),
        Command::Run(run) => start(run, socket),
        Command::Status(status) => show(&socket.unwrap_or_else(default_socket), &status),
        Command::Cancel(named) => tell(socket, Word::Cancel, &named),
        Command::Bypass(bypass) => {
            tell(socket, if bypass.clear { Word::ClearBypass } else { Word::Bypass }, &bypass.named)
        }
        Command::Pause(named) => tell(socket, Word::Pause, &named),
        Command::Resume(named) => tell(socket, Word::Resume, &named),
        Command::Release(named) => tell(socket, Word::Release, &named),
        Command::Adopt(named) => tell(socket, Word::Adopt, &named),
        Command::Config(config) => config.perform(),
        Command::Policy(command) => policy::perform(command),
        Command::Import(import) => import.perform(),
    };
    done.map(|()| ExitCode::SUCCESS)
}

impl Demo {
    fn perform(self, socket: Option<PathBuf>) -> Result<ExitCode> {
        let aviary = std::env::current_exe()?;
        if self.daemon.is_empty() {
            return Ok(model::play(aviary, socket));
        }
        Err(model::become_daemon(&aviary, &self.daemon).into())
    }
}

fn start(run: Run, socket: Option<PathBuf>) -> Result<()> {
    let filter = log_filter(&std::env::var("AVIARY_LOG").unwrap_or_default())?;
    let color = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color);
    match run.log {
        Log::Text => log.with_target(false).init(),
        Log::Json => log.json().flatten_event(true).init(),
    }
    let options = run::Options { config: run.config, policies: run.policies, socket, listen: run.listen };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(run::run(options));
    runtime.shutdown_timeout(Duration::from_millis(500));
    outcome
}

/// What `said` adds to or takes from what is logged: a word that is no level must not silence all else.
fn log_filter(said: &str) -> Result<EnvFilter> {
    let directives: Vec<&str> = said.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
    let names_a_level = directives.iter().any(|directive| directive.parse::<LevelFilter>().is_ok());
    let usual = &LOGGED[usize::from(names_a_level)..];
    EnvFilter::try_new([usual, &directives].concat().join(",")).with_context(|| {
        format!("AVIARY_LOG is {said:?}; write a level such as debug, or targets with levels such as aviary=debug,kube_client=info")
    })
}

fn show(socket: &std::path::Path, status: &Status) -> Result<()> {
    loop {
        let answer = ask(socket, Word::Status, status.service.as_deref())?;
        let text = match status.output {
            Output::Json => serde_json::to_string(&answer)? + "\n",
            Output::Text => report::status(&answer, status.service.is_some(), Clock::Wall.now()),
        };
        if status.watch && status.output == Output::Text {
            print("\u{1b}[H\u{1b}[2J")?;
        }
        if !is_read(&text)? || !status.watch {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn tell(socket: Option<PathBuf>, word: Word, named: &Named) -> Result<()> {
    let answer = ask(&socket.unwrap_or_else(default_socket), word, Some(&named.service))?;
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
    match named.output {
        Output::Json => print(&(serde_json::to_string(&answer)? + "\n")),
        Output::Text => print(&format!("{}: {}\n", text("service"), text("said"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_is_said_by_level_and_by_target_and_never_silenced_by_a_slip() {
        let table = [
            ("", LevelFilter::INFO),
            ("debug", LevelFilter::DEBUG),
            ("warn", LevelFilter::WARN),
            ("inof=off", LevelFilter::INFO),
            ("kube_client=debug", LevelFilter::DEBUG),
        ];
        for (said, level) in table {
            assert_eq!(log_filter(said).unwrap().max_level_hint(), Some(level), "{said}");
        }
        let told = log_filter("inof").unwrap().to_string();
        assert!(told.split(',').any(|directive| directive == "info"), "{told}");
        let error = log_filter("aviary=loud").unwrap_err().to_string();
        assert!(error.starts_with("AVIARY_LOG is \"aviary=loud\"; write a level"), "{error}");
    }
}
