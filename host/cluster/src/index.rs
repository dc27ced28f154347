//! What the watches have told, as plain data that one task owns.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry};

use aviary_core::{
    judge::{PodObservation, Track},
    view::{View, Workload, workload_name},
};

use self::owned::Owned;
use crate::{
    input::{ClusterInput, DeploymentObject, Kind, Object, PodObject, RecordObject, ServiceKey, version_number},
    reduce::revision,
};

mod owned;

type Name = (String, String);

/// Everything the watches have told.
#[derive(Debug, Default)]
pub struct Index {
    deployments: BTreeMap<Name, Kept>,
    /// The newest version that the watch on Deployments has told, by namespace; none right after a list.
    heard: HashMap<String, u64>,
    names_by_uid: HashMap<String, Name>,
    owned: Owned,
    /// Kind and name of what each targets.
    autoscalers: BTreeMap<Name, Name>,
    /// The autoscalers by the Deployment they target.
    autoscalers_of: BTreeMap<Name, BTreeSet<String>>,
    records: BTreeMap<Name, RecordObject>,
    listed: BTreeSet<(String, Kind)>,
    failures: BTreeMap<(String, Kind), String>,
    missing_permissions: BTreeMap<String, Vec<String>>,
}

/// A Deployment as it is kept. There are three for each service, and few are looked into: their specs are kept as text, a
/// tenth of what they take in memory as JSON.
#[derive(Debug)]
struct Kept {
    /// All but the spec.
    workload: Workload,
    spec: Box<str>,
    /// Whether Aviary made it.
    copy: bool,
}

impl Kept {
    fn new(mut workload: Workload) -> Self {
        let copy = workload.is_copy();
        let spec = std::mem::take(&mut workload.spec).to_string().into();
        Self { workload, spec, copy }
    }

    fn whole(&self) -> Workload {
        // It was written from JSON.
        let spec = serde_json::from_str(&self.spec).unwrap_or_default();
        Workload { spec, ..self.workload.clone() }
    }

    fn version(&self) -> u64 {
        version_number(&self.workload.resource_version)
    }
}

/// What the watch has to show before a service is planned for again: our own write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// This object at this version or a later one.
    Version {
        /// Which Deployment.
        track: Track,
        /// Its `metadata.resourceVersion` after the write.
        resource_version: String,
    },
    /// This object no more.
    Gone {
        /// Which Deployment.
        track: Track,
        /// Its uid.
        uid: String,
    },
}

impl Index {
    /// Takes in what a watch tells; gives the names of services that may look different now, each once.
    pub fn apply(&mut self, input: ClusterInput) -> Vec<ServiceKey> {
        let mut touched = match input {
            ClusterInput::Applied(object) => self.insert(object),
            ClusterInput::Deleted { kind, namespace, name, resource_version } => {
                self.deleted(kind, &(namespace, name), version_number(&resource_version))
            }
            ClusterInput::Relisted { kind, namespace, objects } => self.relist(kind, namespace, objects),
            ClusterInput::WatchFailed { kind, namespace, error, .. } => {
                self.failures.insert((namespace, kind), error);
                Vec::new()
            }
            ClusterInput::Permissions { namespace, missing } => {
                self.missing_permissions.insert(namespace, missing);
                Vec::new()
            }
        };
        touched.sort();
        touched.dedup();
        touched
    }

    /// Whether every watch of a namespace has listed once, so that what is not seen is not there.
    #[must_use]
    pub fn is_listed(&self, namespace: &str) -> bool {
        Kind::ALL.iter().all(|kind| self.listed.contains(&(namespace.to_owned(), *kind)))
    }

    /// Takes in the Deployment that the API server answered to our own write, ahead of the watch; gives the names of
    /// services that may look different now. It is left to the watch where that has told newer things already: the
    /// Deployment may be gone again.
    pub fn written(&mut self, object: DeploymentObject) -> Vec<ServiceKey> {
        let version = version_number(&object.workload.resource_version);
        if self.heard.get(&object.namespace).is_none_or(|heard| version <= *heard) {
            return Vec::new();
        }
        self.insert_deployment((object.namespace, object.workload.name.clone()), object.workload)
    }

