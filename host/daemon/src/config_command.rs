//! `aviary config`: a file is checked, and what holds for a service is shown with where it comes from.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow, bail};
use aviary_policy::Policies;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    configuration::{Configuration, Entry, Faults, Layer, Policy, Setting, Source, labels, schema},
    output::{Output, print},
    run,
};

/// The widest value that has its source beside it.
const WIDEST: usize = 36;

/// `aviary config`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Say everything that is wrong with a file, policies and their parameters included
    Check(Check),
    /// Show every setting that holds for a service, and where it comes from
    Show(Show),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
}

/// `aviary config check`
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration file
    file: PathBuf,
    /// The folder that policies are dropped into
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// How faults are written; as JSON a list, empty if there is none
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// `aviary config show`
#[derive(Debug, Args)]
pub struct Show {
    /// The service, as `name` or `namespace/name`
    service: String,
    /// The configuration file [default: $AVIARY_CONFIG, else /etc/aviary/aviary.yaml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The labels of its Deployment, which selectors are held against, such as team=ingest,tier=batch
    #[arg(long, value_name = "LABELS", value_parser = labels)]
    labels: Option<BTreeMap<String, String>>,
    /// The folder that policies are dropped into
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

impl Config {
    /// Does what the command line says.
    ///
    /// # Errors
    /// One that is fit to be printed after `aviary: `.
    pub fn perform(&self) -> Result<()> {
        match self {
            Self::Check(check) => check.perform(),
            Self::Show(show) => show.perform(),
            Self::Schema => print(&(serde_json::to_string_pretty(&schema())? + "\n")),
        }
    }
}

impl Check {
    fn perform(&self) -> Result<()> {
        let checked = self.checked();
        if self.output == Output::Text {
            return print(&checked?);
        }
        match checked.map_err(anyhow::Error::downcast::<Faults>) {
            Ok(_) => print("[]\n"),
            Err(Ok(faults)) => {
                print(&(serde_json::to_string(&faults.json())? + "\n"))?;
                bail!("{}: {} faults", self.file.display(), faults.len())
            }
            Err(Err(error)) => Err(error),
        }
    }

    /// What is said of a good file.
    fn checked(&self) -> Result<String> {
        let configuration = Configuration::load(&self.file)?;
        load_policies(&configuration, &self.file, self.policies.as_ref())?;
        let named = configuration.named().count();
        let patterns = configuration.entries.len() - named;
        Ok(format!("{}: good (services by name: {named}, patterns: {patterns})\n", self.file.display()))
    }
}

fn load_policies(configuration: &Configuration, file: &Path, folder: Option<&PathBuf>) -> Result<Policies> {
    run::load_policies(run::policy_folder(folder, configuration)?, configuration, file)
}

fn default_file() -> PathBuf {
    std::env::var_os("AVIARY_CONFIG").map_or_else(|| PathBuf::from("/etc/aviary/aviary.yaml"), PathBuf::from)
}

impl Show {
    fn perform(&self) -> Result<()> {
        let file = self.config.clone().unwrap_or_else(default_file);
        let configuration = Configuration::load(&file)?;
        let policies = load_policies(&configuration, &file, self.policies.as_ref())?.list();
        let defaults = policies.into_iter().map(|policy| (policy.identity.name, policy.defaults));
        let defaults = defaults.filter_map(|(name, json)| Some((name, serde_json::from_str(&json).ok()?)));
        print(&self.shown(&configuration, &file, &defaults.collect())?)
    }

    fn shown(&self, configuration: &Configuration, file: &Path, defaults: &Defaults) -> Result<String> {
        let labels = self.labels.clone().unwrap_or_default();
        let (namespace, name) = self.find(configuration, &labels)?;
        let entries: Vec<&Entry> = configuration.matching(namespace, name, &labels).collect();
        let shown = Shown { file, service: format!("{namespace}/{name}"), entries, defaults };
        Ok(match self.output {
            Output::Json => serde_json::to_string(&shown.json())? + "\n",
            Output::Text => shown.text() + self.hint(configuration, namespace),
        })
    }

    /// Namespace and name of the service that is meant.
    fn find<'a>(
        &'a self,
        configuration: &'a Configuration,
        labels: &BTreeMap<String, String>,
    ) -> Result<(&'a str, &'a str)> {
        let (within, name) =
            self.service.split_once('/').map_or((None, self.service.as_str()), |(within, name)| (Some(within), name));
        match configuration.namespaces_with(within, name, labels).as_slice() {
            [namespace] => Ok((namespace, name)),
            [] => Err(self.none(configuration, within)),
            several => {
                let several: Vec<String> = several.iter().map(|namespace| format!("{namespace}/{name}")).collect();
                bail!("{name} can be several services: name one of {}", several.join(", "))
            }
        }
    }

