//! How answers are written: JSON, and problems as `application/problem+json`.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use dcos_core::problem::MEDIA_TYPE;
use dcos_core::{ExitCode, Problem};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// A problem on its way out. The response carries it as an extension too, for the log.
#[derive(Clone, Debug)]
pub(crate) struct Failure(pub(crate) Problem);

/// What a request was about, for the log of changes: an extension of the response.
#[derive(Clone, Debug)]
pub(crate) struct About(pub(crate) String);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = written(status, MEDIA_TYPE, &self.0);
        response.extensions_mut().insert(Arc::new(self.0));
        response
    }
}

/// A problem whose status is one of HTTP's own, which no exit code has.
pub(crate) fn problem(status: StatusCode, name: &str, detail: impl Into<String>) -> Problem {
    Problem { status: status.as_u16(), ..Problem::new(ExitCode::Usage, name, detail) }
}

/// `value` as JSON.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    written(status, "application/json", value)
}

/// `value` as JSON under 200.
pub(crate) fn ok<T: Serialize>(value: &T) -> Response {
    json(StatusCode::OK, value)
}

/// The response with a word about what was asked for.
pub(crate) fn about(mut response: Response, text: impl Into<String>) -> Response {
    response.extensions_mut().insert(About(text.into()));
    response
}

fn written<T: Serialize>(status: StatusCode, media_type: &'static str, value: &T) -> Response {
    let (status, body) = match serde_json::to_vec(value) {
        Ok(body) => (status, body),
        Err(error) => {
            // Only a map with keys that are no strings can get here, and no answer has one.
            tracing::error!("writing an answer as JSON failed: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
