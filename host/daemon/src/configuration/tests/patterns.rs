//! Services by pattern: which entry holds for a Deployment, and what is said of patterns that cannot be meant.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use aviary_core::settings::Amount;
use proptest::prelude::*;

use super::{
    super::{Configuration, Layer, glob::Glob, selector},
    good, parse,
};

const TEAM: &str = r#"
defaults: {step: 20%}
groups:
  workers: {step: 10%, surge: 0}
services:
  - {selector: "team=ingest, tier in (batch, stream)", namespace: ingest, group: workers}
  - {names: "worker-*", namespace: shop, except: ["worker-legacy*"], step: 3}
  - {names: "*-x", namespace: shop, selector: "!frozen"}
  - {names: "*", namespace: shop, selector: "tier notin (batch), team"}
  - {name: worker-x, namespace: shop, group: workers}
  - {name: absent, namespace: other}
"#;

fn labels(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The lines of the entries that are about a Deployment, the one that holds first.
fn lines(configuration: &Configuration, service: &str, with: &str) -> Vec<u64> {
    let (namespace, name) = service.split_once('/').expect("a namespace");
    let with = labels(with);
    let matching: Vec<_> = configuration.matching(namespace, name, &with).collect();
    assert_eq!(configuration.service(namespace, name, &with), matching.first().copied());
    matching.iter().map(|entry| entry.source.place.line).collect()
}

#[test]
fn a_name_goes_before_patterns_and_of_those_the_first() {
    let configuration = good(TEAM);
    let table: [(&str, &str, &[u64]); 12] = [
        ("shop/worker-a", "", &[7]),
        ("shop/worker-x", "", &[10, 7, 8]),
        ("shop/worker-x", "team=a", &[10, 7, 8, 9]),
        ("shop/worker-legacy-x", "", &[8]),
        ("shop/worker-legacy-x", "frozen=", &[]),
        ("shop/a-x", "frozen=yes,team=a,tier=batch", &[]),
        ("shop/a", "team=a,tier=stream", &[9]),
        ("ingest/a", "team=ingest,tier=batch", &[6]),
        ("ingest/a", "team=ingest", &[]),
        ("ingest/a", "team=ingest,tier=web", &[]),
        ("ingest/worker-a", "", &[]),
        ("other/absent", "", &[11]),
    ];
    for (service, with, expected) in table {
        assert_eq!(lines(&configuration, service, with), expected, "{service} {with}");
    }
    assert_eq!(configuration.namespaces(), ["ingest", "other", "shop"]);
    assert_eq!(configuration.named().collect::<Vec<_>>(), [("shop", "worker-x"), ("other", "absent")]);
}

#[test]
fn the_services_of_a_pattern_share_its_settings_and_a_group_lies_between() {
    let configuration = good(TEAM);
    let of = |name: &str| configuration.service("shop", name, &BTreeMap::new()).expect("an entry");
    assert!(Arc::ptr_eq(&of("worker-a").settings, &of("worker-b").settings));
    assert_eq!(of("worker-a").settings.step, Amount::Pods(3));
    let grouped = &of("worker-x");
    assert_eq!((grouped.settings.step, grouped.settings.surge), (Amount::Percent(10.0), Amount::Pods(0)));
    assert_eq!(grouped.in_force.step.source.layer, Layer::Group("workers".to_owned()));
    assert_eq!(grouped.in_force.step.source.path, "groups.workers.step");
    assert_eq!(grouped.in_force.step.source.place.line, 4);
    let shown: Vec<String> = configuration.entries.iter().map(ToString::to_string).collect();
    assert_eq!(shown[..2], ["ingest/* (team=ingest,tier in (batch,stream))", "shop/worker-* except worker-legacy*"]);
}

/// The faults of one entry in `services`, without the file's name.
fn said(entry: &str) -> String {
    let text = format!("services: [{{namespace: shop, {entry}}}]");
    parse(&text).err().unwrap_or_default().replace("/etc/aviary.yaml:", "")
}

#[test]
fn entries_that_cannot_be_meant_are_said() {
    let table = [
        (
            "step: 1",
            "1:12: services[0]: is about no Deployment: give the name of one, or names or selector for all that match",
        ),
        ("name: 5", "1:36: services[0].name: is a number, not a text: put it in quotes"),
        ("name: 'a*'", "1:36: services[0].name: is a pattern: write names instead of name"),
        ("names: a", "1:37: services[0].names: is the name of one service: write name instead of names"),
        ("name: a, names: 'a*'", "1:46: services[0].names: is for many services: remove it, or name"),
        ("name: a, selector: b", "1:49: services[0].selector: is for many services: remove it, or name"),
        ("name: a, except: [b]", "1:47: services[0].except: is for many services: remove it, or name"),
        (
            "names: 'a*', except: ['b', '*']",
            "1:57: services[0].except[1]: leaves nothing of what the entry matches: remove it, or the entry",
        ),
        (
            "names: 'a*', except: ['a*']",
            "1:52: services[0].except[0]: leaves nothing of what the entry matches: remove it, or the entry",
        ),
        ("names: 'a*', except: a", "1:51: services[0].except: is a text, not a list: write each item after a dash"),
        (
            "names: 'A*'",
            "1:37: services[0].names: has 'A', which no name has: write lowercase letters, digits, dashes, dots, * for any \
             text and ? for any one character",
        ),
        (
            "names: '*-'",
            "1:37: services[0].names: matches no name: a name has up to 253 characters, and a letter or digit at both ends \
             and beside dots",
        ),
        (
            "name: a, group: workers",
            r#"1:46: services[0].group: there is no group "workers": write it into groups, or leave group out"#,
        ),
    ];
    for (entry, expected) in table {
        assert_eq!(said(entry), expected, "{entry}");
    }
}

#[test]
fn faults_of_selectors_are_said() {
    let example = "write one such as team=ingest,tier in (batch,stream),!legacy";
    let value = "use up to 63 letters, digits, dashes, dots and underscores, with a letter or digit at both ends";
    let table = [
        ("a,,b", format!("has nothing before or after a comma: {example}")),
        ("a in (b", format!("has a ( without its ): {example}")),
        ("a in b)", format!("has a ) that does not fit: {example}")),
        ("a in ((b))", format!("has a ( that does not fit: {example}")),
        ("a on (b)", format!(r#""a on (b)" is no requirement: {example}"#)),
        ("(b)", format!(r#""(b)" is no requirement: {example}"#)),
        ("a in (b) c", format!(r#""a in (b) c" is no requirement: {example}"#)),
        ("=b", format!(r#""" is not the name of a label: {example}"#)),
        ("a b", format!(r#""a b" is not the name of a label: {example}"#)),
        ("a > 5", format!(r#""a > 5" is not the name of a label: {example}"#)),
        ("A/b/c", format!(r#""A/b/c" is not the name of a label: {example}"#)),
        ("a=-b", format!(r#""-b" is not the value of a label: {value}"#)),
        ("a=b=c", format!(r#""b=c" is not the value of a label: {value}"#)),
        ("a in (b, c d)", format!(r#""c d" is not the value of a label: {value}"#)),
        ("a=b,c,a!=b", "can match nothing: no label a is all that is asked of it; correct its requirements".to_owned()),
        ("a,!a", "can match nothing: no label a is all that is asked of it; correct its requirements".to_owned()),
    ];
    for (text, expected) in table {
        assert_eq!(selector::parse(text).map(|selector| selector.to_string()), Err(expected), "{text}");
    }
    let good = [
        ("a", "a"),
        ("a=b", "a=b"),
        ("a == b , c != d", "a=b,c!=d"),
        ("a=", "a="),
        ("! a", "!a"),
        ("example.org/a notin (b,,C_d.e)", "example.org/a notin (,C_d.e,b)"),
        ("a notin(b),a", "a notin (b),a"),
        ("a in (b,c),a!=b", "a in (b,c),a!=b"),
    ];
    for (text, expected) in good {
        assert_eq!(selector::parse(text).map(|selector| selector.to_string()), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn groups_and_the_order_of_patterns_are_checked() {
    let text = r#"
groups:
  workers: {step: 0}
  worker: {progression: {policy: mine}, passes: 2}
  5:
services:
  - {names: "a*", namespace: shop, group: wokers}
  - {names: "a*", namespace: shop, except: [ab]}
  - {names: "a*", namespace: other}
  - {names: "b*", namespace: shop, except: [bc], group: worker}
  - {names: "b*", namespace: shop}
  - {names: "b*", namespace: shop, selector: a}
  - {names: "*", namespace: other}
  - {selector: "a", namespace: other, passes: 4, group: worker}
  - {names: "a*", namespace: shop, step: 1}
"#;
    let expected = "\
/etc/aviary.yaml:3:3: groups.workers: is used by no service: name it in one by group, or remove it
/etc/aviary.yaml:3:19: groups.workers.step: is nothing: write a step such as 20% or 1
/etc/aviary.yaml:4:49: groups.worker.passes: is for the progression breakpoint, but mine is chosen: give it in its parameters
/etc/aviary.yaml:5:3: groups.5: is used by no service: name it in one by group, or remove it
/etc/aviary.yaml:7:43: services[0].group: there is no group \"wokers\": did you mean \"workers\"?
/etc/aviary.yaml:8:5: services[1]: holds for nothing: a*, in line 7, takes all of its services; remove one of them, or exchange them
/etc/aviary.yaml:12:5: services[5]: holds for nothing: b*, in line 11, takes all of its services; remove one of them, or exchange them
/etc/aviary.yaml:14:5: services[7]: holds for nothing: *, in line 13, takes all of its services; remove one of them, or exchange them
/etc/aviary.yaml:14:47: services[7].passes: is for the progression breakpoint, but mine is chosen: give it in its parameters
/etc/aviary.yaml:15:5: services[8]: holds for nothing: a*, in line 7, takes all of its services; remove one of them, or exchange them";
    assert_eq!(parse(text).err().as_deref(), Some(expected));
}

#[test]
fn patterns_of_any_length_are_read_or_refused_in_few_words() {
    for (field, part) in [("names", "*a"), ("selector", "a,"), ("except", "?"), ("selector", "("), ("group", "g")] {
        let value = part.repeat(500_000);
        let value = if field == "except" { format!("['{value}']") } else { format!("'{value}'") };
        let said = said(&format!("{field}: {value}"));
        assert!(said.starts_with("1:") && said.len() < 1000, "{field}: {} characters", said.len());
    }
    let path = Path::new("/etc/aviary.yaml");
    let many: String = (0..3000).map(|number| format!("- {{names: 'a{number}-*', namespace: b}}\n")).collect();
    let configuration = Configuration::parse(&format!("services:\n{many}"), path).expect("good");
    assert_eq!(
        configuration.service("b", "a2999-x", &BTreeMap::new()).map(|entry| entry.source.place.line),
        Some(3001)
    );
}

proptest! {
    /// `*` and `?` against the plainest reading of them.
    #[test]
    fn a_glob_matches_what_it_says(pattern in "[ab*?]{0,8}", name in "[ab]{1,8}") {
        fn matches(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern, name) {
                ([], []) => true,
                ([b'*', rest @ ..], _) => matches(rest, name) || (!name.is_empty() && matches(pattern, &name[1..])),
                ([b'?', rest @ ..], [_, after @ ..]) => matches(rest, after),
                ([one, rest @ ..], [other, after @ ..]) => one == other && matches(rest, after),
                _ => false,
            }
        }
        if let Ok(glob) = Glob::parse(&pattern) {
            prop_assert_eq!(glob.matches(&name), matches(pattern.as_bytes(), name.as_bytes()));
        } else {
            prop_assert_eq!(pattern, "");
        }
    }

    /// What a pattern that was refused would have matched.
    #[test]
    fn a_refused_glob_matches_no_name(pattern in "[a.*?-]{1,6}", name in "[a-b]([.-]?[ab]){0,4}") {
        if Glob::parse(&pattern).is_err() {
            let regex = regex::Regex::new(&format!("^{}$", pattern.replace('.', "[.]").replace('*', ".*").replace('?', ".")));
            prop_assert!(!regex.expect("a pattern").is_match(&name));
        }
    }

    #[test]
    fn any_selector_is_read_or_refused(text in "[a-c=!,() in./-]{0,24}") {
        if let Ok(read) = selector::parse(&text) {
            prop_assert_eq!(selector::parse(&read.to_string()), Ok(read));
        }
    }
}
