//! The index held against what its watches can tell, in every order.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use aviary_core::{time::Timestamp, view::WorkloadStatus};
use proptest::{collection::vec, prelude::*, sample::Index as Pick};
use serde_json::json;

use super::*;
use crate::{
    input::{AutoscalerObject, DeploymentObject, ReplicaSetObject},
    reduce::REVISION_ANNOTATION,
};

const NAMESPACE: &str = "shop";
const DEPLOYMENTS: [&str; 5] = ["foo", "foo-primary", "foo-canary", "bar", "bar-primary"];
/// Every service that one of the names above may belong to, and one that is none of them.
const SERVICES: [&str; 6] = ["foo", "foo-primary", "foo-canary", "bar", "bar-primary", "other"];

fn key(name: &str) -> ServiceKey {
    ServiceKey::new(NAMESPACE, name)
}

fn deployment_at(name: &str, uid: &str, resource_version: &str) -> Object {
    let workload = Workload {
        name: name.to_owned(),
        uid: uid.to_owned(),
        resource_version: resource_version.to_owned(),
        generation: 1,
        deleting: false,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        field_managers: Vec::new(),
        controller: None,
        spec: json!({"replicas": 2}),
        status: WorkloadStatus::default(),
    };
    Object::Deployment(Box::new(DeploymentObject { namespace: NAMESPACE.into(), workload }))
}

/// The same with the revision that the deployment controller has given it.
fn of_revision(object: Object, revision: Option<u64>) -> Object {
    match object {
        Object::Deployment(mut object) => {
            let annotation = revision.map(|revision| (REVISION_ANNOTATION.to_owned(), revision.to_string()));
            object.workload.annotations = annotation.into_iter().collect();
            Object::Deployment(object)
        }
        Object::ReplicaSet(object) => Object::ReplicaSet(ReplicaSetObject { revision, ..object }),
        other => other,
    }
}

fn deployment(name: &str) -> Object {
    deployment_at(name, &format!("d-{name}-0"), "1")
}

fn replica_set(name: &str, uid: &str, owner_uid: Option<&str>) -> Object {
    let (namespace, name, uid) = (NAMESPACE.into(), name.into(), uid.into());
    Object::ReplicaSet(ReplicaSetObject { namespace, name, uid, owner_uid: owner_uid.map(Into::into), revision: None })
}

fn pod(name: &str, owner_uid: Option<&str>, inactive: bool, restart_count: u32) -> Object {
    Object::Pod(PodObject {
        namespace: NAMESPACE.into(),
        name: name.into(),
        uid: format!("p-{name}"),
        owner_uid: owner_uid.map(Into::into),
        inactive,
        created: Timestamp(0),
        became_ready: None,
        ready: false,
        restart_count,
        restarts: Vec::new(),
        waiting_reason: None,
        waiting_message: None,
    })
}

fn autoscaler(name: &str, target_kind: &str, target_name: &str) -> Object {
    let (namespace, name) = (NAMESPACE.into(), name.into());
    let (target_kind, target_name) = (target_kind.into(), target_name.into());
    Object::Autoscaler(AutoscalerObject { namespace, name, target_kind, target_name })
}

fn record(name: &str, resource_version: &str) -> Object {
    let (namespace, name, resource_version) = (NAMESPACE.into(), name.into(), resource_version.into());
    Object::Record(RecordObject { namespace, name, resource_version, text: "{}".into() })
}

fn relisted(kind: Kind, objects: Vec<Object>) -> ClusterInput {
    ClusterInput::Relisted { kind, namespace: NAMESPACE.into(), objects }
}

fn deleted(kind: Kind, name: &str) -> ClusterInput {
    deleted_at(kind, name, "1")
}

fn deleted_at(kind: Kind, name: &str, resource_version: &str) -> ClusterInput {
    let (namespace, name, resource_version) = (NAMESPACE.into(), name.into(), resource_version.into());
    ClusterInput::Deleted { kind, namespace, name, resource_version }
}

