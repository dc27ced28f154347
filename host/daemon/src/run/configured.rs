//! The configuration in force: what a new one changes is done and said; a bad one changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    net::SocketAddr,
    path::PathBuf,
};

use aviary_cluster::ServiceKey;
use aviary_core::{plan::Note, time::Timestamp};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::{
    Daemon, Options,
    discovery::Fate,
    reading::{Good, Reading},
};
use crate::configuration::{Configuration, LeaseChoice};

/// How many services are named in a sentence about several.
const NAMED: usize = 3;

/// What is known of the configuration file.
#[derive(Debug)]
pub struct Configured {
    /// What the command line says, which goes before the file.
    options: Options,
    /// What holds until the end, as it was at the start.
    fixed: Fixed,
    digest: String,
    /// When it came into force.
    loaded: Timestamp,
    /// What that changed, in words; nothing at the start.
    changes: Vec<String>,
    /// What would change with a restart.
    after_restart: Vec<String>,
    /// Why the file as it is now is not in force, a line for each fault, and since when.
    refused: Option<(Timestamp, String)>,
}

/// What a daemon cannot change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The control socket.
    pub socket: PathBuf,
    /// Where health is served.
    pub listen: Option<SocketAddr>,
    /// The policy folder.
    pub policies: Option<PathBuf>,
    /// The Lease that is competed for.
    pub lease: LeaseChoice,
}

impl Fixed {
    /// As command line and file say.
    pub fn of(options: &Options, configuration: &Configuration) -> Self {
        let socket = options.socket.clone().or_else(|| configuration.socket.clone());
        Self {
            socket: socket.unwrap_or_else(crate::default_socket),
            listen: options.listen.or(configuration.listen),
            policies: options.policies.clone().or_else(|| configuration.policies_folder.clone()),
            lease: configuration.lease.clone(),
        }
    }

    /// What a restart would change.
    fn changes(&self, after: &Self) -> Vec<String> {
        fn text(value: Option<impl Display>) -> String {
            value.map_or_else(|| "none".to_owned(), |value| value.to_string())
        }
        let path = |path: &Option<PathBuf>| text(path.as_ref().map(|path| path.display().to_string()));
        let table = [
            ("socket", self.socket.display().to_string(), after.socket.display().to_string()),
            ("listen", text(self.listen), text(after.listen)),
            ("policies.folder", path(&self.policies), path(&after.policies)),
            ("lease", self.lease.to_string(), after.lease.to_string()),
        ];
        let changed = table.into_iter().filter(|(_, before, after)| before != after);
        changed.map(|(field, before, after)| format!("{field} {before} -> {after}")).collect()
    }
}

impl Configured {
    /// At the start.
    pub fn new(options: Options, fixed: Fixed, digest: String, now: Timestamp) -> Self {
        Self { options, fixed, digest, loaded: now, changes: Vec::new(), after_restart: Vec::new(), refused: None }
    }

    /// Why the file as it is now is not in force.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_ref().map(|(_, faults)| faults.as_str())
    }

    /// For the status.
    pub fn status(&self) -> Value {
        let refused = self.refused.as_ref();
        json!({
            "file": self.options.config,
            "digest": format!("sha256:{}", self.digest),
            "loaded": self.loaded,
            "changes": self.changes,
            "after_restart": self.after_restart,
            "refused": refused.map(|(at, faults)| json!({"at": at, "faults": faults.lines().collect::<Vec<_>>()})),
        })
    }
}

impl Daemon {
    /// Takes in what was read of the configuration file.
    pub(super) fn read(&mut self, reading: Reading) {
        self.judges.telemetry.own.configuration_read(matches!(reading, Reading::Good(_)));
        match reading {
            Reading::Good(good) => self.take_over(good),
            Reading::Bad(faults) => self.refuse(faults),
        }
        self.tell_readiness();
    }

    fn refuse(&mut self, faults: String) {
        let text = format!("the configuration file is refused and the one before stays in force: {faults}");
        self.say_of_itself(&Note::warning("ConfigurationRefused", text));
        self.configured.refused = Some((self.clock.now(), faults));
    }

    fn take_over(&mut self, good: Good) {
        let before = std::mem::replace(&mut self.configuration, good.configuration);
        self.judges.prometheus = good.prometheus;
        let mut changes = file_changes(&before, &self.configuration);
        let after: BTreeSet<String> = self.configuration.namespaces().into_iter().collect();
        for namespace in
            after.iter().filter(|namespace| !self.watches.contains_key(*namespace)).cloned().collect::<Vec<_>>()
        {
            self.watch(&namespace);
        }
        changes.extend(self.reconsider_all());
        let gone: Vec<String> = self.watches.keys().filter(|namespace| !after.contains(*namespace)).cloned().collect();
        for namespace in gone {
            self.watches.remove(&namespace);
            self.index.forget(&namespace);
            self.judges.telemetry.api.forget(&namespace);
        }
        self.configured.after_restart =
            self.configured.fixed.changes(&Fixed::of(&self.configured.options, &self.configuration));
        self.tell_changes(changes, good.digest);
        let services: Vec<ServiceKey> = self.services.keys().cloned().collect();
        services.iter().for_each(|key| self.drive(key));
    }

