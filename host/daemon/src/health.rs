//! `/healthz`, `/readyz` with the reasons for which the daemon is not ready, and `/metrics`.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::telemetry::Telemetry;

/// What `/readyz` answers.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// Why the daemon cannot do its work; it is ready where there is nothing.
    pub not_ready: Vec<String>,
    /// What a person should know besides. It does not make the daemon unready: with the file before, it does all its work, and
    /// one that stands by does its own.
    pub remarks: Vec<String>,
}

/// Serves on `address`; `readiness` is what `/readyz` answers.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    readiness: watch::Receiver<Readiness>,
    telemetry: Arc<Telemetry>,
    tasks: &mut JoinSet<()>,
) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; name another address with --listen"))?;
    let health =
        Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(readiness);
    let router = Router::new().route("/metrics", get(metrics)).with_state(telemetry).merge(health);
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "health is served no more");
        }
    });
    Ok(())
}

async fn metrics(State(telemetry): State<Arc<Telemetry>>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, page) = telemetry.exposition(accept);
    ([(header::CONTENT_TYPE, kind)], page)
}

async fn ready(State(readiness): State<watch::Receiver<Readiness>>) -> (StatusCode, String) {
    let Readiness { not_ready, remarks } = readiness.borrow().clone();
    let (status, first) = match not_ready.is_empty() {
        true => (StatusCode::OK, Some("ready".to_owned())),
        false => (StatusCode::SERVICE_UNAVAILABLE, None),
    };
    let lines = first.into_iter().chain(not_ready).chain(remarks);
    (status, lines.map(|line| line + "\n").collect())
}