fn failed(kind: Kind, error: &str) -> ClusterInput {
    ClusterInput::WatchFailed { kind, namespace: NAMESPACE.into(), forbidden: false, error: error.into() }
}

/// Every watch has listed, and there was nothing.
fn listed() -> Index {
    let mut index = Index::default();
    for kind in Kind::ALL {
        index.apply(relisted(kind, Vec::new()));
    }
    index
}

#[test]
fn nothing_is_seen_before_every_watch_has_listed_and_then_every_service_is_named() {
    let mut index = Index::default();
    for (count, kind) in Kind::ALL.into_iter().rev().enumerate() {
        assert_eq!(index.view(&key("foo")), None);
        assert_eq!(index.not_ready(NAMESPACE).len(), Kind::ALL.len() - count);
        let objects = match kind {
            Kind::Deployment => vec![deployment("foo")],
            Kind::Record => vec![record("gone", "1")],
            _ => Vec::new(),
        };
        let touched = index.apply(relisted(kind, objects));
        if count + 1 == Kind::ALL.len() {
            assert_eq!(touched, [key("foo"), key("gone")], "the last list shows them all");
        }
    }
    assert!(index.view(&key("foo")).unwrap().original.is_some());
    assert_eq!(index.not_ready(NAMESPACE), Vec::<String>::new());
    assert_eq!(index.view(&ServiceKey::new("elsewhere", "foo")), None);
}

#[test]
fn a_copy_touches_its_original() {
    let mut index = listed();
    for name in ["foo-primary", "foo-canary"] {
        let expected = [key("foo"), key(name)];
        assert_eq!(index.apply(ClusterInput::Applied(deployment(name))), expected);
        assert_eq!(index.apply(deleted(Kind::Deployment, name)), expected);
    }
}

#[test]
fn a_pod_may_come_before_its_replica_set_and_its_deployment() {
    let mut index = listed();
    assert_eq!(index.apply(ClusterInput::Applied(pod("p", Some("r"), false, 0))), []);
    assert_eq!(index.apply(ClusterInput::Applied(replica_set("r", "r", Some("d-foo-canary-0")))), []);
    let touched = index.apply(ClusterInput::Applied(deployment("foo-canary")));
    assert!(touched.contains(&key("foo")));
    let pods = index.view(&key("foo")).unwrap().pods;
    assert_eq!((pods.len(), pods[0].track), (1, Track::Canary));
    assert!(index.apply(deleted(Kind::Pod, "p")).contains(&key("foo")));
}

/// Names of the pods that are shown of foo, where a Deployment has two ReplicaSets with a pod each, "a" and "b".
fn pods_shown(deployment_name: &str, deployment_revision: Option<u64>, revisions: [Option<u64>; 2]) -> Vec<String> {
    let mut index = listed();
    let uid = format!("d-{deployment_name}-0");
    index.apply(ClusterInput::Applied(of_revision(deployment(deployment_name), deployment_revision)));
    for (name, revision) in ["a", "b"].into_iter().zip(revisions) {
        index.apply(ClusterInput::Applied(of_revision(replica_set(name, name, Some(&uid)), revision)));
        index.apply(ClusterInput::Applied(pod(name, Some(name), false, 1)));
    }
    index.view(&key("foo")).unwrap().pods.into_iter().map(|pod| pod.name).collect()
}

