//! `GET /<part>/openapi.json`: what each part can be asked, for programs.
//!
//! The documents are files of `docs/http-api/openapi/`, made by this crate's tests from the table of routes and the wire
//! types. So nothing that makes schemas gets into Mesos, only their text.

use axum::response::{IntoResponse, Response};
use http::header;

/// The document of a part; empty for what is no part.
pub fn document(part: &str) -> &'static str {
    match part {
        "pkg" => include_str!("../../../docs/http-api/openapi/pkg.json"),
        "restart" => include_str!("../../../docs/http-api/openapi/restart.json"),
        "deploy" => include_str!("../../../docs/http-api/openapi/deploy.json"),
        "provision" => include_str!("../../../docs/http-api/openapi/provision.json"),
        _ => "",
    }
}

pub(crate) fn answer(part: &str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document(part)).into_response()
}
