//! The connection: credentials as every tool finds them, retries off, and a time limit on everything.

use std::{future::Future, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
    config::{KubeConfigOptions, Kubeconfig},
};
use thiserror::Error;
use tower::{BoxError, Layer as _, Service, timeout::TimeoutLayer};

use crate::{
    calls::{CallObserver, Observing},
    error::WriteError,
};

/// The longest that any call may take, from the first byte sent to the last byte read; for lists and watches, to the
/// head of the answer.
pub const CALL_LIMIT: Duration = Duration::from_secs(10);
/// The longest silence on a connection; longer than a watch lasts, so that it only ends dead ones.
const READ_LIMIT: Duration = Duration::from_secs(55);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Why there is no connection to a cluster.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Neither a kubeconfig nor the credentials of a pod were found, or they cannot be read.
    #[error("no credentials for a cluster: {0}; set KUBECONFIG, or run in a pod with a service account")]
    Credentials(kube::config::InferConfigError),
    /// A kubeconfig that was named cannot be used.
    #[error("the kubeconfig `{0}` cannot be used: {1}; name another one")]
    Kubeconfig(String, kube::config::KubeconfigError),
    /// The credentials do not make a client.
    #[error("the cluster's credentials cannot be used: {0}; check certificates and token in the kubeconfig")]
    Client(kube::Error),
    /// The version does not fit into a header.
    #[error("`{0}` cannot be a user agent; use a version such as 0.1.0")]
    UserAgent(String),
}

/// Makes a client from `KUBECONFIG`, `~/.kube/config` or the pod's service account; contacts nobody yet. `observer`
/// hears of each of its calls.
///
/// The process must have a default crypto provider of rustls.
///
/// # Errors
/// Credentials that are missing or unusable.
pub async fn connect(version: &str, observer: Arc<dyn CallObserver>) -> Result<Client, ConnectError> {
    let config = Config::infer().await.map_err(ConnectError::Credentials)?;
    client_of(config, version, observer)
}

/// Makes a client from one kubeconfig file and its current context; contacts nobody yet.
///
/// # Errors
/// A file that is missing or unusable.
pub async fn connect_with(kubeconfig: &Path, version: &str) -> Result<Client, ConnectError> {
    let fault = |error| ConnectError::Kubeconfig(kubeconfig.display().to_string(), error);
    let file = Kubeconfig::read_from(kubeconfig).map_err(fault)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(fault)?;
    client_of(config, version, Arc::new(()))
}

/// Makes a client of a configuration, with Aviary's limits.
fn client_of(mut config: Config, version: &str, observer: Arc<dyn CallObserver>) -> Result<Client, ConnectError> {
    let agent = format!("aviary/{version}");
    let value = agent.parse().map_err(|_| ConnectError::UserAgent(agent.clone()))?;
    let name = "user-agent".parse().map_err(|_| ConnectError::UserAgent(agent))?;
    config.headers.push((name, value));
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.write_timeout = Some(CALL_LIMIT);
    config.read_timeout = Some(READ_LIMIT);
    config.reset_reader_on_write = true;
    let builder = ClientBuilder::try_from(config).map_err(ConnectError::Client)?;
    // Outermost, so that a call that takes too long is told too.
    Ok(builder.with_layer(&TimeoutLayer::new(CALL_LIMIT)).with_layer(&Observing(observer)).build())
}

/// Makes a client of something that answers in an API server's place, with the same limits; within a runtime of tokio.
pub fn connect_to<S, B>(service: S, observer: Arc<dyn CallObserver>) -> Client
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + Sync,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Client::new(Observing(observer).layer(TimeoutLayer::new(CALL_LIMIT).layer(service)), "default")
}

/// Runs one call within [`CALL_LIMIT`].
pub(crate) async fn bounded<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, WriteError> {
    match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(answer) => answer.map_err(|error| WriteError::of(&error)),
        Err(_) => Err(WriteError::Unknown(format!("no answer within {} s", CALL_LIMIT.as_secs()))),
    }
}
