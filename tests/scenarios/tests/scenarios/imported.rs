//! A team that comes from the original Aviary: its canaries.yaml is imported, and its service lives through what the original
//! was made for.

use scenarios::{World, ground, imported};

use super::{changes, releases};

/// Steps of 20 % up to 50 %; three checks a second apart, of which one may fail; the primary's rate of errors is 0.1 a second.
fn original(namespace: &str) -> String {
    format!(
        r#"
prometheus-base-url: {}
namespace: {namespace}
foo:
  step: 20%
  breakpoint: 50%
  abort: 30s
  start_delay: 4s
  check_success_step_duration: 1s
  check_max_failures: 2
  max_step_duration: 3s
  success:
    - expr: rate(worker_errors_total{{pod="<<pod>>"}}[5s]) < 3
"#,
        ground().prometheus_url()
    )
}

/// Steady under the imported configuration, and under nothing else.
fn world() -> World {
    World::steady_with(|namespace| imported(&original(namespace)))
}

#[test]
fn scenario_02_imported_a_working_image_is_promoted_step_by_step() {
    releases::promoted_step_by_step(&world());
}

#[test]
fn scenario_03_imported_an_image_that_exits_is_rolled_back() {
    releases::exits_and_is_not_tried_in_a_loop(&world());
}

#[test]
fn scenario_04_imported_growing_errors_are_rolled_back_by_the_condition() {
    let world = world();
    let reason = releases::rolled_back(&world, "worker:errors", 60);
    let pod = world.outsider.story().of_track("canary").map(|pod| pod.name.clone()).next().unwrap();
    for part in ["2 failed checks", "worker_errors_total", pod.as_str()] {
        assert!(reason.contains(part), "{part:?} is not in {reason:?}");
    }
}

#[test]
fn scenario_06_imported_other_resources_go_direct() {
    let world = world();
    let since = world.now();
    changes::resources_go_direct(&world);
    changes::only_the_primary_rolled(&world, since, 1);
}

#[test]
fn scenario_07_imported_scaling_a_steady_service_is_transparent() {
    changes::scaled_and_restarted(&world());
}
