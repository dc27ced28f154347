//! Properties of what is scraped, whatever the pods do.

use std::{collections::BTreeMap, time::Duration};

use aviary_core::{
    judge::{Better, MetricKind, Track},
    settings::{MetricSettings, MetricSource},
    time::Timestamp,
};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const INTERVAL: i64 = 15_000;

fn settings(name: &str, kind: MetricKind) -> MetricSettings {
    MetricSettings {
        name: name.to_owned(),
        unit: String::new(),
        source: MetricSource::Series(name.to_owned()),
        kind,
        better: Better::Lower,
        min: None,
        max: None,
        window: Duration::from_secs(60),
        parameters: serde_json::json!({}),
    }
}

fn level(value: f64) -> Level {
    Level { value, events: 20.0, ..Level::default() }
}

fn conditions() -> Conditions {
    let interval = Duration::from_millis(INTERVAL.unsigned_abs());
    Conditions { interval, released: Some(Timestamp(0)), ..Conditions::default() }
}

/// One pod, scraped at each of `scrapes`; it was started again as often as is said there.
fn scraped(conditions: Conditions, metric: &MetricSettings, level: Level, restarts: &[u32], seed: u64) -> Scraper {
    let levels: BTreeMap<String, Level> = [(metric.name.clone(), level)].into();
    let mut scraper = Scraper::new(conditions, std::slice::from_ref(metric), &[&levels], Chance::of(seed));
    let mut started = Timestamp(1_000);
    let mut before = 0;
    for (scrape, restarts) in (1_i64..).zip(restarts) {
        let now = Timestamp(scrape * INTERVAL);
        if *restarts != before {
            (before, started) = (*restarts, Timestamp(now.0 - 14_000));
        }
        scraper.scrape(&[Seen { name: "c1", levels: &levels, started, restarts: *restarts, ready: true }], now);
    }
    scraper
}

fn answer(scraper: &Scraper, metric: &MetricSettings, now: i64, step: Option<Duration>, per: Per) -> Value {
    let pods = [("c1".to_owned(), Track::Canary)];
    let wanted = Wanted { metric, pods: &pods, per, since: Timestamp(0), now: Timestamp(now), step };
    serde_json::from_slice(&scraper.answer(&wanted).expect("an answer")).expect("JSON")
}

fn values(row: &Value) -> Vec<f64> {
    let values = row["values"].as_array().expect("values");
    values.iter().map(|pair| pair[1].as_str().expect("a text").parse().expect("a number")).collect()
}

