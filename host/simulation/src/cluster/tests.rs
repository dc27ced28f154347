//! A cluster as its clients see it.

use serde_json::json;

use super::*;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";

fn fate(pod: &NewPod<'_>) -> Fate {
    let runs = |ready_after, ends| Fate::Runs { ready_after, ends, stops_after: Duration::from_secs(1) };
    match pod.image {
        "foo:missing" => Fate::Unpullable,
        "foo:hangs" => runs(None, None),
        "foo:crashes" => runs(
            Some(Duration::from_secs(5)),
            Some(End { after: Duration::from_secs(1), exit_code: 3, out_of_memory: false }),
        ),
        _ => runs(Some(Duration::from_secs(2)), None),
    }
}

fn empty() -> Cluster {
    Cluster::new(Timestamp(1_000_000), Box::new(fate))
}

fn after(cluster: &mut Cluster, seconds: u64) {
    let now = cluster.now.plus(Duration::from_secs(seconds));
    cluster.advance(now);
}

fn ask(cluster: &mut Cluster, method: &str, path: &str, content_type: &str, body: &Value) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let request = Request { method, path, query, content_type, agent: "tests/1", body: text.as_bytes(), accept: "" };
    let now = cluster.now;
    match cluster.request(&request, now) {
        Response::Answer { status, body } => (status, body),
        Response::Watch(_) => panic!("{path} is a watch"),
    }
}

fn get(cluster: &mut Cluster, path: &str) -> Value {
    ask(cluster, "GET", path, "", &Value::Null).1
}

fn foo(cluster: &mut Cluster) -> Value {
    get(cluster, &format!("{DEPLOYMENTS}/foo"))
}

fn merge(cluster: &mut Cluster, patch: &Value) -> (u16, Value) {
    ask(cluster, "PATCH", &format!("{DEPLOYMENTS}/foo"), "application/merge-patch+json", patch)
}

fn json_patch(cluster: &mut Cluster, patch: &Value) -> (u16, Value) {
    ask(cluster, "PATCH", &format!("{DEPLOYMENTS}/foo"), "application/json-patch+json", patch)
}

fn manifest(name: &str, image: &str, replicas: u32) -> Value {
    json!({"metadata": {"name": name}, "spec": {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": image}]},
        },
    }})
}

fn image(name: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": name}]}}}})
}

fn serving(replicas: u32) -> Cluster {
    let mut cluster = empty();
    assert_eq!(ask(&mut cluster, "POST", DEPLOYMENTS, "", &manifest("foo", "foo:1", replicas)).0, 201);
    after(&mut cluster, 10);
    cluster
}

fn available(cluster: &mut Cluster) -> Value {
    foo(cluster)["status"]["availableReplicas"].clone()
}

#[test]
fn a_deployment_gets_its_pods_and_says_so() {
    let mut cluster = serving(3);
    let status = foo(&mut cluster)["status"].clone();
    for field in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        assert_eq!(status[field], 3, "{field}: {status}");
    }
    assert_eq!(status["conditions"][0]["status"], "True");
    assert_eq!(status["conditions"][1]["reason"], "NewReplicaSetAvailable");
    let pods = get(&mut cluster, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dfoo");
    assert_eq!(pods["items"].as_array().unwrap().len(), 3);
    let sets = get(&mut cluster, "/apis/apps/v1/namespaces/shop/replicasets");
    assert_eq!(sets["items"][0]["metadata"]["uid"], pods["items"][0]["metadata"]["ownerReferences"][0]["uid"]);
    assert_eq!(cluster.next(), None, "nothing is left to happen");
}

#[test]
fn a_rolling_update_never_misses_more_than_it_may_and_its_history_is_kept() {
    let mut cluster = serving(8);
    assert_eq!(merge(&mut cluster, &image("foo:2")).0, 200);
    let mut least = u64::MAX;
    while let Some(next) = cluster.next() {
        cluster.advance(next);
        least = least.min(available(&mut cluster).as_u64().unwrap_or(0));
    }
    assert_eq!(least, 6, "a quarter of them, rounded down, may be missing");
    assert_eq!(available(&mut cluster), 8);
    let sets = get(&mut cluster, "/apis/apps/v1/namespaces/shop/replicasets");
    assert_eq!(sets["items"].as_array().unwrap().len(), 2);
    assert_eq!(merge(&mut cluster, &image("foo:1")).0, 200);
    after(&mut cluster, 20);
    let annotations = foo(&mut cluster)["metadata"]["annotations"].clone();
    assert_eq!(annotations["deployment.kubernetes.io/revision"], "3");
    assert!(cluster.pods().all(|pod| pod.image == "foo:1"));
}

#[test]
fn a_patch_whose_test_fails_changes_nothing_and_names_no_object() {
    let mut cluster = serving(1);
    let before = foo(&mut cluster);
    let patch = json!([
        {"op": "replace", "path": "/spec/replicas", "value": 5},
        {"op": "test", "path": "/metadata/generation", "value": 9},
    ]);
    let (status, body) = json_patch(&mut cluster, &patch);
    assert_eq!((status, &body["details"]["kind"]), (422, &Value::Null));
    assert_eq!(foo(&mut cluster), before);
    let (status, body) = merge(&mut cluster, &json!({"spec": {"replicas": -1}}));
    assert_eq!((status, &body["details"]["kind"]), (422, &json!("Deployment")));
}

