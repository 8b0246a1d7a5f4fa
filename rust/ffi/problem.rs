//! The refusals that the bridge makes itself, before or after the router had its turn.

use axum::body::Bytes;
use dcos_core::problem::{MEDIA_TYPE, Problem};
use http::{HeaderValue, Response, StatusCode, header};

/// A problem of the given stable `name` under a status that the bridge chooses.
pub(crate) fn problem(status: StatusCode, name: &str, detail: impl Into<String>) -> Problem {
    Problem {
        kind: format!("urn:dcos-bits:{name}"),
        title: name.replace('-', " "),
        status: status.as_u16(),
        detail: detail.into(),
        hints: Vec::new(),
        problems: Vec::new(),
    }
}

/// The problem as a response.
pub(crate) fn response(problem: &Problem) -> Response<Bytes> {
    // Serialising strings and numbers into memory cannot fail; an empty body would still carry the status.
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}
