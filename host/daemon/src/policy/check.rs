//! `aviary policy check`: what the daemon would make of a file.

use std::{fmt::Write as _, path::Path};

use anyhow::{Result, bail};
use aviary_policy::{About, Calls, Form, Inspection, Kind, Limits, inspect};
use serde_json::Value;

use crate::output::{Output, print};

/// Prints all that can be told of `file`.
///
/// # Errors
/// If the daemon would refuse it; the reasons are printed before.
pub fn check(file: &Path, parameters: &Value, output: Output) -> Result<()> {
    let inspection = inspect(file, parameters, Limits::default())?;
    print(&match output {
        Output::Json => json(file, &inspection)?.to_string() + "\n",
        Output::Text => text(file, &inspection),
    })?;
    match inspection.refusals.len() {
        0 => Ok(()),
        1 => bail!("{}: the daemon would refuse it, for one reason", file.display()),
        several => bail!("{}: the daemon would refuse it, for {several} reasons", file.display()),
    }
}

fn json(file: &Path, inspection: &Inspection) -> Result<Value> {
    let mut value = serde_json::to_value(inspection)?;
    value["file"] = file.display().to_string().into();
    for field in ["parameters_schema", "defaults"] {
        // Both are objects, or the policy could not have said them.
        if let Some(parsed) = value["about"][field].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            value["about"][field] = parsed;
        }
    }
    Ok(value)
}

fn text(file: &Path, inspection: &Inspection) -> String {
    let mut text = format!("{}: {}\n", file.display(), headline(inspection));
    let mut line = |label: &str, content: &str| {
        if !content.is_empty() {
            let _ = writeln!(text, "  {label:<10} {content}");
        }
    };
    let about = inspection.about.as_ref();
    line("is", &about.map(|about| introduction(about, inspection.name.as_deref())).unwrap_or_default());
    line("file", &bytes(inspection));
    line("digest", inspection.digest.as_deref().unwrap_or_default());
    line("contract", inspection.contract.as_deref().unwrap_or_default());
    line("imports", &inspection.imports.join(", "));
    line("exports", &inspection.exports.join(", "));
    if let (Some(kind), Some(calls)) = (inspection.kind, &inspection.calls) {
        line("costs", &cost(kind, calls));
        line("but", &calls.trap.as_ref().map(|trap| format!("asked so, {trap}")).unwrap_or_default());
    }
    about.map(parameters).unwrap_or_default().iter().for_each(|(label, content)| line(label, content));
    inspection.refusals.iter().for_each(|reason| line("refused", reason));
    text
}

fn headline(inspection: &Inspection) -> String {
    let kind = inspection.kind.map_or_else(|| "no policy".to_owned(), |kind| kind.to_string());
    let verdict =
        if inspection.refusals.is_empty() { "the daemon would take it" } else { "the daemon would refuse it" };
    format!("{kind}, {verdict}")
}

fn introduction(about: &About, name: Option<&str>) -> String {
    let About { own_name, version, summary, .. } = about;
    match name.filter(|name| name != own_name) {
        Some(name) => format!("`{name}`, which calls itself {own_name} {version}: {summary}"),
        None => format!("{own_name} {version}: {summary}"),
    }
}

fn bytes(inspection: &Inspection) -> String {
    let form = match inspection.form {
        Some(Form::Module) => ", a core module: the daemon makes a component of it",
        Some(Form::Component) => ", a component",
        None => "",
    };
    inspection.bytes.map(|bytes| format!("{bytes} bytes{form}")).unwrap_or_default()
}

fn cost(kind: Kind, calls: &Calls) -> String {
    let asked = match kind {
        Kind::Classifier => "of one new image",
        Kind::Analyzer => "with 3 metrics of 50 pods and 12 samples",
        Kind::Progression => "after two checks",
    };
    let Calls { count, p50_microseconds: half, p99_microseconds: most, memory, .. } = calls;
    format!("p50 {half} us, p99 {most} us in {count} calls {asked}; at most {} KiB of memory", memory.div_ceil(1024))
}

/// A line for each parameter, with its type, its default and what it means.
fn parameters(about: &About) -> Vec<(&'static str, String)> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (schema, defaults) = (parsed(&about.parameters_schema), parsed(&about.defaults));
    let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) else {
        return vec![("parameters", "none".to_owned())];
    };
    let sentence = |(name, property): (&String, &Value)| {
        let meaning = property["description"].as_str().map(|about| format!(": {about}")).unwrap_or_default();
        format!("{name} ({}) = {}{meaning}", kind_of(property), defaults[name])
    };
    let labels = std::iter::once("parameters").chain(std::iter::repeat(""));
    labels.zip(properties.iter().map(sentence)).collect()
}

fn kind_of(property: &Value) -> String {
    match (property["type"].as_str(), property["enum"].as_array()) {
        (_, Some(words)) => words.iter().map(Value::to_string).collect::<Vec<_>>().join(" or "),
        (Some(kind), None) => kind.to_owned(),
        (None, None) => "optional".to_owned(),
    }
}