#[test]
fn pods_of_the_version_before_are_left_out_of_a_copy() {
    let nobody: [&str; 0] = [];
    for copy in ["foo-primary", "foo-canary"] {
        assert_eq!(pods_shown(copy, Some(2), [Some(1), Some(2)]), ["b"], "{copy}");
        assert_eq!(pods_shown(copy, Some(3), [Some(3), Some(2)]), ["a"], "a rollback takes the old ReplicaSet again");
        assert_eq!(pods_shown(copy, Some(10), [Some(9), Some(10)]), ["b"], "revisions are numbers");
        assert_eq!(pods_shown(copy, Some(1), [None, Some(1)]), ["b"], "one that was adopted and is not the newest");
        assert_eq!(pods_shown(copy, Some(3), [Some(1), Some(2)]), nobody, "the watch on ReplicaSets is behind");
        assert_eq!(pods_shown(copy, None, [Some(1), Some(2)]), nobody, "the watch on Deployments is behind");
        assert_eq!(
            pods_shown(copy, Some(2), [Some(3), Some(2)]),
            nobody,
            "an old ReplicaSet is taken again, in two writes"
        );
        assert_eq!(pods_shown(copy, None, [None, None]), ["a", "b"], "there is nothing to tell them apart by");
    }
    assert_eq!(pods_shown("foo", Some(2), [Some(1), Some(2)]), ["a", "b"], "an original rolls as it likes");
}

#[test]
fn a_revision_that_rises_changes_what_is_seen() {
    let mut index = listed();
    let rolled = |revision| of_revision(deployment("foo-canary"), Some(revision));
    let set = |revision| of_revision(replica_set("r", "r", Some("d-foo-canary-0")), Some(revision));
    for object in [rolled(1), set(1), pod("p", Some("r"), false, 1)] {
        index.apply(ClusterInput::Applied(object));
    }
    let shown = |index: &Index| index.view(&key("foo")).unwrap().pods.len();
    assert_eq!(shown(&index), 1);
    assert!(index.apply(ClusterInput::Applied(rolled(2))).contains(&key("foo")));
    assert_eq!(shown(&index), 0);
    assert!(index.apply(ClusterInput::Applied(set(2))).contains(&key("foo")));
    assert_eq!(shown(&index), 1);
}

#[test]
fn a_copy_is_known_by_any_mark_that_is_left() {
    let mut index = listed();
    let marks: [fn(&mut Workload); 5] = [
        |_| {},
        |workload| _ = workload.labels.insert("aviary.dev/track".into(), "primary".into()),
        |workload| _ = workload.labels.insert("app.kubernetes.io/managed-by".into(), "aviary".into()),
        |workload| _ = workload.annotations.insert("aviary.dev/original".into(), "foo".into()),
        |workload| workload.spec["selector"] = json!({"matchLabels": {"aviary.dev/track": "canary"}}),
    ];
    let is_copy = marks.map(|mark| {
        let Object::Deployment(mut object) = deployment("foo-primary") else { unreachable!() };
        mark(&mut object.workload);
        index.apply(ClusterInput::Applied(Object::Deployment(object)));
        index.is_copy(&key("foo-primary"))
    });
    assert_eq!(is_copy, [false, true, true, true, true]);
}

#[test]
fn a_pod_leads_to_its_deployment() {
    let mut index = listed();
    let of = |index: &Index| index.deployment_of_pod(NAMESPACE, "p");
    for object in [pod("p", Some("r"), false, 0), deployment("foo")] {
        index.apply(ClusterInput::Applied(object));
    }
    assert_eq!(of(&index), None);
    index.apply(ClusterInput::Applied(replica_set("r", "r", Some("d-foo-0"))));
    assert_eq!(of(&index), Some(key("foo")));
    assert_eq!(index.deployment_of_pod("elsewhere", "p"), None);
}

#[test]
fn of_a_namespace_that_is_forgotten_nothing_is_left() {
    let mut index = listed();
    let record_only = record("gone", "1");
    for object in
        [pod("p", Some("r"), false, 0), replica_set("r", "r", Some("d-foo-0")), deployment("foo"), record_only]
    {
        index.apply(ClusterInput::Applied(object));
    }
    index.apply(ClusterInput::Applied(autoscaler("scaler", "Deployment", "foo")));
    index.apply(failed(Kind::Pod, "refused"));
    index.apply(ClusterInput::Permissions { namespace: NAMESPACE.into(), missing: vec!["pods".into()] });
    assert_eq!(index.names_of_services(), BTreeSet::from([key("foo"), key("gone")]));
    index.forget("elsewhere");
    assert!(index.view(&key("foo")).is_some());
    index.forget(NAMESPACE);
    assert_eq!(format!("{index:?}"), format!("{:?}", Index::default()));
}

