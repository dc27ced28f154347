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

/// Serves on `address`; what is told over `not_ready` is what `/readyz` answers, ready when it is empty.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    not_ready: watch::Receiver<Vec<String>>,
    telemetry: Arc<Telemetry>,
    tasks: &mut JoinSet<()>,
) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; name another address with --listen"))?;
    let health =
        Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(not_ready);
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

async fn ready(State(not_ready): State<watch::Receiver<Vec<String>>>) -> (StatusCode, String) {
    let reasons = not_ready.borrow().clone();
    if reasons.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.iter().map(|reason| format!("{reason}\n")).collect())
}
