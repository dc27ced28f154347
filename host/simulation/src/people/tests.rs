//! The acts of the exploration on its compact Deployment, and the same acts as requests to the cluster of JSON objects,
//! which tests/conformance holds against the real one: what they settle to is the same.

use std::collections::HashMap;

use aviary_core::time::Timestamp;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use super::*;
use crate::{
    alterations::Alterations,
    cluster::{Cluster, Fate, NewPod, Request, Response},
    controller,
    deed::{Changes, Guard},
    setting::settings,
    specs::Behaviour,
    start::start,
};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// What is done to either.
#[derive(Debug, Clone, Copy)]
enum Doing {
    /// By people.
    People(Act),
    /// Aviary scales the original.
    Scales(u8),
    /// Aviary gives its fields back.
    GivesBack,
}

/// The cluster of JSON objects.
struct Objects(Cluster);

impl Objects {
    fn new() -> Self {
        let fate = Fate::Runs {
            ready_after: Some(std::time::Duration::from_millis(10)),
            ends: None,
            stops_after: std::time::Duration::from_millis(10),
        };
        Self(Cluster::new(Timestamp(0), Box::new(move |_: &NewPod<'_>| fate)))
    }

    fn ask(&mut self, method: &str, path: &str, manager: &str, content_type: &str, body: &Value) -> Value {
        let query = format!("fieldManager={manager}");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request =
            Request { method, path, query: &query, content_type, body: text.as_bytes(), ..Request::default() };
        let now = self.0.next().unwrap_or_default().min(Timestamp(0));
        match self.0.request(&request, now) {
            Response::Answer { body, .. } => body,
            Response::Watch(_) => panic!("{path} is a watch"),
        }
    }

    fn foo(&mut self) -> Value {
        let found = self.ask("GET", &format!("{DEPLOYMENTS}/foo"), "", "", &Value::Null);
        if found["kind"] == "Deployment" { found } else { Value::Null }
    }

    fn sets(&mut self) -> Vec<Value> {
        let list = self.ask("GET", "/apis/apps/v1/namespaces/shop/replicasets", "", "", &Value::Null);
        list["items"].as_array().unwrap().clone()
    }

    fn settle(&mut self) {
        while let Some(next) = self.0.next() {
            self.0.advance(next);
        }
    }

    fn patch(&mut self, part: &str, manager: &str, content_type: &str, body: &Value) {
        self.ask("PATCH", &format!("{DEPLOYMENTS}/foo{part}"), manager, content_type, body);
    }

    /// The same as `doing`, as whoever does it asks for it.
    fn does(&mut self, doing: Doing, spec: &Value, drops_replicas: bool) {
        let live = self.foo();
        match doing {
            Doing::People(Act::Apply(_, replicas)) => {
                let mut changed = json!({"spec": {"template": spec["template"]}});
                if replicas.is_some() || drops_replicas {
                    changed["spec"]["replicas"] = json!(replicas);
                }
                self.patch("", "apply", MERGE_PATCH, &changed);
            }
            Doing::People(Act::Scale(replicas)) => {
                self.patch("/scale", "kubectl", MERGE_PATCH, &json!({"spec": {"replicas": replicas}}));
            }
            Doing::People(Act::Restart) => {
                self.patch("", "kubectl", MERGE_PATCH, &json!({"spec": {"template": spec["template"]}}));
            }
            Doing::People(Act::Undo) => self.undo(&live),
            Doing::People(Act::TogglePause) => {
                let paused = live["spec"]["paused"] != true;
                self.patch("", "kubectl", MERGE_PATCH, &json!({"spec": {"paused": paused}}));
            }
            Doing::People(Act::Delete) => {
                self.ask("DELETE", &format!("{DEPLOYMENTS}/foo"), "kubectl", "", &Value::Null);
            }
            Doing::People(Act::Recreate(_) | Act::Create(_)) => {
                self.ask("DELETE", &format!("{DEPLOYMENTS}/foo"), "kubectl", "", &Value::Null);
                let object = json!({"metadata": {"name": "foo"}, "spec": spec});
                self.ask("POST", DEPLOYMENTS, "apply", "", &object);
            }
            Doing::People(other) => panic!("{other:?} is none of these"),
            Doing::Scales(replicas) => {
                let operation = json!([{"op": "replace", "path": "/spec/replicas", "value": replicas}]);
                self.patch("", "aviary", JSON_PATCH, &operation);
            }
            Doing::GivesBack => {
                let entries = live["metadata"]["managedFields"].as_array().unwrap();
                // The compact one keeps an entry of which everything was taken.
                let Some(index) = entries.iter().position(|entry| entry["manager"] == "aviary") else { return };
                let operation = json!([{"op": "remove", "path": format!("/metadata/managedFields/{index}")}]);
                self.patch("", "aviary", JSON_PATCH, &operation);
            }
        }
    }

    /// As kubectl does it: the template of the revision before the newest.
    fn undo(&mut self, live: &Value) {
        let revision =
            |set: &Value| -> u32 { set["metadata"]["annotations"][REVISION].as_str().unwrap().parse().unwrap() };
        let mut sets = self.sets();
        sets.sort_by_key(revision);
        let Some(before) = sets.len().checked_sub(2).map(|place| &sets[place]) else { return };
        let mut template = before["spec"]["template"].clone();
        template["metadata"]["labels"] = live["spec"]["template"]["metadata"]["labels"].clone();
        self.patch("", "kubectl", JSON_PATCH, &json!([{"op": "replace", "path": "/spec/template", "value": template}]));
    }

    fn numbers(&mut self) -> Option<Numbers> {
        let live = self.foo();
        if live.is_null() {
            return None;
        }
        let count = |object: &Value, field: &str| u8::try_from(object[field].as_u64().unwrap_or(0)).unwrap();
        let template = |spec: &Value| {
            let template = &spec["template"];
            let image = template["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
            (image, !template["metadata"]["annotations"].is_null())
        };
        let of_sets =
            |set: &Value| (template(&set["spec"]), count(&set["spec"], "replicas"), count(&set["status"], "replicas"));
        let mut sets: Vec<_> = self.sets().iter().map(of_sets).filter(|(_, wanted, _)| *wanted > 0).collect();
        sets.sort();
        let entries = live["metadata"]["managedFields"].as_array().unwrap().clone();
        let owner = entries.iter().find(|entry| entry["fieldsV1"].pointer("/f:spec/f:replicas").is_some());
        let owner = match owner.map(|entry| (entry["manager"].as_str().unwrap(), &entry["subresource"])) {
            None => ReplicasOwner::Nobody,
            Some(("aviary", _)) => ReplicasOwner::Aviary,
            Some((_, subresource)) if *subresource == "scale" => ReplicasOwner::Scale,
            Some(_) => ReplicasOwner::Apply,
        };
        let status = &live["status"];
        Some(Numbers {
            generation: live["metadata"]["generation"].as_u64().unwrap(),
            replicas: count(&live["spec"], "replicas"),
            paused: live["spec"]["paused"] == true,
            template: template(&live["spec"]),
            status: ["replicas", "updatedReplicas", "availableReplicas"].map(|field| count(status, field)),
            observed: status["observedGeneration"] == live["metadata"]["generation"],
            sets,
            owner,
        })
    }
}

/// What both must have.
#[derive(Debug, PartialEq)]
struct Numbers {
    generation: u64,
    replicas: u8,
    paused: bool,
    template: (String, bool),
    status: [u8; 3],
    observed: bool,
    sets: Vec<((String, bool), u8, u8)>,
    owner: ReplicasOwner,
}

fn numbers(world: &World, mind: &mut Mind) -> Option<Numbers> {
    let live = world.deployment(Track::Original)?;
    let all = Image::ALL.into_iter().flat_map(|image| [(image, false), (image, true)]);
    let named: HashMap<u8, (String, bool)> = all
        .map(|(image, restarted)| {
            let id = mind.specs.original(image, restarted);
            (mind.specs.get(id).template, (image.name().to_owned(), restarted))
        })
        .collect();
    let named = |template: u8| named[&template].clone();
    let mut sets: Vec<_> = live
        .sets()
        .iter()
        .filter(|set| set.wanted > 0)
        .map(|set| (named(set.template), set.wanted, set.counted))
        .collect();
    sets.sort();
    Some(Numbers {
        generation: live.generation.into(),
        replicas: live.replicas,
        paused: live.paused,
        template: named(mind.specs.get(live.spec).template),
        status: [live.status.replicas, live.status.updated, live.status.available],
        observed: live.status.observed == live.generation,
        sets,
        owner: live.managers.replicas,
    })
}

fn settled(mut world: World, mind: &Mind) -> World {
    while let Some(live) = world.deployment(Track::Original) {
        let turned = controller::settle(*live, &mind.specs);
        let ready = (0..usize::from(turned.set_count)).find_map(|set| turned.pod_moves(set, Behaviour::Good));
        let moved = ready.is_some();
        *world.deployment_mut(Track::Original) = Some(ready.unwrap_or(turned));
        if !moved {
            break;
        }
    }
    world
}

/// The world after `doing`; nothing where it cannot be done.
fn done(world: &World, doing: Doing, mind: &mut Mind) -> Option<World> {
    let deed = |changes| {
        let mut after = *world;
        let guard = Guard { uid: None, generation: None, replicas: None };
        let deed = Deed::Patch { track: Track::Original, guard, changes };
        after.carry_out(Effect::Write { deed, record: 0 }).ok().map(|()| after)
    };
    let nothing = Changes { replicas: None, spec: None, unpause: false, give_back: false };
    match doing {
        Doing::People(people) => act(world, people, mind),
        // Aviary writes only what is another number.
        Doing::Scales(replicas) if world.deployment(Track::Original)?.replicas == replicas => None,
        Doing::Scales(replicas) => deed(Changes { replicas: Some(replicas), ..nothing }),
        Doing::GivesBack => deed(Changes { give_back: true, ..nothing }),
    }
}

/// The spec that a manifest of people's has after `doing`.
fn spec_of(world: &World, mind: &Mind) -> Value {
    let Some(live) = world.deployment(Track::Original) else { return Value::Null };
    let mut spec = mind.specs.get(live.spec).spec.value();
    spec["replicas"] = json!(live.replicas);
    spec
}

fn doings() -> impl Strategy<Value = Vec<Doing>> {
    let images = || select(Image::ALL.to_vec());
    let one = prop_oneof![
        4 => (images(), prop::option::of(1..=5u8)).prop_map(|(image, replicas)| Doing::People(Act::Apply(image, replicas))),
        3 => (1..=5u8).prop_map(|replicas| Doing::People(Act::Scale(replicas))),
        2 => Just(Doing::People(Act::Restart)),
        2 => Just(Doing::People(Act::Undo)),
        2 => Just(Doing::People(Act::TogglePause)),
        1 => Just(Doing::People(Act::Delete)),
        1 => images().prop_map(|image| Doing::People(Act::Recreate(image))),
        1 => images().prop_map(|image| Doing::People(Act::Create(image))),
        3 => (0..=5u8).prop_map(Doing::Scales),
        2 => Just(Doing::GivesBack),
    ];
    vec(one, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_act_does_the_same_to_the_compact_deployment_and_to_the_object(doings in doings()) {
        let setting = settings(false).into_iter().find(|setting| !setting.adopted).unwrap();
        let mut mind = Mind::new(setting, Alterations::default());
        let mut world = settled(start(&mut mind), &mind);
        let mut objects = Objects::new();
        objects.does(Doing::People(Act::Create(Image::First)), &spec_of(&world, &mind), false);
        objects.settle();
        let mut changed_in_a_pause = false;
        for doing in doings {
            // The compact one goes back to the last template, the real one to the last that ran.
            if changed_in_a_pause && matches!(doing, Doing::People(Act::Undo)) {
                continue;
            }
            let Some(after) = done(&world, doing, &mut mind) else { continue };
            let drops = world.deployment(Track::Original).is_some_and(|live| live.managers.applied_replicas);
            let was_paused = world.deployment(Track::Original).is_some_and(|live| live.paused);
            changed_in_a_pause |= was_paused && world.previous != after.previous;
            objects.does(doing, &spec_of(&after, &mind), drops);
            world = settled(after, &mind);
            objects.settle();
            prop_assert_eq!(numbers(&world, &mut mind), objects.numbers(), "after {:?}", doing);
        }
    }
}
