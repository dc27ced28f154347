//! The process as the system sees it, looked up for each scrape; the names are those of Prometheus' own libraries.

use std::{fmt, fs};

use aviary_core::time::Timestamp;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::{TimeVal, TimeValLike as _},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

#[derive(Debug)]
struct Process {
    started: Timestamp,
}

pub(super) fn register(registry: &mut Registry, started: Timestamp) {
    registry.register_collector(Box::new(Process { started }));
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let encoder = &mut encoder;
        if let Some(seconds) = processor_seconds() {
            let help = "Processor time of user and system";
            write(encoder, "process_cpu_seconds", help, &ConstCounter::new(seconds))?;
        }
        if let Some(bytes) = resident_bytes() {
            write(encoder, "process_resident_memory_bytes", "Memory in use", &ConstGauge::new(bytes))?;
        }
        let started = self.started.0.div_euclid(1000);
        write(encoder, "process_start_time_seconds", "When it started", &ConstGauge::new(started))
    }
}

fn write(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: &impl EncodeMetric) -> fmt::Result {
    value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)
}

fn processor_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let seconds =
        |time: TimeVal| std::time::Duration::from_micros(time.num_microseconds().unsigned_abs()).as_secs_f64();
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
