//! A short series of releases through kills and outages; `make chaos` is the long one.

use std::time::Duration;

use chaos::{Outage, Settings, Trial};

#[test]
fn releases_end_as_they_must_through_kills_and_an_api_server_that_stands_still() {
    let trial = Trial { outage: Outage::Freeze(Duration::from_secs(3)), kill: true };
    let settings = Settings {
        seed: 7,
        kills: 6,
        daemons: 2,
        services: 2,
        life: Duration::from_secs(1),
        trials: vec![trial],
        // Never reached: so many kills take less, however busy the machine.
        limit: Duration::from_secs(600),
    };
    let report = chaos::run(&settings).unwrap_or_else(|error| panic!("{error:#}"));
    assert!(report.is_good(), "{report}");
    println!("{report}");
}
