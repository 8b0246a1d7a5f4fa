//! Every endpoint against every role: who passes is written down here a second time, so that a slip in the table shows.

use std::sync::Arc;

use axum::Router;
use dcos_api::Controller;
use dcos_api::backend::Leader;
use dcos_api::routes::{ROUTES, Route, Verb};
use http::header;

use crate::fake::{FakeController, ask, master, refusal, request, router_with};

/// The principals, each of its role; the last has none.
const PRINCIPALS: [Option<&str>; 7] =
    [None, Some("stranger"), Some("node"), Some("reader"), Some("monitor"), Some("operator"), Some("admin")];

/// Who may call, by design: reading is for readers, pings for nodes, the brakes for monitors, clearing them for admins,
/// all other changes for operators.
fn allowed(route: &Route) -> &'static [&'static str] {
    const ADMIN: &[&str] = &["admin"];
    const OPERATOR: &[&str] = &["operator", "admin"];
    const MONITOR: &[&str] = &["monitor", "operator", "admin"];
    const READER: &[&str] = &["reader", "monitor", "operator", "admin"];
    match (route.verb, route.path) {
        (_, "/deploy/resume" | "/deploy/backup" | "/deploy/restore") => ADMIN,
        (Verb::Get, _) => READER,
        (_, "/deploy/status") => &["node"],
        (_, "/deploy/halt" | "/deploy/pulse") => MONITOR,
        (Verb::Post | Verb::Delete, _) => OPERATOR,
    }
}

/// Open to everybody: whether a part works, what it can be asked, and the one call whose body is its own credential.
fn is_open(route: &Route) -> bool {
    route.path.ends_with("/health") || route.path.ends_with("/openapi.json") || route.path == "/deploy/join"
}

fn of(route: &Route, principal: Option<&str>) -> http::Request<axum::body::Body> {
    let path = route.path.replace("{id}", "x").replace("{command}", "pause");
    request(&format!("{:?}", route.verb).to_uppercase(), &path, None, principal)
}

/// Whether the request gets past the guard. What the endpoint says then is another matter.
async fn passes(router: &Router, route: &Route, principal: Option<&str>) -> bool {
    let (response, body) = ask(router, of(route, principal)).await;
    if response.status() != 403 {
        return true;
    }
    assert!(body.contains("urn:dcos-bits:forbidden") && body.contains("is needed"), "{body}");
    false
}

#[tokio::test]
async fn each_role_passes_where_it_may_and_nowhere_else() {
    let router = master();
    for route in ROUTES {
        for principal in PRINCIPALS {
            let may = is_open(route) || principal.is_some_and(|name| allowed(route).contains(&name));
            assert_eq!(passes(&router, route, principal).await, may, "{route:?} by {principal:?}");
        }
    }
}

#[tokio::test]
async fn nobody_may_read_if_the_limits_say_so_and_change_nothing() {
    let change = |text: String| text.replace("body = 4096", "body = 4096\nanonymous_reader = true");
    let router = router_with(change, Controller::Here(Arc::new(FakeController::default())));
    for route in ROUTES {
        let may_read = route.verb == Verb::Get && allowed(route).contains(&"reader");
        assert_eq!(passes(&router, route, None).await, may_read || is_open(route), "{route:?}");
    }
}

#[tokio::test]
async fn nobody_may_do_everything_on_an_insecure_node_but_a_stranger_nothing() {
    let change = |text: String| text.replace("body = 4096", "body = 4096\ninsecure_allow_anonymous = true");
    let router = router_with(change, Controller::Here(Arc::new(FakeController::default())));
    for route in ROUTES {
        assert!(passes(&router, route, None).await, "{route:?}");
        assert_eq!(passes(&router, route, Some("stranger")).await, is_open(route), "{route:?}");
    }
}

#[tokio::test]
async fn a_header_names_no_principal() {
    let mut request = request("GET", "/pkg/state", None, None);
    // `admin:` in Base64, as HTTP Basic sends it.
    request.headers_mut().insert(header::AUTHORIZATION, "Basic YWRtaW46".parse().unwrap());
    request.headers_mut().insert("x-principal", "admin".parse().unwrap());
    request.extensions_mut().clear();
    assert_eq!(refusal(&master(), request).await.status, 403);
}

#[tokio::test]
async fn no_page_of_another_site_may_change_anything() {
    let (router, origin) = (master(), header::ORIGIN);
    for route in ROUTES.iter().filter(|route| !is_open(route)) {
        let mut asked = of(route, Some(allowed(route)[0]));
        asked.headers_mut().insert(header::HOST, "10.0.0.1:5050".parse().unwrap());
        asked.headers_mut().insert(&origin, "http://evil.example".parse().unwrap());
        let (response, body) = ask(&router, asked).await;
        let is_refused = response.status() == 403 && body.contains("urn:dcos-bits:foreign-page");
        assert_eq!(is_refused, route.verb != Verb::Get, "{route:?}: {body}");
    }
}

