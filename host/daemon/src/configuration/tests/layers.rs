//! The layers: the innermost that says anything holds, and is named as the source.

use proptest::{collection::vec, option, prelude::*};
use serde_json::{Map, Value, json};

use super::{
    super::{Entry, Layer, Source},
    good,
};

/// Fields with a value for each layer, and how they are read back.
type Read = fn(&Entry) -> (Value, &Source);
const FIELDS: [(&str, [&str; 3], Read); 6] = [
    ("step", ["1", "2", "3"], |entry| (json!(entry.settings.step), &entry.in_force.step.source)),
    ("surge", ["5", "6", "7"], |entry| (json!(entry.settings.surge), &entry.in_force.surge.source)),
    ("ready-deadline", ["1m", "2m", "3m"], |entry| {
        (json!(entry.settings.ready_deadline.as_secs() / 60), &entry.in_force.ready_deadline.source)
    }),
    ("passes", ["3", "4", "5"], |entry| {
        let parameters = &entry.in_force.progression.value.parameters;
        (entry.settings.progression.parameters["passes"].clone(), &parameters["passes"].source)
    }),
    ("classifier", ["{policy: a}", "{policy: b}", "{policy: c}"], |entry| {
        (json!(entry.settings.classifier.name), &entry.in_force.classifier.source)
    }),
    ("analyzers", ["[{policy: a}]", "[{policy: b}, {policy: c}]", "[{policy: d}]"], |entry| {
        let names = entry.settings.analyzers.iter().map(|choice| choice.name.clone());
        (names.collect::<Vec<_>>().into(), &entry.in_force.analyzers.source)
    }),
];

/// A file whose three layers say those of the fields that are chosen, one field a line.
fn file(chosen: &[[bool; 3]]) -> String {
    let layer = |number: usize, indent: &str| {
        let said = FIELDS.iter().zip(chosen).filter(|(_, chosen)| chosen[number]);
        said.map(|((name, values, _), _)| format!("{indent}{name}: {}\n", values[number])).collect::<String>()
    };
    format!(
        "defaults:\n{}groups:\n  g:\n{}services:\n- name: a\n  namespace: b\n  group: g\n{}",
        layer(0, "  "),
        layer(1, "    "),
        layer(2, "  ")
    )
}

proptest! {
    #[test]
    fn the_innermost_layer_that_says_anything_holds(chosen in vec(any::<[bool; 3]>(), FIELDS.len())) {
        let text = file(&chosen);
        let (configuration, built_in) = (good(&text), good("services: [{name: a, namespace: b}]"));
        let entry = &configuration.entries[0];
        for ((name, values, read), chosen) in FIELDS.iter().zip(&chosen) {
            let (value, source) = read(entry);
            let innermost = (0..3).rev().find(|layer| chosen[*layer]);
            let layers = [Layer::Defaults, Layer::Group("g".to_owned()), Layer::Entry(0)];
            let expected = innermost.map_or(Layer::BuiltIn, |layer| layers[layer].clone());
            prop_assert_eq!(&source.layer, &expected, "{} in\n{}", name, text);
            let alone = innermost.map(|layer| good(&format!("services: [{{name: a, namespace: b, {name}: {}}}]", values[layer])));
            let alone = alone.as_ref().unwrap_or(&built_in);
            prop_assert_eq!(value, read(&alone.entries[0]).0, "{} in\n{}", name, text);
            if let Some(layer) = innermost {
                let line = text.lines().nth(usize::try_from(source.place.line - 1)?).unwrap_or_default();
                let written = format!("{name}: {}", values[layer]);
                prop_assert_eq!(line.trim(), written);
            }
        }
    }

    /// Lists, policies and parameters replace those of outer layers as a whole; only the pace finds its way into the parameters.
    #[test]
    fn parameters_replace_and_the_pace_fills_what_they_leave_out(
        pace in option::of(1_u32..5), outer in option::of(1_u32..5), inner in option::of(1_u32..5), chosen: bool,
    ) {
        let policy = |passes: Option<u32>| {
            let passes = passes.map(|passes| ("passes".to_owned(), json!(passes)));
            json!({ "policy": "breakpoint", "parameters": passes.into_iter().collect::<Map<_, _>>() })
        };
        let mut service = json!({ "name": "a", "namespace": "b" });
        if chosen {
            service["progression"] = policy(inner);
        }
        let text = json!({ "defaults": { "progression": policy(outer), "passes": pace }, "services": [service] });
        let configuration = good(&text.to_string());
        let own = if chosen { inner } else { outer };
        let holds = &configuration.entries[0].in_force.progression.value.parameters["passes"];
        prop_assert_eq!(&holds.value, &json!(own.or(pace).unwrap_or(3)));
        let path = match (own, pace) {
            (Some(_), _) if chosen => "services[0].progression.parameters.passes",
            (Some(_), _) => "defaults.progression.parameters.passes",
            (None, Some(_)) => "defaults.passes",
            (None, None) => "services[0]",
        };
        prop_assert_eq!(holds.source.path.as_str(), path);
    }
}
