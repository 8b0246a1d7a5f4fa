//! Every endpoint against every role: who passes is written down here a second time, so that a slip in the table shows.

use std::sync::Arc;

use axum::Router;
use dcos_api::Controller;
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
        (Verb::Get, _) => READER,
        (_, "/deploy/status") => &["node"],
        (_, "/deploy/halt" | "/deploy/pulse") => MONITOR,
        (_, "/deploy/resume") => ADMIN,
        (Verb::Post | Verb::Delete, _) => OPERATOR,
    }
}

/// Open to everybody: whether a part works, and the one call whose body is its own credential.
fn is_open(route: &Route) -> bool {
    route.path.ends_with("/health") || route.path == "/deploy/join"
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
    let router = router_with(change, Controller::Here(Arc::new(FakeController)));
    for route in ROUTES {
        assert_eq!(passes(&router, route, None).await, route.verb == Verb::Get || is_open(route), "{route:?}");
    }
}

#[tokio::test]
async fn nobody_may_do_everything_on_an_insecure_node_but_a_stranger_nothing() {
    let change = |text: String| text.replace("body = 4096", "body = 4096\ninsecure_allow_anonymous = true");
    let router = router_with(change, Controller::Here(Arc::new(FakeController)));
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
