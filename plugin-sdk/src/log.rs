//! Lines for the host's log; in native tests they go to standard error.

pub use crate::bindings::shared::aviary::policy::log::Level;

/// Writes one line to the host's log, which puts the policy's name before it and bounds length and number.
pub fn line(level: Level, message: &str) {
    write(level, message);
}

/// What helps to understand a decision afterwards.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// What an operator may want to know.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// What an operator should look at.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// What is broken.
pub fn error(message: &str) {
    write(Level::Error, message);
}

#[cfg(target_family = "wasm")]
fn write(level: Level, message: &str) {
    crate::bindings::shared::aviary::policy::log::log(level, message);
}

#[cfg(not(target_family = "wasm"))]
fn write(level: Level, message: &str) {
    let word = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    eprintln!("{word}: {message}");
}