    /// A service as the watches show it; nothing before every watch of its namespace has listed once.
    #[must_use]
    pub fn view(&self, key: &ServiceKey) -> Option<View> {
        self.is_listed(&key.namespace).then(|| View {
            original: self.kept(key, Track::Original).map(Kept::whole),
            primary: self.kept(key, Track::Primary).map(Kept::whole),
            canary: self.kept(key, Track::Canary).map(Kept::whole),
            pods: self.pods(key),
            autoscalers: self.autoscalers(key),
        })
    }

    /// The Deployment of that name, but for its spec, whether or not everything of its namespace is listed.
    #[must_use]
    pub fn deployment(&self, key: &ServiceKey) -> Option<&Workload> {
        self.workload(key, Track::Original)
    }

    /// Whether the Deployment of that name is one that Aviary made.
    #[must_use]
    pub fn is_copy(&self, key: &ServiceKey) -> bool {
        self.kept(key, Track::Original).is_some_and(|kept| kept.copy)
    }

    /// Everything that may be a service, each once: what has a Deployment or a record of that name.
    #[must_use]
    pub fn names_of_services(&self) -> BTreeSet<ServiceKey> {
        let names = self.deployments.keys().chain(self.records.keys());
        names.map(|name| ServiceKey::new(name.0.clone(), name.1.clone())).collect()
    }

    /// The Deployment that a pod belongs to, by owner references.
    #[must_use]
    pub fn deployment_of_pod(&self, namespace: &str, pod: &str) -> Option<ServiceKey> {
        let owner = self.owned.owner_of_pod(&(namespace.to_owned(), pod.to_owned()))?;
        let (namespace, name) = self.names_by_uid.get(owner)?;
        Some(ServiceKey::new(namespace.clone(), name.clone()))
    }

    /// A namespace is listed anew: until that is done, nobody knows whether what is seen of it is so.
    pub fn doubt(&mut self, namespace: &str) {
        self.listed.retain(|(listed, _)| listed != namespace);
    }

    /// Forgets a namespace that is watched no more.
    pub fn forget(&mut self, namespace: &str) {
        for kind in Kind::ALL {
            for name in self.names(kind, namespace) {
                self.remove(kind, &name);
            }
            self.listed.remove(&(namespace.to_owned(), kind));
            self.failures.remove(&(namespace.to_owned(), kind));
        }
        self.missing_permissions.remove(namespace);
        self.heard.remove(namespace);
    }

    /// A service's record as it is stored.
    #[must_use]
    pub fn record(&self, key: &ServiceKey) -> Option<&RecordObject> {
        self.records.get(&(key.namespace.clone(), key.name.clone()))
    }

    /// Why a watch does not work at the moment.
    #[must_use]
    pub fn failure(&self, namespace: &str, kind: Kind) -> Option<&str> {
        self.failures.get(&(namespace.to_owned(), kind)).map(String::as_str)
    }

    /// What is not seen of a namespace, or may not be done there, and why; empty when all is well.
    #[must_use]
    pub fn not_ready(&self, namespace: &str) -> Vec<String> {
        let missing = |kind: &Kind| {
            let failure = self.failure(namespace, *kind);
            let failure = failure.map(|error| format!("watching {kind} in namespace {namespace}: {error}"));
            let waiting = || format!("{kind} in namespace {namespace} are not listed yet");
            failure.or_else(|| (!self.listed.contains(&(namespace.to_owned(), *kind))).then(waiting))
        };
        let permissions = self.missing_permissions.get(namespace).into_iter().flatten().cloned();
        Kind::ALL.iter().filter_map(missing).chain(permissions).collect()
    }

    /// Whether the watch shows our own write, or something newer.
    #[must_use]
    pub fn caught_up(&self, key: &ServiceKey, expectation: &Expectation) -> bool {
        match expectation {
            Expectation::Gone { track, uid } => self.workload(key, *track).is_none_or(|workload| workload.uid != *uid),
            Expectation::Version { track, resource_version } => {
                // What was deleted since is told by the version up to which everything was heard.
                let shown = self.kept(key, *track).map(Kept::version);
                shown.max(self.heard.get(&key.namespace).copied()) >= Some(version_number(resource_version))
            }
        }
    }