#[test]
fn generation_rises_with_the_spec_and_annotations_and_with_nothing_else() {
    let mut cluster = serving(1);
    let table = [
        (json!({"spec": {"replicas": 1}}), 1),
        (json!({"metadata": {"labels": {"team": "a"}}}), 1),
        (json!({"metadata": {"annotations": {"note": "b"}}}), 2),
        (json!({"spec": {"replicas": 2}}), 3),
    ];
    for (patch, generation) in table {
        assert_eq!(merge(&mut cluster, &patch).1["metadata"]["generation"], generation, "{patch}");
    }
    after(&mut cluster, 10);
    assert_eq!(foo(&mut cluster)["metadata"]["generation"], 3);
    assert_eq!(foo(&mut cluster)["status"]["observedGeneration"], 3);
}

#[test]
fn a_scale_is_told_as_the_subresource_of_its_manager() {
    let mut cluster = serving(1);
    let path = format!("{DEPLOYMENTS}/foo/scale?fieldManager=kubectl");
    let (status, scale) =
        ask(&mut cluster, "PATCH", &path, "application/merge-patch+json", &json!({"spec": {"replicas": 2}}));
    assert_eq!((status, &scale["kind"], &scale["spec"]["replicas"]), (200, &json!("Scale"), &json!(2)));
    let live = foo(&mut cluster);
    let managers = live["metadata"]["managedFields"].as_array().unwrap();
    let owner = managers.iter().find(|it| it["fieldsV1"].pointer("/f:spec/f:replicas").is_some()).unwrap();
    assert_eq!((&owner["manager"], &owner["subresource"]), (&json!("kubectl"), &json!("scale")));
}

