//! What was measured, where and how: a table for people, and all numbers as JSON.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::figures::Figure;

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Which figure it belongs to, by the name under which it can be asked for.
    pub figure: String,
    /// What was measured, in words.
    pub what: String,
    /// The result, in words.
    pub measured: String,
    /// What to hold it against: the control plane alone in the same run; may be empty.
    pub beside: String,
    /// All numbers, with their units in their names.
    pub numbers: Value,
}

impl Row {
    /// Without anything to hold it against.
    pub fn new(figure: Figure, what: impl Into<String>, measured: impl Into<String>, numbers: Value) -> Self {
        let (what, measured) = (what.into(), measured.into());
        Self { figure: figure.to_string(), what, measured, beside: String::new(), numbers }
    }

    /// With what the control plane alone does.
    pub fn beside(mut self, beside: impl Into<String>) -> Self {
        self.beside = beside.into();
        self
    }
}

/// All that was measured in one run.
#[derive(Debug, Serialize)]
pub struct Report {
    command: String,
    machine: String,
    rows: Vec<Row>,
}

impl Report {
    /// Of a run that measures only these, or all if none is named.
    pub fn begin(only: &[Figure]) -> Self {
        let names: Vec<String> = only.iter().map(ToString::to_string).collect();
        let command = match names.as_slice() {
            [] => "make bench".to_owned(),
            names => format!("make bench ONLY=\"{}\"", names.join(" ")),
        };
        Self { command, machine: machine(), rows: Vec::new() }
    }

    /// Takes rows in, and says them at once on stderr: the whole takes minutes.
    pub fn add(&mut self, rows: Vec<Row>) {
        for row in &rows {
            let beside = if row.beside.is_empty() { String::new() } else { format!(" (beside: {})", row.beside) };
            eprintln!("  {}: {}: {}{beside}", row.figure, row.what, row.measured);
        }
        self.rows.extend(rows);
    }

    /// In Markdown, as wide as its cells.
    pub fn table(&self) -> String {
        let head = ["figure", "what", "measured", "the control plane alone"].map(str::to_owned);
        let cells = |row: &Row| [row.figure.clone(), row.what.clone(), row.measured.clone(), row.beside.clone()];
        let lines: Vec<[String; 4]> = [head].into_iter().chain(self.rows.iter().map(cells)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3].map(width);
        let line = |cells: &[String; 4]| {
            let padded = cells.iter().zip(widths).map(|(cell, width)| format!(" {cell:width$} |"));
            format!("|{}\n", padded.collect::<String>())
        };
        let rule = format!("|{}\n", widths.map(|width| format!("{}|", "-".repeat(width + 2))).concat());
        let body: String = lines[1..].iter().map(line).collect();
        format!("\n`{}` on {}\n\n{}{rule}{body}", self.command, self.machine, line(&lines[0]))
    }

    /// Writes all numbers to a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&json!(self))?;
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
    }
}

/// Processor, cores and memory, and what else is going on.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let processor = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "an unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal").and_then(|text| kibibytes(&text)).unwrap_or(0);
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    format!("{cores} cores of {processor}, {} GiB, load {load} before", memory.div_ceil(1024 * 1024))
}

/// The value of a field in one of the tables of /proc.
pub fn field(table: &str, name: &str) -> Option<String> {
    let line = table.lines().find(|line| line.split(':').next().is_some_and(|field| field.trim() == name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

/// Of `1234 kB`, as /proc writes it.
pub fn kibibytes(text: &str) -> Option<u64> {
    text.strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_are_found_by_their_whole_name() {
        let table = "VmPeak:\t   900 kB\nVmHWM:\t   41216 kB\nVmRSS:\t   40000 kB\n";
        assert_eq!(field(table, "VmHWM").as_deref().and_then(kibibytes), Some(41216));
        assert_eq!(field(table, "Vm"), None);
    }

    #[test]
    fn a_table_is_markdown_with_what_was_asked_for() {
        let mut report = Report::begin(&[Figure::Change, Figure::Window]);
        report.rows = vec![Row::new(Figure::Change, "what", "p50 20 ms", Value::Null).beside("p50 17 ms")];
        let table = report.table();
        assert!(table.starts_with("\n`make bench ONLY=\"change window\"` on "), "{table}");
        assert!(table.ends_with("\n| change | what | p50 20 ms | p50 17 ms               |\n"), "{table}");
    }
}
