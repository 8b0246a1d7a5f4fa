//! What is wrong with a request is said as a problem, with its place.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http::header;

use crate::fake::{ask, master, refusal, request};

#[tokio::test]
async fn a_body_that_is_not_json_is_400_with_its_place() {
    for (body, place) in
        [("{\"ticket\": \n tick}", "line 2 column 3"), ("", "line 1 column 0"), ("{", "line 1 column 1")]
    {
        let problem = refusal(&master(), request("POST", "/restart/go", Some(body), Some("operator"))).await;
        assert_eq!((problem.status, problem.name()), (400, "invalid-json"), "{body}");
        assert!(problem.detail.contains(place), "{}", problem.detail);
    }
}

#[tokio::test]
async fn a_body_of_another_shape_is_422_and_says_what_is_missing() {
    for (path, body, why) in [
        ("/restart/go", "{}", "missing field `ticket`"),
        ("/restart/go", "[1]", "invalid type: sequence, expected struct GoRequest"),
        ("/pkg/gc", "[]", "invalid type: sequence"),
        ("/pkg/gc", r#"{"dryrun":true}"#, "unknown field `dryrun`"),
        ("/pkg/fetch", r#"{"packages":[{"id":"no-version"}]}"#, "`<name>--<version>` is needed"),
        ("/pkg/fetch", r#"{"packages":[]}"#, "names 1 to 1000 packages"),
        ("/pkg/validate", r#"{"set":"mesos--1.11.0"}"#, "expected a sequence"),
        ("/deploy/deployments", r#"{"change":{"upgrade":{"mesos":"1.11.0"}},"dryrun":true}"#, "unknown field `dryrun`"),
    ] {
        let problem = refusal(&master(), request("POST", path, Some(body), Some("operator"))).await;
        assert_eq!((problem.status, problem.name()), (422, "invalid-request"), "{path}");
        assert!(problem.detail.contains(why), "{}", problem.detail);
    }
}

#[tokio::test]
async fn a_newer_controller_may_say_more_than_we_know() {
    let body = r#"{"ticket":"5f0c6a1be27d49f8","since":"the next release"}"#;
    let (response, body) = ask(&master(), request("POST", "/restart/go", Some(body), Some("operator"))).await;
    assert_eq!(response.status(), 202, "{body}");
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_415() {
    for declared in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("jsonapplication/json")]
    {
        let mut request = request("POST", "/restart/go", Some("{}"), Some("operator"));
        request.headers_mut().remove(header::CONTENT_TYPE);
        if let Some(declared) = declared {
            request.headers_mut().insert(header::CONTENT_TYPE, declared.parse().unwrap());
        }
        let problem = refusal(&master(), request).await;
        assert_eq!((problem.status, problem.name()), (415, "not-json"), "{declared:?}");
    }
    for declared in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.dcos+json"] {
        let mut request = request("POST", "/restart/go", Some("{"), Some("operator"));
        request.headers_mut().insert(header::CONTENT_TYPE, declared.parse().unwrap());
        assert_eq!(refusal(&master(), request).await.status, 400, "{declared}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_one_at_the_limit_is_not() {
    let body = |length: usize| format!("{{\"ticket\":\"{}\"}}", "x".repeat(length - 13));
    let problem = refusal(&master(), request("POST", "/restart/go", Some(&body(4097)), Some("operator"))).await;
    assert_eq!((problem.status, problem.name()), (413, "body-too-large"));
    // One that fits is read: a field that is not there is complained about, not its length.
    let fits = body(4096).replace("ticket", "tikcet");
    let problem = refusal(&master(), request("POST", "/restart/go", Some(&fits), Some("operator"))).await;
    assert_eq!((problem.status, problem.name()), (422, "invalid-request"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400() {
    let mut broken = request("POST", "/restart/go", Some(""), Some("operator"));
    *broken.body_mut() = Body::new(Broken);
    let problem = refusal(&master(), broken).await;
    assert_eq!((problem.status, problem.name()), (400, "body-broken-off"));
}

/// A body whose connection is gone before its first byte.
struct Broken;

impl HttpBody for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("gone"))))
    }
}

#[tokio::test]
async fn what_is_no_endpoint_is_404_and_what_is_no_method_405() {
    for path in
        ["/", "/pkg", "/pkg/activ", "/pkg/active/", "/pkg/jobs/a/b", "/master/slaves", "/deploy/deployments/d-7/x/y"]
    {
        let problem = refusal(&master(), request("GET", path, None, None)).await;
        assert_eq!((problem.status, problem.name()), (404, "no-such-endpoint"), "{path}");
        assert!(problem.detail.contains(path));
    }
    for (method, path) in [("POST", "/pkg/active"), ("PUT", "/pkg/packages/a--1"), ("GET", "/restart/go")] {
        let problem = refusal(&master(), request(method, path, None, Some("admin"))).await;
        assert_eq!((problem.status, problem.name()), (405, "no-such-method"), "{method} {path}");
    }
    let (response, _) = ask(&master(), request("PATCH", "/pkg/packages/a--1", None, Some("admin"))).await;
    assert_eq!(response.headers()[header::ALLOW], "GET,HEAD,DELETE");

    let problem = refusal(&master(), request("POST", "/deploy/deployments/d-7/explode", None, Some("operator"))).await;
    assert_eq!((problem.status, problem.name()), (404, "no-such-endpoint"));
    assert_eq!(problem.hints.len(), 1);
}

#[tokio::test]
async fn paths_and_queries_that_can_not_be_read_are_400() {
    for (path, name) in [
        ("/pkg/packages/%ff", "invalid-path"),
        ("/pkg/packages/mesos", "invalid-id"),
        ("/pkg/packages/..%2F..%2Fetc--1", "invalid-id"),
        ("/deploy/events?after=-1", "invalid-query"),
        ("/deploy/events?after=soon", "invalid-query"),
    ] {
        let problem = refusal(&master(), request("GET", path, None, Some("reader"))).await;
        assert_eq!((problem.status, problem.name()), (400, name), "{path}");
    }
    let problem = refusal(&master(), request("POST", "/deploy/deployments/%ff/pause", None, Some("operator"))).await;
    assert_eq!((problem.status, problem.name()), (400, "invalid-path"));
}

#[tokio::test]
async fn what_is_not_there_is_404_with_the_backend_s_own_name() {
    for (method, path) in [
        ("GET", "/pkg/packages/mesos--9.9.9"),
        ("DELETE", "/pkg/packages/mesos--9.9.9"),
        ("GET", "/pkg/jobs/x"),
        ("DELETE", "/pkg/jobs/x"),
        ("DELETE", "/restart/attempts/x"),
        ("GET", "/deploy/deployments/d-0"),
        ("GET", "/deploy/summary?deployment=d-0"),
        ("POST", "/deploy/deployments/d-0/abort"),
    ] {
        let problem = refusal(&master(), request(method, path, None, Some("operator"))).await;
        assert_eq!((problem.status, problem.name()), (404, "not-here"), "{method} {path}");
    }
}
