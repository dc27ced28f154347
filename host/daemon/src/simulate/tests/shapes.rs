//! What a release says of a metric is what a policy reads of it, in whatever way the configuration asks.

use super::*;
use crate::simulate::story::What;

const CONFIGURATION: &str = r#"
prometheus: { url: http://prometheus:9090 }
services:
  - name: worker
    namespace: shop
    break-point: 20%
    metrics:
      - { name: counted, series: 'counted_total{pod=~"{pods}"}', kind: counter, max: 1000, window: 5m }
      - { name: gauged, series: 'gauged{pod=~"{pods}"}', kind: gauge, max: 1000 }
      - { name: timed, series: 'timed_bucket{pod=~"{pods}"}', kind: histogram-bucket, max: 1000, window: 5m, parameters: { quantile: 0.9 } }
      - { name: asked, query: 'sum by (pod) (asked{pod=~"{pods}"})', max: 1000 }
      - { name: of track, query: 'sum by (track) (asked)', max: 1000 }
      - { name: of service, query: 'sum(asked)', max: 1000 }
      - { name: holds, condition: 'up{pod="{pod}"} == 1' }
"#;

const RELEASE: &str = "
candidate:
  metrics:
    counted: { value: 8 }
    gauged: { value: 40, noise: 1% }
    timed: { value: 0.7 }
    asked: { value: 3 }
    of track: { value: 5, per: track }
    holds: { value: 1 }
accepted:
  metrics:
    of track: { value: 2, per: track }
    of service: { value: 11, per: service }
";

#[test]
fn every_shape_is_read_as_it_was_written() {
    let configuration = Configuration::parse(CONFIGURATION, Path::new("aviary.yaml")).expect("a good configuration");
    let run = played(RELEASE, configuration, None);
    let last = run.entries.iter().rev().find_map(|entry| match &entry.what {
        What::Checked(check, _) => check.findings.iter().find(|found| found.policy.name == "threshold"),
        What::Said { .. } => None,
    });
    let lines = &last.expect("a check").finding.metrics;
    let expected = [
        ("counted", 8.0),
        ("gauged", 40.0),
        ("timed", 0.7),
        ("asked", 3.0),
        ("of track", 5.0),
        ("of service", 11.0),
        ("holds", 100.0),
    ];
    for (name, value) in expected {
        let line = lines.iter().find(|line| line.metric == name).unwrap_or_else(|| panic!("{name}: {lines:?}"));
        let canary = line.canary.unwrap_or_else(|| panic!("{line:?}"));
        assert!((canary - value).abs() < 0.15 * value, "{name} is read as {canary}");
    }
}