    fn none(&self, configuration: &Configuration, within: Option<&str>) -> anyhow::Error {
        let nearby = configuration.entries.iter().filter(|entry| within.is_none_or(|within| within == entry.namespace));
        let nearby: Vec<String> = nearby.take(10).map(ToString::to_string).collect();
        let labels =
            if self.labels.is_none() { ", or give its labels by --labels if a selector is to match" } else { "" };
        let nearby =
            if nearby.is_empty() { String::new() } else { format!("; those that come near are {}", nearby.join("; ")) };
        anyhow!("no entry of services is about {}: add one by name, names or selector{labels}{nearby}", self.service)
    }

    fn hint(&self, configuration: &Configuration, namespace: &str) -> &'static str {
        let selects = configuration.entries.iter().any(|entry| entry.namespace == namespace && entry.has_selector());
        if selects && self.labels.is_none() {
            "\nselectors were held against no labels: give those of the Deployment by --labels team=ingest,tier=batch\n"
        } else {
            ""
        }
    }
}

/// The parameters that each policy has unless somebody says otherwise, in its own words.
type Defaults = BTreeMap<String, BTreeMap<String, Value>>;

/// A setting, and the words for where it comes from.
struct Row {
    field: String,
    value: Value,
    from: String,
    json: Value,
}

/// What is shown of one service.
struct Shown<'a> {
    file: &'a Path,
    service: String,
    /// The first holds; there is one.
    entries: Vec<&'a Entry>,
    defaults: &'a Defaults,
}

impl Shown<'_> {
    fn rows(&self) -> Vec<Row> {
        let Some(holds) = self.entries.first().map(|entry| &entry.in_force) else { return Vec::new() };
        let row = |Setting { field, value, source }: Setting<'_>| Row {
            field,
            value,
            from: self.place(source),
            json: self.from(source),
        };
        let analyzers =
            holds.analyzers.value.iter().map(|policy| (format!("analyzers.{}", policy.value.name), &policy.value));
        let others = [("classifier", &holds.classifier.value), ("progression", &holds.progression.value)];
        let others = others.map(|(field, policy)| (field.to_owned(), policy));
        let own = analyzers.chain(others).flat_map(|(field, policy)| self.own(&field, policy));
        holds.list().into_iter().map(row).chain(own).collect()
    }

    /// What a policy takes for the parameters that it is not given.
    fn own(&self, field: &str, policy: &Policy) -> Vec<Row> {
        let defaults = self.defaults.get(&policy.name).into_iter().flatten();
        let left = defaults.filter(|(name, _)| !policy.parameters.contains_key(*name));
        let from = format!("policy {}", policy.name);
        let row = |(name, value): (&String, &Value)| {
            let json = json!({ "layer": from });
            Row { field: format!("{field}.{name}"), value: value.clone(), from: from.clone(), json }
        };
        left.map(row).collect()
    }

    fn text(&self) -> String {
        let rows = self.rows();
        let fields = rows.iter().map(|row| row.field.len()).max().unwrap_or_default();
        let values = rows.iter().map(|row| value_text(&row.value).chars().count());
        let values = values.filter(|width| *width <= WIDEST).max().unwrap_or_default();
        let mut page = format!("{} in {}\n", self.service, self.file.display());
        for (index, entry) in self.entries.iter().enumerate() {
            let word = if index == 0 { "holds" } else { "also matches, but comes later" };
            let _ = writeln!(page, "  {} {entry} {word}", self.place(&entry.source));
        }
        page.push('\n');
        for Row { field, value, from, .. } in &rows {
            let value = value_text(value);
            if value.chars().count() <= WIDEST {
                let _ = writeln!(page, "{field:<fields$}  {value:<values$}  {from}");
            } else {
                let _ = writeln!(page, "{field:<fields$}  {value}\n{:<fields$}  {:<values$}  {from}", "", "");
            }
        }
        page
    }

    /// Such as `aviary.yaml:12 defaults`.
    fn place(&self, source: &Source) -> String {
        if source.layer == Layer::BuiltIn {
            return source.layer.to_string();
        }
        let file = self.file.file_name().unwrap_or(self.file.as_os_str());
        format!("{}:{} {}", file.display(), source.place.line, source.layer)
    }

    fn json(&self) -> Value {
        let entry = |entry: &&Entry| json!({ "entry": entry.to_string(), "from": self.from(&entry.source) });
        let setting = |row: Row| json!({ "field": row.field, "value": row.value, "from": row.json });
        json!({
            "service": self.service,
            "file": self.file,
            "holds": self.entries.first().map(entry),
            "also_match": self.entries.iter().skip(1).map(entry).collect::<Value>(),
            "settings": self.rows().into_iter().map(setting).collect::<Value>(),
        })
    }

    fn from(&self, source: &Source) -> Value {
        let Source { layer, place, path } = source;
        match layer {
            Layer::BuiltIn => json!({ "layer": layer.to_string() }),
            _ => json!({ "layer": layer.to_string(), "line": place.line, "column": place.column, "field": path }),
        }
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) && !items.is_empty() => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