    fn kept(&self, key: &ServiceKey, track: Track) -> Option<&Kept> {
        self.deployments.get(&(key.namespace.clone(), workload_name(&key.name, track)))
    }

    /// All of it but its spec.
    fn workload(&self, key: &ServiceKey, track: Track) -> Option<&Workload> {
        self.kept(key, track).map(|kept| &kept.workload)
    }

    fn pods(&self, key: &ServiceKey) -> Vec<PodObservation> {
        let mut pods: Vec<PodObservation> =
            Track::ALL.iter().flat_map(|track| self.pods_of_track(key, *track)).collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        pods
    }

    fn pods_of_track(&self, key: &ServiceKey, track: Track) -> Vec<PodObservation> {
        let Some(workload) = self.workload(key, track) else { return Vec::new() };
        let newest = revision(&workload.annotations);
        // Where the watch on pods is behind, those of the version before are still shown, and would speak against the next one.
        // A ReplicaSet that is taken again has its new revision one write before its Deployment has (getNewReplicaSet in the
        // deployment controller's sync.go): between the two, nothing tells whose pods these are.
        let overtaken = self.owned.newest_revision(&workload.uid) > newest;
        let is_current = |revision: Option<u64>| track == Track::Original || !overtaken && revision == newest;
        let pods = self.owned.pods_of(&workload.uid, is_current).filter(|pod| !pod.inactive);
        pods.map(|pod| observation(pod, track)).collect()
    }

    fn autoscalers(&self, key: &ServiceKey) -> Vec<String> {
        let target = |track| (key.namespace.clone(), workload_name(&key.name, track));
        let names = Track::ALL.into_iter().filter_map(|track| self.autoscalers_of.get(&target(track))).flatten();
        let names: BTreeSet<&String> = names.collect();
        names.into_iter().map(|name| format!("HorizontalPodAutoscaler/{name}")).collect()
    }

    fn relist(&mut self, kind: Kind, namespace: String, objects: Vec<Object>) -> Vec<ServiceKey> {
        let present: BTreeSet<Name> = objects.iter().map(|o| (namespace.clone(), o.name().to_owned())).collect();
        let gone: Vec<Name> = self.names(kind, &namespace).into_iter().filter(|name| !present.contains(name)).collect();
        let mut touched: Vec<ServiceKey> = gone.iter().flat_map(|name| self.remove(kind, name)).collect();
        touched.extend(objects.into_iter().flat_map(|object| self.insert(object)));
        if kind == Kind::Deployment {
            // What was deleted before the list is not in it, and at which version nobody says.
            self.heard.remove(&namespace);
        }
        self.failures.remove(&(namespace.clone(), kind));
        if self.listed.insert((namespace.clone(), kind)) {
            // The namespace can be seen as a whole only now; a deleted service has left nothing but its record.
            let named = [Kind::Deployment, Kind::Record].map(|kind| self.names(kind, &namespace));
            touched.extend(named.iter().flatten().flat_map(services_of));
        }
        touched
    }

    fn names(&self, kind: Kind, namespace: &str) -> Vec<Name> {
        match kind {
            Kind::Deployment => names_of(&self.deployments, namespace),
            Kind::ReplicaSet => self.owned.replica_sets_in(namespace),
            Kind::Pod => self.owned.pods_in(namespace),
            Kind::Autoscaler => names_of(&self.autoscalers, namespace),
            Kind::Record => names_of(&self.records, namespace),
        }
    }

    fn insert(&mut self, object: Object) -> Vec<ServiceKey> {
        let name = (object.namespace().to_owned(), object.name().to_owned());
        match object {
            Object::Deployment(object) => {
                self.hear(&name.0, version_number(&object.workload.resource_version));
                self.insert_deployment(name, object.workload)
            }
            Object::ReplicaSet(object) => {
                let owners = self.owned.insert_replica_set(name, object);
                self.services_of_owners(owners)
            }
            Object::Pod(object) => {
                let owners = self.owned.insert_pod(name, object);
                self.services_of_owners(owners)
            }
            Object::Autoscaler(object) => {
                let mut touched = self.remove(Kind::Autoscaler, &name);
                let target = (object.target_kind, object.target_name);
                let deployment = (name.0.clone(), target.1.clone());
                touched.extend(services_of(&deployment));
                if target.0 == "Deployment" {
                    self.autoscalers_of.entry(deployment).or_default().insert(name.1.clone());
                }
                self.autoscalers.insert(name, target);
                touched
            }
            Object::Record(object) => {
                let service = ServiceKey::new(name.0.clone(), name.1.clone());
                self.records.insert(name, object);
                vec![service]
            }
        }
    }