    fn tell_changes(&mut self, mut changes: Vec<String>, digest: String) {
        let restart = self.configured.after_restart.iter();
        changes.extend(restart.map(|change| format!("{change} takes effect with a restart")));
        let was_refused = self.configured.refused.take().is_some();
        if changes.is_empty() {
            changes.push("nothing that counts".to_owned());
        }
        let file =
            if was_refused { "the configuration file is good again" } else { "the configuration file was read again" };
        let note = Note::normal("ConfigurationChanged", format!("{file}; it changes: {}", changes.join("; ")));
        self.say_of_itself(&note);
        (self.configured.digest, self.configured.loaded, self.configured.changes) = (digest, self.clock.now(), changes);
    }

    /// Every service that is there or could be, under the new configuration; what that changes, in words.
    fn reconsider_all(&mut self) -> Vec<String> {
        let named = self.configuration.named().map(|(namespace, name)| ServiceKey::new(namespace, name));
        let seen = self.index.names_of_services().into_iter().filter(|key| self.index.is_listed(&key.namespace));
        let known = self.services.keys().chain(&self.left_behind).cloned();
        let all: BTreeSet<ServiceKey> = named.chain(seen).chain(known).collect();
        let mut fates: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in all {
            let what = match self.reconsider(&key) {
                Fate::Same => continue,
                Fate::Comes => "cared for from now on".to_owned(),
                Fate::Leaves => "cared for no more".to_owned(),
                Fate::Changed(words) => words.join(", "),
            };
            fates.entry(what).or_default().push(key.to_string());
        }
        fates.into_iter().map(|(what, services)| format!("{what} ({})", listed(&services))).collect()
    }

    /// Told of Aviary's own Deployment, where it is known.
    fn say_of_itself(&self, note: &Note) {
        match &self.own.deployment {
            Some(key) => self.say(key, std::slice::from_ref(note)),
            None if note.level == aviary_core::plan::Level::Warning => warn!(reason = note.code, "{}", note.text),
            None => info!(reason = note.code, "{}", note.text),
        }
    }
}

/// What is not a setting of services.
fn file_changes(before: &Configuration, after: &Configuration) -> Vec<String> {
    let url = |configuration: &Configuration| {
        configuration.prometheus.as_ref().map_or_else(|| "none".to_owned(), |prometheus| prometheus.url.clone())
    };
    let prometheus = match (url(before), url(after)) {
        _ if before.prometheus == after.prometheus => None,
        (before, after) if before == after => Some("prometheus is asked in another way".to_owned()),
        (before, after) => Some(format!("prometheus {before} -> {after}")),
    };
    let (was, is) = (before.namespaces(), after.namespaces());
    let come = is.iter().filter(|namespace| !was.contains(namespace));
    let gone = was.iter().filter(|namespace| !is.contains(namespace));
    let come = come.map(|namespace| format!("namespace {namespace} is watched"));
    let gone = gone.map(|namespace| format!("namespace {namespace} is watched no more"));
    prometheus.into_iter().chain(come).chain(gone).collect()
}

/// A few names, and how many more there are.
fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Configuration {
        let services = "services: [{ name: foo, namespace: shop }]";
        Configuration::parse(&format!("{text}\n{services}"), Path::new("/etc/aviary.yaml"))
            .unwrap_or_else(|faults| panic!("{faults}"))
    }

    #[test]
    fn what_takes_a_restart_is_said_unless_the_command_line_decides_it() {
        let options = |listen: Option<&str>| Options {
            config: "/etc/aviary.yaml".into(),
            policies: None,
            socket: Some("/run/aviary.sock".into()),
            listen: listen.and_then(|address| address.parse().ok()),
        };
        let after = read("socket: other.sock\nlisten: 127.0.0.1:9090\npolicies: { folder: policies }");
        let changes = |listen| {
            let fixed = |configuration| Fixed::of(&options(listen), configuration);
            fixed(&read("")).changes(&fixed(&after))
        };
        let folder = "policies.folder none -> /etc/policies";
        assert_eq!(changes(None), ["listen none -> 127.0.0.1:9090", folder]);
        assert_eq!(changes(Some("127.0.0.1:8080")), [folder]);
    }

    #[test]
    fn what_the_file_says_besides_services_is_told() {
        let (near, far) =
            (read("prometheus: { url: 'http://near:9090' }"), read("prometheus: { url: 'http://far:9090' }"));
        let patient = read("prometheus: { url: 'http://far:9090', timeout: 20s }");
        assert_eq!(file_changes(&near, &near), [""; 0]);
        assert_eq!(file_changes(&near, &far), ["prometheus http://near:9090 -> http://far:9090"]);
        assert_eq!(file_changes(&far, &patient), ["prometheus is asked in another way"]);
        assert_eq!(file_changes(&far, &read("")), ["prometheus http://far:9090 -> none"]);
    }

    #[test]
    fn of_many_services_a_few_are_named() {
        let names = |count: usize| (0..count).map(|number| format!("shop/{number}")).collect::<Vec<_>>();
        assert_eq!(listed(&names(3)), "shop/0, shop/1, shop/2");
        assert_eq!(listed(&names(1000)), "shop/0, shop/1, shop/2 and 997 more");
    }
}
