//! Prometheus' HTTP interface, as far as plain selectors go: instant queries of the latest or of raw samples, and ranges.
//! What else PromQL has is answered as a parse error.

mod query;
mod selector;

use std::{collections::BTreeMap, sync::Arc};

use aviary_core::time::Timestamp;
use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};

pub use selector::Selector;

use crate::face::Clock;
use query::{Fault, Parameters};

/// A series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels, with its name as `__name__`.
    pub labels: BTreeMap<String, String>,
    /// The oldest first.
    pub samples: Vec<(Timestamp, f64)>,
}

/// Tells the series that a selector means.
pub type Source = Arc<dyn Fn(&Selector) -> Vec<Series> + Send + Sync>;

/// A service for HTTP servers; queries without a time are asked at that of `clock`.
pub fn router(clock: Clock, source: Source) -> Router {
    let (at_once, ranges) = ((clock.clone(), source.clone()), (clock, source));
    let instant = get(instant).post(instant).with_state(at_once);
    let range = get(range).post(range).with_state(ranges);
    Router::new().route("/api/v1/query", instant).route("/api/v1/query_range", range)
}

type Known = State<(Clock, Source)>;

async fn instant(State((clock, source)): Known, uri: Uri, body: Bytes) -> Response {
    told(query::instant(&Parameters::of(&uri, &body), clock(), &*source))
}

async fn range(State((_, source)): Known, uri: Uri, body: Bytes) -> Response {
    told(query::range(&Parameters::of(&uri, &body), &*source))
}

fn told(answer: Result<Value, Fault>) -> Response {
    match answer {
        Ok(data) => Json(json!({ "status": "success", "data": data })).into_response(),
        Err(Fault(error)) => {
            let body = json!({ "status": "error", "errorType": "bad_data", "error": error });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}
