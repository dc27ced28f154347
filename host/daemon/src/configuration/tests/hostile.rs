//! Files that nobody foresaw: bombs, damaged ones, and any text at all.

use std::time::Duration;

use aviary_core::{settings::Amount, time::humane};
use proptest::prelude::*;

use super::{
    super::{Configuration, units},
    EXAMPLE, SERVICE, good, parse,
};

#[test]
fn a_hostile_file_is_refused_and_does_not_exhaust_the_stack() {
    let bomb = "a: &a [x, x, x, x, x, x, x, x]\n".to_owned()
        + &(0..30)
            .map(|level| {
                format!(
                    "a{level}: &a{level} [{0}, {0}, {0}]\n",
                    if level == 0 { "*a".to_owned() } else { format!("*a{}", level - 1) }
                )
            })
            .collect::<String>();
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), bomb, "\0".to_owned()] {
        assert!(parse(&text).is_err());
    }
}

#[test]
fn long_texts_are_said_in_few_words() {
    let long = "x".repeat(200_000);
    let table = [
        format!("{long}: [{}]", "1, ".repeat(50_000)),
        format!("groups: {{{long}: {{step: [{}]}}}}", "1, ".repeat(50_000)),
        format!("defaults: {{warm-up: {long}, step: {long}, on-rollback: {long}, {long}: 1}}"),
        format!("listen: {long}"),
        format!("defaults: {{metrics: [{{name: {long}, query: a}}, {{name: {long}, query: b}}]}}"),
    ];
    for line in table {
        let said = parse(&format!("{line}\n{SERVICE}")).expect_err("faulty");
        assert!(said.len() < 3000, "{} characters", said.len());
    }
}

#[test]
fn a_file_that_is_too_large_or_no_text_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("aviary.yaml");
    let said = |bytes: &[u8]| {
        std::fs::write(&file, bytes).expect("written");
        let faults = Configuration::load(&file).err().map(|faults| faults.json()).unwrap_or_default();
        faults[0]["message"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(said(SERVICE.as_bytes()), "");
    let comment = format!("{SERVICE}# {}", "\u{e9}".repeat(1024 * 1024));
    assert_eq!(said(comment.as_bytes()), "is larger than 1 MiB: put what many services share into groups and patterns");
    assert!(said(b"services: \xff").starts_with("is not a text ("));
}

proptest! {
    #[test]
    fn a_duration_is_read_as_it_is_written(millis in 0_u64..1_000_000) {
        let seconds = Duration::from_secs(millis);
        prop_assert_eq!(units::duration(&humane(seconds)), Ok(seconds));
        let short = Duration::from_millis(millis);
        prop_assert_eq!(units::duration(&format!("{millis}ms")), Ok(short));
    }

    #[test]
    fn a_share_is_read_as_it_is_written(percent in 0.0..=100.0, pods: u32) {
        prop_assert_eq!(units::percent(&format!("{percent}%")), Ok(percent));
        if pods > 0 {
            let text = format!("services: [{{name: foo, namespace: shop, step: {pods}}}]");
            prop_assert_eq!(good(&text).entries[0].settings.step, Amount::Pods(pods));
        }
    }

    #[test]
    fn any_text_gives_a_configuration_or_faults_with_places(text: String, yaml in "[a-z:{}\\[\\]\"'|>&*!%@`,#? \n-]{0,80}") {
        for text in [text, yaml] {
            if let Err(said) = parse(&text) {
                prop_assert!(said.starts_with("/etc/aviary.yaml:"), "{}", said);
            }
        }
    }

    #[test]
    fn a_damaged_example_gives_a_configuration_or_faults_within_it(
        (start, length) in (0..EXAMPLE.len(), 0_usize..40),
        instead in "[a-z:{}\\[\\]\"'0-9% \n-]{0,8}",
    ) {
        let mut text = EXAMPLE.to_owned();
        text.replace_range(start..(start + length).min(EXAMPLE.len()), &instead);
        if let Err(said) = parse(&text) {
            for line in said.lines().filter(|line| line.starts_with("/etc/aviary.yaml:")) {
                let number = line.split(':').nth(1).and_then(|number| number.parse::<usize>().ok());
                prop_assert!(number.is_some_and(|number| number <= text.lines().count() + 1), "{}", line);
            }
        }
    }
}