#[test]
fn a_failure_is_told_until_the_next_list_and_missing_rights_until_they_are_there() {
    let mut index = listed();
    index.apply(failed(Kind::Pod, "no route"));
    let told = index.not_ready(NAMESPACE);
    assert!(told.len() == 1 && told[0].contains("pods") && told[0].contains("no route"), "{told:?}");
    index.apply(relisted(Kind::Record, Vec::new()));
    assert_eq!(index.not_ready(NAMESPACE), told, "another watch that works does not clear it");
    index.apply(relisted(Kind::Pod, Vec::new()));
    assert_eq!(index.not_ready(NAMESPACE), Vec::<String>::new());

    let permissions = |missing: &[&str]| ClusterInput::Permissions {
        namespace: NAMESPACE.into(),
        missing: missing.iter().map(ToString::to_string).collect(),
    };
    index.apply(permissions(&["may not patch"]));
    assert_eq!(index.not_ready(NAMESPACE), ["may not patch"]);
    assert_eq!(index.not_ready("elsewhere").len(), Kind::ALL.len());
    index.apply(permissions(&[]));
    assert_eq!(index.not_ready(NAMESPACE), Vec::<String>::new());
}

#[test]
fn our_own_writes_are_waited_for() {
    let version = |resource_version: &str| Expectation::Version {
        track: Track::Primary,
        resource_version: resource_version.into(),
    };
    let gone = |uid: &str| Expectation::Gone { track: Track::Primary, uid: uid.into() };
    let mut index = listed();
    let caught_up = |index: &Index, expectation| index.caught_up(&key("foo"), &expectation);
    assert!(!caught_up(&index, version("1")), "a copy that was just created is not seen yet");
    assert!(caught_up(&index, gone("u")));
    index.apply(ClusterInput::Applied(deployment_at("foo-primary", "u", "9")));
    assert!(caught_up(&index, version("9")) && caught_up(&index, version("8")));
    assert!(!caught_up(&index, version("10")), "versions are numbers, not words");
    assert!(!caught_up(&index, version("11")), "what has the name still is what was there before our own");
    index.apply(ClusterInput::Applied(deployment_at("other", "o", "10")));
    assert!(caught_up(&index, version("10")), "what was heard is in the order of versions");
    index.apply(deleted_at(Kind::Deployment, "foo-primary", "12"));
    assert!(caught_up(&index, version("11")), "what we wrote is gone again");
    index.apply(ClusterInput::Applied(deployment_at("foo-primary", "u", "13")));
    assert!(!caught_up(&index, gone("u")));
    assert!(caught_up(&index, gone("another")));
}

fn answered(name: &str, uid: &str, resource_version: &str) -> DeploymentObject {
    match deployment_at(name, uid, resource_version) {
        Object::Deployment(object) => *object,
        other => panic!("{other:?}"),
    }
}

fn version_of(index: &Index, name: &str) -> Option<String> {
    index.deployment(&key(name)).map(|workload| workload.resource_version.clone())
}

