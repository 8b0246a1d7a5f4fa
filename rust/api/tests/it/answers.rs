//! What each endpoint answers to a caller who may ask and asks rightly.

use std::collections::BTreeSet;
use std::future::Future as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use axum::Router;
use dcos_api::routes::ROUTES;
use dcos_api::{Controller, Parts};
use dcos_core::node::NodeConfig;
use http::{Method, header};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::examples::text;
use crate::fake::{FakeController, FakeNode, NODE, ask, master, refusal, request, router_with};

/// An endpoint asked: method, path, the example that is sent, the status, the example that is answered.
type Case = (&'static str, &'static str, Option<&'static str>, u16, &'static str);

const CASES: &[Case] = &[
    ("GET", "/pkg/health", None, 200, "health.json"),
    ("GET", "/pkg/active", None, 200, "pkg/active.json"),
    ("GET", "/pkg/packages", None, 200, "pkg/packages.json"),
    ("GET", "/pkg/packages/mesos-config--3f1c0a94be27", None, 200, "pkg/package.json"),
    ("GET", "/pkg/available", None, 200, "pkg/available.json"),
    ("GET", "/pkg/state", None, 200, "pkg/state.json"),
    ("GET", "/pkg/jobs", None, 200, "pkg/jobs.json"),
    ("GET", "/pkg/jobs/fetch-20261122-151200-0001", None, 200, "pkg/job.failed.json"),
    ("POST", "/pkg/fetch", Some("pkg/fetch.request.json"), 202, "pkg/job.running.json"),
    ("POST", "/pkg/verify", Some("pkg/verify.request.json"), 202, "pkg/job.verify.json"),
    ("POST", "/pkg/repair", Some("pkg/verify.request.json"), 202, "pkg/job.repair.json"),
    ("POST", "/pkg/gc", Some("pkg/gc.request.json"), 202, "pkg/job.gc.json"),
    ("POST", "/pkg/validate", Some("pkg/validate.request.json"), 422, "pkg/validate.invalid.json"),
    ("DELETE", "/pkg/packages/mesos-config--3f1c0a94be27", None, 200, "pkg/package.json"),
    ("DELETE", "/pkg/jobs/fetch-20261122-151200-0001", None, 200, "pkg/job.cancelled.json"),
    ("GET", "/restart/status", None, 200, "restart/status.json"),
    ("POST", "/restart/begin", Some("restart/begin.request.json"), 202, "restart/begin.json"),
    ("POST", "/restart/go", Some("restart/go.request.json"), 202, "restart/go.json"),
    ("DELETE", "/restart/attempts/d-8%2F127.0.0.1:5051%2F1", None, 200, "restart/attempt.cancelled.json"),
    ("GET", "/deploy/deployments", None, 200, "deploy/deployments.json"),
    ("GET", "/deploy/deployments/d-7", None, 200, "deploy/deployment.json"),
    ("GET", "/deploy/summary", None, 200, "deploy/summary.json"),
    ("GET", "/deploy/summary?deployment=d-7", None, 200, "deploy/summary.json"),
    ("GET", "/deploy/nodes", None, 200, "deploy/nodes.json"),
    ("GET", "/deploy/halt", None, 200, "deploy/halts.json"),
    ("GET", "/deploy/whoami", None, 200, "deploy/whoami.json"),
    ("GET", "/deploy/events?after=40", None, 200, "deploy/events.json"),
    ("GET", "/deploy/nodes/127.0.0.1:5051", None, 200, "deploy/node.json"),
    ("GET", "/deploy/nodes/127.0.0.1:5051/pkg/available", None, 200, "pkg/available.json"),
    ("GET", "/deploy/nodes/127.0.0.1:5051/pkg/packages/mesos-config--3f1c0a94be27", None, 200, "pkg/package.json"),
    ("GET", "/deploy/desired", None, 200, "deploy/desired.json"),
    ("GET", "/deploy/audit?after=11", None, 200, "deploy/audit.json"),
    ("GET", "/deploy/backup", None, 200, "deploy/backup.json"),
    ("POST", "/deploy/restore", Some("deploy/backup.json"), 200, "deploy/restore.json"),
    ("POST", "/deploy/status", Some("deploy/status.request.json"), 200, "deploy/status.json"),
    ("POST", "/deploy/halt", Some("deploy/halt.request.json"), 200, "deploy/halt.json"),
    ("POST", "/deploy/pulse", Some("deploy/pulse.request.json"), 200, "deploy/pulse.json"),
    ("POST", "/deploy/deployments", Some("deploy/create.upgrade.request.json"), 201, "deploy/deployment.json"),
    ("POST", "/deploy/deployments", Some("deploy/create.install.request.json"), 200, "deploy/plan.json"),
    ("POST", "/deploy/deployments/d-7/pause", None, 200, "deploy/deployment.json"),
    ("POST", "/deploy/deployments/d-7/start", None, 200, "deploy/deployment.json"),
    ("POST", "/deploy/deployments/d-7/abort", None, 200, "deploy/deployment.json"),
    ("POST", "/deploy/deployments/d-7/retry", None, 200, "deploy/deployment.json"),
    ("POST", "/deploy/deployments/d-7/rollback", None, 200, "deploy/deployment.json"),
    ("GET", "/deploy/pins", None, 200, "deploy/pins.json"),
    ("POST", "/deploy/pin", Some("deploy/pin.request.json"), 200, "deploy/pins.json"),
    ("POST", "/deploy/unpin", Some("deploy/unpin.request.json"), 200, "deploy/unpin.json"),
    ("POST", "/deploy/resume", Some("deploy/resume.request.json"), 200, "deploy/resume.json"),
    ("POST", "/deploy/tokens", Some("deploy/tokens.request.json"), 201, "deploy/tokens.json"),
    ("POST", "/deploy/join", Some("deploy/join.request.json"), 200, "deploy/join.json"),
];

