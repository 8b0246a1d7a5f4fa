//! How answers are written: JSON, and problems as `application/problem+json`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use dcos_core::problem::MEDIA_TYPE;
use dcos_core::{ExitCode, Problem};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// A problem on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    problem: Problem,
    about: String,
}

/// What a request was about and why it was refused, for the log of changes: an extension of the response.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) about: String,
    pub(crate) refusal: Option<String>,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem, about: String::new() }
    }
}

impl Failure {
    /// The same, with a word about what was asked for.
    pub(crate) fn about(problem: impl Into<Self>, text: &str) -> Self {
        Self { about: text.to_owned(), ..problem.into() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = written(status, MEDIA_TYPE, &self.problem);
        response.extensions_mut().insert(Said { about: self.about, refusal: Some(self.problem.detail) });
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
    response.extensions_mut().insert(Said { about: text.into(), refusal: None });
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
