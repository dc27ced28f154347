//! Readiness probes: what is asked, how often, and the asking itself.

use std::{net::Ipv4Addr, time::Duration};

use k8s_openapi::{
    api::core::v1::{Container, HTTPGetAction, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    environment::Program,
    images::Image,
    process::{Process, Sink},
};

/// When a probe is asked and how many answers in a row count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    pub delay: Duration,
    pub period: Duration,
    pub timeout: Duration,
    pub successes: u32,
    pub failures: u32,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    Get {
        url: String,
        headers: Vec<(String, String)>,
    },
    Connect(Ipv4Addr, u16),
    Run(Vec<String>),
    /// Something that this agent cannot ask, as a sentence; it counts as a failure.
    Unknown(String),
}

/// What came of asking once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Good,
    Bad,
    /// Nobody listens (yet).
    Refused,
}

impl Schedule {
    /// The probe's numbers with the defaults of Kubernetes; the image may give finer times.
    pub fn new(probe: &Probe, image: &Image) -> Self {
        let seconds = |value: Option<i32>, default: u64| {
            Duration::from_secs(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(default))
        };
        let count =
            |value: Option<i32>, default: u32| value.and_then(|value| u32::try_from(value).ok()).unwrap_or(default);
        let period = image.probe_period.unwrap_or_else(|| seconds(probe.period_seconds, 10));
        Self {
            delay: image.probe_delay.unwrap_or_else(|| seconds(probe.initial_delay_seconds, 0)),
            period: period.max(Duration::from_millis(10)),
            timeout: seconds(probe.timeout_seconds, 1).max(Duration::from_secs(1)),
            successes: count(probe.success_threshold, 1).max(1),
            failures: count(probe.failure_threshold, 3).max(1),
        }
    }
}

impl Question {
    /// What `probe` asks of `container` in the pod at `address`.
    pub fn new(probe: &Probe, container: &Container, address: Ipv4Addr) -> Self {
        if let Some(get) = &probe.http_get {
            return Self::get(get, container, address);
        }
        if let Some(connect) = &probe.tcp_socket {
            return port(&connect.port, container).map_or_else(Self::Unknown, |port| Self::Connect(address, port));
        }
        match &probe.exec {
            Some(exec) => Self::Run(exec.command.clone().unwrap_or_default()),
            None => Self::Unknown("only httpGet, tcpSocket and exec are known here".into()),
        }
    }

    fn get(get: &HTTPGetAction, container: &Container, address: Ipv4Addr) -> Self {
        let scheme = get.scheme.as_deref().unwrap_or("HTTP");
        if scheme != "HTTP" {
            return Self::Unknown(format!("probes over {scheme} are not known here; use HTTP"));
        }
        let host = get.host.clone().unwrap_or_else(|| address.to_string());
        let path = get.path.as_deref().unwrap_or("/").trim_start_matches('/');
        let headers = get.http_headers.iter().flatten().map(|header| (header.name.clone(), header.value.clone()));
        match port(&get.port, container) {
            Ok(port) => Self::Get { url: format!("http://{host}:{port}/{path}"), headers: headers.collect() },
            Err(fault) => Self::Unknown(fault),
        }
    }

    /// Asks once; `program` lends its environment to a probe that is a command.
    pub async fn ask(&self, client: &reqwest::Client, program: &Program, limit: Duration) -> Answer {
        match self {
            Self::Get { url, headers } => ask_http(client, url, headers, limit).await,
            Self::Connect(address, port) => match timeout(limit, TcpStream::connect((*address, *port))).await {
                Ok(Ok(_)) => Answer::Good,
                Ok(Err(_)) => Answer::Refused,
                Err(_) => Answer::Bad,
            },
            Self::Run(command) => run(command, program, limit).await,
            Self::Unknown(fault) => {
                tracing::warn!("a readiness probe cannot succeed: {fault}");
                Answer::Bad
            }
        }
    }
}

async fn ask_http(client: &reqwest::Client, url: &str, headers: &[(String, String)], limit: Duration) -> Answer {
    let request =
        headers.iter().fold(client.get(url).timeout(limit), |request, (name, value)| request.header(name, value));
    match request.send().await {
        Ok(response) if response.status().as_u16() < 400 => Answer::Good,
        Ok(_) => Answer::Bad,
        Err(error) if error.is_connect() && !error.is_timeout() => Answer::Refused,
        Err(_) => Answer::Bad,
    }
}

async fn run(command: &[String], program: &Program, limit: Duration) -> Answer {
    let program = Program { arguments: command.to_vec(), environment: program.environment.clone() };
    let Ok(mut process) = Process::start(&program, &Sink::None) else { return Answer::Bad };
    let code = timeout(limit, process.wait()).await;
    process.group().kill();
    if code.is_ok_and(|code| code == 0) { Answer::Good } else { Answer::Bad }
}

fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => container
            .ports
            .iter()
            .flatten()
            .find(|port| port.name.as_ref() == Some(name))
            .map(|port| port.container_port),
    };
    number.and_then(|number| u16::try_from(number).ok()).ok_or_else(|| format!("the container has no port {port:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn question(probe: Value) -> Question {
        let container = json!({"name": "c", "ports": [{"name": "metrics", "containerPort": 9100}]});
        let container: Container = serde_json::from_value(container).unwrap();
        Question::new(&serde_json::from_value(probe).unwrap(), &container, Ipv4Addr::new(127, 77, 0, 2))
    }

    #[test]
    fn ports_are_found_by_number_and_by_name() {
        let url = |probe| match question(probe) {
            Question::Get { url, .. } => url,
            other => panic!("{other:?}"),
        };
        assert_eq!(url(json!({"httpGet": {"path": "/ready", "port": 8080}})), "http://127.77.0.2:8080/ready");
        assert_eq!(url(json!({"httpGet": {"port": "metrics"}})), "http://127.77.0.2:9100/");
        assert_eq!(question(json!({"tcpSocket": {"port": 1}})), Question::Connect(Ipv4Addr::new(127, 77, 0, 2), 1));
        assert!(matches!(question(json!({"httpGet": {"port": "none"}})), Question::Unknown(_)));
        assert!(matches!(question(json!({"grpc": {"port": 1}})), Question::Unknown(_)));
    }

    #[test]
    fn times_are_those_of_the_probe_unless_the_image_gives_finer_ones() {
        let probe: Probe = serde_json::from_value(json!({"periodSeconds": 2, "initialDelaySeconds": 5})).unwrap();
        let plain = Schedule::new(&probe, &Image::default());
        assert_eq!((plain.delay.as_secs(), plain.period.as_secs(), plain.failures), (5, 2, 3));
        let image = Image { probe_period: Some(Duration::from_millis(50)), ..Image::default() };
        assert_eq!(Schedule::new(&probe, &image).period, Duration::from_millis(50));
    }
}