    /// The watch on Deployments has told everything up to this version.
    fn hear(&mut self, namespace: &str, version: u64) {
        let heard = self.heard.entry(namespace.to_owned()).or_default();
        *heard = version.max(*heard);
    }

    /// What is older than what is known was told by our own write before: the watch is behind.
    fn insert_deployment(&mut self, name: Name, workload: Workload) -> Vec<ServiceKey> {
        let (known, kept) = (self.deployments.get(&name), Kept::new(workload));
        if known.is_some_and(|known| known.version() > kept.version()) {
            return Vec::new();
        }
        if let Some(old) = known.filter(|known| known.workload.uid != kept.workload.uid) {
            self.names_by_uid.remove(&old.workload.uid);
        }
        self.names_by_uid.insert(kept.workload.uid.clone(), name.clone());
        let services = services_of(&name);
        self.deployments.insert(name, kept);
        services
    }

    fn deleted(&mut self, kind: Kind, name: &Name, version: u64) -> Vec<ServiceKey> {
        if kind == Kind::Deployment {
            self.hear(&name.0, version);
            if self.deployments.get(name).is_some_and(|known| known.version() > version) {
                return Vec::new();
            }
        }
        self.remove(kind, name)
    }

    fn remove(&mut self, kind: Kind, name: &Name) -> Vec<ServiceKey> {
        match kind {
            Kind::Deployment => {
                let removed = self.deployments.remove(name);
                removed.map(|kept| self.names_by_uid.remove(&kept.workload.uid));
                services_of(name)
            }
            Kind::ReplicaSet => {
                let owner = self.owned.remove_replica_set(name);
                self.services_of_owners(owner)
            }
            Kind::Pod => {
                let owner = self.owned.remove_pod(name);
                self.services_of_owners(owner)
            }
            Kind::Autoscaler => match self.autoscalers.remove(name) {
                Some((_, target)) => self.forget_autoscaler(name, (name.0.clone(), target)),
                None => Vec::new(),
            },
            Kind::Record => {
                self.records.remove(name);
                vec![ServiceKey::new(name.0.clone(), name.1.clone())]
            }
        }
    }

    fn forget_autoscaler(&mut self, name: &Name, target: Name) -> Vec<ServiceKey> {
        let touched = services_of(&target);
        if let Entry::Occupied(mut siblings) = self.autoscalers_of.entry(target) {
            siblings.get_mut().remove(&name.1);
            if siblings.get().is_empty() {
                siblings.remove();
            }
        }
        touched
    }

    /// The services of Deployments, by their uids.
    fn services_of_owners(&self, uids: impl IntoIterator<Item = String>) -> Vec<ServiceKey> {
        uids.into_iter().filter_map(|uid| self.names_by_uid.get(&uid)).flat_map(services_of).collect()
    }
}

fn names_of<T>(objects: &BTreeMap<Name, T>, namespace: &str) -> Vec<Name> {
    let from = objects.range((namespace.to_owned(), String::new())..);
    from.map(|(name, _)| name).take_while(|name| name.0 == namespace).cloned().collect()
}

/// The services that a Deployment of that name may belong to: as original or as a copy.
fn services_of(name: &Name) -> Vec<ServiceKey> {
    let stems = ["-primary", "-canary"].into_iter().filter_map(|suffix| name.1.strip_suffix(suffix));
    stems.chain([name.1.as_str()]).map(|stem| ServiceKey::new(name.0.clone(), stem)).collect()
}

fn observation(pod: &PodObject, track: Track) -> PodObservation {
    PodObservation {
        name: pod.name.clone(),
        track,
        created: pod.created,
        became_ready: pod.became_ready,
        ready: pod.ready,
        restart_count: pod.restart_count,
        restarts: pod.restarts.clone(),
        waiting_reason: pod.waiting_reason.clone(),
        waiting_message: pod.waiting_message.clone(),
    }
}

#[cfg(test)]
mod tests;