#[test]
fn an_answer_to_our_own_write_is_seen_before_the_watch_tells_it() {
    let mut index = listed();
    assert_eq!(index.written(answered("foo", "u", "7")), [], "right after a list nobody knows what is newer");
    index.apply(ClusterInput::Applied(deployment_at("foo", "u", "5")));
    let expected = Expectation::Version { track: Track::Original, resource_version: "7".into() };
    assert!(!index.caught_up(&key("foo"), &expected));
    assert_eq!(index.written(answered("foo", "u", "7")), [key("foo")]);
    assert!(index.caught_up(&key("foo"), &expected));
    // The watch is behind: what it tells of older versions is no news.
    assert_eq!(index.apply(ClusterInput::Applied(deployment_at("foo", "u", "6"))), []);
    assert_eq!(index.apply(deleted_at(Kind::Deployment, "foo", "4")), []);
    assert_eq!(version_of(&index, "foo").as_deref(), Some("7"));
    index.apply(ClusterInput::Applied(deployment_at("foo", "u", "9")));
    assert_eq!(version_of(&index, "foo").as_deref(), Some("9"));
    // The answer is behind: the watch has told already that it is gone.
    index.apply(deleted_at(Kind::Deployment, "foo", "11"));
    assert_eq!(index.written(answered("foo", "u", "10")), []);
    assert_eq!(version_of(&index, "foo"), None);
}

/// One thing that happens to a kind: what the watch tells of it.
#[derive(Debug, Clone)]
enum Happening {
    Put(Object),
    Removed(String),
    /// The watch was cut off; what is there now is listed.
    Listed(Vec<Object>),
}

type Present = BTreeMap<(Kind, String), Object>;

fn happen(present: &mut Present, kind: Kind, happening: &Happening) {
    match happening {
        Happening::Put(object) => _ = present.insert((kind, object.name().to_owned()), object.clone()),
        Happening::Removed(name) => _ = present.remove(&(kind, name.clone())),
        Happening::Listed(objects) => {
            present.retain(|(of, _), _| *of != kind);
            present.extend(objects.iter().map(|object| ((kind, object.name().to_owned()), object.clone())));
        }
    }
}

/// The same at this version: what a watch tells has ever higher ones.
fn at_version(happening: Happening, version: usize) -> Happening {
    let renewed = |object| match object {
        Object::Deployment(mut object) => {
            object.workload.resource_version = version.to_string();
            Object::Deployment(object)
        }
        other => other,
    };
    match happening {
        Happening::Put(object) => Happening::Put(renewed(object)),
        Happening::Listed(objects) => Happening::Listed(objects.into_iter().map(renewed).collect()),
        Happening::Removed(name) => Happening::Removed(name),
    }
}

fn told(kind: Kind, happening: Happening, version: usize) -> ClusterInput {
    match happening {
        Happening::Put(object) => ClusterInput::Applied(object),
        Happening::Removed(name) => deleted_at(kind, &name, &version.to_string()),
        Happening::Listed(objects) => relisted(kind, objects),
    }
}

/// What should be seen of a service: every object looked at, nothing remembered.
fn plain_view(present: &Present, name: &str) -> View {
    let workload = |track| match present.get(&(Kind::Deployment, workload_name(name, track))) {
        Some(Object::Deployment(object)) => Some(object.workload.clone()),
        _ => None,
    };
    let of_track = |track: Track| {
        let workload = workload(track);
        let uid = workload.as_ref().map(|workload| workload.uid.clone());
        let revision = workload.and_then(|workload| workload.annotations.get(REVISION_ANNOTATION)?.parse().ok());
        let mut replica_sets =
            present.values().filter_map(|o| if let Object::ReplicaSet(r) = o { Some(r) } else { None });
        let overtaken = replica_sets.any(|r| uid.is_some() && r.owner_uid == uid && r.revision > revision);
        let current = move |r: &ReplicaSetObject| track == Track::Original || !overtaken && r.revision == revision;
        let belongs = move |replica_set: &str| {
            let mut all = present.values();
            let owned = |r: &ReplicaSetObject| r.uid == replica_set && uid.is_some() && r.owner_uid == uid;
            all.any(|object| matches!(object, Object::ReplicaSet(r) if owned(r) && current(r)))
        };
        let pods = present.values().filter_map(|object| if let Object::Pod(pod) = object { Some(pod) } else { None });
        pods.filter(move |pod| !pod.inactive && pod.owner_uid.as_deref().is_some_and(&belongs))
            .map(move |pod| observation(pod, track))
    };
    let mut pods: Vec<PodObservation> = Track::ALL.into_iter().flat_map(of_track).collect();
    pods.sort_by(|one, other| one.name.cmp(&other.name));
    let targets = Track::ALL.map(|track| workload_name(name, track));
    let autoscalers = present.values().filter_map(|object| match object {
        Object::Autoscaler(a) if a.target_kind == "Deployment" && targets.contains(&a.target_name) => {
            Some(format!("HorizontalPodAutoscaler/{}", a.name))
        }
        _ => None,
    });
    View {
        original: workload(Track::Original),
        primary: workload(Track::Primary),
        canary: workload(Track::Canary),
        pods,
        autoscalers: autoscalers.collect(),
    }
}

