//! What surrounds one call: its memory, its log, and what it was refused.

use wasmtime::ResourceLimiter;

use crate::{
    answer::{LogLevel, LogLine},
    contract,
    limits::Limits,
    text,
};

/// Table elements of all tables; a policy of 70 KB has some hundred.
const TABLE_ELEMENTS: usize = 100_000;
/// Parts of a component, of each sort.
const PARTS: usize = 100;

/// The data of a store; it lives for one call.
pub(crate) struct Sandbox {
    policy: String,
    limits: Limits,
    /// Bytes of all linear memories.
    pub(crate) memory: usize,
    elements: usize,
    /// What the policy would have had in all when it was refused more.
    pub(crate) denied: Option<usize>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) logs_cut: u32,
}

impl Sandbox {
    pub(crate) fn new(policy: &str, limits: Limits) -> Self {
        Self { policy: policy.to_owned(), limits, memory: 0, elements: 0, denied: None, logs: vec![], logs_cut: 0 }
    }

    /// The last thing it said as an error: what the SDK's panic hook writes.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.logs.iter().rfind(|line| line.level == LogLevel::Error).map(|line| line.message.as_str())
    }

    fn keep(&mut self, line: LogLine) {
        // The last word of a panic must not be lost behind a flood of debug lines.
        if self.logs.len() < self.limits.log_lines {
            self.logs.push(line);
        } else {
            self.logs_cut = self.logs_cut.saturating_add(1);
            if let (LogLevel::Error, Some(last)) = (line.level, self.logs.last_mut()) {
                *last = line;
            }
        }
    }
}

impl ResourceLimiter for Sandbox {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory.saturating_add(desired.saturating_sub(current));
        if wanted > self.limits.memory {
            self.denied = Some(wanted);
            return Ok(false);
        }
        self.memory = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.elements.saturating_add(desired.saturating_sub(current));
        let granted = wanted <= TABLE_ELEMENTS;
        if granted {
            self.elements = wanted;
        }
        Ok(granted)
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}

impl contract::types::Host for Sandbox {}

impl contract::log::Host for Sandbox {
    fn log(&mut self, level: contract::log::Level, message: String) {
        let message = text::printable(&text::cut(&message, self.limits.log_line));
        let level = level_of(level);
        if self.logs.len() < self.limits.log_lines {
            trace(&self.policy, level, &message);
        }
        self.keep(LogLine { level, message });
    }
}

fn level_of(level: contract::log::Level) -> LogLevel {
    match level {
        contract::log::Level::Debug => LogLevel::Debug,
        contract::log::Level::Info => LogLevel::Info,
        contract::log::Level::Warn => LogLevel::Warn,
        contract::log::Level::Error => LogLevel::Error,
    }
}

fn trace(policy: &str, level: LogLevel, message: &str) {
    match level {
        LogLevel::Debug => tracing::debug!(policy, "{message}"),
        LogLevel::Info => tracing::info!(policy, "{message}"),
        LogLevel::Warn => tracing::warn!(policy, "{message}"),
        LogLevel::Error => tracing::error!(policy, "{message}"),
    }
}