#[test]
fn pods_that_crash_are_started_again_and_backed_off_from() {
    let mut cluster = empty();
    ask(&mut cluster, "POST", DEPLOYMENTS, "", &manifest("foo", "foo:crashes", 1));
    after(&mut cluster, 60);
    let pods = get(&mut cluster, "/api/v1/namespaces/shop/pods");
    let container = &pods["items"][0]["status"]["containerStatuses"][0];
    assert_eq!(container["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 3);
    assert_eq!(container["restartCount"], 3, "at 1, 12 and 33 s");
    assert_eq!(foo(&mut cluster)["status"]["conditions"][0]["status"], "False");
}

#[test]
fn an_image_that_cannot_be_pulled_waits_and_the_old_version_serves_on() {
    let mut cluster = serving(4);
    merge(&mut cluster, &image("foo:missing"));
    after(&mut cluster, 700);
    assert_eq!(available(&mut cluster), 3);
    assert!(cluster.pods().any(|pod| pod.state == State::Waiting("ImagePullBackOff")));
}

#[test]
fn what_a_deployment_had_goes_with_it_but_not_for_another_uid() {
    let mut cluster = serving(2);
    let path = format!("{DEPLOYMENTS}/foo");
    let other = json!({"preconditions": {"uid": "another"}});
    assert_eq!(ask(&mut cluster, "DELETE", &path, "", &other).0, 409);
    let uid = foo(&mut cluster)["metadata"]["uid"].clone();
    assert_eq!(ask(&mut cluster, "DELETE", &path, "", &json!({"preconditions": {"uid": uid}})).0, 200);
    assert!(cluster.pods().all(|pod| pod.leaves.is_some()));
    after(&mut cluster, 5);
    assert_eq!(cluster.pods().count(), 0);
    assert_eq!(ask(&mut cluster, "GET", &path, "", &Value::Null).0, 404);
    ask(&mut cluster, "POST", DEPLOYMENTS, "", &manifest("foo", "foo:1", 1));
    assert_eq!(ask(&mut cluster, "POST", DEPLOYMENTS, "", &manifest("foo", "foo:1", 1)).0, 409);
}

#[test]
fn a_pod_that_is_deleted_is_replaced() {
    let mut cluster = serving(2);
    let name = cluster.pods().next().unwrap().name.clone();
    assert_eq!(ask(&mut cluster, "DELETE", &format!("/api/v1/namespaces/shop/pods/{name}"), "", &Value::Null).0, 200);
    after(&mut cluster, 1);
    assert_eq!(available(&mut cluster), 1);
    after(&mut cluster, 10);
    assert_eq!(available(&mut cluster), 2);
    assert!(cluster.pods().all(|pod| pod.name != name));
}

#[test]
fn a_record_is_swapped_by_its_version() {
    let mut cluster = empty();
    let maps = "/api/v1/namespaces/shop/configmaps";
    let record = json!({"metadata": {"name": "foo.aviary", "labels": {"a": "b"}}, "data": {"x": "1"}});
    let (_, stored) = ask(&mut cluster, "POST", maps, "", &record);
    let path = format!("{maps}/foo.aviary");
    let mut next = stored.clone();
    next["data"]["x"] = json!("2");
    assert_eq!(ask(&mut cluster, "PUT", &path, "", &next).0, 200);
    let (status, refused) = ask(&mut cluster, "PUT", &path, "", &next);
    assert_eq!((status, &refused["reason"]), (409, &json!("Conflict")));
    let old = json!({"preconditions": {"resourceVersion": stored["metadata"]["resourceVersion"]}});
    assert_eq!(ask(&mut cluster, "DELETE", &path, "", &old).0, 409);
}

fn watch(cluster: &mut Cluster, path: &str) -> Watch {
    let (path, query) = path.split_once('?').unwrap();
    let now = cluster.now;
    match cluster.request(&Request { method: "GET", path, query, ..Request::default() }, now) {
        Response::Watch(watch) => watch,
        Response::Answer { body, .. } => panic!("{body}"),
    }
}

fn kinds_of(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn a_watch_from_a_list_misses_nothing_and_tells_nothing_twice() {
    let mut cluster = empty();
    let maps = "/api/v1/namespaces/shop/configmaps";
    let map = |name: &str, label: &str| json!({"metadata": {"name": name, "labels": {"a": label}}});
    ask(&mut cluster, "POST", maps, "", &map("one", "b"));
    let version = get(&mut cluster, maps)["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut watch = watch(&mut cluster, &format!("{maps}?watch=true&labelSelector=a=b&resourceVersion={version}"));
    assert!(cluster.watched(&mut watch).is_empty());
    ask(&mut cluster, "POST", maps, "", &map("two", "b"));
    ask(&mut cluster, "POST", maps, "", &map("other", "c"));
    let relabel = json!({"metadata": {"labels": {"a": "c"}}});
    ask(&mut cluster, "PATCH", &format!("{maps}/one"), "application/merge-patch+json", &relabel);
    let events = cluster.watched(&mut watch);
    assert_eq!(kinds_of(&events), ["ADDED", "DELETED"]);
    assert_eq!(events[1]["object"]["metadata"]["labels"]["a"], "b", "as it was when it fitted");
    assert!(cluster.watched(&mut watch).is_empty());
    ask(&mut cluster, "DELETE", &format!("{maps}/two"), "", &Value::Null);
    assert_eq!(kinds_of(&cluster.watched(&mut watch)), ["DELETED"]);
}

#[test]
fn a_watch_that_lags_behind_a_compaction_has_to_list_anew() {
    let mut cluster = serving(1);
    let mut watch = watch(&mut cluster, &format!("{DEPLOYMENTS}?watch=true&resourceVersion=1"));
    cluster.compact();
    let events = cluster.watched(&mut watch);
    assert_eq!((kinds_of(&events), &events[0]["object"]["code"]), (vec!["ERROR"], &json!(410)));
    assert!(watch.has_ended());
}

#[test]
fn a_streamed_list_ends_with_a_bookmark() {
    let mut cluster = empty();
    let maps = "/api/v1/namespaces/shop/configmaps";
    ask(&mut cluster, "POST", maps, "", &json!({"metadata": {"name": "one"}}));
    let mut watch = watch(&mut cluster, &format!("{maps}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true"));
    let events = cluster.watched(&mut watch);
    assert_eq!(kinds_of(&events), ["ADDED", "BOOKMARK"]);
    assert_eq!(events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    ask(&mut cluster, "POST", maps, "", &json!({"metadata": {"name": "two"}}));
    assert_eq!(kinds_of(&cluster.watched(&mut watch)), ["ADDED"]);
}

#[test]
fn a_list_in_pages_is_the_whole_list() {
    let mut cluster = empty();
    let maps = "/api/v1/namespaces/shop/configmaps";
    for name in ["a", "b", "c", "d", "e"] {
        ask(&mut cluster, "POST", maps, "", &json!({"metadata": {"name": name}}));
    }
    let mut names = Vec::new();
    let mut next = Some(String::new());
    while let Some(token) = next {
        let page = get(&mut cluster, &format!("{maps}?limit=2&continue={token}"));
        names.extend(
            page["items"].as_array().unwrap().iter().map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()),
        );
        next = page["metadata"]["continue"].as_str().map(str::to_owned);
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}

#[test]
fn what_is_not_there_is_said_to_be_not_there() {
    let mut cluster = empty();
    let table = [
        ("GET", format!("{DEPLOYMENTS}/foo"), 404),
        ("GET", "/apis/apps/v1/namespaces/shop/statefulsets".to_owned(), 404),
        ("PUT", DEPLOYMENTS.to_owned(), 405),
        ("POST", "/api/v1/pods".to_owned(), 405),
    ];
    for (method, path, status) in table {
        assert_eq!(ask(&mut cluster, method, &path, "", &json!({})).0, status, "{method} {path}");
    }
    let apply =
        ask(&mut serving(1), "PATCH", &format!("{DEPLOYMENTS}/foo"), "application/apply-patch+yaml", &json!({}));
    assert_eq!(apply.0, 415);
}