fn any_uid(prefix: &'static str, names: Vec<String>) -> impl Strategy<Value = String> {
    (prop::sample::select(names), 0..2).prop_map(move |(name, age)| format!("{prefix}-{name}-{age}"))
}

fn any_revision(object: Object) -> impl Strategy<Value = Object> {
    prop::option::weighted(0.9, 1..3_u64).prop_map(move |revision| of_revision(object.clone(), revision))
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Any object of a kind out of a small world, where names are used again and owners change.
fn any_object(kind: Kind) -> BoxedStrategy<Object> {
    let replica_sets = || strings(&["r0", "r1", "r2", "r3"]);
    match kind {
        Kind::Deployment => (prop::sample::select(&DEPLOYMENTS[..]), 0..2, 1..20_u32)
            .prop_map(|(name, age, version)| deployment_at(name, &format!("d-{name}-{age}"), &version.to_string()))
            .prop_flat_map(any_revision)
            .boxed(),
        Kind::ReplicaSet => {
            let owner = prop::option::weighted(0.9, any_uid("d", strings(&DEPLOYMENTS)));
            (prop::sample::select(replica_sets()), 0..2, owner)
                .prop_map(|(name, age, owner)| replica_set(&name, &format!("r-{name}-{age}"), owner.as_deref()))
                .prop_flat_map(any_revision)
                .boxed()
        }
        Kind::Pod => {
            let owner = prop::option::weighted(0.9, any_uid("r", replica_sets()));
            (0..8, owner, prop::bool::weighted(0.2), 0..3_u32)
                .prop_map(|(number, owner, inactive, restarts)| {
                    pod(&format!("foo-{number}"), owner.as_deref(), inactive, restarts)
                })
                .boxed()
        }
        Kind::Autoscaler => {
            let target_kind = prop::sample::select(&["Deployment", "StatefulSet"][..]);
            (0..2, target_kind, prop::sample::select(&DEPLOYMENTS[..]))
                .prop_map(|(number, target_kind, name)| autoscaler(&format!("h{number}"), target_kind, name))
                .boxed()
        }
        Kind::Record => (prop::sample::select(&SERVICES[..]), 1..20_u32)
            .prop_map(|(name, version)| record(name, &version.to_string()))
            .boxed(),
    }
}

fn any_list(kind: Kind) -> impl Strategy<Value = Happening> {
    vec(any_object(kind), 0..8).prop_map(move |objects| {
        let mut present = Present::new();
        objects.into_iter().for_each(|object| happen(&mut present, kind, &Happening::Put(object)));
        Happening::Listed(present.into_values().collect())
    })
}

/// What one watch tells: a list, and then whatever happens.
fn any_history(kind: Kind) -> impl Strategy<Value = Vec<Happening>> {
    let happening = prop_oneof![
        6 => any_object(kind).prop_map(Happening::Put),
        2 => any_object(kind).prop_map(|object| Happening::Removed(object.name().to_owned())),
        1 => any_list(kind),
    ];
    (any_list(kind), vec(happening, 0..12)).prop_map(|(list, rest)| [vec![list], rest].concat())
}

fn any_world() -> impl Strategy<Value = (Vec<Vec<Happening>>, Vec<Pick>)> {
    (Vec::from(Kind::ALL.map(any_history)), vec(any::<Pick>(), 65))
}

/// One order of all the histories, each of which keeps its own.
fn interleaved(histories: Vec<Vec<Happening>>, picks: &[Pick]) -> Vec<(Kind, Happening)> {
    let mut rest: Vec<_> = Kind::ALL.into_iter().zip(histories.into_iter().map(Vec::into_iter)).collect();
    let mut order = Vec::new();
    for pick in picks {
        rest.retain(|(_, history)| history.len() > 0);
        if !rest.is_empty() {
            let picked = pick.index(rest.len());
            let (kind, history) = &mut rest[picked];
            order.extend(history.next().map(|happening| (*kind, happening)));
        }
    }
    order
}

fn seen(index: &Index) -> Vec<(Option<View>, Option<RecordObject>)> {
    SERVICES.iter().map(|name| (index.view(&key(name)), index.record(&key(name)).cloned())).collect()
}

fn should_be_seen(present: &Present) -> Vec<(Option<View>, Option<RecordObject>)> {
    let record = |name: &str| match present.get(&(Kind::Record, name.to_owned())) {
        Some(Object::Record(record)) => Some(record.clone()),
        _ => None,
    };
    SERVICES.iter().map(|name| (Some(plain_view(present, name)), record(name))).collect()
}

/// A service of which there is neither a Deployment nor a record has nothing to be driven for.
fn is_there((view, record): &(Option<View>, Option<RecordObject>)) -> bool {
    let workload = |view: &View| Track::ALL.into_iter().any(|track| view.workload(track).is_some());
    record.is_some() || view.as_ref().is_some_and(workload)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_any_order_the_same_is_seen_and_whatever_changes_is_told((histories, picks) in any_world()) {
        let order = interleaved(histories.clone(), &picks);
        prop_assert_eq!(order.len(), histories.iter().map(Vec::len).sum::<usize>());
        let (mut index, mut present, mut lists) = (Index::default(), Present::new(), BTreeSet::new());
        for (version, (kind, happening)) in order.into_iter().enumerate() {
            let happening = at_version(happening, version + 1);
            happen(&mut present, kind, &happening);
            lists.insert(kind);
            let before = seen(&index);
            let touched = index.apply(told(kind, happening, version + 1));
            let after = seen(&index);
            for (position, name) in SERVICES.iter().enumerate() {
                let changed = before[position] != after[position]
                    && (is_there(&before[position]) || is_there(&after[position]));
                prop_assert!(!changed || touched.contains(&key(name)), "{} changed, told were {:?}", name, touched);
            }
            if lists.len() == Kind::ALL.len() {
                prop_assert_eq!(after, should_be_seen(&present));
            }
        }
    }

    /// Writes of ours are answered at any time: long before the watch tells them, long after, and around lists.
    #[test]
    fn whenever_our_writes_are_answered_the_watch_has_the_last_word(
        history in any_history(Kind::Deployment),
        answers in vec((any::<Pick>(), any::<Pick>()), 0..12),
    ) {
        let (mut index, mut present) = (listed(), Present::new());
        let happenings: Vec<Happening> =
            history.into_iter().enumerate().map(|(version, happening)| at_version(happening, version + 1)).collect();
        let written = |position: usize| match &happenings[position] {
            Happening::Put(Object::Deployment(object)) => Some(object.as_ref().clone()),
            _ => None,
        };
        let moments: Vec<(usize, usize)> =
            answers.iter().map(|(write, at)| (write.index(happenings.len()), at.index(happenings.len() + 1))).collect();
        for now in 0..=happenings.len() {
            for (write, _) in moments.iter().filter(|(_, at)| *at == now) {
                written(*write).map(|object| index.written(object));
            }
            if let Some(happening) = happenings.get(now).cloned() {
                happen(&mut present, Kind::Deployment, &happening);
                index.apply(told(Kind::Deployment, happening, now + 1));
            }
        }
        prop_assert_eq!(seen(&index), should_be_seen(&present));
    }
}