#[tokio::test]
async fn everybody_learns_which_role_he_has() {
    let who = async |principal: Option<&str>, insecure: bool| {
        let limit = if insecure { "insecure_allow_anonymous = true" } else { "anonymous_reader = true" };
        let change = |text: String| text.replace("body = 4096", &format!("body = 4096\n{limit}"));
        let router = router_with(change, Controller::Here(Arc::new(FakeController::default())));
        ask(&router, request("GET", "/deploy/whoami", None, principal)).await.1
    };
    for role in ["reader", "monitor", "operator", "admin"] {
        let expected = format!(r#"{{"principal":"{role}","role":"{role}","leads":true}}"#);
        assert_eq!(who(Some(role), false).await, expected);
    }
    assert_eq!(who(None, false).await, r#"{"role":"reader","leads":true}"#);
    assert_eq!(who(None, true).await, r#"{"role":"admin","leads":true}"#);
}

#[tokio::test]
async fn the_dashboard_comes_with_a_policy_that_lets_nothing_else_in() {
    let (response, body) = ask(&master(), request("GET", "/deploy/ui", None, Some("reader"))).await;
    let header = |name: &str| response.headers()[name].to_str().unwrap();
    assert!(body.starts_with("<!doctype html>") && header("content-type") == "text/html; charset=utf-8");
    assert!(header("content-security-policy").starts_with("default-src 'none'; connect-src 'self';"));
    assert_eq!((header("x-content-type-options"), header("referrer-policy")), ("nosniff", "no-referrer"));
}

#[tokio::test]
async fn a_master_that_does_not_lead_sends_everybody_to_the_one_that_does() {
    let origin = "http://10.0.0.2:5050".to_owned();
    let controller = FakeController { leader: Some(Leader::At(origin.clone())), ..FakeController::default() };
    let recorded = Arc::clone(&controller.recorded);
    let router = router_with(|text| text, Controller::Here(Arc::new(controller)));
    for route in ROUTES.iter().filter(|route| matches!(route.part(), "deploy" | "provision") && !is_open(route)) {
        let asked = of(route, Some(allowed(route)[0]));
        let location = format!("{origin}{}", asked.uri());
        let (response, body) = ask(&router, asked).await;
        if route.path == "/deploy/metrics" {
            assert!(response.status() == 200 && body.contains("dcos_deploy_leading 0"), "{body}");
            continue;
        }
        if matches!(route.path, "/deploy/ui" | "/deploy/whoami") {
            let says_where =
                route.path == "/deploy/ui" || body.contains(&format!("\"leads\":false,\"leader\":\"{origin}\""));
            assert!(response.status() == 200 && says_where, "{body}");
            continue;
        }
        assert_eq!(response.status(), 307, "{route:?}: {body}");
        assert_eq!(response.headers()[header::LOCATION], location.as_str());
        // It is no way round the roles.
        assert_eq!(ask(&router, of(route, Some("stranger"))).await.0.status(), 403, "{route:?}");
    }
    assert_eq!(ask(&router, request("GET", "/pkg/active", None, Some("reader"))).await.0.status(), 200);
    assert!(recorded.lock().unwrap().is_empty(), "the leader writes it down");
}

#[tokio::test]
async fn without_a_leader_everything_of_the_cluster_is_refused_with_what_to_do() {
    let nobody = dcos_core::Problem::new(dcos_core::ExitCode::Unreachable, "no-leader", "nobody leads").hint("wait");
    let controller = FakeController { leader: Some(Leader::Nobody(nobody)), ..FakeController::default() };
    let router = router_with(|text| text, Controller::Here(Arc::new(controller)));
    for path in ["/deploy/deployments", "/provision/slaves"] {
        let (response, body) = ask(&router, request("GET", path, None, Some("reader"))).await;
        assert_eq!(response.status(), 503, "{path}");
        assert!(body.contains("no-leader") && body.contains("\"hints\":[\"wait\"]"), "{body}");
    }
    assert_eq!(ask(&router, request("GET", "/deploy/health", None, None)).await.0.status(), 200);
}

#[tokio::test]
async fn every_change_that_is_asked_for_is_recorded_with_its_answer() {
    let controller = FakeController::default();
    let recorded = Arc::clone(&controller.recorded);
    let router = router_with(|text| text, Controller::Here(Arc::new(controller)));
    for route in ROUTES.iter().filter(|route| route.verb != Verb::Get) {
        for principal in PRINCIPALS {
            recorded.lock().unwrap().clear();
            let asked = of(route, principal);
            let path = asked.uri().path().to_owned();
            let (response, _) = ask(&router, asked).await;
            let of_the_cluster = matches!(route.part(), "deploy" | "provision");
            let is_heartbeat = matches!(route.path, "/deploy/status" | "/deploy/pulse");
            // What is open to everybody is recorded where it changed something.
            let by_nobody = principal.is_none() && !response.status().is_success();
            let entries = std::mem::take(&mut *recorded.lock().unwrap());
            if !of_the_cluster || is_heartbeat || by_nobody {
                assert!(entries.is_empty(), "{route:?} by {principal:?}");
                continue;
            }
            assert_eq!(entries.len(), 1, "{route:?} by {principal:?}");
            let entry = &entries[0];
            assert_eq!((entry.by.as_deref(), entry.path.as_str()), (principal, path.as_str()));
            assert_eq!(entry.status, response.status().as_u16());
            assert_eq!(entry.refusal.is_some(), !response.status().is_success(), "{route:?} by {principal:?}");
        }
    }
}
