//! The router that the module's own tests load into a real Mesos, in place of the product's. Never in what is shipped:
//! it panics on demand.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query};
use axum::response::AppendHeaders;
use axum::routing::{any, get, post};
use dcos_api::Principal;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// Room for the large bodies that the tests send, in bytes.
pub(crate) const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// How a slow answer is asked for.
#[derive(serde::Deserialize)]
struct Slow {
    milliseconds: u64,
}

/// Endpoints below prefixes that libprocess knows anyway.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/pkg/health", get(async || "healthy"))
        .route("/pkg/fetch/echo", post(async |body: Bytes| body))
        .route("/pkg/state/describe", any(describe))
        .route("/pkg/state/slow", get(slow))
        .route("/pkg/state/gate", get(gate))
        .route("/pkg/state/open", get(open))
        .route("/pkg/state/panic", get(panic))
        .route("/pkg/state/panic-later", get(panic_later))
        .route("/pkg/state/abandoned", get(abandoned))
        .route(
            "/pkg/state/headers",
            get(async || (AppendHeaders([("x-one", "1"), ("x-two", "2"), ("x-two", "3")]), "headers")),
        )
        .layer(DefaultBodyLimit::disable())
}

/// What arrived, as the handler sees it.
async fn describe(method: Method, uri: Uri, headers: HeaderMap, principal: axum::Extension<Principal>) -> String {
    let headers: Value = headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), Value::from(String::from_utf8_lossy(value.as_bytes()).as_ref()))
        })
        .collect();
    json!({"method": method.as_str(), "uri": uri.to_string(), "headers": headers, "principal": principal.0.0})
        .to_string()
}

async fn slow(Query(slow): Query<Slow>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(slow.milliseconds)).await;
    "slow"
}

/// Lets as many through as [`open`] was asked for.
static GATE: Semaphore = Semaphore::const_new(0);

/// Waits until it is let through.
async fn gate() -> &'static str {
    match GATE.acquire().await {
        Ok(permit) => {
            permit.forget();
            "through"
        }
        Err(_) => "closed",
    }
}

/// How many are to be let through.
#[derive(serde::Deserialize)]
struct Open {
    count: usize,
}

async fn open(Query(open): Query<Open>) -> &'static str {
    GATE.add_permits(open.count);
    "open"
}

/// Panics on the libprocess thread.
async fn panic() -> StatusCode {
    if true {
        panic!("as the test wished")
    }
    StatusCode::OK
}

/// Panics on a thread of the runtime.
async fn panic_later() -> StatusCode {
    tokio::task::yield_now().await;
    panic().await
}

/// The bridge drops the reply of this one unsent.
async fn abandoned() -> axum::response::Response {
    let mut response = axum::response::Response::default();
    response.extensions_mut().insert(Abandon);
    response
}

/// Marks a response that is to be dropped together with its reply.
#[derive(Clone, Copy)]
pub(crate) struct Abandon;
