//! Which changes deserve a canary.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use aviary_policy_sdk::{Classifier, KindOfChange, parameters::read, testing::ChangeBuilder};
use image_change::{ImageChange, Settings};

const CONTAINERS: &str = "/template/spec/containers";

fn change() -> ChangeBuilder {
    ChangeBuilder::new()
}

fn classify(change: ChangeBuilder, parameters: &str) -> (KindOfChange, String) {
    let classification = ImageChange::classify(&change.build(), &read(parameters).unwrap());
    (classification.kind, classification.reason)
}

#[test]
fn images_deserve_a_canary_and_nothing_else_does() {
    use KindOfChange::{Canary, Direct, Ignore, Scale};
    let cpu = format!("{CONTAINERS}/name=worker/resources/limits/cpu");
    let table = [
        (change(), Ignore, "nothing differs"),
        (change().replicas(5, 9), Scale, "only replicas differ: 5 before, 9 now"),
        (change().replicas(5, 9).differs("/replicas", Some("5"), Some("9")), Scale, "5 before, 9 now"),
        (
            change().differs(&cpu, Some("1"), None),
            Direct,
            "no image differs, only /template/spec/containers/name=worker/resou",
        ),
        (
            change().image("worker", Some("a:1"), Some("a:2")),
            Canary,
            "image of container worker changed from a:1 to a:2",
        ),
        (change().replicas(5, 9).image("worker", Some("a:1"), Some("a:2")), Canary, "from a:1 to a:2"),
        (change().init_image("prepare", Some("a:1"), Some("a:2")), Canary, "image of init container prepare changed"),
        (change().image("sidecar", None, Some("s:1")), Canary, "container sidecar was added with image s:1"),
        (change().image("sidecar", Some("s:1"), None), Canary, "container sidecar with image s:1 was removed"),
    ];
    for (change, kind, reason) in table {
        let (found, told) = classify(change, "");
        assert_eq!(found, kind, "{told}");
        assert!(told.contains(reason), "{told}");
    }
}

#[test]
fn many_differences_are_not_all_told() {
    let many = ["/a", "/b", "/c", "/d", "/e"].iter().fold(change(), |change, at| change.differs(at, None, Some("1")));
    assert_eq!(classify(many, "").1, "no image differs, only /a, /b, /c, 2 more");
}

#[test]
fn pointers_can_deserve_a_canary() {
    use KindOfChange::{Canary, Direct};
    let worker = format!("{CONTAINERS}/name=worker");
    let table = [
        ("/template/spec/containers/*/env/**", format!("{worker}/env/name=A/value"), "1", Canary),
        ("/template/spec/containers/*/env/**", format!("{worker}/env"), r#"[{"name":"A"}]"#, Canary),
        ("/template/spec/containers/*/env/**", format!("{worker}/envFrom/0"), "{}", Direct),
        ("/template/spec/containers/*/env/**", "/template/spec/env/name=A".to_owned(), "1", Direct),
        ("/template/spec/containers/name=w*/args/**", format!("{worker}/args/0"), "1", Canary),
        ("/template/spec/containers/name=v*/args/**", format!("{worker}/args/0"), "1", Direct),
        ("/**/configMap/name", "/template/spec/volumes/name=c/configMap/name".to_owned(), "1", Canary),
        // Added as a whole: the place is within the value.
        ("/**/configMap/name", "/template/spec/volumes/name=c".to_owned(), r#"{"configMap":{"name":"x"}}"#, Canary),
        (
            "/template/spec/volumes/name=c/configMap/name",
            "/template/spec/volumes".to_owned(),
            r#"[{"name":"c","configMap":{"name":"x"}}]"#,
            Canary,
        ),
        (
            "/template/spec/volumes/name=d/**",
            "/template/spec/volumes".to_owned(),
            r#"[{"name":"c","configMap":{"name":"x"}}]"#,
            Direct,
        ),
        ("/template/metadata/labels/a~1b", "/template/metadata/labels".to_owned(), r#"{"a/b":"1"}"#, Canary),
    ];
    for (pattern, pointer, after, kind) in table {
        let change = change().differs(&pointer, None, Some(after));
        let (found, told) = classify(change, &format!(r#"{{"canary-pointers":["{pattern}"]}}"#));
        assert_eq!(found, kind, "{pattern} {pointer}: {told}");
        assert_eq!(told.contains(pattern), kind == Canary, "{told}");
    }
}

#[test]
fn images_go_direct_only_if_all_of_them_may() {
    use KindOfChange::{Canary, Direct};
    let parameters = r#"{"direct-images":["*/log-shipper:*", "proxy:1.*"]}"#;
    let shipper = || change().image("log", Some("r.example/log-shipper:1"), Some("r.example/log-shipper:2"));
    let table = [
        (shipper(), Direct),
        (shipper().image("proxy", None, Some("proxy:1.9")), Direct),
        (shipper().image("worker", Some("a:1"), Some("a:2")), Canary),
        (change().image("proxy", Some("proxy:1.9"), Some("proxy:2.0")), Canary),
        (change().image("proxy", Some("other:1"), Some("proxy:1.9")), Canary),
    ];
    for (change, kind) in table {
        let (found, told) = classify(change, parameters);
        assert_eq!(found, kind, "{told}");
    }
    let both = r#"{"direct-images":["*/log-shipper:*"],"canary-pointers":["/template/spec/containers/name=log/**"]}"#;
    assert_eq!(classify(shipper(), both).0, Canary);
}

#[test]
fn a_pointer_without_its_slash_is_refused_at_the_door() {
    let settings: Settings = read(r#"{"canary-pointers":["template/**"]}"#).unwrap();
    let fault = ImageChange::check(&settings).unwrap_err();
    assert_eq!(fault, "parameter `canary-pointers` has `template/**`, which must start with a slash");
    ImageChange::check(&Settings::default()).unwrap();
}