/// The principal of a case: the operator, save where the endpoint is for others.
fn principal(path: &str) -> &'static str {
    match path {
        "/deploy/status" => "node",
        "/deploy/resume" | "/deploy/backup" | "/deploy/restore" => "admin",
        _ => "operator",
    }
}

/// Whether a path is one that a row of the table stands for.
fn fits(pattern: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path);
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(want, is)| want.starts_with('{') || want == is)
}

async fn check(router: &Router, &(method, path, sent, status, answered): &Case) {
    let sent = sent.map(text);
    let (response, body) = ask(router, request(method, path, sent.as_deref(), Some(principal(path)))).await;
    assert_eq!(response.status().as_u16(), status, "{method} {path}: {body}");
    let media = if status < 400 { "application/json" } else { "application/problem+json" };
    assert_eq!(response.headers()[header::CONTENT_TYPE], media, "{method} {path}");
    let (body, example): (Value, Value) =
        (serde_json::from_str(&body).unwrap(), serde_json::from_str(&text(answered)).unwrap());
    assert_eq!(body, example, "{method} {path}");
}

#[tokio::test]
async fn each_endpoint_answers_with_its_example() {
    let router = master();
    for case in CASES {
        check(&router, case).await;
    }
}

#[test]
fn each_endpoint_has_a_case() {
    // The others are tested below, each by itself: they answer no JSON, or a refusal.
    let apart = ["/pkg/metrics", "/deploy/metrics", "/deploy/ui", "/restart/health", "/deploy/health"];
    let tested_apart = |path: &str| apart.contains(&path) || path.ends_with("/openapi.json");
    for route in ROUTES.iter().filter(|route| route.part() != "provision" && !tested_apart(route.path)) {
        let method = format!("{:?}", route.verb).to_uppercase();
        let tested = CASES.iter().any(|(verb, path, ..)| *verb == method && fits(route.path, path));
        assert!(tested, "no case for {method} {}", route.path);
    }
}

#[test]
fn no_two_endpoints_are_the_same() {
    let distinct: BTreeSet<_> = ROUTES.iter().map(|route| (format!("{:?}", route.verb), route.path)).collect();
    assert_eq!(distinct.len(), ROUTES.len());
}