fn restarts() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop::bool::weighted(0.1), 1..60).prop_map(|again| {
        again
            .into_iter()
            .scan(0, |count, again| {
                *count += u32::from(again);
                Some(*count)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn counters_grow_but_for_restarts_and_are_about_what_they_should_be(restarts in restarts(), rate in 0.0..50.0, seed: u64) {
        let metric = settings("errors", MetricKind::Counter);
        let scraper = scraped(conditions(), &metric, level(rate), &restarts, seed);
        let told = answer(&scraper, &metric, 10_000_000, None, Per::Pod);
        for row in told["data"]["result"].as_array().expect("rows") {
            let values = values(row);
            let resets = values.windows(2).filter(|pair| pair[1] < pair[0]).count();
            prop_assert!(resets <= *restarts.last().expect("one") as usize);
        }
        if restarts.last() == Some(&0) && restarts.len() > 20 {
            let last = *values(&told["data"]["result"][0]).last().expect("a sample");
            let expected = rate * f64::from(u32::try_from(restarts.len()).expect("few")) * 15.0;
            prop_assert!((last - expected).abs() < 30.0 * rate + 8.0 * expected.sqrt() + 10.0, "{last} of {expected}");
        }
    }

    #[test]
    fn buckets_hold_what_lies_below_them(rounds in 1_usize..30, value in 0.01..100.0, seed: u64) {
        let metric = settings("latency", MetricKind::HistogramBucket);
        let scraper = scraped(conditions(), &metric, level(value), &vec![0; rounds], seed);
        let told = answer(&scraper, &metric, 10_000_000, None, Per::Pod);
        let last: Vec<f64> = told["data"]["result"].as_array().expect("rows").iter().map(|row| *values(row).last().expect("one")).collect();
        prop_assert!(last.windows(2).all(|pair| pair[0] <= pair[1]), "{last:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes(restarts in restarts(), seed: u64, other: u64) {
        let metric = settings("errors", MetricKind::Counter);
        let told = |seed| {
            let noisy = Level { spread: 0.2, ..level(5.0) };
            answer(&scraped(conditions(), &metric, noisy, &restarts, seed), &metric, 10_000_000, None, Per::Pod).to_string()
        };
        prop_assert_eq!(told(seed), told(seed));
        if restarts.len() > 20 && seed != other {
            prop_assert_ne!(told(seed), told(other));
        }
    }
}

#[test]
fn a_level_is_what_is_written_of_it() {
    let passing = |lasts, times| Some(Passing { lasts: Duration::from_secs(lasts), times });
    let later = Later { after: Duration::from_secs(1800), times: 0.0, per_hour: 8.0 };
    let table = [
        ("as it is", level(4.0), 100, 4.0),
        ("grows", Level { per_hour: 2.0, ..level(4.0) }, 3600, 6.0),
        ("is warm half-way", Level { warm_up: passing(100, 3.0), ..level(4.0) }, 50, 8.0),
        ("is warm at the end", Level { warm_up: passing(100, 3.0), ..level(4.0) }, 100, 4.0),
        ("in a rebalance", Level { rebalance: passing(60, 0.5), ..level(4.0) }, 59, 2.0),
        ("after it", Level { rebalance: passing(60, 0.5), ..level(4.0) }, 60, 4.0),
        ("turns", Level { per_hour: 2.0, then: vec![later], ..level(4.0) }, 5400, 1.0 + 8.0),
        ("by partitions", Level { by_partitions: true, ..level(4.0) }, 100, 6.0),
    ];
    for (name, level, seconds, expected) in table {
        let age = Duration::from_secs(seconds);
        let moment = level::Moment { age, since_rebalance: Some(age), partitions: 1.5, times: 1.0 };
        assert!((level.at(moment) - expected).abs() < 1e-9, "{name}: {}", level.at(moment));
    }
}

#[test]
fn an_evaluated_query_has_points_on_its_grid_and_a_condition_one_where_it_holds() {
    let query = settings("lag", MetricKind::Evaluated);
    let scraper = scraped(conditions(), &query, level(7.0), &[0; 8], 1);
    for (per, labels) in [(Per::Pod, r#"{"pod":"c1"}"#), (Per::Track, r#"{"track":"canary"}"#), (Per::Service, "{}")] {
        let told = answer(&scraper, &query, 120_000, Some(Duration::from_secs(60)), per);
        let row = &told["data"]["result"][0];
        assert_eq!((row["metric"].to_string().as_str(), values(row)), (labels, vec![7.0; 2]), "{per:?}");
    }
    let condition = settings("fine", MetricKind::Condition);
    for (chance, rows) in [(1.0, 1), (0.0, 0)] {
        let scraper = scraped(conditions(), &condition, level(chance), &[0; 8], 1);
        let told = answer(&scraper, &condition, 120_000, None, Per::Pod);
        assert_eq!(told["data"]["result"].as_array().map(Vec::len), Some(rows));
    }
}

#[test]
fn what_is_not_well_with_prometheus_shows_as_what_it_is() {
    let metric = settings("errors", MetricKind::Counter);
    let during = |fault| {
        let outages = vec![Outage { from: Duration::from_secs(60), lasts: Duration::from_secs(50), fault }];
        scraped(Conditions { outages, ..conditions() }, &metric, level(5.0), &[0; 10], 1)
    };
    let ask = |scraper: &Scraper, now| {
        let pods = [("c1".to_owned(), Track::Canary)];
        let (since, now) = (Timestamp(0), Timestamp(now));
        scraper.answer(&Wanted { metric: &metric, pods: &pods, per: Per::Pod, since, now, step: None })
    };
    let samples = |scraper: &Scraper| values(&answer(scraper, &metric, 150_000, None, Per::Pod)["data"]["result"][0]);
    let all = samples(&during(Fault::Unreachable)).len();
    for (fault, refused, seen, nan) in [
        (Fault::Down, true, all - 4, 0),
        (Fault::Unreachable, true, all, 0),
        (Fault::NoSamples, false, all - 4, 0),
        (Fault::Nan, false, all, 4),
    ] {
        let scraper = during(fault);
        assert_eq!((ask(&scraper, 60_000).is_err(), ask(&scraper, 110_000).is_err()), (refused, false), "{fault:?}");
        let samples = samples(&scraper);
        let nans = samples.iter().filter(|value| value.is_nan()).count();
        assert_eq!((samples.len(), nans), (seen, nan), "{fault:?}");
    }
}

#[test]
fn bounds_lie_around_all_values_and_have_an_end() {
    let bounds = |values: &[f64]| {
        let levels: Vec<BTreeMap<String, Level>> =
            values.iter().map(|value| [("latency".to_owned(), level(*value))].into()).collect();
        let metric = settings("latency", MetricKind::HistogramBucket);
        let levels: Vec<&BTreeMap<String, Level>> = levels.iter().collect();
        Scraper::new(conditions(), &[metric], &levels, Chance::of(1)).metrics["latency"].bounds.clone()
    };
    for values in
        [&[0.3][..], &[0.001, 500.0], &[1e-9, 1e9], &[0.0], &[], &[1e-300, 1e300], &[f64::INFINITY], &[f64::NAN]]
    {
        let bounds = bounds(values);
        assert!((2..=201).contains(&bounds.len()), "{values:?}: {}", bounds.len());
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]) && bounds.last() == Some(&f64::INFINITY), "{values:?}");
        let within = |value: &f64| bounds[0] < *value && *value < bounds[bounds.len() - 2];
        assert!(values.iter().filter(|value| (1e-12..1e12).contains(*value)).all(within), "{values:?}: {bounds:?}");
    }
}
