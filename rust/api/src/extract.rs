//! How requests are read: every way of being wrong is a problem that says where.

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::Principal;
use crate::answer::{Failure, problem};
use crate::strict;

/// The request's body, which must be JSON of the right shape.
pub(crate) struct Body<T>(pub(crate) T);

/// The variable segments of the request's path: a `String` where there is one.
pub(crate) struct Segment<T = String>(pub(crate) T);

/// The request's query.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !is_json(&request) {
            let detail = "the request's body is not declared as JSON";
            let refused = problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail);
            return Err(refused.hint("send the header `Content-Type: application/json`").into());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::from(problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "the request's body is larger than `limits.body` of this node's `node.toml` allows",
            )),
            _ => Failure::from(problem(
                StatusCode::BAD_REQUEST,
                "body-broken-off",
                "the request's body did not arrive whole",
            )),
        })?;
        strict::from_slice(&bytes).map(Self).map_err(|error| unreadable(&error).into())
    }
}

/// Whether the body is declared as `application/json` or as something based on it.
fn is_json(request: &Request) -> bool {
    let declared = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = declared.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// serde_json's messages end with the line and column, which is what the caller needs.
fn unreadable(error: &serde_json::Error) -> dcos_core::Problem {
    match error.classify() {
        Category::Data => {
            let detail = format!("the request's body is not what this endpoint takes: {error}");
            problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", detail)
        }
        Category::Syntax | Category::Eof | Category::Io => {
            problem(StatusCode::BAD_REQUEST, "invalid-json", format!("the request's body is not JSON: {error}"))
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read: Result<_, PathRejection> = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|path| Self(path.0)).map_err(|rejection| {
            let detail = format!("the request's path can't be read: {}", rejection.body_text());
            Failure::from(problem(StatusCode::BAD_REQUEST, "invalid-path", detail))
        })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read: Result<_, QueryRejection> = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        read.map(|query| Self(query.0)).map_err(|rejection| {
            let detail = format!("the request's query can't be read: {}", rejection.body_text());
            Failure::from(problem(StatusCode::BAD_REQUEST, "invalid-query", detail))
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