#[tokio::test]
async fn health_needs_nobody_and_names_its_part() {
    let router = master();
    for part in ["pkg", "restart", "deploy", "provision"] {
        let (response, body) = ask(&router, request("GET", &format!("/{part}/health"), None, None)).await;
        assert_eq!(response.status(), 200);
        assert!(body.contains(&format!("\"part\":\"{part}\"")), "{body}");
    }
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() {
    let (response, body) = ask(&master(), request("HEAD", "/pkg/active", None, Some("reader"))).await;
    assert_eq!((response.status().as_u16(), body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_valid_set_is_reported_under_200() {
    let (response, body) = ask(&master(), request("POST", "/pkg/validate", Some(r#"{"set":[]}"#), Some("admin"))).await;
    assert_eq!(response.status(), 200);
    assert!(body.contains("\"valid\":true"), "{body}");
}

#[tokio::test]
async fn a_dry_run_has_no_ticket_and_200() {
    let body = text("restart/begin.request.json").replace("\"dry_run\": false", "\"dry_run\": true");
    let (response, answer) = ask(&master(), request("POST", "/restart/begin", Some(&body), Some("operator"))).await;
    assert_eq!(response.status(), 200);
    assert!(!answer.contains("ticket"), "{answer}");
}

#[tokio::test]
async fn a_created_deployment_says_where_it_is() {
    let body = text("deploy/create.upgrade.request.json");
    let (response, _) = ask(&master(), request("POST", "/deploy/deployments", Some(&body), Some("operator"))).await;
    assert_eq!(response.headers()[header::LOCATION], "/deploy/deployments/d-7");
}

#[tokio::test]
async fn a_new_node_has_no_active_generation() {
    let config = NodeConfig::parse(NODE).unwrap();
    let deploy = Controller::Here(Arc::new(FakeController::default()));
    let router = dcos_api::router(Parts::new(&config, Arc::new(FakeNode { new: true, ..FakeNode::default() }), deploy));
    let problem = refusal(&router, request("GET", "/pkg/active", None, Some("reader"))).await;
    assert_eq!((problem.status, problem.name()), (404, "no-active-generation"));
    let (_, metrics) = ask(&router, request("GET", "/pkg/metrics", None, Some("reader"))).await;
    assert!(!metrics.contains("dcos_active_generation"), "what is not known must not be told as a number: {metrics}");
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let (response, body) = ask(&master(), request("GET", "/pkg/metrics", None, Some("reader"))).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "# TYPE dcos_active_generation gauge",
        "dcos_active_generation 3",
        "dcos_running_generation 3",
        "dcos_jobs{kind=\"fetch\",state=\"done\"} 1",
        "dcos_jobs{kind=\"verify\",state=\"running\"} 0",
        "dcos_restart_in_progress 0",
        "dcos_restart_absence_seconds 0.18",
    ] {
        assert!(body.lines().any(|is| is == line), "`{line}` is missing in\n{body}");
    }
}

#[tokio::test]
async fn an_agent_sends_readers_to_the_master_and_refuses_changes() {
    let masters = vec!["http://10.0.0.1:5050/".to_owned(), "http://10.0.0.2:5050".to_owned()];
    let agent = router_with(|text| text, Controller::Elsewhere(masters));
    let (response, body) = ask(&agent, request("GET", "/deploy/events?after=7", None, Some("reader"))).await;
    assert!(response.status() == 307 && body.contains("urn:dcos-bits:not-a-master"), "{body}");
    assert_eq!(response.headers()[header::LOCATION], "http://10.0.0.1:5050/deploy/events?after=7");

    let pulse = request("POST", "/deploy/pulse", Some("{}"), Some("monitor"));
    let problem = refusal(&agent, pulse).await;
    assert_eq!((problem.status, problem.name()), (404, "not-a-master"));
    assert_eq!(problem.hints, ["ask a master: http://10.0.0.1:5050/, http://10.0.0.2:5050"]);

    let lonely = router_with(|text| text, Controller::Elsewhere(Vec::new()));
    let problem = refusal(&lonely, request("GET", "/deploy/nodes", None, Some("reader"))).await;
    assert_eq!((problem.status, problem.name()), (404, "not-a-master"));
    let (response, _) = ask(&lonely, request("GET", "/deploy/health", None, None)).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_controller_that_can_not_start_says_why_and_leaves_the_rest_alone() {
    let reason = dcos_core::Problem::new(dcos_core::ExitCode::Unreachable, "no-log", "the log can't be read");
    let broken = router_with(|text| text, Controller::Broken(reason.clone()));
    for (method, path) in
        [("GET", "/deploy/health"), ("GET", "/deploy/nodes"), ("POST", "/deploy/deployments/d-7/pause")]
    {
        assert_eq!(refusal(&broken, request(method, path, None, Some("operator"))).await, reason, "{path}");
    }
    let (response, _) = ask(&broken, request("GET", "/pkg/health", None, None)).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn provisioning_is_healthy_and_not_configured() {
    let router = master();
    for route in ROUTES.iter().filter(|route| route.part() == "provision" && route.is_the_leaders()) {
        let method = match route.verb {
            dcos_api::routes::Verb::Get => Method::GET,
            dcos_api::routes::Verb::Post => Method::POST,
            dcos_api::routes::Verb::Delete => Method::DELETE,
        };
        let path = route.path.replace("{id}", "x");
        let problem = refusal(&router, request(method.as_str(), &path, None, Some("operator"))).await;
        assert_eq!((problem.status, problem.name()), (503, "not-configured"), "{path}");
    }
}

/// Inside Mesos the first poll happens on the actor's thread, and an answer that is ready then costs no hop to another.
#[tokio::test]
async fn the_active_generation_is_answered_at_the_first_poll() {
    let mut answer = Box::pin(master().oneshot(request("GET", "/pkg/active", None, Some("reader"))));
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => assert_eq!(response.status(), 200),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("the handler waits for something"),
    }
}

#[tokio::test]
async fn the_repositories_are_asked_once_for_all_who_wait_and_again_for_who_comes_later() {
    let node = Arc::new(FakeNode { available: AtomicU32::new(0), ..FakeNode::default() });
    let config = NodeConfig::parse(NODE).unwrap();
    let router = dcos_api::router(Parts::new(&config, node.clone(), Controller::Elsewhere(Vec::new())));
    let get = || request("GET", "/pkg/available", None, Some("reader"));
    // The fake's repositories can't be reached at first.
    assert_eq!(refusal(&router, get()).await.status, 503);
    // They are slow, so that whoever comes meanwhile has to wait.
    let (answer, slow) = std::sync::mpsc::channel();
    *node.slow.lock().unwrap() = Some(slow);
    let mut asks: Vec<_> = (0..8).map(|_| Box::pin(router.clone().oneshot(get()))).collect();
    for ask in &mut asks {
        assert!(ask.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    answer.send(()).unwrap();
    for ask in asks {
        assert_eq!(ask.await.unwrap().status(), 200);
    }
    // Once for the first, who did not wait, and once for the seven who came meanwhile.
    assert_eq!(node.available.load(Ordering::SeqCst), 1 + 2);
    assert_eq!(router.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!(node.available.load(Ordering::SeqCst), 1 + 3, "nobody gets an answer that is older than the question");
}
